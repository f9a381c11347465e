use std::num::NonZeroU32;
use std::time::Duration;

use super::committer::CommitterOptions;

/// How a [`Gatekeeper`](super::Gatekeeper) behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GatekeeperOptions {
    /// How long it may go without news of the store before it asks; 1 second. A revoked key is
    /// refused after this time at the latest.
    pub stale_after: Duration,
    /// For how long after that calls are let in on what is in memory, while the store is away; none.
    ///
    /// None closes the gates with the store. Any longer keeps them open to known keys within limits
    /// that are known: a strict quota is closed all the same, a revoked key stays open for so long,
    /// and the committer's queue bounds how many calls wait for their record. Of use where answers do
    /// not wait for the ledger.
    pub without_store_max: Duration,
    /// How often the news is read; a quarter of a second.
    pub poll_every: Duration,
    /// Keys nobody has heard of that are looked for in the store each second, of all callers
    /// together; 100. Further ones are answered with [`Denial::Busy`](super::Denial::Busy), until the news is read anyway.
    pub strangers_per_second: NonZeroU32,
    /// Bounds of the committer.
    pub committer: CommitterOptions,
}

impl Default for GatekeeperOptions {
    fn default() -> Self {
        Self {
            stale_after: Duration::from_secs(1),
            without_store_max: Duration::ZERO,
            poll_every: Duration::from_millis(250),
            strangers_per_second: STRANGERS_PER_SECOND,
            committer: CommitterOptions::default(),
        }
    }
}

impl GatekeeperOptions {
    /// How old the news may be for any call to be let in.
    pub(super) fn open_for(&self) -> Duration {
        self.stale_after.saturating_add(self.without_store_max)
    }
}

const STRANGERS_PER_SECOND: NonZeroU32 = NonZeroU32::new(100).unwrap();
