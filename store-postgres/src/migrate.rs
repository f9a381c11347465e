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
//! | one whose program is older than the database | nothing: it is refused |
//!
//! Other nodes may serve while one migrates, with this release or the one before. So a migration
//! only adds, and what the release before does not write has a default; what is to be taken away
//! is taken away by the release after the last that uses it. And it has to leave what older records
//! mean as it is: to change what the ledger says is to change what people owe.

use monetization_core::store::{StoreError, StoreErrorKind};
use sha2::{Digest, Sha256};
use sqlx::{Connection, PgConnection, Row};

use crate::error::{OpenError, failed};

/// In their order; one that was released is never edited, only followed by another.
const MIGRATIONS: [Migration; 1] = [Migration {
    version: 1,
    name: "facts_and_ledger",
    sql: include_str!("../migrations/0001_facts_and_ledger.sql"),
}];

const DOING: &str = "migrate the database";

/// A step from one shape of the database to the next.
struct Migration {
    /// 1, 2, 3 and so on.
    version: i64,
    name: &'static str,
    /// Any number of statements.
    sql: &'static str,
}

/// Brings the database to the shape that this program knows, one transaction a step. Steps that
/// were done before one that fails stay done.
///
/// Several processes may start at once: one of them migrates, the others wait for it and find it done.
///
/// # Errors
/// [`StoreErrorKind::Broken`] where the database was made by other migrations than this
/// program's, or by more of them; otherwise as the statement that fails.
pub(crate) async fn migrate(connection: &mut PgConnection) -> Result<(), StoreError> {
    let known = schema(connection).await;
    let known = known.map_err(|error| failed(DOING, error))?;
    match known {
        Schema::Known => return Ok(()),
        Schema::None | Schema::Older { .. } => {}
        other => return other.require(DOING),
    }
    loop {
        match step(connection).await {
            Ok(Schema::Known) => return Ok(()),
            Ok(Schema::None | Schema::Older { .. }) => {}
            Ok(other) => return other.require(DOING),
            Err(error) => return Err(failed(DOING, error)),
        }
    }
}

/// Takes the next step that is missing, if any is, and answers what the database has then.
async fn step(connection: &mut PgConnection) -> sqlx::Result<Schema> {
    let mut transaction = connection.begin().await?;
    // Whoever migrates meanwhile, in this database.
    let lock = "SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0;
        SELECT pg_advisory_xact_lock(7310590178)";
    sqlx::raw_sql(lock).execute(&mut *transaction).await?;
    let applied = make_and_read(&mut transaction).await?;
    let found = compare(&applied);
    let (Schema::None | Schema::Older { .. }) = found else {
        transaction.commit().await?;
        return Ok(found);
    };
    let Some(migration) = MIGRATIONS.get(applied.len()) else {
        return Ok(found);
    };
    migration.apply(&mut transaction).await?;
    let applied = read(&mut transaction).await?;
    transaction.commit().await?;
    Ok(compare(&applied))
}

/// The migrations of a database, compared with those that this program knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Schema {
    /// The same.
    Known,
    /// None at all: no store has ever opened it.
    None,
    /// Fewer: the next store that opens it adds what is missing.
    Older {
        /// The last it has.
        found: i64,
    },
    /// More: a newer program made it, and this one does not know what they mean.
    Newer {
        /// The first that is not known.
        found: i64,
        /// The last that is.
        known: i64,
    },
    /// One of them is not the one that this program has under that number.
    Changed {
        /// The number.
        version: i64,
        /// What this program calls it.
        name: &'static str,
    },
}

impl Schema {
    /// That it is what this program knows.
    ///
    /// # Errors
    /// [`StoreErrorKind::Broken`] where it is another.
    pub(crate) fn require(self, doing: &'static str) -> Result<(), StoreError> {
        let error = match self {
            Self::Known => return Ok(()),
            Self::None => OpenError::Older { found: 0 },
            Self::Older { found } => OpenError::Older { found },
            Self::Newer { found, known } => OpenError::Newer { found, known },
            Self::Changed { version, name } => OpenError::Changed { version, name },
        };
        Err(StoreError::new(StoreErrorKind::Broken, doing).because(error))
    }
}

/// Compares the migrations of a database, and changes nothing.
///
/// # Errors
/// Where the database cannot.
pub(crate) async fn schema(connection: &mut PgConnection) -> sqlx::Result<Schema> {
    let table = "SELECT to_regclass('monetization.migration') IS NOT NULL";
    let table: bool = sqlx::query_scalar(table)
        .fetch_one(&mut *connection)
        .await?;
    if !table {
        return Ok(Schema::None);
    }
    Ok(compare(&read(connection).await?))
}

/// A step that this database has behind it.
struct Applied {
    version: i64,
    checksum: Vec<u8>,
}

/// The tables stand in a schema of their own, beside those of an application that shares the
/// database.
async fn make_and_read(connection: &mut PgConnection) -> sqlx::Result<Vec<Applied>> {
    let create = "CREATE SCHEMA IF NOT EXISTS monetization;
        CREATE TABLE IF NOT EXISTS migration (
            version bigint PRIMARY KEY,
            name text NOT NULL,
            checksum bytea NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT now()
        )";
    sqlx::raw_sql(create).execute(&mut *connection).await?;
    read(connection).await
}

async fn read(connection: &mut PgConnection) -> sqlx::Result<Vec<Applied>> {
    let read = "SELECT version, checksum FROM migration ORDER BY version";
    let rows = sqlx::query(read).fetch_all(&mut *connection).await?;
    rows.iter()
        .map(|row| {
            Ok(Applied {
                version: row.try_get("version")?,
                checksum: row.try_get("checksum")?,
            })
        })
        .collect()
}

/// Whether what was applied is what this program would have applied.
fn compare(applied: &[Applied]) -> Schema {
    for (at, applied) in applied.iter().enumerate() {
        let Some(migration) = MIGRATIONS.get(at) else {
            return Schema::Newer {
                found: applied.version,
                known: MIGRATIONS.last().map_or(0, |last| last.version),
            };
        };
        if applied.version != migration.version || applied.checksum != migration.checksum() {
            return Schema::Changed {
                version: migration.version,
                name: migration.name,
            };
        }
    }
    match applied.last() {
        None => Schema::None,
        Some(_) if applied.len() == MIGRATIONS.len() => Schema::Known,
        Some(last) => Schema::Older {
            found: last.version,
        },
    }
}

impl Migration {
    /// SHA-256 of its text.
    fn checksum(&self) -> Vec<u8> {
        Sha256::digest(self.sql).to_vec()
    }

    /// Takes the step and notes it.
    async fn apply(&self, connection: &mut PgConnection) -> sqlx::Result<()> {
        sqlx::raw_sql(self.sql).execute(&mut *connection).await?;
        let note = "INSERT INTO migration (version, name, checksum) VALUES ($1, $2, $3)";
        sqlx::query(note)
            .bind(self.version)
            .bind(self.name)
            .bind(self.checksum())
            .execute(connection)
            .await
            .map(drop)
    }
}
