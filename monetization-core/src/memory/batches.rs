use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{Hold, MemoryStore, State};
use crate::clock::Timestamp;
use crate::ids::{BatchId, SegmentId, TenantId};
use crate::invoice::Invoicing;
use crate::store::{
    Batch, BatchState, Batches, Claim, Decision, Fate, Held, Overturned, Sealed, StoreError,
    UnsealedSum, Verdict,
};
use crate::usage::{Sum, SumKey};

#[async_trait]
impl Batches for MemoryStore {
    async fn unsealed(
        &self,
        tenant: TenantId,
        after: Option<SumKey>,
        limit: usize,
    ) -> Result<Vec<UnsealedSum>, StoreError> {
        let state = self.state();
        let growing = state.books.growing_sums_of(tenant);
        let later = growing.filter(|sum| after.is_none_or(|after| sum.key > after));
        let unsealed = later.filter_map(|sum| state.unsealed(tenant, sum));
        Ok(unsealed.take(limit).collect())
    }

    async fn seal(&self, batch: &Batch) -> Result<Sealed, StoreError> {
        Ok(self.state().seal(batch))
    }

    async fn claim_batches(
        &self,
        tenant: TenantId,
        now: Timestamp,
        claim: Claim,
    ) -> Result<Vec<Batch>, StoreError> {
        let asked_at = self.now();
        let lapses_at = asked_at.saturating_add(claim.lease);
        let mut state = self.state();
        let outgoing = state.outgoing.batches.iter_mut();
        let claimable = outgoing.filter(|kept| {
            kept.batch.tenant == tenant
                && kept.batch.state == BatchState::Sealed
                && kept.due_at <= now
                && kept.hold.is_free(asked_at)
        });
        Ok(claimable
            .take(claim.limit)
            .map(|kept| kept.claim(lapses_at))
            .collect())
    }

    async fn settle_batch(
        &self,
        batch: BatchId,
        fence: u64,
        verdict: &Verdict,
    ) -> Result<bool, StoreError> {
        let mut state = self.state();
        let kept = state.outgoing.find(batch);
        Ok(kept.is_some_and(|kept| kept.settle(fence, verdict)))
    }

    async fn decide_batch(
        &self,
        tenant: TenantId,
        batch: BatchId,
        held: Held,
        decision: &Decision,
    ) -> Result<bool, StoreError> {
        let mut state = self.state();
        let kept = state.outgoing.find(batch);
        let kept = kept.filter(|kept| kept.batch.tenant == tenant);
        Ok(kept.is_some_and(|kept| kept.decide(held, decision)))
    }

    async fn held_batches(
        &self,
        tenant: TenantId,
        after: Option<BatchId>,
        limit: usize,
    ) -> Result<Vec<Batch>, StoreError> {
        let state = self.state();
        let place = after.and_then(|after| state.outgoing.places.get(&after));
        let seen = place.map_or(0, |place| place.saturating_add(1));
        let kept = state.outgoing.batches.iter().skip(seen);
        let batches = kept.map(|kept| &kept.batch);
        let held = batches.filter(|batch| batch.tenant == tenant && batch.state.held().is_some());
        Ok(held.take(limit).cloned().collect())
    }

    async fn batch(&self, tenant: TenantId, batch: BatchId) -> Result<Option<Batch>, StoreError> {
        let mut state = self.state();
        let kept = state.outgoing.find(batch).map(|kept| &kept.batch);
        Ok(kept.filter(|batch| batch.tenant == tenant).cloned())
    }

    async fn batches(
        &self,
        tenant: TenantId,
        segment: SegmentId,
    ) -> Result<Vec<Batch>, StoreError> {
        let state = self.state();
        let kept = state.outgoing.batches.iter().map(|kept| &kept.batch);
        let mut batches: Vec<Batch> = kept
            .filter(|batch| batch.tenant == tenant && batch.key.segment == segment)
            .cloned()
            .collect();
        batches.sort_by_key(|batch| (batch.key, batch.from));
        Ok(batches)
    }
}

