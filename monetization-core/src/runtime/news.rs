//! The news of the store: how old it is, and who reads it.
//!
//! Of the calls that need news at once one reads, and the others wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::attempts::{Attempts, NEVER, micros};
use super::feed::{Feed, Keys};
use super::gate::Gate;
use crate::clock::Clock;
use crate::store::{Store, StoreError};

/// Reads the news. All times are process time, in microseconds.
pub(super) struct News {
    clock: Clock,
    /// Held while news is read.
    feed: futures::lock::Mutex<Feed>,
    /// When the last complete reading began.
    fresh_as_of: AtomicU64,
    readings: Attempts,
}

/// As errors name it.
const READ: &str = "read the news";

impl News {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            feed: futures::lock::Mutex::default(),
            fresh_as_of: AtomicU64::new(NEVER),
            readings: Attempts::default(),
        }
    }

    /// Reads it, so that what was written before this call is known after it.
    pub(super) async fn read(&self, store: &dyn Store, keys: &Keys) -> Result<(), StoreError> {
        let asked_at = micros(&self.clock);
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
        let asked_at = micros(&self.clock);
        self.readings.before_turn(asked_at, READ)?;
        let mut feed = self.feed.lock().await;
        if self.is_fresh_since(asked_at) {
            return Ok(());
        }
        self.readings.at_turn(asked_at, READ)?;
        self.catch_up(&mut feed, store, keys).await
    }

    async fn catch_up(
        &self,
        feed: &mut Feed,
        store: &dyn Store,
        keys: &Keys,
    ) -> Result<(), StoreError> {
        let as_of = micros(&self.clock);
        let reading = self.readings.begin();
        let caught_up = feed.catch_up(store, keys).await;
        reading.end(caught_up.is_ok(), micros(&self.clock));
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
}
