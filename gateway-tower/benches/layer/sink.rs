//! A store that forgets what is appended to it.

use async_trait::async_trait;
use monetization_core::delegate_store;
use monetization_core::ids::{RecordId, SegmentId, TenantId};
use monetization_core::memory::MemoryStore;
use monetization_core::store::{Appended, Ledger, SegmentRow, Store, StoreError};
use monetization_core::usage::{Sum, UsageRecord};

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

#[async_trait]
impl Ledger for SinkStore {
    async fn append(&self, records: &[UsageRecord]) -> Result<Vec<Appended>, StoreError> {
        Ok(vec![Appended::New; records.len()])
    }

    async fn sums(&self, tenant: TenantId, segment: SegmentId) -> Result<Vec<Sum>, StoreError> {
        self.0.sums(tenant, segment).await
    }

    async fn sums_of_origin(
        &self,
        tenant: TenantId,
        origin: SegmentId,
    ) -> Result<Vec<Sum>, StoreError> {
        self.0.sums_of_origin(tenant, origin).await
    }

    async fn segment(
        &self,
        tenant: TenantId,
        segment: SegmentId,
    ) -> Result<Option<SegmentRow>, StoreError> {
        self.0.segment(tenant, segment).await
    }

    async fn records(
        &self,
        tenant: TenantId,
        segment: SegmentId,
        after: Option<RecordId>,
        limit: usize,
    ) -> Result<Vec<UsageRecord>, StoreError> {
        self.0.records(tenant, segment, after, limit).await
    }
}

delegate_store!(Rows, Directory, Quotas, Batches, Work: [] SinkStore, it => it.0);
