//! A store that forgets what is appended to it.

use std::time::Duration;

use async_trait::async_trait;
use monetization_core::clock::{Span, Timestamp};
use monetization_core::ids::{
    BatchId, IntentId, LeaseId, RecordId, SegmentId, SubscriptionId, TenantId,
};
use monetization_core::intent::Intent;
use monetization_core::memory::MemoryStore;
use monetization_core::plan::QuotaWindow;
use monetization_core::store::{
    Appended, Applied, Batch, Batches, ChangeSet, Claim, Directory, JobRun, JobStart, Kind,
    LeaseAnswer, LeaseRequest, Ledger, Listing, QuotaCounter, Quotas, Row, RowKey, Rows, Sealed,
    SegmentRow, Store, StoreError, UnsealedSum, Verdict, Work,
};
use monetization_core::text::Slug;
use monetization_core::usage::{Sum, SumKey, UsageRecord};
use uuid::Uuid;

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

/// Passes methods on.
macro_rules! pass_on {
    ($port:ident { $(fn $method:ident($($name:ident: $type:ty),*) -> $answer:ty;)+ }) => {
        #[async_trait]
        impl $port for SinkStore {
            $(
                async fn $method(&self, $($name: $type),*) -> Result<$answer, StoreError> {
                    self.0.$method($($name),*).await
                }
            )+
        }
    };
}

pass_on!(Rows {
    fn apply(change: &ChangeSet) -> Applied;
    fn row(tenant: TenantId, kind: Kind, id: Uuid) -> Option<Row>;
    fn rows(tenant: TenantId, listing: &Listing) -> Vec<Row>;
});

pass_on!(Directory {
    fn find(kind: Kind, id: Uuid) -> Option<Row>;
    fn find_by(key: &RowKey) -> Option<Row>;
    fn due(kind: Kind, now: Timestamp, after: Option<(Timestamp, Uuid)>, limit: usize) -> Vec<Row>;
    fn changes(after: u64, limit: usize) -> Vec<Row>;
    fn all(kind: Kind, after: Option<Uuid>, limit: usize) -> Vec<Row>;
});

pass_on!(Quotas {
    fn lease(request: &LeaseRequest) -> LeaseAnswer;
    fn settle(tenant: TenantId, lease: LeaseId) -> ();
    fn settle_orphans() -> u64;
    fn quota(tenant: TenantId, of: SubscriptionId, quota: QuotaWindow, window: Span) -> QuotaCounter;
});

pass_on!(Batches {
    fn unsealed(tenant: TenantId, after: Option<SumKey>, limit: usize) -> Vec<UnsealedSum>;
    fn seal(batch: &Batch) -> Sealed;
    fn claim_batches(tenant: TenantId, now: Timestamp, claim: Claim) -> Vec<Batch>;
    fn settle_batch(batch: BatchId, fence: u64, verdict: &Verdict) -> bool;
    fn batches(tenant: TenantId, segment: SegmentId) -> Vec<Batch>;
});

pass_on!(Work {
    fn claim_intents(now: Timestamp, claim: Claim) -> Vec<(Intent, u64)>;
    fn postpone_intent(intent: IntentId, fence: u64, due_at: Timestamp) -> bool;
    fn parked_intents(tenant: TenantId) -> Vec<(Intent, String)>;
    fn start_job(tenant: TenantId, name: &Slug, now: Timestamp, lease: Duration) -> JobStart;
    fn keep_job(tenant: TenantId, name: &Slug, run: &JobRun, lease: Duration) -> bool;
    fn last_job(tenant: TenantId, name: &Slug) -> Option<JobRun>;
});
