//! Whether a ledger takes a record: decided in memory, on what a store has read of the rows that decide.
//!
//! | first that holds | answer |
//! |---|---|
//! | it is in the ledger, as another event | `Conflict` |
//! | it is in the ledger, or earlier in the same append | `Duplicate` |
//! | a block it spends from is settled, unknown, or of another quota | `Refused(LeaseClosed)` |
//! | a block has less left than it spends | `Refused(LeaseSpent)` |
//! | a sum or counter would not fit 63 bits | `Refused(Overflow)` |
//! | otherwise | it is taken, and the first open segment along the successors of its own pays |
//!
//! Records are judged one after the other, as if each were appended alone: a store changes its [`Book`]
//! with each that is taken, before it has the next one judged. Judging changes nothing, so that a
//! refused record leaves no trace. [`MemoryStore`](crate::memory::MemoryStore) judges by code of its own,
//! against which the others are run.

use crate::clock::{Span, Timestamp};
use crate::ids::{LeaseId, RecordId, SegmentId, SubscriptionId, TenantId};
use crate::money::Quantity;
use crate::plan::QuotaName;
use crate::usage::{Counted, Spent, SumKey, Tallied, TallyKey, UsageRecord};

use super::{Appended, LeaseRequest, Refusal};

/// What is known of the rows that decide about records; what has no row is not known.
pub trait Book {
    /// The digest of the event that a record in the ledger was reported as; `Some(None)` for one that was
    /// not reported.
    fn known(&self, of: (TenantId, RecordId)) -> Option<Option<[u8; 32]>>;

    /// How far a segment has come.
    fn segment(&self, of: (TenantId, SegmentId)) -> Option<SegmentState>;

    /// How many segments are known: no chain of successors is longer.
    fn segments(&self) -> usize;

    /// A block of a strict quota.
    fn block(&self, of: (TenantId, LeaseId)) -> Option<Block>;

    /// What is leased of a quota, which is never less than what is committed.
    fn leased(&self, of: &QuotaKey) -> i64;

    /// What a sum holds.
    fn total(&self, of: (TenantId, SumKey)) -> i64;

    /// What is remembered of a tally.
    fn tallied(&self, of: &TallyKey) -> Option<Tallied>;
}

/// How far a segment has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum SegmentState {
    /// Known as a successor only.
    Announced,
    /// It pays for its use.
    Open,
    /// Followed by this one.
    Closed(SegmentId),
}

/// A block of a strict quota that was handed out.
#[derive(Debug, Clone, Copy)]
pub struct Block {
    /// The counter it is a block of.
    pub quota: QuotaKey,
    /// Units of it that nobody has spent.
    pub unspent: i64,
    /// Whether it has not been settled.
    pub open: bool,
}

/// One window of one quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuotaKey {
    /// Whose quota.
    pub subscription: SubscriptionId,
    /// Which of its quotas.
    pub quota: QuotaName,
    /// Where the window begins.
    pub start: Timestamp,
    /// The first instant after it.
    pub end: Timestamp,
    /// The marketplace.
    pub tenant: TenantId,
}

/// What is to become of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Judgement {
    /// It is answered so, and nothing is written.
    Answered(Appended),
    /// It is new: it is to be written, and answered so.
    Taken {
        /// The segment that pays for it.
        payer: SegmentId,
    },
}

/// That the successors of a segment lead back to it, which closing never makes them do.
#[derive(Debug, thiserror::Error)]
#[error("the successors of a segment form a circle")]
pub struct Circle;

impl QuotaKey {
    /// The counter of a quota in a window.
    #[must_use]
    pub fn new(
        tenant: TenantId,
        subscription: SubscriptionId,
        quota: QuotaName,
        window: Span,
    ) -> Self {
        Self {
            subscription,
            quota,
            start: window.start,
            end: window.end,
            tenant,
        }
    }

    /// The counter that a record spends of.
    #[must_use]
    pub fn of_record(record: &UsageRecord, spent: &Spent) -> Self {
        let subscription = record.segment.subscription;
        Self::new(record.tenant, subscription, spent.quota, spent.window)
    }

    /// The counter that a block is asked of.
    #[must_use]
    pub fn of_request(request: &LeaseRequest) -> Self {
        let subscription = request.subscription;
        Self::new(request.tenant, subscription, request.quota, request.window)
    }
}

