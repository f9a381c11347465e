use hashbrown::HashMap;
use monetization_core::clock::{Span, Timestamp};
use monetization_core::ids::{LeaseId, MeterId, SegmentId, SubscriptionId, TenantId};
use monetization_core::plan::QuotaWindow;
use monetization_core::store::LeaseRequest;
use monetization_core::usage::{Spent, UsageRecord};

/// What the writer remembers of the rows that appends keep changing, so that it need not read
/// them each time. It is always what the database says: nobody else writes there, and after a
/// transaction that failed all of it is forgotten.
#[derive(Debug, Default)]
pub(crate) struct Hot {
    /// Segments that have a row.
    pub(crate) segments: HashMap<(TenantId, SegmentId), HotSegment>,
    /// Numbers of meters.
    pub(crate) meters: HashMap<MeterId, i64>,
    /// Totals of the sums of those segments that are not closed; none is zero.
    pub(crate) totals: HashMap<SumNumbers, i64>,
    /// Counters of quotas that have a row.
    pub(crate) quotas: HashMap<QuotaKey, HotQuota>,
    /// Leases that have a row.
    pub(crate) leases: HashMap<(TenantId, LeaseId), HotLease>,
    /// Whether the ledger has records of reported events; not known before the first append.
    pub(crate) has_events: Option<bool>,
}

impl Hot {
    /// Entries of each kind; about 100 bytes each.
    const ENTRIES_MAX: usize = 200_000;

    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Forgets all where it has become too much: what is still hot comes back by itself.
    pub(crate) fn trim(&mut self) {
        let sizes = [
            self.segments.len(),
            self.meters.len(),
            self.totals.len(),
            self.quotas.len(),
            self.leases.len(),
        ];
        if sizes.into_iter().any(|size| size > Self::ENTRIES_MAX) {
            self.forget();
        }
    }
}

/// A row of `segment`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HotSegment {
    pub(crate) number: i64,
    pub(crate) by_engine: bool,
    pub(crate) state: SegmentState,
}

/// How far a segment has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SegmentState {
    /// Known as a successor only.
    Announced,
    Open,
    /// Followed by this one.
    Closed(SegmentId),
}

/// The key of a row of `sum`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SumNumbers {
    pub(crate) segment: i64,
    pub(crate) origin: i64,
    pub(crate) meter: i64,
}

/// One window of one quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct QuotaKey {
    pub(crate) tenant: TenantId,
    pub(crate) subscription: SubscriptionId,
    pub(crate) quota: QuotaWindow,
    pub(crate) start: Timestamp,
    pub(crate) end: Timestamp,
}

impl QuotaKey {
    pub(crate) fn of_record(record: &UsageRecord, spent: &Spent) -> Self {
        Self::new(
            record.tenant,
            record.segment.subscription,
            spent.quota,
            spent.window,
        )
    }

    pub(crate) fn of_request(request: &LeaseRequest) -> Self {
        Self::new(
            request.tenant,
            request.subscription,
            request.quota,
            request.window,
        )
    }

    fn new(
        tenant: TenantId,
        subscription: SubscriptionId,
        quota: QuotaWindow,
        window: Span,
    ) -> Self {
        Self {
            tenant,
            subscription,
            quota,
            start: window.start,
            end: window.end,
        }
    }
}

/// A row of `quota`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HotQuota {
    pub(crate) number: i64,
    pub(crate) committed: i64,
    pub(crate) leased: i64,
}

/// A row of `lease`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HotLease {
    pub(crate) number: i64,
    pub(crate) quota: QuotaKey,
    pub(crate) units: i64,
    pub(crate) committed: i64,
    pub(crate) open: bool,
}

impl HotLease {
    /// Units that nobody has spent.
    pub(crate) fn unspent(&self) -> i64 {
        self.units.saturating_sub(self.committed)
    }
}
