use async_trait::async_trait;

use super::{Port, StoreError};
use crate::ids::{RecordId, SegmentId, TenantId};
use crate::subscription::Segment;
use crate::usage::{Sum, UsageRecord};

/// The ledger: what was used. Rows are added and never changed.
///
/// The sums are part of it: they are written with the records, in one transaction, so that an
/// invoice reads a few rows and never the records behind them. A closed segment's own sum does not
/// change any more; what comes late goes to the sum of a later segment, with its origin.
#[async_trait]
pub trait Ledger: Port {
    /// Writes records, with their sums, quota counters and leases, in one transaction; answers
    /// for each in its place. Records with the same id in one batch are judged one after the
    /// other.
    ///
    /// What a record counts is added to its segment's sum; where that segment is closed, to
    /// the late sum of the first open segment along the successors. What it spends is added to
    /// the quota's committed units and to its lease's. A segment's row is made by its first
    /// record.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot, or does not know; then append the same again.
    async fn append(&self, records: &[UsageRecord]) -> Result<Vec<Appended>, StoreError>;

    /// The sums that closing this segment pays for, its own and late ones, by key.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    async fn sums(&self, tenant: TenantId, segment: SegmentId) -> Result<Vec<Sum>, StoreError>;

    /// The sums of use that belongs to this segment by its time, whoever pays, by key.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    async fn sums_of_origin(
        &self,
        tenant: TenantId,
        origin: SegmentId,
    ) -> Result<Vec<Sum>, StoreError>;

    /// A segment's row; `None` where nothing was appended to it and it was not closed.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    async fn segment(
        &self,
        tenant: TenantId,
        segment: SegmentId,
    ) -> Result<Option<SegmentRow>, StoreError>;

    /// The records of a segment by their time of use's segment, in the order of their ids, after
    /// this one, at most `limit`: the evidence behind the sums.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    async fn records(
        &self,
        tenant: TenantId,
        segment: SegmentId,
        after: Option<RecordId>,
        limit: usize,
    ) -> Result<Vec<UsageRecord>, StoreError>;
}

/// What became of one record.
///
/// | answer | in the ledger | what the committer says |
/// |---|---|---|
/// | `New` | now | durable |
/// | `Duplicate` | from before | durable |
/// | `Conflict` | another content under this event's name | durable: what was first stands |
/// | `Refused` | no | not recorded: the end of the answer is not sent |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Appended {
    /// It is in the ledger now.
    New,
    /// It has been in the ledger before.
    Duplicate,
    /// Its event is in the ledger and says something else.
    Conflict,
    /// It cannot be taken; nothing of it is written.
    Refused(Refusal),
}

/// Why a record cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Its lease is settled or unknown: whoever granted the call had lost its quota by then.
    #[error("the lease it spends from is closed")]
    LeaseClosed,
    /// It spends more than its lease has left.
    #[error("the lease it spends from is used up")]
    LeaseSpent,
    /// A sum or counter would not fit 64 bits.
    #[error("the sum does not fit 64 bits")]
    Overflow,
}

/// A segment as the ledger keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentRow {
    /// The segment as it was when its row was made or closed.
    pub segment: Segment,
    /// What pays for late use, once it is closed.
    pub successor: Option<SegmentId>,
}
