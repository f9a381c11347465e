//! What the ledger was given, record by record: for tracing what is billed back to lines.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use monetization_core::delegate_store;
use monetization_core::ids::RecordId;
use monetization_core::memory::MemoryStore;
use monetization_core::store::{Appended, Ledger, Store, StoreError, async_trait};
use monetization_core::usage::{Counted, UsageRecord};

/// A store that remembers what the records that it has taken since it was last asked count for.
#[derive(Debug)]
pub(super) struct Witness {
    inner: MemoryStore,
    taken: Mutex<BTreeMap<RecordId, Vec<Counted>>>,
}

impl Witness {
    pub(super) fn over(inner: MemoryStore) -> Self {
        Self {
            inner,
            taken: Mutex::default(),
        }
    }

    /// What was taken since this was asked the last time.
    pub(super) fn take(&self) -> BTreeMap<RecordId, Vec<Counted>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *taken)
    }

    async fn remember(&self, records: &[UsageRecord]) -> Result<Vec<Appended>, StoreError> {
        let appended = self.inner.append(records).await?;
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        for (record, appended) in records.iter().zip(&appended) {
            if *appended == Appended::New {
                taken.insert(record.id, record.counted.clone());
            }
        }
        Ok(appended)
    }
}

delegate_store!(Rows, Directory, Quotas, Batches, Work: [] Witness, it => it.inner);
delegate_store!(Ledger but Witness::remember: [] Witness, it => it.inner);

#[async_trait]
impl Store for Witness {
    fn name(&self) -> &'static str {
        "memory"
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }
}
