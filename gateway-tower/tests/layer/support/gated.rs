//! A store whose ledger can be made slow, unwilling or absent.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
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
    LeaseAnswer, LeaseRequest, Ledger, Listing, QuotaCounter, Quotas, Refusal, Row, RowKey, Rows,
    Sealed, SegmentRow, Store, StoreError, StoreErrorKind, UnsealedSum, Verdict, Work,
};
use monetization_core::text::Slug;
use monetization_core::usage::{Sum, SumKey, UsageRecord};
use tokio::sync::watch;
use uuid::Uuid;

/// What becomes of appends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// They are written.
    Open,
    /// They wait.
    Shut,
    /// Every record is refused.
    Refuses,
    /// They fail.
    Away,
    /// News are asked for and never come; appends are written.
    Deaf,
}

#[derive(Debug)]
pub(crate) struct GatedStore {
    inner: Arc<MemoryStore>,
    gate: watch::Sender<Gate>,
    /// Sizes of the appends that were asked for.
    pub(crate) batches: Mutex<Vec<usize>>,
    /// Whether somebody waits for news that do not come.
    pub(crate) is_asked_for_news: AtomicBool,
}

impl GatedStore {
    pub(crate) fn new(inner: Arc<MemoryStore>) -> Self {
        Self {
            inner,
            gate: watch::Sender::new(Gate::Open),
            batches: Mutex::default(),
            is_asked_for_news: AtomicBool::new(false),
        }
    }

    pub(crate) fn set(&self, gate: Gate) {
        self.gate.send_replace(gate);
    }

    fn is_away(&self) -> Result<(), StoreError> {
        if *self.gate.borrow() == Gate::Away {
            let kind = StoreErrorKind::Unavailable;
            return Err(StoreError::new(kind, "reach a store that is away"));
        }
        Ok(())
    }
}

#[async_trait]
impl Ledger for GatedStore {
    async fn append(&self, records: &[UsageRecord]) -> Result<Vec<Appended>, StoreError> {
        self.batches.lock().unwrap().push(records.len());
        let mut gate = self.gate.subscribe();
        let opened = gate.wait_for(|gate| *gate != Gate::Shut).await;
        if *opened.unwrap() == Gate::Refuses {
            return Ok(vec![Appended::Refused(Refusal::Overflow); records.len()]);
        }
        self.is_away()?;
        self.inner.append(records).await
    }

    async fn sums(&self, tenant: TenantId, segment: SegmentId) -> Result<Vec<Sum>, StoreError> {
        self.inner.sums(tenant, segment).await
    }

    async fn sums_of_origin(
        &self,
        tenant: TenantId,
        origin: SegmentId,
    ) -> Result<Vec<Sum>, StoreError> {
        self.inner.sums_of_origin(tenant, origin).await
    }

    async fn segment(
        &self,
        tenant: TenantId,
        segment: SegmentId,
    ) -> Result<Option<SegmentRow>, StoreError> {
        self.inner.segment(tenant, segment).await
    }

    async fn records(
        &self,
        tenant: TenantId,
        segment: SegmentId,
        after: Option<RecordId>,
        limit: usize,
    ) -> Result<Vec<UsageRecord>, StoreError> {
        self.inner.records(tenant, segment, after, limit).await
    }
}

#[async_trait]
impl Store for GatedStore {
    fn name(&self) -> &'static str {
        "gated"
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.is_away()
    }
}

/// Passes methods on while the store is there.
macro_rules! pass_on {
    ($port:ident { $(fn $method:ident($($name:ident: $type:ty),*) -> $answer:ty;)+ }) => {
        #[async_trait]
        impl $port for GatedStore {
            $(
                async fn $method(&self, $($name: $type),*) -> Result<$answer, StoreError> {
                    self.is_away()?;
                    self.inner.$method($($name),*).await
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

#[async_trait]
impl Directory for GatedStore {
    async fn find(&self, kind: Kind, id: Uuid) -> Result<Option<Row>, StoreError> {
        self.inner.find(kind, id).await
    }

    async fn find_by(&self, key: &RowKey) -> Result<Option<Row>, StoreError> {
        self.inner.find_by(key).await
    }

    async fn due(
        &self,
        kind: Kind,
        now: Timestamp,
        after: Option<(Timestamp, Uuid)>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        self.inner.due(kind, now, after, limit).await
    }

    async fn changes(&self, after: u64, limit: usize) -> Result<Vec<Row>, StoreError> {
        self.is_away()?;
        let mut gate = self.gate.subscribe();
        if *gate.borrow() == Gate::Deaf {
            self.is_asked_for_news.store(true, Ordering::SeqCst);
        }
        drop(gate.wait_for(|gate| *gate != Gate::Deaf).await);
        self.inner.changes(after, limit).await
    }

    async fn all(
        &self,
        kind: Kind,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        self.inner.all(kind, after, limit).await
    }
}

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
