//! A store in memory: the model that the other stores are held against, and a store for tests
//! and first steps. Everything is gone when it is dropped.
//!
//! It is written to be read beside another store's code: what SQL does there with constraints and
//! one transaction is done here with a check and then a change under one lock. Both pass the same
//! suite, and tests run random work against both and compare.

use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::clock::{Clock, Timestamp};
use crate::store::{Store, StoreError};

mod batches;
mod ledger;
mod quotas;
mod rates;
mod rows;
mod work;

pub use rates::MemoryRates;

/// A [`Store`] that keeps everything in memory, behind one lock.
///
/// Each write looks first whether all of it can be done, and then does all of it. Its owner is
/// this process, so no block of a quota is ever orphaned.
///
/// It cannot fail: its errors are those of content that makes no sense. It looks through whole
/// tables where a database has an index, and is for thousands of rows, not for millions.
///
/// ```
/// use monetization_core::ids::{TenantId, TypedId};
/// use monetization_core::memory::MemoryStore;
/// use monetization_core::store::{Kind, Rows};
///
/// # use futures::FutureExt;
/// # async {
/// let store = MemoryStore::default();
/// let tenant = TenantId::derived(&[b"market"]);
/// assert_eq!(store.row(tenant, Kind::Tenant, tenant.uuid()).await?, None);
/// # Ok::<(), monetization_core::store::StoreError>(())
/// # }.now_or_never().unwrap().unwrap();
/// ```
#[derive(Debug)]
pub struct MemoryStore {
    clock: Clock,
    state: Mutex<State>,
}

impl MemoryStore {
    /// An empty store whose claims lapse by the business time of this clock. Stores on disk use
    /// the machine's time there, since their claims outlive the process; so does
    /// [`default`](Self::default).
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            state: Mutex::default(),
        }
    }

    /// As [`new`](Self::new), but a record is summed and not kept: for what is calculated once and
    /// thrown away, so that it takes no more memory the more was used. It has no records to list, and
    /// one that is appended again counts again.
    #[must_use]
    pub fn without_records(clock: Clock) -> Self {
        let state = State {
            books: ledger::Books::without_records(),
            ..State::default()
        };
        Self {
            clock,
            state: Mutex::new(state),
        }
    }

    /// Held for one transaction, never across an await.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(Clock::system())
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn name(&self) -> &'static str {
        "memory"
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Everything that is kept; a part for each trait of the port, changed under one lock.
#[derive(Debug, Default)]
struct State {
    facts: rows::Facts,
    books: ledger::Books,
    blocks: quotas::Blocks,
    outgoing: batches::Outgoing,
    intents: work::Intents,
    jobs: work::Jobs,
}

/// A claim that is held until it is given up or, once it has lapsed, taken by another.
#[derive(Debug, Clone, Copy, Default)]
struct Hold {
    /// The number of the last claim.
    fence: u64,
    /// When that claim lapses; `None` once it is given up, and before the first.
    lapses_at: Option<Timestamp>,
}

impl Hold {
    fn is_free(self, now: Timestamp) -> bool {
        self.lapses_at.is_none_or(|lapses_at| lapses_at <= now)
    }

    fn is_held_under(self, fence: u64) -> bool {
        self.lapses_at.is_some() && self.fence == fence
    }

    fn was_given_up_under(self, fence: u64) -> bool {
        self.lapses_at.is_none() && self.fence == fence && fence > 0
    }

    fn take(&mut self, lapses_at: Timestamp) -> u64 {
        self.fence = self.fence.saturating_add(1);
        self.lapses_at = Some(lapses_at);
        self.fence
    }

    fn give_up(&mut self) {
        self.lapses_at = None;
    }
}
