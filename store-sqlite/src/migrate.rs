//! Migrations: forward only, each in a transaction of its own, in a table of our own.
//!
//! A migration is a file in `migrations/`, compiled in. To add one, add the file and its row to
//! [`MIGRATIONS`]. One that was released is never edited: its checksum is in every database that
//! it made, and is compared each time one is opened. Nothing else runs while it runs, because
//! the owner's lock is held already and the store is not handed out yet.
//!
//! A migration has to leave what older records mean as it is. To change what the ledger says is
//! to change what people owe; the triggers that forbid it hold for migrations as well.

use monetization_core::clock::Timestamp;
use monetization_core::store::{StoreError, StoreErrorKind};
use sha2::{Digest, Sha256};
use sqlx::{Connection, Row, SqliteConnection};

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
/// # Errors
/// [`StoreErrorKind::Broken`] where the database was made by other migrations than this
/// program's, or by more of them; otherwise as the statement that fails.
pub(crate) async fn migrate(
    connection: &mut SqliteConnection,
    now: Timestamp,
) -> Result<(), StoreError> {
    let applied = make_and_read(connection)
        .await
        .map_err(|error| failed(DOING, error))?;
    match compare(&applied) {
        Schema::Known => return Ok(()),
        Schema::None | Schema::Older { .. } => {}
        other => return other.require(DOING),
    }
    let missing = MIGRATIONS.iter().skip(applied.len());
    for migration in missing {
        migration
            .apply(connection, now)
            .await
            .map_err(|error| failed(DOING, error))?;
    }
    Ok(())
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
pub(crate) async fn schema(connection: &mut SqliteConnection) -> sqlx::Result<Schema> {
    let table = "SELECT 1 FROM sqlite_schema WHERE name = 'monetization_migration'";
    let table = sqlx::query(table).fetch_optional(&mut *connection).await?;
    if table.is_none() {
        return Ok(Schema::None);
    }
    Ok(compare(&read(connection).await?))
}

/// A step that this database has behind it.
struct Applied {
    version: i64,
    checksum: Vec<u8>,
}

/// The table has a name of its own, so that it can stand beside that of an application which
/// shares the file.
async fn make_and_read(connection: &mut SqliteConnection) -> sqlx::Result<Vec<Applied>> {
    let create = "CREATE TABLE IF NOT EXISTS monetization_migration (
        version INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        checksum BLOB NOT NULL,
        applied_at INTEGER NOT NULL
    ) STRICT";
    sqlx::query(create).execute(&mut *connection).await?;
    read(connection).await
}

async fn read(connection: &mut SqliteConnection) -> sqlx::Result<Vec<Applied>> {
    let read = "SELECT version, checksum FROM monetization_migration ORDER BY version";
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

    /// Takes the step and notes it, both or neither.
    async fn apply(&self, connection: &mut SqliteConnection, now: Timestamp) -> sqlx::Result<()> {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::raw_sql(self.sql).execute(&mut *transaction).await?;
        let note = "INSERT INTO monetization_migration (version, name, checksum, applied_at)
            VALUES (?, ?, ?, ?)";
        sqlx::query(note)
            .bind(self.version)
            .bind(self.name)
            .bind(self.checksum())
            .bind(now.as_micros())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }
}
