//! Processes that share a database.

use std::sync::Arc;

use async_trait::async_trait;
use monetization_core::clock::Clock;
use monetization_core::entropy::Entropy;
use monetization_core::flows::{Engines, Monetizer};
use monetization_core::key::Pepper;
use monetization_core::store::Store;
use monetization_engine_mock::MockEngine;
use monetization_store_sqlite::SqliteStore;

use crate::checking::Tampered;
use crate::database::Database;

/// A database that several of them have open.
#[async_trait]
pub trait Shared: Tampered {
    /// The store of one beside the first.
    async fn open_beside(&self, clock: &Clock) -> Arc<dyn Store>;
}

#[async_trait]
impl Shared for Database {
    async fn open_beside(&self, clock: &Clock) -> Arc<dyn Store> {
        let options = self.options().with_clock(clock.clone());
        Arc::new(SqliteStore::open_beside(&options).await.unwrap())
    }
}

#[cfg(feature = "postgres")]
#[async_trait]
impl Shared for monetization_conformance::postgres::Database {
    async fn open_beside(&self, clock: &Clock) -> Arc<dyn Store> {
        crate::database::Kept::open(self, clock).await
    }
}

/// What one of them does, by its place: the first is 0, and is the world's own.
pub fn node(store: Arc<dyn Store>, clock: &Clock, place: usize) -> Monetizer {
    Monetizer::new(
        store,
        Engines::new([MockEngine::in_memory(clock.now()).engine()]),
        clock.clone(),
        Arc::new(Entropy::seeded(7 + place as u64)),
        Pepper::new(&[7; 32]).unwrap(),
    )
}
