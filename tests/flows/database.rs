//! A database of SQLite, its back-ups, and what is looked at in it from outside.

use std::path::PathBuf;
use std::sync::Arc;

use monetization_core::clock::Clock;
use monetization_core::store::Store;
use monetization_store_sqlite::{Inspection, SqliteOptions, SqliteStore, Synchronous};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, SqliteConnection};

/// A database in a directory of its own.
pub struct Database(tempfile::TempDir);

impl Database {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> PathBuf {
        self.0.path().join("market.db")
    }

    /// The store in it.
    pub async fn open(&self, clock: &Clock) -> Arc<dyn Store> {
        let options = SqliteOptions::new(self.path())
            .with_synchronous(Synchronous::Normal)
            .with_clock(clock.clone());
        Arc::new(SqliteStore::open(&options).await.unwrap())
    }

    /// The invariants that do not hold, each with its examples.
    pub async fn broken(&self) -> Vec<String> {
        let mut inspection = Inspection::open(self.path()).await.unwrap();
        let findings = inspection.check().await.unwrap();
        let broken = findings.iter().filter(|finding| !finding.holds());
        broken
            .map(|finding| format!("{}: {:?}", finding.invariant, finding.examples))
            .collect()
    }

    /// A copy of it as it is now, whoever works with it.
    pub async fn backed_up(&self) -> Self {
        let copy = Self::new();
        let mut original = self.connect().await;
        let vacuum = format!("VACUUM INTO '{}'", copy.path().display());
        original.execute(AssertSqlSafe(vacuum)).await.unwrap();
        copy
    }

    pub async fn connect(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new()
            .filename(self.path())
            .foreign_keys(false);
        options.connect().await.unwrap()
    }
}
