//! What the writer remembers.
//!
//! An append has to know the state of every segment, sum, counter and lease it touches before it
//! can judge a record. To read a thousand rows takes longer than to write them: each crosses
//! from the connection's thread to ours. So the writer remembers them.
//!
//! It may, because one connection writes, one job after the other. These keep it true:
//!
//! * where another process has written meanwhile, the writer finds out as its next transaction
//!   begins, and forgets everything;
//! * a job that changes a remembered row changes it here, or takes it out (`close`);
//! * whatever fails makes the writer forget everything: the next append reads again;
//! * the statements add to what the rows hold and are checked by the tables (`committed <= units`,
//!   `committed <= leased`, no overflow, the lease still open), so that even a memory that was
//!   wrong would be found out by a failure and not by a wrong sum.
//!
//! The maps are looked up and never walked through, so their order reaches nothing.

use hashbrown::HashMap;
use monetization_core::ids::{LeaseId, MeterId, SegmentId, TenantId};
use monetization_core::store::judging::{Block, QuotaKey, SegmentState};
use monetization_core::usage::{Tallied, TallyKey};

/// What the writer remembers of the rows that appends keep changing, so that it need not read
/// them each time. Within a transaction it is what the database says: after somebody else has
/// written, and after a transaction that failed, all of it is forgotten.
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
    /// What is known of tallies that have a row.
    pub(crate) tallies: HashMap<TallyKey, Tallied>,
    /// Whether the ledger has records of reported events; not known before the first append.
    pub(crate) has_events: Option<bool>,
}

impl Hot {
    /// Entries of each kind; about 100 bytes each.
    const ENTRIES_MAX: usize = 200_000;

    /// Forgets everything. The next job reads what it needs.
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
            self.tallies.len(),
        ];
        if sizes.into_iter().any(|size| size > Self::ENTRIES_MAX) {
            self.forget();
        }
    }
}

/// A row of `segment`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HotSegment {
    /// What it is called in other tables.
    pub(crate) number: i64,
    /// Whether the engine invoices it.
    pub(crate) by_engine: bool,
    /// How far it has come.
    pub(crate) state: SegmentState,
}

/// The key of a row of `sum`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SumNumbers {
    /// The number of the segment whose closing pays for it.
    pub(crate) segment: i64,
    /// The number of the segment it belongs to by the time of use.
    pub(crate) origin: i64,
    /// The number of what was counted.
    pub(crate) meter: i64,
}

/// A row of `quota`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HotQuota {
    /// What it is called in other tables.
    pub(crate) number: i64,
    /// Units that records have spent.
    pub(crate) committed: i64,
    /// Units handed out, less what came back; never less than `committed`.
    pub(crate) leased: i64,
}

/// A row of `lease`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HotLease {
    /// What it is called in other tables.
    pub(crate) number: i64,
    /// The counter it is a block of.
    pub(crate) quota: QuotaKey,
    /// Units that were handed out.
    pub(crate) units: i64,
    /// Units of them that records have spent.
    pub(crate) committed: i64,
    /// Whether it has not been settled.
    pub(crate) open: bool,
}

impl HotLease {
    /// Units that nobody has spent.
    pub(crate) fn unspent(&self) -> i64 {
        self.units.saturating_sub(self.committed)
    }

    /// What decides about records that spend of it.
    pub(crate) fn block(&self) -> Block {
        Block {
            quota: self.quota,
            unspent: self.unspent(),
            open: self.open,
        }
    }
}
