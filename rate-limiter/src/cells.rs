//! Counters of one holder, shared between threads.

use crate::sync::{Mutex, lock};
use crate::{Bucket, Decision, Limits, Timestamp};

/// A [`Bucket`] that threads share, exact among them. Embed it in whatever a look-up already finds, so that a decision
/// costs no second look-up.
///
/// The lock is held for some nanoseconds and never across a call into foreign code; a panic elsewhere does not poison
/// it.
///
/// 120 bytes. It holds no limits: they come with each call, so that refreshing a customer's terms never touches the
/// counters.
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
    ///
    /// ```
    /// use std::thread;
    /// use monetization_rate_limiter::{Cells, Limit, Limits, Timestamp, Window};
    ///
    /// let limits = Limits::new([Limit::calendar(Window::Minute, 5)])?;
    /// let (cells, now) = (Cells::new(), Timestamp::from_secs(1_800_000_000));
    /// thread::scope(|scope| {
    ///     for _ in 0..4 {
    ///         scope.spawn(|| for _ in 0..3 { drop(cells.take(&limits, now, 1)) });
    ///     }
    /// });
    /// assert_eq!(cells.assess(&limits, now, 0).standings()[0].remaining(), 0);
    /// # Ok::<(), monetization_rate_limiter::DuplicateLimit>(())
    /// ```
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
