//! A store that fails when it is told to, for "a fault at every call in turn".

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use monetization_core::clock::{Span, Timestamp};
use monetization_core::ids::{
    BatchId, IntentId, LeaseId, RecordId, SegmentId, SubscriptionId, TenantId,
};
use monetization_core::intent::{Intent, IntentState, ParkedIntent};
use monetization_core::plan::QuotaName;
use monetization_core::store::{
    Appended, Applied, Batch, Batches, ChangeSet, Claim, Decision, Directory, Held, JobRun,
    JobStart, Kind, LeaseAnswer, LeaseRequest, Ledger, Listing, QuotaCounter, Quotas, Row, RowKey,
    Rows, Sealed, SegmentRow, Store, StoreError, StoreErrorKind, UnsealedSum, Verdict, Work,
};
use monetization_core::text::Slug;
use monetization_core::usage::{Sum, SumKey, UsageRecord};
use uuid::Uuid;

/// Passes every call on to another store, counts it, and fails those it was told to.
///
/// ```
/// use std::sync::Arc;
///
/// use monetization_conformance::sample::Sample;
/// use monetization_conformance::store::{Fault, FaultyStore};
/// use monetization_core::memory::MemoryStore;
/// use monetization_core::store::{Applied, Rows, StoreErrorKind};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let store = FaultyStore::new(Arc::new(MemoryStore::default()));
/// store.fail_call(1, Fault::After);
/// let change = Sample::seeded(1).change();
/// let lost = store.apply(&change).await.unwrap_err();
/// assert_eq!(lost.kind(), StoreErrorKind::Unknown);
/// assert_eq!(store.apply(&change).await.unwrap(), Applied::Again);
/// assert_eq!(store.calls(), 2);
/// # }
/// ```
#[derive(Debug)]
pub struct FaultyStore {
    inner: Arc<dyn Store>,
    script: Option<Arc<dyn Script>>,
    away: AtomicBool,
    plan: Mutex<Plan>,
}

/// Stands around every call of a [`FaultyStore`]: it may keep a call waiting, and say that it fails.
#[async_trait]
pub trait Script: std::fmt::Debug + Send + Sync {
    /// Before a call.
    async fn before(&self) -> Option<Fault>;

    /// After a call that has reached the store, before its answer is known.
    async fn after(&self);
}

/// When a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Fault {
    /// Before anything is done: [`StoreErrorKind::Unavailable`].
    Before,
    /// When it is done, and its reply is lost: [`StoreErrorKind::Unknown`].
    After,
}

#[derive(Debug, Default)]
struct Plan {
    calls: u64,
    faults: BTreeMap<u64, Fault>,
}

impl FaultyStore {
    /// A store that does not fail yet.
    #[must_use]
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            script: None,
            away: AtomicBool::new(false),
            plan: Mutex::default(),
        }
    }

    /// Has every call go by this script, too.
    #[must_use]
    pub fn with_script(mut self, script: Arc<dyn Script>) -> Self {
        self.script = Some(script);
        self
    }

    /// Fails call `number`, counted from 1 since the store was made: a read, a write or a ping.
    pub fn fail_call(&self, number: u64, fault: Fault) {
        self.plan().faults.insert(number, fault);
    }

    /// Has every call fail before anything is done, or no longer: the store is away, or back.
    pub fn set_away(&self, is_away: bool) {
        self.away.store(is_away, Ordering::Release);
    }

    /// How many calls there have been, failed ones included.
    pub fn calls(&self) -> u64 {
        self.plan().calls
    }

    async fn around<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        if self.away.load(Ordering::Acquire) {
            self.plan().calls += 1;
            return Err(failure(StoreErrorKind::Unavailable));
        }
        let by_script = match &self.script {
            Some(script) => script.before().await,
            None => None,
        };
        let fault = self.next_fault().or(by_script);
        if fault == Some(Fault::Before) {
            return Err(failure(StoreErrorKind::Unavailable));
        }
        let answer = call.await;
        if let Some(script) = &self.script {
            script.after().await;
        }
        match fault {
            Some(_) if answer.is_ok() => Err(failure(StoreErrorKind::Unknown)),
            _ => answer,
        }
    }

    fn next_fault(&self) -> Option<Fault> {
        let mut plan = self.plan();
        plan.calls += 1;
        let call = plan.calls;
        plan.faults.remove(&call)
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn failure(kind: StoreErrorKind) -> StoreError {
    StoreError::new(kind, "ask a faulty store")
}

#[async_trait]
impl Store for FaultyStore {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.around(self.inner.ping()).await
    }
}

