//! A look at a database from outside.

use std::fmt;

use monetization_core::clock::Timestamp;
use monetization_core::store::StoreError;
use monetization_core::store::schema::Schemata;
use sqlx::postgres::PgRow;
use sqlx::{Connection, Executor, PgConnection, PgTransaction};

use crate::connection;
use crate::convert::Columns;
use crate::error::failed;
use crate::migrate;
use crate::options::PostgresOptions;

pub use monetization_core::store::inspection::{Example, Finding, Held};
pub use monetization_core::store::schema::Schema;

mod invariants;

/// A database, looked at and left as it is: nothing is written to it and nothing is migrated. Any
/// number of stores may serve from it meanwhile, and notice nothing.
///
/// It has one connection of its own, on which statements take as long as they take. Whoever logs
/// in needs the role `monetization_inspector` only, which reads what is kept of every tenant; who
/// migrates the database has it, too.
///
/// ```no_run
/// use monetization_store_postgres::{Inspection, PostgresOptions};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let address = "postgres://auditor@db.internal/market?sslmode=verify-full";
/// let mut inspection = Inspection::open(&PostgresOptions::new(address)?).await?;
/// for finding in inspection.check().await? {
///     assert!(finding.holds(), "{}: {:?}", finding.invariant, finding.examples);
/// }
/// # Ok(())
/// # }
/// ```
pub struct Inspection {
    connection: PgConnection,
}

impl Inspection {
    /// Opens the database to read it. Of the options, only the address and the wait for locks
    /// matter.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be reached, or refuses who logs in.
    pub async fn open(options: &PostgresOptions) -> Result<Self, StoreError> {
        let connected = connection::connect_to_read(options).await;
        let connection = connected.map_err(|error| failed(OPEN, error))?;
        Ok(Self { connection })
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
    /// store writes meanwhile is not seen. It reads the whole ledger a few times. Until it is done
    /// the server keeps what is overwritten, and the ledger gets no partitions of further months.
    ///
    /// # Errors
    /// [`StoreErrorKind::Broken`](monetization_core::store::StoreErrorKind::Broken) where the
    /// database has other migrations than this program knows, or who logs in may not read it; any
    /// other where it cannot be read.
    pub async fn check(&mut self) -> Result<Vec<Finding>, StoreError> {
        self.has().await?.require(CHECK)?;
        let snapshot = self.snapshot().await;
        let mut snapshot = snapshot.map_err(|error| failed(CHECK, error))?;
        let mut findings = Vec::with_capacity(invariants::ALL.len());
        for invariant in invariants::ALL {
            let finding = invariant.check(&mut snapshot).await;
            findings.push(finding.map_err(|error| failed(invariant.name, error))?);
        }
        Ok(findings)
    }

    /// When the newest record of the ledger was written, in business time.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be read.
    pub async fn newest_at(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let newest = sqlx::query(include_str!("../sql/look/newest.sql"));
        let read = |row: &PgRow| row.optional_instant("newest_at");
        let newest = self
            .read_all("read the newest record", newest, read)
            .await?;
        Ok(newest.into_iter().next().flatten())
    }

    /// The engines that bill the tenants, by name.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be read.
    pub async fn engines(&mut self) -> Result<Vec<String>, StoreError> {
        let engines = sqlx::query(
            "SELECT DISTINCT body::jsonb ->> 'engine' AS engine FROM fact
            WHERE kind = 'tenant' ORDER BY 1",
        );
        self.read_all("read the engines", engines, |row| row.value("engine"))
            .await
    }

    /// What waits for an operator, the newest of each kind first, at most `limit` of each.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be read.
    pub async fn held(&mut self, limit: u32) -> Result<Vec<Held>, StoreError> {
        let held = sqlx::query(include_str!("../sql/look/held.sql")).bind(i64::from(limit));
        let read = |row: &PgRow| {
            Ok(Held {
                kind: row.value("kind")?,
                id: row.value("id")?,
                reason: row.value("reason")?,
                of_its_kind: row.unsigned("of_its_kind")?,
            })
        };
        self.read_all("read what waits for an operator", held, read)
            .await
    }

    /// Reads all that a query finds.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot.
    async fn read_all<T>(
        &mut self,
        doing: &'static str,
        query: crate::Statement,
        read: impl Fn(&PgRow) -> sqlx::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let read_all = async {
            let mut snapshot = self.snapshot().await?;
            let rows = query.fetch_all(&mut *snapshot).await?;
            rows.iter().map(read).collect::<sqlx::Result<Vec<T>>>()
        };
        read_all.await.map_err(|error| failed(doing, error))
    }

    /// Begins to read one state of the database. What is begun ends when it is dropped.
    async fn snapshot(&mut self) -> sqlx::Result<PgTransaction<'_>> {
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        let mut snapshot = self.connection.begin_with(begin).await?;
        snapshot
            .execute("SET LOCAL ROLE monetization_inspector")
            .await?;
        Ok(snapshot)
    }
}

impl fmt::Debug for Inspection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Inspection")
    }
}

const OPEN: &str = "open the database to read it";
const CHECK: &str = "check the database";
