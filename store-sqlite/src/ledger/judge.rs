//! Which records the ledger takes, and what is to be written of them, decided in memory on what the database
//! says. How one is judged is said in [`judging`]; where it is taken what is remembered changes, and the rows to be
//! written are drafted.

use hashbrown::HashMap;
use monetization_core::ids::{LeaseId, MeterId, RecordId, SegmentId, TenantId, TypedId};
use monetization_core::invoice::Invoicing;
use monetization_core::store::Appended;
use monetization_core::store::judging::{self, Block, Book, Judgement, QuotaKey, SegmentState};
use monetization_core::subscription::Segment;
use monetization_core::usage::{Counted, SumKey, Tallied, TallyKey, UsageRecord};

use super::write::{Draft, EventRow, RecordRow, TalliedRow};
use crate::convert::signed;
use crate::error::senseless;
use crate::hot::{Hot, HotLease, HotQuota, HotSegment, SumNumbers};

/// The records that are in the ledger, with the digests of their events.
pub(super) type Known = HashMap<(TenantId, RecordId), Option<[u8; 32]>>;

/// The greatest number that is given to a row. Not read where no row will be new.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Numbers {
    /// In `segment`.
    pub(super) segment: i64,
    /// In `meter`.
    pub(super) meter: i64,
    /// In `quota`.
    pub(super) quota: i64,
}

/// Judges records one after the other, each on what those before it have changed.
#[derive(Debug)]
pub(super) struct Judge<'a> {
    /// What all records lead to is remembered here, as far as it has rows.
    pub(super) hot: &'a mut Hot,
    /// What is in the ledger, of the records that are to be judged.
    pub(super) known: Known,
    /// Counted up with every row that is new.
    pub(super) numbers: Numbers,
    /// What is to be written of the records that were taken.
    pub(super) draft: Draft,
}

impl Book for Judge<'_> {
    fn known(&self, of: (TenantId, RecordId)) -> Option<Option<[u8; 32]>> {
        self.known.get(&of).copied()
    }

    fn segment(&self, of: (TenantId, SegmentId)) -> Option<SegmentState> {
        self.hot.segments.get(&of).map(|kept| kept.state)
    }

    fn segments(&self) -> usize {
        self.hot.segments.len()
    }

    fn block(&self, of: (TenantId, LeaseId)) -> Option<Block> {
        self.hot.leases.get(&of).map(HotLease::block)
    }

    fn leased(&self, of: &QuotaKey) -> i64 {
        self.hot.quotas.get(of).map_or(0, |quota| quota.leased)
    }

    fn total(&self, (tenant, of): (TenantId, SumKey)) -> i64 {
        let number = |segment| {
            let kept = self.hot.segments.get(&(tenant, segment));
            kept.map(|kept| kept.number)
        };
        let total = || {
            let key = SumNumbers {
                segment: number(of.segment)?,
                origin: number(of.origin)?,
                meter: *self.hot.meters.get(&of.meter)?,
            };
            self.hot.totals.get(&key).copied()
        };
        total().unwrap_or_default()
    }

    fn tallied(&self, of: &TallyKey) -> Option<Tallied> {
        self.hot.tallies.get(of).copied()
    }
}

