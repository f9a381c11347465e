//! A look at a database from outside.

use std::fmt;
use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use monetization_core::clock::Timestamp;
use monetization_core::store::schema::Schemata;
use monetization_core::store::{StoreError, StoreErrorKind};
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use crate::connection::Owner;
use crate::convert::Columns;
use crate::error::failed;
use crate::migrate;

pub use monetization_core::store::inspection::{Example, Finding, Held};
pub use monetization_core::store::schema::Schema;

mod invariants;

/// A database, looked at and left as it is: nothing is written to it and nothing is migrated. A
/// store may have it open and serve meanwhile, and notices nothing.
///
/// ```
/// use monetization_store_sqlite::{Inspection, SqliteOptions, SqliteStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("market.db");
/// let store = SqliteStore::open(&SqliteOptions::new(&path)).await?;
/// let mut inspection = Inspection::open(&path).await?;
/// for finding in inspection.check().await? {
///     assert!(finding.holds(), "{}: {:?}", finding.invariant, finding.examples);
/// }
/// assert!(Inspection::is_owned(&path)?, "the store has it open");
/// # drop(store);
/// # Ok(())
/// # }
/// ```
pub struct Inspection {
    connection: SqliteConnection,
}

impl Inspection {
    /// Opens the database to read it.
    ///
    /// # Errors
    /// [`StoreError`] where there is none, or where it cannot be read. SQLite needs the files
    /// that end in `-wal` and `-shm` to read a database, so its directory must be writable.
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let connect = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("query_only", "ON")
            .disable_statement_logging();
        let connected = connect.connect().await;
        let connection = connected.map_err(|error| failed(OPEN, error))?;
        Ok(Self { connection })
    }

    /// Whether a store has this database open: whether the file beside it that ends in `.owner`
    /// is locked. A store that is opened at this very instant may be refused.
    ///
    /// # Errors
    /// Where that file cannot be read.
    pub fn is_owned(path: impl AsRef<Path>) -> io::Result<bool> {
        let owner_file = match File::open(Owner::file(path.as_ref())) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            opened => opened?,
        };
        match owner_file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Which migrations the database has, compared with those that this program knows.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be read.
    pub async fn schema(&mut self) -> Result<Schema, StoreError> {
        Ok(self.has().await?.compare())
    }

    async fn has(&mut self) -> Result<Schemata, StoreError> {
        let has = migrate::has(&mut self.connection).await;
        has.map_err(|error| failed("read the migrations", error))
    }

    /// Whether every one of the [invariants](Finding) holds, all of them in one snapshot: what a
    /// store writes meanwhile is not seen. It reads the whole ledger a few times; until it is done
    /// the log cannot be folded into the database and grows instead.
    ///
    /// # Errors
    /// [`StoreErrorKind::Broken`] where the database has other migrations than this program
    /// knows; any other where it cannot be read.
    pub async fn check(&mut self) -> Result<Vec<Finding>, StoreError> {
        self.has().await?.require(CHECK)?;
        let mut snapshot = self
            .connection
            .begin()
            .await
            .map_err(|error| failed(CHECK, error))?;
        let mut findings = Vec::with_capacity(invariants::ALL.len());
        for invariant in invariants::ALL {
            let finding = invariant.check(&mut snapshot).await;
            findings.push(finding.map_err(|error| failed(invariant.name, error))?);
        }
        Ok(findings)
    }

    /// What SQLite finds broken in the file: pages, rows and indexes that do not fit together.
    /// Nothing where it is whole.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be read.
    pub async fn damage(&mut self) -> Result<Vec<String>, StoreError> {
        let check = sqlx::query_scalar("PRAGMA quick_check(10)");
        let lines: sqlx::Result<Vec<String>> = check.fetch_all(&mut self.connection).await;
        let checked = lines.map_err(|error| failed("check the file", error));
        match checked {
            Ok(mut damage) => {
                damage.retain(|line| line != "ok");
                Ok(damage)
            }
            // It may be broken past checking.
            Err(error) if error.kind() == StoreErrorKind::Broken => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                Ok(vec![cause.unwrap_or_else(|| error.to_string())])
            }
            Err(error) => Err(error),
        }
    }

    /// When the newest record of the ledger was written, in business time.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be read.
    pub async fn newest_at(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let newest = sqlx::query(include_str!("../sql/look/newest.sql"))
            .fetch_one(&mut self.connection)
            .await
            .and_then(|row| row.value::<Option<i64>>("newest_at"));
        let newest = newest.map_err(|error| failed("read the newest record", error))?;
        Ok(newest.map(Timestamp::from_micros))
    }

    /// The engines that bill the tenants, by name.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be read.
    pub async fn engines(&mut self) -> Result<Vec<String>, StoreError> {
        let select = "SELECT DISTINCT body ->> 'engine' FROM fact WHERE kind = 'tenant' ORDER BY 1";
        let engines = sqlx::query_scalar(select).fetch_all(&mut self.connection);
        engines
            .await
            .map_err(|error| failed("read the engines", error))
    }

    /// What waits for an operator, the newest of each kind first, at most `limit` of each.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be read.
    pub async fn held(&mut self, limit: u32) -> Result<Vec<Held>, StoreError> {
        let rows = sqlx::query(include_str!("../sql/look/held.sql"))
            .bind(i64::from(limit))
            .fetch_all(&mut self.connection)
            .await;
        let held = |row: &SqliteRow| {
            Ok(Held {
                kind: row.value("kind")?,
                id: row.value("id")?,
                reason: row.value("reason")?,
                of_its_kind: row.unsigned("of_its_kind")?,
            })
        };
        rows.and_then(|rows| rows.iter().map(held).collect())
            .map_err(|error| failed("read what waits for an operator", error))
    }
}

impl fmt::Debug for Inspection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Inspection")
    }
}

const OPEN: &str = "open the database to read it";
const CHECK: &str = "check the database";
/// How long a read waits where another program holds the file for itself.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
