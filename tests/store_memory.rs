//! The store suite, run over the model that it holds the other stores against.

use std::sync::Arc;

use monetization_conformance::store_suite;
use monetization_core::clock::Clock;
use monetization_core::memory::MemoryStore;
use monetization_core::store::Store;

async fn memory(clock: Clock) -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(clock))
}

store_suite!(memory => behaviours);
