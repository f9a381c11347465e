//! A database of each store that keeps one, its copies, and what is looked at in it from outside.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use monetization_core::clock::Clock;
use monetization_core::store::Store;
use monetization_core::store::inspection::Finding;
use monetization_store_sqlite::{Inspection, SqliteOptions, SqliteStore, Synchronous};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, SqliteConnection};

/// A database that can be checked, and of which copies can be made.
#[async_trait]
pub trait Kept: Send + Sync + Sized {
    /// The store in it.
    async fn open(&self, clock: &Clock) -> Arc<dyn Store>;

    /// What is found of each invariant.
    async fn check(&self) -> Vec<Finding>;

    /// A copy of it as it is now.
    async fn backed_up(&self) -> Self;

    /// The invariants that do not hold, each with its examples.
    async fn broken(&self) -> Vec<String> {
        let findings = self.check().await;
        let broken = findings.iter().filter(|finding| !finding.holds());
        broken
            .map(|finding| format!("{}: {:?}", finding.invariant, finding.examples))
            .collect()
    }
}

/// A database of SQLite, in a directory of its own.
pub struct Database(tempfile::TempDir);

impl Database {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("market.db")
    }

    /// How a store reaches it.
    pub fn options(&self) -> SqliteOptions {
        SqliteOptions::new(self.path()).with_synchronous(Synchronous::Normal)
    }

    pub async fn connect(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new()
            .filename(self.path())
            .foreign_keys(false);
        options.connect().await.unwrap()
    }
}

#[async_trait]
impl Kept for Database {
    async fn open(&self, clock: &Clock) -> Arc<dyn Store> {
        let options = self.options().with_clock(clock.clone());
        Arc::new(SqliteStore::open(&options).await.unwrap())
    }

    async fn check(&self) -> Vec<Finding> {
        let mut inspection = Inspection::open(self.path()).await.unwrap();
        inspection.check().await.unwrap()
    }

    async fn backed_up(&self) -> Self {
        let copy = Self::new();
        let mut original = self.connect().await;
        let vacuum = format!("VACUUM INTO '{}'", copy.path().display());
        original.execute(AssertSqlSafe(vacuum)).await.unwrap();
        copy
    }
}
