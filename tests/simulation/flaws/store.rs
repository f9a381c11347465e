//! Mistakes in how a store works, or in how it is used.

use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use monetization_core::clock::Timestamp;
use monetization_core::delegate_store;
use monetization_core::ids::{BatchId, IntentId, RecordId, SegmentId, TenantId};
use monetization_core::intent::{Intent, IntentState, ParkedIntent};
use monetization_core::store::{
    Appended, Applied, Batch, Batches, ChangeSet, Claim, Decision, Directory, Held, Index, JobRun,
    JobStart, Kind, Ledger, Listing, Row, RowKey, Rows, Sealed, SegmentRow, Store, StoreError,
    UnsealedSum, Uuid, Verdict, Work,
};
use monetization_core::text::Slug;
use monetization_core::usage::{Sum, SumKey, UsageRecord};

use super::Flaw;
use super::memory::Memory;
use crate::dice::Dice;

mod mistakes;

/// A store with one mistake.
pub(super) struct Flawed {
    inner: Arc<dyn Store>,
    flaw: Flaw,
    dice: Dice,
    memory: Arc<Mutex<Memory>>,
    /// Answered for, and not written.
    waiting: Mutex<Vec<UsageRecord>>,
}

impl Flawed {
    pub(super) fn new(
        inner: Arc<dyn Store>,
        flaw: Flaw,
        dice: Dice,
        memory: Arc<Mutex<Memory>>,
    ) -> Self {
        Self {
            inner,
            flaw,
            dice,
            memory,
            waiting: Mutex::default(),
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap()
    }
}

delegate_store!(Quotas: [] Flawed, it => it.inner);

#[async_trait]
impl Rows for Flawed {
    async fn apply(&self, change: &ChangeSet) -> Result<Applied, StoreError> {
        let mut change = change.clone();
        match self.flaw {
            Flaw::NoVersionCheck => self.expect_anything(&mut change).await?,
            Flaw::RequestKeyForgotten => {
                for write in &mut change.writes {
                    let keys = &mut write.row.keys;
                    keys.retain(|key| key.index != Index::SubscriptionRequest);
                }
            }
            Flaw::ClaimBeforeComplete => {
                let memory = self.memory();
                let finished = &mut change.finished;
                finished.retain(|finished| !memory.ticked_off.contains(&finished.intent));
            }
            _ => {}
        }
        self.inner.apply(&change).await
    }

    async fn row(&self, tenant: TenantId, kind: Kind, id: Uuid) -> Result<Option<Row>, StoreError> {
        self.inner.row(tenant, kind, id).await
    }

    async fn rows(&self, tenant: TenantId, listing: &Listing) -> Result<Vec<Row>, StoreError> {
        self.inner.rows(tenant, listing).await
    }
}

#[async_trait]
impl Directory for Flawed {
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
        const EARLY: u64 = 4;
        let mut rows = self.inner.changes(after, limit).await?;
        if self.flaw == Flaw::StaleGate && after > 0 {
            rows.retain(|row| row.kind != Kind::Subscription || row.version <= EARLY);
        }
        Ok(rows)
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

#[async_trait]
impl Ledger for Flawed {
    async fn append(&self, records: &[UsageRecord]) -> Result<Vec<Appended>, StoreError> {
        match self.flaw {
            Flaw::CheckThenInsert => self.check_then_insert(records).await,
            Flaw::AppendAfterClose => self.append_after_close(records).await,
            Flaw::LeaseReadmitted => self.readmit(records).await,
            Flaw::AnsweredBeforeDurable => self.answer_first(records).await,
            _ => self.inner.append(records).await,
        }
    }

    async fn sums(&self, tenant: TenantId, segment: SegmentId) -> Result<Vec<Sum>, StoreError> {
        let sums = self.inner.sums(tenant, segment).await?;
        Ok(self.memory().with_extra(sums, |key| key.segment == segment))
    }

