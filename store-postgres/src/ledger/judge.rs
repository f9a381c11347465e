//! Judges records one after the other, each on what those before it have changed, and drafts what is to be
//! written of those that are taken. How one is judged is said in [`judging`].

use monetization_core::ids::{MeterId, SegmentId, TenantId, TypedId};
use monetization_core::invoice::Invoicing;
use monetization_core::store::Appended;
use monetization_core::store::judging::{self, Judgement, QuotaKey, SegmentState};
use monetization_core::usage::{Counted, SumKey, UsageRecord};
use uuid::Uuid;

use super::book::{Book, KeptSegment};
use super::write::{Draft, EventRow, RecordRow, TalliedRow};
use crate::error::senseless;

/// What became of each record, and what is to be written of those that are taken.
#[derive(Debug)]
pub(super) struct Judged {
    /// In the order of the records.
    pub(super) appended: Vec<Appended>,
    pub(super) draft: Draft,
}

impl Judged {
    /// Judges all of them.
    ///
    /// # Errors
    /// Where the successors form a circle, or a record counts nothing.
    pub(super) fn of(book: Book, records: &[UsageRecord]) -> sqlx::Result<Self> {
        let mut judge = Judge {
            book,
            draft: Draft::default(),
        };
        let appended: sqlx::Result<Vec<Appended>> =
            records.iter().map(|record| judge.judge(record)).collect();
        Ok(Self {
            appended: appended?,
            draft: judge.draft,
        })
    }

    /// Whether any of them is not taken.
    pub(super) fn refuses(&self) -> bool {
        let refused = |appended: &Appended| matches!(appended, Appended::Refused(_));
        self.appended.iter().any(refused)
    }
}

/// The book changes with every record that is taken: what it has spent is not there for the next one, and
/// its segment is open from then on.
struct Judge {
    book: Book,
    draft: Draft,
}

impl Judge {
    /// Judges a record and, where it is taken, drafts what is to be written of it.
    ///
    /// # Errors
    /// As [`Judged::of`].
    fn judge(&mut self, record: &UsageRecord) -> sqlx::Result<Appended> {
        match judging::judge(&self.book, record).map_err(senseless)? {
            Judgement::Answered(answer) => Ok(answer),
            Judgement::Taken { payer } => {
                self.accept(record, payer)?;
                let digest = record.event.as_ref().map(|event| event.digest);
                self.book.known.insert((record.tenant, record.id), digest);
                Ok(Appended::New)
            }
        }
    }

    /// Takes it.
    fn accept(&mut self, record: &UsageRecord, payer: SegmentId) -> sqlx::Result<()> {
        if record.counted.is_empty() {
            return Err(senseless("a record counts nothing"));
        }
        let by_engine = self.open(record, payer)?.by_engine;
        let spent = self.spend(record)?;
        let key = record.ledger_key();
        for (position, counted) in record.counted.iter().enumerate() {
            let position = i16::try_from(position).map_err(senseless)?;
            let is_late = payer != record.segment.id;
            let added = self.added(record, counted, (key, position), is_late)?;
            let sum = sum_key(record, payer, counted.meter);
            let total = self.book.totals.entry(sum).or_default();
            *total = total.saturating_add(added);
            let by_engine = by_engine && !counted.tally.may_shrink();
            self.draft.add_to_sum(sum, added, by_engine);
            self.draft.records.push(RecordRow {
                tenant: record.tenant,
                id: record.id,
                key,
                segment: record.segment.id,
                meter: counted.meter,
                quantity: counted.quantity.scaled(),
                occurred_at: record.occurred_at.as_micros(),
                recorded_at: record.recorded_at.as_micros(),
                event: record.event.as_ref().map(|_| record.id.uuid()),
                position,
                status: status(record)?,
                ending: record.outcome.map(|outcome| outcome.ending.code().into()),
                resource: record.resource.as_ref().map(ToString::to_string),
                spent: spent.clone().filter(|_| position == 0),
            });
        }
        self.draft
            .events
            .extend(record.event.as_ref().map(|event| EventRow {
                tenant: record.tenant,
                id: record.id,
                segment: record.segment.id,
                key,
                event: event.clone(),
            }));
        Ok(())
    }

