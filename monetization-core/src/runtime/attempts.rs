//! What one call does for all that wait for it: reading news, filling a cell.
//!
//! Who waits for an attempt that fails does not try again, and none begins to wait for an attempt that follows one which
//! has failed. So a store that says nothing keeps calls waiting until its answer is given up, once, and no queue of them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::clock::Clock;
use crate::store::{StoreError, StoreErrorKind};

/// For how long a failure tells that the next attempt may take its time, too: 60 s. After a quiet hour it says nothing.
const RECENT: u64 = 60_000_000;
/// No instant.
pub(super) const NEVER: u64 = u64::MAX;

/// Process time, in microseconds.
pub(super) fn micros(clock: &Clock) -> u64 {
    u64::try_from(clock.uptime().as_micros()).unwrap_or(NEVER)
}

/// How attempts of one kind went. All times are process time, in microseconds.
#[derive(Debug)]
pub(super) struct Attempts {
    is_under_way: AtomicBool,
    /// When the last one failed, if none has succeeded since.
    failed_at: AtomicU64,
}

/// One that is under way until this is dropped.
pub(super) struct Attempt<'a>(&'a Attempts);

impl Default for Attempts {
    fn default() -> Self {
        Self {
            is_under_way: AtomicBool::new(false),
            failed_at: AtomicU64::new(NEVER),
        }
    }
}

impl Attempts {
    /// Before a call waits for its turn, now: whether it had better not.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unavailable`] where the last attempt has just failed, and somebody tries again.
    pub(super) fn before_turn(&self, now: u64, doing: &'static str) -> Result<(), StoreError> {
        let failed_at = self.failed_at.load(Ordering::Acquire);
        let has_failed = failed_at != NEVER && now.saturating_sub(failed_at) < RECENT;
        if has_failed && self.is_under_way.load(Ordering::Acquire) {
            return Err(silent(doing, "it has failed, and others try again"));
        }
        Ok(())
    }

    /// Once it is its turn, for which it has waited since then: whether it need not try any more.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unavailable`] where an attempt has failed since then, and none succeeded.
    pub(super) fn at_turn(&self, since: u64, doing: &'static str) -> Result<(), StoreError> {
        let failed_at = self.failed_at.load(Ordering::Acquire);
        if failed_at != NEVER && failed_at > since {
            return Err(silent(doing, "it has just failed for others"));
        }
        Ok(())
    }

    pub(super) fn begin(&self) -> Attempt<'_> {
        self.is_under_way.store(true, Ordering::Release);
        Attempt(self)
    }
}

impl Attempt<'_> {
    pub(super) fn end(self, is_ok: bool, now: u64) {
        let failed_at = if is_ok { NEVER } else { now };
        self.0.failed_at.store(failed_at, Ordering::Release);
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        self.0.is_under_way.store(false, Ordering::Release);
    }
}

/// That the store is not asked, because it does not answer others.
fn silent(doing: &'static str, why: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, doing).because(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_waits_for_an_attempt_that_follows_a_failed_one() {
        let attempts = Attempts::default();
        let is_hopeless_at = |now| attempts.before_turn(now, "try").is_err();
        let is_hopeless = || is_hopeless_at(30);
        let has_failed_since = |since| attempts.at_turn(since, "try").is_err();
        assert!(!is_hopeless(), "there is none");
        let slow = attempts.begin();
        assert!(!is_hopeless());
        slow.end(false, 20);
        assert!(!is_hopeless(), "somebody has to try");
        assert!(has_failed_since(10) && !has_failed_since(20));
        let next = attempts.begin();
        assert!(is_hopeless());
        assert!(!is_hopeless_at(20 + RECENT), "that was long ago");
        next.end(true, 40);
        assert!(!has_failed_since(10));
        drop(attempts.begin());
        assert!(!is_hopeless());
    }
}
