//! What somebody else has counted.

use crate::Timestamp;

/// What has been counted for one limit somewhere else, to go on from in a [`Bucket`](crate::Bucket): see
/// [`Bucket::resume`](crate::Bucket::resume).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Count {
    /// The end of the calendar window that was counted in; of a GCRA its theoretical arrival time, the instant from
    /// which on all of it is free again.
    pub until: Timestamp,
    /// Units taken in the calendar window; of a GCRA the nanoseconds below a microsecond of its arrival time.
    pub rest: u64,
}