    /// By how much the sum grows. `place` is where the record stands: its key, and the place of
    /// what it counts.
    fn added(
        &mut self,
        record: &UsageRecord,
        counted: &Counted,
        (key, position): (Uuid, i16),
        is_late: bool,
    ) -> sqlx::Result<i64> {
        let quantity = counted.quantity;
        let (added, Some((of, now))) = judging::grown(&self.book, record, counted, is_late) else {
            return Ok(quantity.scaled());
        };
        self.book.tallies.insert(of, now);
        self.draft.tallies.insert(of, now);
        self.draft.tallied.push(TalliedRow {
            tenant: record.tenant,
            key,
            position,
            correction: added.scaled().saturating_sub(quantity.scaled()),
            tally: serde_json::to_string(&counted.tally).map_err(senseless)?,
        });
        Ok(added.scaled())
    }

    /// Sees to it that the segment which pays has a row.
    ///
    /// # Errors
    /// Where it is another's successor and has none, which closing that one should have made.
    fn open(&mut self, record: &UsageRecord, payer: SegmentId) -> sqlx::Result<KeptSegment> {
        let own = payer == record.segment.id;
        let key = (record.tenant, payer);
        match self.book.segments.get_mut(&key) {
            Some(kept) => {
                if kept.state == SegmentState::Announced {
                    kept.state = SegmentState::Open;
                    self.draft.opened.insert(key, own.then_some(record.segment));
                }
                Ok(*kept)
            }
            None if own => {
                let segment = KeptSegment {
                    by_engine: record.segment.invoicing == Invoicing::ByEngine,
                    state: SegmentState::Open,
                };
                self.draft.new_segments.insert(key, record.segment);
                self.book.segments.insert(key, segment);
                Ok(segment)
            }
            None => Err(senseless("the successor of a segment has no row")),
        }
    }

    /// Spends what the record spent, and says so as the record's row keeps it.
    fn spend(&mut self, record: &UsageRecord) -> sqlx::Result<Option<String>> {
        type Evidence = (String, i64, i64, Option<Uuid>, i64);
        let mut evidence: Vec<Evidence> = Vec::with_capacity(record.spent.len());
        for spent in &record.spent {
            let units = i64::try_from(spent.units).map_err(senseless)?;
            let key = QuotaKey::of_record(record, spent);
            // A block of a strict quota was counted as leased when it was handed out.
            let newly_leased = if spent.lease.is_some() { 0 } else { units };
            let leased = self.book.leased.entry(key).or_default();
            *leased = leased.saturating_add(newly_leased);
            self.draft.add_to_quota(key, (units, newly_leased));
            if let Some(id) = spent.lease {
                let id = (record.tenant, id);
                if let Some(lease) = self.book.leases.get_mut(&id) {
                    lease.unspent = lease.unspent.saturating_sub(units);
                }
                let spent_of = self.draft.leases.entry(id).or_default();
                *spent_of = spent_of.saturating_add(units);
            }
            let (start, end) = (key.start.as_micros(), key.end.as_micros());
            let lease = spent.lease.map(TypedId::uuid);
            evidence.push((spent.quota.to_string(), start, end, lease, units));
        }
        if evidence.is_empty() {
            return Ok(None);
        }
        serde_json::to_string(&evidence)
            .map(Some)
            .map_err(senseless)
    }
}

/// The sum that a record of this meter goes to.
fn sum_key(record: &UsageRecord, payer: SegmentId, meter: MeterId) -> (TenantId, SumKey) {
    let origin = record.segment.id;
    let key = SumKey {
        segment: payer,
        origin,
        meter,
    };
    (record.tenant, key)
}

/// The status that the upstream gave, if it gave one.
fn status(record: &UsageRecord) -> sqlx::Result<Option<i16>> {
    let status = record.outcome.and_then(|outcome| outcome.status);
    status.map(i16::try_from).transpose().map_err(senseless)
}
