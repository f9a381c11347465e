//! The store suite over PostgreSQL.
//!
//! The server's address is in the environment, as `scripts/test.sh` puts it there after it has
//! started one. Each check has a database of its own, copied from one that was migrated once. When the store
//! is opened again, the database is copied as it is and the connections to the old one are cut,
//! which is what the death of a process leaves behind.
#![expect(
    clippy::unwrap_used,
    reason = "tests stop where something is not as it should be"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use monetization_conformance::postgres::Database;
use monetization_conformance::store::Backend;
use monetization_conformance::store_suite;
use monetization_core::clock::Clock;
use monetization_core::store::Store;
use monetization_store_postgres::PostgresStore;

#[path = "postgres/database.rs"]
mod database;

/// A database, and its copies.
#[derive(Debug)]
struct Postgres {
    name: Database,
    openings: AtomicUsize,
}

impl Postgres {
    fn new() -> Self {
        Self {
            name: Database::unused(),
            openings: AtomicUsize::new(0),
        }
    }
}

#[async_trait]
impl Backend for Postgres {
    async fn open(&self, clock: Clock) -> Arc<dyn Store> {
        let opening = self.openings.fetch_add(1, Ordering::Relaxed);
        let database = self.name.opening(opening);
        match opening.checked_sub(1) {
            None => database::make(&database).await,
            Some(before) => database.copy(&self.name.opening(before)).await,
        }
        let options = database::options(&database).with_clock(clock);
        Arc::new(PostgresStore::open(&options).await.unwrap())
    }
}

store_suite!(
    Postgres::new() => behaviours, model, reopening;
    #[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
);