/// Judges a record.
///
/// # Errors
/// Where the successors of its segment form a circle.
pub fn judge(book: &impl Book, record: &UsageRecord) -> Result<Judgement, Circle> {
    if let Some(known) = book.known((record.tenant, record.id)) {
        return Ok(Judgement::Answered(judge_known(known, record)));
    }
    let payer = payer(book, record)?;
    let refusal = lease_refusal(book, record)
        .or_else(|| overflows(book, record, payer).then_some(Refusal::Overflow));
    Ok(match refusal {
        Some(refusal) => Judgement::Answered(Appended::Refused(refusal)),
        None => Judgement::Taken { payer },
    })
}

/// By how much a sum grows by what a record counts, and what is to be remembered from then on, where
/// anything is. Use is late where another segment than its own pays for it.
pub fn grown(
    book: &impl Book,
    record: &UsageRecord,
    counted: &Counted,
    is_late: bool,
) -> (Quantity, Option<(TallyKey, Tallied)>) {
    let Some(of) = TallyKey::of(record, counted) else {
        return (counted.quantity, None);
    };
    let known = book.tallied(&of);
    let at = record.occurred_at;
    let (added, now) = counted.tally.count(known, counted.quantity, at, is_late);
    (added, Some((of, now)))
}

/// What becomes of a record that is in the ledger.
fn judge_known(known: Option<[u8; 32]>, record: &UsageRecord) -> Appended {
    match (known, &record.event) {
        (Some(known), Some(event)) if known != event.digest => Appended::Conflict,
        _ => Appended::Duplicate,
    }
}

/// The first open segment along the successors of the record's.
fn payer(book: &impl Book, record: &UsageRecord) -> Result<SegmentId, Circle> {
    let mut payer = record.segment.id;
    for _ in 0..=book.segments() {
        match book.segment((record.tenant, payer)) {
            Some(SegmentState::Closed(successor)) => payer = successor,
            Some(SegmentState::Announced | SegmentState::Open) | None => return Ok(payer),
        }
    }
    Err(Circle)
}

/// What stands against spending from its blocks. One block may be named more than once.
fn lease_refusal(book: &impl Book, record: &UsageRecord) -> Option<Refusal> {
    for (at, spent) in record.spent.iter().enumerate() {
        let Some(id) = spent.lease else { continue };
        let key = QuotaKey::of_record(record, spent);
        let known = book.block((record.tenant, id));
        let Some(block) = known.filter(|block| block.open && block.quota == key) else {
            return Some(Refusal::LeaseClosed);
        };
        let wanted = total_with(record, at, |other| other.lease == spent.lease);
        if wanted.is_none_or(|wanted| wanted > block.unspent) {
            return Some(Refusal::LeaseSpent);
        }
    }
    None
}

/// Whether a counter or a sum would not hold what it adds.
fn overflows(book: &impl Book, record: &UsageRecord, payer: SegmentId) -> bool {
    let quota_overflows = record.spent.iter().enumerate().any(|(at, spent)| {
        let key = QuotaKey::of_record(record, spent);
        let is_alike = |other: &Spent| QuotaKey::of_record(record, other) == key;
        let units = total_with(record, at, is_alike);
        let leased = book.leased(&key);
        units.and_then(|units| leased.checked_add(units)).is_none()
    });
    let origin = record.segment.id;
    let total_overflows = record.counted.iter().any(|counted| {
        let key = SumKey {
            segment: payer,
            origin,
            meter: counted.meter,
        };
        let (added, _) = grown(book, record, counted, payer != origin);
        let total = book.total((record.tenant, key));
        total.checked_add(added.scaled()).is_none()
    });
    quota_overflows || total_overflows
}

/// All units that a record spends like the entry at this place, up to it; `None` where that is more
/// than a counter holds.
fn total_with(record: &UsageRecord, at: usize, is_alike: impl Fn(&Spent) -> bool) -> Option<i64> {
    let until = record.spent.iter().take(at.saturating_add(1));
    let mut alike = until.filter(|other| is_alike(other));
    let total = alike.try_fold(0_u64, |total, other| total.checked_add(other.units))?;
    i64::try_from(total).ok()
}