impl Judge<'_> {
    /// Judges a record and, where it is taken, drafts what is to be written of it.
    ///
    /// # Errors
    /// Where the successors form a circle, or the record counts nothing. What is remembered is
    /// in disorder then: forget it.
    pub(super) fn judge(&mut self, record: &UsageRecord) -> sqlx::Result<Appended> {
        match judging::judge(self, record).map_err(senseless)? {
            Judgement::Answered(answer) => Ok(answer),
            Judgement::Taken { payer } => {
                self.accept(record, payer)?;
                let digest = record.event.as_ref().map(|event| event.digest);
                self.known.insert((record.tenant, record.id), digest);
                Ok(Appended::New)
            }
        }
    }

    /// Takes it.
    fn accept(&mut self, record: &UsageRecord, payer: SegmentId) -> sqlx::Result<()> {
        let payer = self.open(record, payer)?;
        let own = self.hot.segments.get(&(record.tenant, record.segment.id));
        let origin = own.map_or(payer.number, |own| own.number);
        let spent = self.spend(record)?;
        let key = record.ledger_key().into_bytes();
        for (position, counted) in record.counted.iter().enumerate() {
            let sum = SumNumbers {
                segment: payer.number,
                origin,
                meter: self.meter(counted.meter),
            };
            let quantity = counted.quantity.scaled();
            let is_late = payer.number != origin;
            let added = self.added(record, counted, (key, origin, sum.meter), is_late)?;
            let total = self.hot.totals.entry(sum).or_default();
            *total = total.saturating_add(added);
            let by_engine = payer.by_engine && !counted.tally.may_shrink();
            self.draft.sums.push((sum, added, by_engine));
            let first = position == 0;
            self.draft.records.push(RecordRow {
                key,
                segment: origin,
                meter: sum.meter,
                quantity,
                occurred_at: record.occurred_at.as_micros(),
                recorded_at: record.recorded_at.as_micros(),
                resource: record
                    .resource
                    .as_ref()
                    .map(|slug| slug.as_str().to_owned()),
                status: record
                    .outcome
                    .and_then(|outcome| outcome.status)
                    .map(i64::from),
                ending: record.outcome.map(|outcome| outcome.ending.code().into()),
                spent: spent.clone().filter(|_| first),
                event: record.event.as_ref().map(|_| *record.id.uuid().as_bytes()),
                position: i64::try_from(position).map_err(senseless)?,
            });
        }
        if record.counted.is_empty() {
            return Err(senseless("a record counts nothing"));
        }
        self.draft
            .events
            .extend(record.event.as_ref().map(|event| EventRow {
                id: *record.id.uuid().as_bytes(),
                segment: origin,
                key,
                event: event.clone(),
            }));
        Ok(())
    }

    /// By how much the sum grows. `place` is where the record stands: its key, the number of its segment,
    /// and that of the meter.
    fn added(
        &mut self,
        record: &UsageRecord,
        counted: &Counted,
        (key, segment, meter): ([u8; 16], i64, i64),
        is_late: bool,
    ) -> sqlx::Result<i64> {
        let quantity = counted.quantity;
        let (added, Some((of, now))) = judging::grown(self, record, counted, is_late) else {
            return Ok(quantity.scaled());
        };
        self.hot.tallies.insert(of, now);
        self.draft.tallies.insert(of, (meter, now));
        self.draft.tallied.push(TalliedRow {
            key,
            segment,
            meter,
            correction: added.scaled().saturating_sub(quantity.scaled()),
            tally: serde_json::to_string(&counted.tally).map_err(senseless)?,
        });
        Ok(added.scaled())
    }

    /// Sees to it that the segment which pays has a row.
    ///
    /// # Errors
    /// Where it is another's successor and has none, which closing that one should have made.
    fn open(&mut self, record: &UsageRecord, payer: SegmentId) -> sqlx::Result<HotSegment> {
        let own = payer == record.segment.id;
        let key = (record.tenant, payer);
        match self.hot.segments.get_mut(&key) {
            Some(kept) => {
                if kept.state == SegmentState::Announced {
                    kept.state = SegmentState::Open;
                    let as_recorded = own.then_some(record.segment);
                    self.draft.opened.push((kept.number, as_recorded));
                }
                Ok(*kept)
            }
            None if own => {
                let segment = self.new_segment(record.tenant, record.segment);
                self.hot.segments.insert(key, segment);
                Ok(segment)
            }
            None => Err(senseless("the successor of a segment has no row")),
        }
    }

    /// Drafts the row of a segment that begins with its first use.
    fn new_segment(&mut self, tenant: TenantId, segment: Segment) -> HotSegment {
        self.numbers.segment = self.numbers.segment.saturating_add(1);
        let number = self.numbers.segment;
        self.draft.new_segments.push((number, tenant, segment));
        HotSegment {
            number,
            by_engine: segment.invoicing == Invoicing::ByEngine,
            state: SegmentState::Open,
        }
    }

    /// The number of a meter, which is given to it on its first use.
    fn meter(&mut self, id: MeterId) -> i64 {
        if let Some(number) = self.hot.meters.get(&id) {
            return *number;
        }
        self.numbers.meter = self.numbers.meter.saturating_add(1);
        let number = self.numbers.meter;
        self.draft.new_meters.push((number, id));
        self.hot.meters.insert(id, number);
        number
    }

    /// Spends what the record spent, and says so as the record's row keeps it.
    fn spend(&mut self, record: &UsageRecord) -> sqlx::Result<Option<String>> {
        let mut evidence: Vec<(i64, Option<i64>, i64)> = Vec::with_capacity(record.spent.len());
        for spent in &record.spent {
            let units = signed(spent.units)?;
            let key = QuotaKey::of_record(record, spent);
            // A block of a strict quota was counted as leased when it was handed out.
            let newly_leased = if spent.lease.is_some() { 0 } else { units };
            let quota = self.quota(key);
            self.draft.quotas.push((quota, units, newly_leased));
            if let Some(quota) = self.hot.quotas.get_mut(&key) {
                quota.committed = quota.committed.saturating_add(units);
                quota.leased = quota.leased.saturating_add(newly_leased);
            }
            let id = spent.lease.map(|id| (record.tenant, id));
            let lease = id.and_then(|id| self.hot.leases.get_mut(&id)).map(|lease| {
                lease.committed = lease.committed.saturating_add(units);
                lease.number
            });
            self.draft.leases.extend(lease.map(|lease| (lease, units)));
            evidence.push((quota, lease, units));
        }
        if evidence.is_empty() {
            return Ok(None);
        }
        serde_json::to_string(&evidence)
            .map(Some)
            .map_err(senseless)
    }

    /// The number of a counter, whose row is drafted on its first use.
    fn quota(&mut self, key: QuotaKey) -> i64 {
        if let Some(quota) = self.hot.quotas.get(&key) {
            return quota.number;
        }
        self.numbers.quota = self.numbers.quota.saturating_add(1);
        let number = self.numbers.quota;
        self.draft.new_quotas.push((number, key));
        let quota = HotQuota {
            number,
            committed: 0,
            leased: 0,
        };
        self.hot.quotas.insert(key, quota);
        number
    }
}
