use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use uuid::Uuid;

use super::quotas::{Lease, LeaseKey};
use super::{MemoryStore, State};
use crate::ids::{MeterId, RecordId, SegmentId, TenantId, TypedId};
use crate::money::Quantity;
use crate::store::judging::QuotaKey;
use crate::store::{
    Appended, Closing, Ledger, QuotaCounter, Refusal, SegmentRow, StoreError, StoreErrorKind,
};
use crate::subscription::Segment;
use crate::usage::{Sum, SumKey, Tallied, TallyKey, UsageRecord};

#[async_trait]
impl Ledger for MemoryStore {
    async fn append(&self, records: &[UsageRecord]) -> Result<Vec<Appended>, StoreError> {
        let mut state = self.state();
        // Who pays is found for all before anything is written, so that a failure leaves nothing.
        let payers: Result<Vec<Segment>, StoreError> = records
            .iter()
            .map(|record| state.books.payer(record.tenant, record.segment))
            .collect();
        let judged = records.iter().zip(payers?);
        Ok(judged
            .map(|(record, payer)| state.append(record, payer))
            .collect())
    }

    async fn sums(&self, tenant: TenantId, segment: SegmentId) -> Result<Vec<Sum>, StoreError> {
        let state = self.state();
        Ok(state.books.sums_of_segment(tenant, segment).collect())
    }

    async fn sums_of_origin(
        &self,
        tenant: TenantId,
        origin: SegmentId,
    ) -> Result<Vec<Sum>, StoreError> {
        let state = self.state();
        let sums = state.books.sums_of(tenant);
        Ok(sums.filter(|sum| sum.key.origin == origin).collect())
    }

    async fn segment(
        &self,
        tenant: TenantId,
        segment: SegmentId,
    ) -> Result<Option<SegmentRow>, StoreError> {
        let state = self.state();
        let kept = state.books.segments.get(&(tenant, segment));
        Ok(kept.map(|kept| SegmentRow {
            segment: kept.segment,
            successor: kept.successor.map(|successor| successor.id),
        }))
    }

    async fn records(
        &self,
        tenant: TenantId,
        segment: SegmentId,
        after: Option<RecordId>,
        limit: usize,
    ) -> Result<Vec<UsageRecord>, StoreError> {
        let state = self.state();
        let ids = state.books.evidence.get(&(tenant, segment));
        let ids = ids.into_iter().flatten();
        let later = ids.filter(|id| after.is_none_or(|after| **id > after));
        let records = later.filter_map(|id| state.books.records.get(&(tenant, *id)));
        Ok(records.take(limit).cloned().collect())
    }
}

/// Records, the segments they are evidence of, segments' rows, and sums.
#[derive(Debug, Default)]
pub(super) struct Books {
    forgets_records: bool,
    records: BTreeMap<(TenantId, RecordId), UsageRecord>,
    evidence: BTreeMap<(TenantId, SegmentId), BTreeSet<RecordId>>,
    pub(super) segments: BTreeMap<(TenantId, SegmentId), Kept>,
    pub(super) sums: BTreeMap<(TenantId, SumKey), Amount>,
    tallies: BTreeMap<TallyKey, Tallied>,
}

/// What a record adds to sums, and what is remembered of it.
#[derive(Debug, Default)]
struct Growth {
    sums: BTreeMap<(TenantId, SumKey), Amount>,
    tallies: BTreeMap<TallyKey, Tallied>,
}

/// A segment's row. The whole successor is kept: its own row may have to be made from it.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) segment: Segment,
    successor: Option<Segment>,
}

/// A sum: what was used, how much of it is in batches, and whether it may become less.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Amount {
    pub(super) total: Quantity,
    pub(super) sealed: Quantity,
    may_shrink: bool,
}

impl State {
    fn append(&mut self, record: &UsageRecord, payer: Segment) -> Appended {
        let id = (record.tenant, record.id);
        if let Some(known) = self.books.records.get(&id) {
            return judge_known(known, record);
        }
        let outcome = self.spend(record).and_then(|spending| {
            let growth = self.books.count(record, payer)?;
            Ok((spending, growth))
        });
        let (spending, growth) = match outcome {
            Ok(outcome) => outcome,
            Err(refusal) => return Appended::Refused(refusal),
        };
        self.blocks.leases.extend(spending.leases);
        self.blocks.counters.extend(spending.counters);
        self.books.write(record, payer, growth);
        Appended::New
    }

    /// The leases and counters as they are after this record.
    fn spend(&self, record: &UsageRecord) -> Result<Spending, Refusal> {
        let mut spending = Spending::default();
        for spent in &record.spent {
            let Some(id) = spent.lease else { continue };
            let id = (record.tenant, id);
            let kept = spending.leases.get(&id).or(self.blocks.leases.get(&id));
            let key = QuotaKey::of_record(record, spent);
            let open = kept.filter(|lease| !lease.settled && lease.key == key);
            let mut lease = *open.ok_or(Refusal::LeaseClosed)?;
            lease.committed = lease
                .committed
                .checked_add(spent.units)
                .filter(|committed| *committed <= lease.units)
                .ok_or(Refusal::LeaseSpent)?;
            spending.leases.insert(id, lease);
        }
        for spent in &record.spent {
            let key = QuotaKey::of_record(record, spent);
            let kept = spending.counters.get(&key);
            let mut counter = *kept.unwrap_or(&self.blocks.counter(&key));
            // A block of a strict quota was counted as leased when it was handed out.
            let newly_leased = if spent.lease.is_some() {
                0
            } else {
                spent.units
            };
            let leased = counter.leased.checked_add(newly_leased);
            let committed = counter.committed.checked_add(spent.units);
            counter.leased = leased.ok_or(Refusal::Overflow)?;
            counter.committed = committed.ok_or(Refusal::Overflow)?;
            spending.counters.insert(key, counter);
        }
        Ok(spending)
    }
}

