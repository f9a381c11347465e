//! Migrations: forward only, each in a transaction of its own, in a table of our own.
//!
//! A migration is a file in `migrations/`, compiled in. To add one, add the file and its row to
//! [`MIGRATIONS`]. One that was released is never edited: its checksum is in every database that
//! it made, and is compared each time one is opened. Nothing else runs while it runs, because
//! the owner's lock is held already and the store is not handed out yet.
//!
//! A program that is put back to the release before works with a file that the later one has migrated, unless a
//! migration says that it [needs](Migration::needs) a newer one.
//!
//! A migration has to leave what older records mean as it is. To change what the ledger says is
//! to change what people owe; the triggers that forbid it hold for migrations as well.

use monetization_core::clock::Timestamp;
use monetization_core::store::StoreError;
use monetization_core::store::schema::{Applied, Migration, Schemata};
use sqlx::{Connection, Row, SqliteConnection};

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
/// # Errors
/// [`StoreErrorKind::Broken`](monetization_core::store::StoreErrorKind::Broken) where the database was made
/// by other migrations than this program's, or by more of them, one of which needs a newer program; otherwise as the statement that fails.
pub(crate) async fn migrate(
    connection: &mut SqliteConnection,
    now: Timestamp,
) -> Result<(), StoreError> {
    let has = make_and_read(connection).await;
    let mut has = has.map_err(|error| failed(DOING, error))?;
    while let Some(migration) = has.next() {
        let applied = apply(migration, connection, now).await;
        has = applied.map_err(|error| failed(DOING, error))?;
    }
    has.require(DOING)
}

/// Which migrations a database has; nothing is changed.
///
/// # Errors
/// Where the database cannot.
pub(crate) async fn has(connection: &mut SqliteConnection) -> sqlx::Result<Schemata> {
    let table = "SELECT 1 FROM sqlite_schema WHERE name = 'monetization_migration'";
    let table = sqlx::query(table).fetch_optional(&mut *connection).await?;
    if table.is_none() {
        return Ok(Schemata::new(&MIGRATIONS, Vec::new()));
    }
    read(connection).await
}

/// The table has a name of its own, so that it can stand beside that of an application which
/// shares the file.
async fn make_and_read(connection: &mut SqliteConnection) -> sqlx::Result<Schemata> {
    let create = "CREATE TABLE IF NOT EXISTS monetization_migration (
        version INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        checksum BLOB NOT NULL,
        -- The migration that a program has to know at least to work with this one.
        needs INTEGER NOT NULL,
        applied_at INTEGER NOT NULL
    ) STRICT";
    sqlx::query(create).execute(&mut *connection).await?;
    read(connection).await
}

async fn read(connection: &mut SqliteConnection) -> sqlx::Result<Schemata> {
    let read = "SELECT version, name, checksum, needs FROM monetization_migration ORDER BY version";
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

/// Takes a step and notes it, both or neither, and answers what the database has then.
async fn apply(
    migration: &Migration,
    connection: &mut SqliteConnection,
    now: Timestamp,
) -> sqlx::Result<Schemata> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::raw_sql(migration.sql)
        .execute(&mut *transaction)
        .await?;
    let note = "INSERT INTO monetization_migration (version, name, checksum, needs, applied_at)
        VALUES (?, ?, ?, ?, ?)";
    sqlx::query(note)
        .bind(migration.version)
        .bind(migration.name)
        .bind(migration.checksum())
        .bind(migration.needs)
        .bind(now.as_micros())
        .execute(&mut *transaction)
        .await?;
    let has = read(&mut transaction).await?;
    transaction.commit().await?;
    Ok(has)
}
