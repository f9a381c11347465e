use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::committer::{CommitterOptions, SetAside};
use crate::rates::SharedRates;

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

/// What a gatekeeper may have beside its store.
///
/// ```
/// use std::sync::Arc;
/// use monetization_core::clock::Clock;
/// use monetization_core::entropy::Entropy;
/// use monetization_core::key::Pepper;
/// use monetization_core::memory::{MemoryRates, MemoryStore};
/// use monetization_core::runtime::{Beside, Gatekeeper, GatekeeperOptions};
///
/// // Two gatekeepers of one process, which let a rate through once.
/// let (clock, store) = (Clock::system(), Arc::new(MemoryStore::default()));
/// let rates = Arc::new(MemoryRates::new(clock.clone()));
/// let gatekeepers = [(); 2].map(|()| {
///     let beside = Beside { rates: Some(Arc::<MemoryRates>::clone(&rates)), ..Beside::default() };
///     let words = (clock.clone(), Arc::new(Entropy::system()));
///     let pepper = Pepper::new(b"kept outside of the store")?;
///     let store = Arc::<MemoryStore>::clone(&store);
///     Ok(Gatekeeper::with(store, words, pepper, GatekeeperOptions::default(), beside))
/// });
/// # gatekeepers.into_iter().collect::<Result<Vec<_>, Box<dyn std::error::Error>>>().unwrap();
/// ```
#[derive(Debug, Clone, Default)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Beside {
    /// Keeps records that the ledger cannot take. Without it such a record is appended again and again, and
    /// all that come after it wait.
    pub aside: Option<Arc<dyn SetAside>>,
    /// Counts rates for several gateways. Without it each lets the whole of a rate through.
    pub rates: Option<Arc<dyn SharedRates>>,
}
