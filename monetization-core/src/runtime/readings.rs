//! How readings of the news go: whether it makes sense to wait for the one that is under way.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::store::{StoreError, StoreErrorKind};

/// A reading that takes longer, in microseconds of process time, is not waited for.
const LONG: u64 = 5_000_000;
const NONE: u64 = u64::MAX;

/// The reading under way, and the last one that failed. Times are microseconds of process time.
#[derive(Debug)]
pub(super) struct Readings {
    began_at: AtomicU64,
    /// When the last one failed, if none has succeeded since.
    failed_at: AtomicU64,
}

/// One that is under way; it is over once this is dropped.
pub(super) struct Reading<'a>(&'a Readings);

impl Default for Readings {
    fn default() -> Self {
        Self {
            began_at: AtomicU64::new(NONE),
            failed_at: AtomicU64::new(NONE),
        }
    }
}

impl Readings {
    /// Whether there is a reading under way that nobody should begin to wait for now.
    pub(super) fn is_hopeless(&self, now: u64) -> bool {
        let began_at = self.began_at.load(Ordering::Acquire);
        let has_failed = self.failed_at.load(Ordering::Acquire) != NONE;
        began_at != NONE && (has_failed || now.saturating_sub(began_at) > LONG)
    }

    /// Whether one has failed since then, and none succeeded.
    pub(super) fn has_failed_since(&self, asked_at: u64) -> bool {
        let failed_at = self.failed_at.load(Ordering::Acquire);
        failed_at != NONE && failed_at > asked_at
    }

    /// Begins one. The caller is the only one who reads.
    pub(super) fn begin(&self, now: u64) -> Reading<'_> {
        self.began_at.store(now, Ordering::Release);
        Reading(self)
    }
}

impl Reading<'_> {
    pub(super) fn end(self, is_ok: bool, now: u64) {
        let failed_at = if is_ok { NONE } else { now };
        self.0.failed_at.store(failed_at, Ordering::Release);
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.began_at.store(NONE, Ordering::Release);
    }
}

/// That the store is not asked, because it does not answer others.
pub(super) fn silent(why: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "read the news").because(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_that_takes_long_or_follows_a_failed_one_is_not_waited_for() {
        let readings = Readings::default();
        assert!(!readings.is_hopeless(0), "there is none");
        let slow = readings.begin(10);
        assert!(!readings.is_hopeless(10 + LONG));
        assert!(readings.is_hopeless(11 + LONG));
        slow.end(false, 20 + LONG);
        assert!(!readings.is_hopeless(20 + LONG), "somebody has to try");
        assert!(readings.has_failed_since(10) && !readings.has_failed_since(20 + LONG));
        let next = readings.begin(30 + LONG);
        assert!(readings.is_hopeless(30 + LONG));
        next.end(true, 40 + LONG);
        assert!(!readings.has_failed_since(10));
        let dropped = readings.begin(50 + LONG);
        drop(dropped);
        assert!(!readings.is_hopeless(60 + 2 * LONG));
    }
}