    async fn sums_of_origin(
        &self,
        tenant: TenantId,
        origin: SegmentId,
    ) -> Result<Vec<Sum>, StoreError> {
        let sums = self.inner.sums_of_origin(tenant, origin).await?;
        Ok(self.memory().with_extra(sums, |key| key.origin == origin))
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
impl Batches for Flawed {
    async fn unsealed(
        &self,
        tenant: TenantId,
        after: Option<SumKey>,
        limit: usize,
    ) -> Result<Vec<UnsealedSum>, StoreError> {
        self.inner.unsealed(tenant, after, limit).await
    }

    async fn seal(&self, batch: &Batch) -> Result<Sealed, StoreError> {
        if self.flaw == Flaw::WatermarkPublishing {
            return self.seal_to_the_watermark(batch).await;
        }
        self.inner.seal(batch).await
    }

    async fn claim_batches(
        &self,
        tenant: TenantId,
        now: Timestamp,
        claim: Claim,
    ) -> Result<Vec<Batch>, StoreError> {
        let mut batches = self.inner.claim_batches(tenant, now, claim).await?;
        let memory = self.memory();
        batches.retain(|batch| !memory.hidden.contains(&batch.id));
        Ok(batches)
    }

    async fn settle_batch(
        &self,
        batch: BatchId,
        fence: u64,
        verdict: &Verdict,
    ) -> Result<bool, StoreError> {
        let settled = self.inner.settle_batch(batch, fence, verdict).await?;
        if self.flaw == Flaw::NoFence && !settled {
            if let Verdict::Again { .. } = verdict {
                self.memory().reopened.insert(batch);
            }
            return Ok(true);
        }
        Ok(settled)
    }

    async fn decide_batch(
        &self,
        tenant: TenantId,
        batch: BatchId,
        held: Held,
        decision: &Decision,
    ) -> Result<bool, StoreError> {
        self.inner.decide_batch(tenant, batch, held, decision).await
    }

    async fn held_batches(
        &self,
        tenant: TenantId,
        after: Option<BatchId>,
        limit: usize,
    ) -> Result<Vec<Batch>, StoreError> {
        self.inner.held_batches(tenant, after, limit).await
    }

    async fn batch(&self, tenant: TenantId, batch: BatchId) -> Result<Option<Batch>, StoreError> {
        let found = self.inner.batch(tenant, batch).await?;
        let memory = self.memory();
        Ok(found.map(|batch| memory.overlay(batch)))
    }

    async fn batches(
        &self,
        tenant: TenantId,
        segment: SegmentId,
    ) -> Result<Vec<Batch>, StoreError> {
        let batches = self.inner.batches(tenant, segment).await?;
        let memory = self.memory();
        Ok(batches
            .into_iter()
            .map(|batch| memory.overlay(batch))
            .collect())
    }
}

#[async_trait]
impl Work for Flawed {
    async fn claim_intents(
        &self,
        now: Timestamp,
        claim: Claim,
    ) -> Result<Vec<(Intent, u64)>, StoreError> {
        let claimed = self.inner.claim_intents(now, claim).await?;
        if self.flaw == Flaw::ClaimBeforeComplete {
            self.tick_off(&claimed).await?;
        }
        Ok(claimed)
    }

    async fn postpone_intent(
        &self,
        intent: IntentId,
        fence: u64,
        due_at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.inner.postpone_intent(intent, fence, due_at).await
    }

    async fn resume_intent(
        &self,
        tenant: TenantId,
        intent: IntentId,
        due_at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.inner.resume_intent(tenant, intent, due_at).await
    }

    async fn intent_state(
        &self,
        tenant: TenantId,
        intent: IntentId,
    ) -> Result<Option<IntentState>, StoreError> {
        self.inner.intent_state(tenant, intent).await
    }

    async fn parked_intents(
        &self,
        tenant: TenantId,
        after: Option<IntentId>,
        limit: usize,
    ) -> Result<Vec<ParkedIntent>, StoreError> {
        self.inner.parked_intents(tenant, after, limit).await
    }

    async fn has_unfinished_intents(&self, tenant: TenantId) -> Result<bool, StoreError> {
        self.inner.has_unfinished_intents(tenant).await
    }

    async fn start_job(
        &self,
        tenant: TenantId,
        name: &Slug,
        now: Timestamp,
        lease: std::time::Duration,
    ) -> Result<JobStart, StoreError> {
        self.inner.start_job(tenant, name, now, lease).await
    }

    async fn keep_job(
        &self,
        tenant: TenantId,
        name: &Slug,
        run: &JobRun,
        lease: std::time::Duration,
    ) -> Result<bool, StoreError> {
        self.inner.keep_job(tenant, name, run, lease).await
    }

    async fn last_job(&self, tenant: TenantId, name: &Slug) -> Result<Option<JobRun>, StoreError> {
        self.inner.last_job(tenant, name).await
    }
}

#[async_trait]
impl Store for Flawed {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }
}

impl std::fmt::Debug for Flawed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:?} with {:?}", self.inner, self.flaw)
    }
}
