//! A store that forgets what is appended to it.

use async_trait::async_trait;
use monetization_core::delegate_store;
use monetization_core::memory::MemoryStore;
use monetization_core::store::{Appended, Store, StoreError};
use monetization_core::usage::UsageRecord;

/// Says of every record that it is written, and forgets it. The rest is in memory.
#[derive(Debug, Default)]
pub(crate) struct SinkStore(MemoryStore);

#[async_trait]
impl Store for SinkStore {
    fn name(&self) -> &'static str {
        "sink"
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl SinkStore {
    async fn forget(&self, records: &[UsageRecord]) -> Result<Vec<Appended>, StoreError> {
        Ok(vec![Appended::New; records.len()])
    }
}

delegate_store!(Rows, Directory, Quotas, Batches, Work: [] SinkStore, it => it.0);
delegate_store!(Ledger but SinkStore::forget: [] SinkStore, it => it.0);