/// Passes methods on, each through `around`.
macro_rules! around {
    ($port:ident { $(fn $method:ident($($name:ident: $type:ty),*) -> $answer:ty;)+ }) => {
        #[async_trait]
        impl $port for FaultyStore {
            $(
                async fn $method(&self, $($name: $type),*) -> Result<$answer, StoreError> {
                    self.around(self.inner.$method($($name),*)).await
                }
            )+
        }
    };
}

around!(Rows {
    fn apply(change: &ChangeSet) -> Applied;
    fn row(tenant: TenantId, kind: Kind, id: Uuid) -> Option<Row>;
    fn rows(tenant: TenantId, listing: &Listing) -> Vec<Row>;
});

around!(Directory {
    fn find(kind: Kind, id: Uuid) -> Option<Row>;
    fn find_by(key: &RowKey) -> Option<Row>;
    fn due(kind: Kind, now: Timestamp, after: Option<(Timestamp, Uuid)>, limit: usize) -> Vec<Row>;
    fn changes(after: u64, limit: usize) -> Vec<Row>;
    fn all(kind: Kind, after: Option<Uuid>, limit: usize) -> Vec<Row>;
});

around!(Ledger {
    fn append(records: &[UsageRecord]) -> Vec<Appended>;
    fn sums(tenant: TenantId, segment: SegmentId) -> Vec<Sum>;
    fn sums_of_origin(tenant: TenantId, origin: SegmentId) -> Vec<Sum>;
    fn segment(tenant: TenantId, segment: SegmentId) -> Option<SegmentRow>;
    fn records(
        tenant: TenantId, segment: SegmentId, after: Option<RecordId>, limit: usize
    ) -> Vec<UsageRecord>;
});

around!(Quotas {
    fn lease(request: &LeaseRequest) -> LeaseAnswer;
    fn settle(tenant: TenantId, lease: LeaseId) -> ();
    fn settle_orphans() -> u64;
    fn quota(
        tenant: TenantId, subscription: SubscriptionId, quota: QuotaName, window: Span
    ) -> QuotaCounter;
});

around!(Batches {
    fn unsealed(tenant: TenantId, after: Option<SumKey>, limit: usize) -> Vec<UnsealedSum>;
    fn seal(batch: &Batch) -> Sealed;
    fn claim_batches(tenant: TenantId, now: Timestamp, claim: Claim) -> Vec<Batch>;
    fn settle_batch(batch: BatchId, fence: u64, verdict: &Verdict) -> bool;
    fn decide_batch(
        tenant: TenantId, batch: BatchId, held: Held, decision: &Decision
    ) -> bool;
    fn held_batches(tenant: TenantId, after: Option<BatchId>, limit: usize) -> Vec<Batch>;
    fn batch(tenant: TenantId, batch: BatchId) -> Option<Batch>;
    fn batches(tenant: TenantId, segment: SegmentId) -> Vec<Batch>;
});

around!(Work {
    fn claim_intents(now: Timestamp, claim: Claim) -> Vec<(Intent, u64)>;
    fn postpone_intent(intent: IntentId, fence: u64, due_at: Timestamp) -> bool;
    fn resume_intent(tenant: TenantId, intent: IntentId, due_at: Timestamp) -> bool;
    fn intent_state(tenant: TenantId, intent: IntentId) -> Option<IntentState>;
    fn parked_intents(
        tenant: TenantId, after: Option<IntentId>, limit: usize
    ) -> Vec<ParkedIntent>;
    fn has_unfinished_intents(tenant: TenantId) -> bool;
    fn start_job(tenant: TenantId, name: &Slug, now: Timestamp, lease: Duration) -> JobStart;
    fn keep_job(tenant: TenantId, name: &Slug, run: &JobRun, lease: Duration) -> bool;
    fn last_job(tenant: TenantId, name: &Slug) -> Option<JobRun>;
});

#[cfg(test)]
mod tests {
    use monetization_core::memory::MemoryStore;

    use super::*;
    use crate::sample::Sample;

    #[tokio::test]
    async fn a_fault_before_leaves_nothing_and_one_after_leaves_all() {
        let store = FaultyStore::new(Arc::new(MemoryStore::default()));
        store.fail_call(1, Fault::Before);
        store.fail_call(3, Fault::After);
        let sample = Sample::seeded(1);
        let of = sample.subscriber();
        let [first, second] = [1, 2].map(|units| [sample.record(&of, of.segment(0), units)]);
        let failed = store.append(&first).await.unwrap_err();
        assert_eq!(failed.kind(), StoreErrorKind::Unavailable);
        assert_eq!(store.append(&first).await.unwrap(), [Appended::New]);
        let lost = store.append(&second).await.unwrap_err();
        assert_eq!(lost.kind(), StoreErrorKind::Unknown);
        assert_eq!(store.append(&second).await.unwrap(), [Appended::Duplicate]);
        assert_eq!(store.calls(), 4);
    }
}
