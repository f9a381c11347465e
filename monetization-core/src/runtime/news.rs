//! The news of the store: how old it is, and who reads it.
//!
//! Of the calls that need news at once one reads, and the others wait for it. None begins to wait for a reading that
//! follows one which has failed, and none of those who waited for one that fails tries again. So a store that says
//! nothing keeps calls waiting until its answer is given up, once, and no queue of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::feed::{Feed, Keys};
use super::gate::Gate;
use crate::clock::Clock;
use crate::store::{Store, StoreError, StoreErrorKind};

/// No reading, of whichever kind.
const NEVER: u64 = u64::MAX;

/// Reads the news. All times are process time, in microseconds.
pub(super) struct News {
    clock: Clock,
    /// Held while news is read.
    feed: futures::lock::Mutex<Feed>,
    /// When the last complete reading began.
    fresh_as_of: AtomicU64,
    /// Whether somebody reads.
    is_read: AtomicBool,
    /// When the last reading failed, if none has succeeded since.
    failed_at: AtomicU64,
}

/// A reading that is under way until this is dropped.
struct Reading<'a>(&'a News);

impl News {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            feed: futures::lock::Mutex::default(),
            fresh_as_of: AtomicU64::new(NEVER),
            is_read: AtomicBool::new(false),
            failed_at: AtomicU64::new(NEVER),
        }
    }

    /// Reads it, so that what was written before this call is known after it.
    pub(super) async fn read(&self, store: &dyn Store, keys: &Keys) -> Result<(), StoreError> {
        let asked_at = self.now();
        let mut feed = self.feed.lock().await;
        if self.is_fresh_since(asked_at) {
            return Ok(());
        }
        self.catch_up(&mut feed, store, keys).await
    }

    /// The same for a call, which is better refused than kept waiting.
    pub(super) async fn read_for_a_call(
        &self,
        store: &dyn Store,
        keys: &Keys,
    ) -> Result<(), StoreError> {
        let asked_at = self.now();
        if self.is_hopeless() {
            return Err(silent("it has failed, and others try again"));
        }
        let mut feed = self.feed.lock().await;
        if self.is_fresh_since(asked_at) {
            return Ok(());
        }
        if self.has_failed_since(asked_at) {
            return Err(silent("it has just failed for others"));
        }
        self.catch_up(&mut feed, store, keys).await
    }

    async fn catch_up(
        &self,
        feed: &mut Feed,
        store: &dyn Store,
        keys: &Keys,
    ) -> Result<(), StoreError> {
        let as_of = self.now();
        let reading = self.begin();
        let caught_up = feed.catch_up(store, keys).await;
        reading.end(caught_up.is_ok(), self.now());
        caught_up?;
        self.fresh_as_of.store(as_of, Ordering::Release);
        Ok(())
    }

    /// Whether somebody else has read it since then.
    fn is_fresh_since(&self, asked_at: u64) -> bool {
        let known = self.fresh_as_of.load(Ordering::Acquire);
        known != NEVER && known > asked_at
    }

    /// For how long there has been none; `None` before the first.
    pub(super) fn age(&self) -> Option<Duration> {
        let as_of = self.fresh_as_of.load(Ordering::Acquire);
        let now = self.clock.uptime();
        (as_of != NEVER).then(|| now.saturating_sub(Duration::from_micros(as_of)))
    }

    /// Whether news has been read that is at most so much older than a call of that arrival.
    pub(super) fn is_known_since(&self, arrived: Duration, older_by: Duration) -> bool {
        let as_of = self.fresh_as_of.load(Ordering::Acquire);
        as_of != NEVER && arrived.saturating_sub(Duration::from_micros(as_of)) <= older_by
    }

    /// Up to where it was read, once nobody reads.
    pub(super) async fn cursor(&self) -> u64 {
        self.feed.lock().await.cursor()
    }

    /// Every subscription's gate, once nobody reads.
    pub(super) async fn gates(&self) -> Vec<Arc<Gate>> {
        self.feed.lock().await.gates()
    }

    /// Every subscription's gate; none while somebody reads.
    pub(super) fn gates_now(&self) -> Vec<Arc<Gate>> {
        let feed = self.feed.try_lock();
        feed.map(|feed| feed.gates()).unwrap_or_default()
    }

    fn now(&self) -> u64 {
        u64::try_from(self.clock.uptime().as_micros()).unwrap_or(NEVER)
    }

    /// Whether there is a reading under way that no call should begin to wait for.
    fn is_hopeless(&self) -> bool {
        let has_failed = self.failed_at.load(Ordering::Acquire) != NEVER;
        has_failed && self.is_read.load(Ordering::Acquire)
    }

    /// Whether one has failed since then, and none succeeded.
    fn has_failed_since(&self, asked_at: u64) -> bool {
        let failed_at = self.failed_at.load(Ordering::Acquire);
        failed_at != NEVER && failed_at > asked_at
    }

    fn begin(&self) -> Reading<'_> {
        self.is_read.store(true, Ordering::Release);
        Reading(self)
    }
}

impl Reading<'_> {
    fn end(self, is_ok: bool, now: u64) {
        let failed_at = if is_ok { NEVER } else { now };
        self.0.failed_at.store(failed_at, Ordering::Release);
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        self.0.is_read.store(false, Ordering::Release);
    }
}

/// That the store is not asked, because it does not answer others.
fn silent(why: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "read the news").because(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_waits_for_a_reading_that_follows_a_failed_one() {
        let news = News::new(Clock::system());
        assert!(!news.is_hopeless(), "there is none");
        let slow = news.begin();
        assert!(!news.is_hopeless());
        slow.end(false, 20);
        assert!(!news.is_hopeless(), "somebody has to try");
        assert!(news.has_failed_since(10) && !news.has_failed_since(20));
        let next = news.begin();
        assert!(news.is_hopeless());
        next.end(true, 40);
        assert!(!news.has_failed_since(10));
        drop(news.begin());
        assert!(!news.is_hopeless());
    }
}