impl State {
    fn unsealed(&self, tenant: TenantId, sum: Sum) -> Option<UnsealedSum> {
        let kept = self.books.segments.get(&(tenant, sum.key.segment))?;
        let segment = kept.segment;
        let wanted = segment.invoicing == Invoicing::ByEngine && sum.total > sum.sealed;
        wanted.then_some(UnsealedSum { sum, segment })
    }

    fn seal(&mut self, batch: &Batch) -> Sealed {
        let known = self.outgoing.find(batch.id);
        if known.is_some_and(|known| known.batch.tenant == batch.tenant) {
            return Sealed::Again;
        }
        let sum = self.books.sums.get_mut(&(batch.tenant, batch.key));
        let fitting = sum.filter(|sum| sum.sealed == batch.from && sum.total >= batch.to);
        let Some(sum) = fitting else {
            return Sealed::Moved;
        };
        sum.sealed = batch.to;
        self.outgoing.add(batch);
        Sealed::New
    }
}

#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// In the order they were sealed.
    batches: Vec<Kept>,
    places: BTreeMap<BatchId, usize>,
}

impl Outgoing {
    fn add(&mut self, batch: &Batch) {
        self.places.insert(batch.id, self.batches.len());
        self.batches.push(Kept {
            batch: batch.clone(),
            due_at: Timestamp::MIN,
            hold: Hold::default(),
        });
    }

    pub(super) fn overturn(&mut self, overturned: &Overturned) {
        if let Some(kept) = self.find(overturned.batch) {
            kept.overturn(overturned);
        }
    }

    fn find(&mut self, batch: BatchId) -> Option<&mut Kept> {
        let place = self.places.get(&batch)?;
        self.batches.get_mut(*place)
    }
}

#[derive(Debug)]
struct Kept {
    batch: Batch,
    due_at: Timestamp,
    hold: Hold,
}

impl Kept {
    fn claim(&mut self, lapses_at: Timestamp) -> Batch {
        self.batch.fence = self.hold.take(lapses_at);
        self.batch.clone()
    }

    fn decide(&mut self, held: Held, decision: &Decision) -> bool {
        let decided = Some(decision.because.clone());
        if self.batch.state.held() != Some(held) {
            return self.batch.state == decision.fate.state()
                && self.batch.decided_because == decided;
        }
        self.batch.state = decision.fate.state();
        self.batch.decided_because = decided;
        self.batch.sent_again = decision.sent_again(held);
        if decision.fate == Fate::SendAgain {
            // Claims that nobody settled are over, too.
            self.batch.attempts = u32::try_from(self.batch.fence).unwrap_or(u32::MAX);
            self.batch.first_sent_at = None;
            self.batch.settled_at = None;
            self.due_at = Timestamp::MIN;
        }
        true
    }

    /// The fence that nobody has been given keeps whoever is sending it from saying what came of that.
    fn overturn(&mut self, overturned: &Overturned) {
        if !overturned.fits(&self.batch) {
            return;
        }
        self.batch.fence = self.hold.take(Timestamp::MIN);
        self.hold.give_up();
        let batch = &mut self.batch;
        batch.state = overturned.overturn.state();
        let because = overturned.overturn.because().map(str::to_owned);
        batch.decided_because = because.or(batch.decided_because.take());
        batch.first_sent_at = batch.first_sent_at.max(Some(overturned.sent_by));
    }

    fn settle(&mut self, fence: u64, verdict: &Verdict) -> bool {
        if !self.hold.is_held_under(fence) {
            // Saying again what has been written under this fence changes nothing.
            return self.hold.was_given_up_under(fence);
        }
        self.hold.give_up();
        self.batch.attempts = self.batch.attempts.saturating_add(1);
        match verdict {
            Verdict::Settled { state, at } => {
                self.batch.state = state.clone();
                self.batch.settled_at = Some(*at);
            }
            Verdict::Again {
                due_at,
                first_sent_at,
            } => {
                self.due_at = *due_at;
                self.batch.first_sent_at = self.batch.first_sent_at.or(*first_sent_at);
            }
        }
        true
    }
}
