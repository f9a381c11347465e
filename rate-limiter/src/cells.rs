//! Counters of one holder, shared between threads.

use crate::sync::{Mutex, lock};
use crate::{Bucket, Decision, Limits, Timestamp};

/// A [`Bucket`] that threads share, exact among them. Embed it in whatever a look-up already finds, so that a decision
/// costs no second look-up.
///
/// The lock is held for some nanoseconds and never across a call into foreign code; a panic elsewhere does not poison
/// it.
#[derive(Debug, Default)]
pub struct Cells {
    bucket: Mutex<Bucket>,
}

impl Cells {
    /// Nothing taken yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            bucket: Mutex::new(Bucket::new()),
        }
    }

    /// As [`Bucket::take`].
    #[inline]
    pub fn take(&self, limits: &Limits, now: Timestamp, weight: u64) -> Decision {
        let mut decision = Decision::open(now, weight);
        lock(&self.bucket).take_into(limits, &mut decision);
        decision
    }

    /// As [`Bucket::assess`]: how things stood; another thread may take the units before the answer is read.
    #[inline]
    pub fn assess(&self, limits: &Limits, now: Timestamp, weight: u64) -> Decision {
        lock(&self.bucket).assess(limits, now, weight)
    }

    /// As [`Bucket::give_back`].
    pub fn give_back(&self, limits: &Limits, taken_at: Timestamp, weight: u64) {
        lock(&self.bucket).give_back(limits, taken_at, weight);
    }
}