/// Leases and counters as they will be, so that a refusal leaves them as they are.
#[derive(Debug, Default)]
struct Spending {
    leases: BTreeMap<LeaseKey, Lease>,
    counters: BTreeMap<QuotaKey, QuotaCounter>,
}

fn judge_known(known: &UsageRecord, record: &UsageRecord) -> Appended {
    match (&known.event, &record.event) {
        (Some(known), Some(event)) if known.digest != event.digest => Appended::Conflict,
        _ => Appended::Duplicate,
    }
}

impl Books {
    pub(super) fn without_records() -> Self {
        Self {
            forgets_records: true,
            ..Self::default()
        }
    }

    /// The first open segment along the successors.
    fn payer(&self, tenant: TenantId, segment: Segment) -> Result<Segment, StoreError> {
        let mut payer = segment;
        for _ in 0..=self.segments.len() {
            let kept = self.segments.get(&(tenant, payer.id));
            match kept.and_then(|kept| kept.successor) {
                Some(successor) => payer = successor,
                None => return Ok(payer),
            }
        }
        let doing = "find an open segment for late use";
        Err(StoreError::new(StoreErrorKind::Broken, doing).because("the successors form a circle"))
    }

    /// What sums and tallies are after this record.
    fn count(&self, record: &UsageRecord, payer: Segment) -> Result<Growth, Refusal> {
        let mut growth = Growth::default();
        let is_late = payer.id != record.segment.id;
        for counted in &record.counted {
            let key = SumKey {
                segment: payer.id,
                origin: record.segment.id,
                meter: counted.meter,
            };
            let mut added = counted.quantity;
            if let Some(key) = TallyKey::of(record, counted) {
                let kept = growth.tallies.get(&key).or(self.tallies.get(&key)).copied();
                let at = record.occurred_at;
                let (grown, now) = counted.tally.count(kept, counted.quantity, at, is_late);
                growth.tallies.insert(key, now);
                added = grown;
            }
            let key = (record.tenant, key);
            let kept = growth.sums.get(&key).or(self.sums.get(&key)).copied();
            let mut amount = kept.unwrap_or_default();
            let total = amount.total.checked_add(added);
            amount.total = total.map_err(|_| Refusal::Overflow)?;
            amount.may_shrink = counted.tally.may_shrink();
            growth.sums.insert(key, amount);
        }
        Ok(growth)
    }

    fn write(&mut self, record: &UsageRecord, payer: Segment, growth: Growth) {
        self.sums.extend(growth.sums);
        self.tallies.extend(growth.tallies);
        self.segments
            .entry((record.tenant, payer.id))
            .or_insert(Kept {
                segment: payer,
                successor: None,
            });
        if self.forgets_records {
            return;
        }
        let of_segment = (record.tenant, record.segment.id);
        let evidence = self.evidence.entry(of_segment).or_default();
        evidence.insert(record.id);
        self.records
            .insert((record.tenant, record.id), record.clone());
    }

    pub(super) fn close(&mut self, closing: &Closing) {
        let key = (closing.tenant, closing.segment.id);
        let kept = self.segments.get(&key);
        if kept.is_some_and(|kept| kept.successor.is_some()) {
            return;
        }
        let closed = Kept {
            segment: closing.segment,
            successor: Some(closing.successor),
        };
        self.segments.insert(key, closed);
    }

    fn sums_of(&self, tenant: TenantId) -> impl Iterator<Item = Sum> {
        let sums = self.sums.iter();
        sums.filter(move |((of, _), _)| *of == tenant).map(sum)
    }

    /// The sums that an engine may be told of.
    pub(super) fn growing_sums_of(&self, tenant: TenantId) -> impl Iterator<Item = Sum> {
        let sums = self.sums.iter();
        sums.filter(move |((of, _), amount)| *of == tenant && !amount.may_shrink)
            .map(sum)
    }

    /// The sums that one segment pays for: they stand side by side.
    fn sums_of_segment(&self, tenant: TenantId, segment: SegmentId) -> impl Iterator<Item = Sum> {
        let first = SumKey {
            segment,
            origin: SegmentId::from_uuid(Uuid::nil()),
            meter: MeterId::from_uuid(Uuid::nil()),
        };
        let sums = self.sums.range((tenant, first)..);
        sums.take_while(move |((of, key), _)| *of == tenant && key.segment == segment)
            .map(sum)
    }
}

fn sum(((_, key), amount): (&(TenantId, SumKey), &Amount)) -> Sum {
    Sum {
        key: *key,
        total: amount.total,
        sealed: amount.sealed,
    }
}
