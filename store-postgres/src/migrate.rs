//! Migrations: forward only, each in a transaction of its own, in a table of our own.
//!
//! A migration is a file in `migrations/`, compiled in. To add one, add the file and its row to
//! [`MIGRATIONS`]. One that was released is never edited: its checksum is in every database that
//! it made, and is compared each time one is opened.
//!
//! | who | does |
//! |---|---|
//! | a store that is opened on an empty database | all steps, each in its own transaction |
//! | one that is opened on an older one | those that are missing |
//! | several at once | one of them the step, under an advisory lock; the others look again |
//! | one whose program is older than the database | nothing: it works as before, or is refused where a step that it does not know [needs](Migration::needs) a newer one |
//!
//! Other nodes may serve while one migrates, with this release or the one before, and start anew. So a migration
//! only adds, and what the release before does not write has a default; what is to be taken away
//! is taken away by the release after the last that uses it. And it has to leave what older records
//! mean as it is: to change what the ledger says is to change what people owe.

use monetization_core::store::StoreError;
use monetization_core::store::schema::{Applied, Migration, Schemata};
use sqlx::{Connection, PgConnection, Row};

use crate::error::failed;

/// In their order; one that was released is never edited, only followed by another.
const MIGRATIONS: [Migration; 1] = [Migration {
    version: 1,
    name: "facts_and_ledger",
    needs: 1,
    sql: include_str!("../migrations/0001_facts_and_ledger.sql"),
}];

const DOING: &str = "migrate the database";

/// Brings the database to the shape that this program knows, one transaction a step. Steps that
/// were done before one that fails stay done.
///
/// Several processes may start at once: one of them migrates, the others wait for it and find it done.
///
/// # Errors
/// [`StoreErrorKind::Broken`](monetization_core::store::StoreErrorKind::Broken) where the database was made
/// by other migrations than this program's, or by more of them, one of which needs a newer program; otherwise as the statement that fails.
pub(crate) async fn migrate(connection: &mut PgConnection) -> Result<(), StoreError> {
    let has = has(connection).await;
    let mut has = has.map_err(|error| failed(DOING, error))?;
    while has.next().is_some() {
        let stepped = step(connection).await;
        has = stepped.map_err(|error| failed(DOING, error))?;
    }
    has.require(DOING)
}

/// Takes the next step that is missing, if any is, and answers what the database has then.
async fn step(connection: &mut PgConnection) -> sqlx::Result<Schemata> {
    let mut transaction = connection.begin().await?;
    // Whoever migrates meanwhile, in this database.
    let lock = "SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0;
        SELECT pg_advisory_xact_lock(7310590178)";
    sqlx::raw_sql(lock).execute(&mut *transaction).await?;
    let mut has = make_and_read(&mut transaction).await?;
    if let Some(migration) = has.next() {
        apply(migration, &mut transaction).await?;
        has = read(&mut transaction).await?;
    }
    transaction.commit().await?;
    Ok(has)
}

/// Which migrations a database has; nothing is changed.
///
/// # Errors
/// Where the database cannot.
pub(crate) async fn has(connection: &mut PgConnection) -> sqlx::Result<Schemata> {
    let table = "SELECT to_regclass('monetization.migration') IS NOT NULL";
    let table: bool = sqlx::query_scalar(table)
        .fetch_one(&mut *connection)
        .await?;
    if !table {
        return Ok(Schemata::new(&MIGRATIONS, Vec::new()));
    }
    read(connection).await
}

/// The tables stand in a schema of their own, beside those of an application that shares the
/// database.
async fn make_and_read(connection: &mut PgConnection) -> sqlx::Result<Schemata> {
    let create = "CREATE SCHEMA IF NOT EXISTS monetization;
        CREATE TABLE IF NOT EXISTS migration (
            version bigint PRIMARY KEY,
            name text NOT NULL,
            checksum bytea NOT NULL,
            -- The migration that a program has to know at least to work with this one.
            needs bigint NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT now()
        )";
    sqlx::raw_sql(create).execute(&mut *connection).await?;
    read(connection).await
}

async fn read(connection: &mut PgConnection) -> sqlx::Result<Schemata> {
    let read = "SELECT version, name, checksum, needs FROM migration ORDER BY version";
    let rows = sqlx::query(read).fetch_all(&mut *connection).await?;
    let applied: sqlx::Result<Vec<Applied>> = rows
        .iter()
        .map(|row| {
            Ok(Applied {
                version: row.try_get("version")?,
                name: row.try_get("name")?,
                checksum: row.try_get("checksum")?,
                needs: row.try_get("needs")?,
            })
        })
        .collect();
    Ok(Schemata::new(&MIGRATIONS, applied?))
}

/// Takes a step and notes it.
async fn apply(migration: &Migration, connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::raw_sql(migration.sql)
        .execute(&mut *connection)
        .await?;
    let note = "INSERT INTO migration (version, name, checksum, needs) VALUES ($1, $2, $3, $4)";
    sqlx::query(note)
        .bind(migration.version)
        .bind(migration.name)
        .bind(migration.checksum())
        .bind(migration.needs)
        .execute(connection)
        .await
        .map(drop)
}
