//! A database of PostgreSQL, and what is looked at in it from outside.

use std::sync::Arc;

use async_trait::async_trait;
use monetization_conformance::postgres::Database;
use monetization_core::clock::Clock;
use monetization_core::store::Store;
use monetization_core::store::inspection::Finding;
use monetization_store_postgres::{Inspection, PostgresStore};
use sqlx::{Connection, Executor};

use crate::checking::Tampered;
use crate::database::Kept;
use crate::postgres::{make, options};

#[async_trait]
impl Kept for Database {
    async fn open(&self, clock: &Clock) -> Arc<dyn Store> {
        let options = options(self).with_clock(clock.clone());
        Arc::new(PostgresStore::open(&options).await.unwrap())
    }

    async fn check(&self) -> Vec<Finding> {
        let mut inspection = Inspection::open(&options(self)).await.unwrap();
        inspection.check().await.unwrap()
    }

    /// Whoever works with the original is cut off.
    async fn backed_up(&self) -> Self {
        let copy = Self::unused();
        copy.copy(self).await;
        copy
    }
}

#[async_trait]
impl Tampered for Database {
    async fn begin() -> Self {
        let database = Self::unused();
        make(&database).await;
        database
    }

    async fn tamper(&self, by: &'static str) -> sqlx::Result<u64> {
        let mut connection = self.connect().await;
        // Neither triggers nor foreign keys.
        let freely = "SET session_replication_role = replica";
        connection.execute(freely).await?;
        let done = sqlx::query(by).execute(&mut connection).await?;
        connection.close().await?;
        Ok(done.rows_affected())
    }
}
