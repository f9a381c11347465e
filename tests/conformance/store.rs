//! The store suite: what is owed by whatever implements
//! [`Store`].
//!
//! # Running it
//! Write a [`Backend`] (a closure from a clock to a store is one) and name it to
//! [`store_suite!`](crate::store_suite). The tests run on tokio with several threads, so the
//! calling package needs tokio with `macros` and `rt-multi-thread`.
//!
//! ```
//! # // The tests this makes are run by the package's own test targets.
//! use std::sync::Arc;
//!
//! use monetization_conformance::store_suite;
//! use monetization_core::clock::Clock;
//! use monetization_core::memory::MemoryStore;
//! use monetization_core::store::Store;
//!
//! async fn memory(clock: Clock) -> Arc<dyn Store> {
//!     Arc::new(MemoryStore::new(clock))
//! }
//!
//! store_suite!(memory => behaviours);
//! # fn main() {}
//! ```

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::{BoxFuture, RemoteHandle};
use monetization_core::clock::{Clock, ManualClock};
use monetization_core::store::Store;

use crate::sample::{START, Sample};

pub mod rows;

/// Where the stores of one check come from. Each check gets a backend of its own.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Opens the store, whose claims lapse on this clock. The first time it is empty. When it
    /// is opened again, the store that was open before is ended as by the death of its process;
    /// what it had answered is there, if the backend keeps things at all.
    async fn open(&self, clock: Clock) -> Arc<dyn Store>;
}

#[async_trait]
impl<F, R> Backend for F
where
    F: Fn(Clock) -> R + Send + Sync + 'static,
    R: Future<Output = Arc<dyn Store>> + Send,
{
    async fn open(&self, clock: Clock) -> Arc<dyn Store> {
        self(clock).await
    }
}

/// Starts a future beside the one that is running, on another thread where there is one.
pub type Spawn = fn(BoxFuture<'static, ()>);

/// What a check works with.
pub struct Bench {
    backend: Box<dyn Backend>,
    spawn: Spawn,
    clock: Clock,
    time: ManualClock,
    /// Where its things come from.
    pub sample: Sample,
}

impl Bench {
    /// A bench for one check.
    #[must_use]
    pub fn new(backend: impl Backend, spawn: Spawn) -> Self {
        let (clock, time) = Clock::manual(START);
        Self {
            backend: Box::new(backend),
            spawn,
            clock,
            time,
            sample: Sample::seeded(1),
        }
    }

    /// Opens the store, as [`Backend::open`] says.
    pub async fn open(&self) -> Arc<dyn Store> {
        self.backend.open(self.clock.clone()).await
    }

    /// Moves the time by which the store's claims lapse.
    pub fn advance(&self, by: Duration) {
        self.time.advance(by);
    }

    /// Runs a future beside this one; what is handed back waits for it, and fails if it fails.
    pub fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> RemoteHandle<T> {
        let (remote, handle) = future.remote_handle();
        (self.spawn)(remote.boxed());
        handle
    }
}

impl fmt::Debug for Bench {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Bench").field("time", &self.time).finish()
    }
}

/// Makes one test of each check, for one backend.
///
/// `store_suite!(backend => behaviours)` makes the checks that every store owes. After a comma
/// come the parts that not all can have: `model` (a long random run, held against
/// `MemoryStore`) and `reopening` (what must be there after the process died). `backend` is an
/// expression that is evaluated once for each check.
#[macro_export]
macro_rules! store_suite {
    ($backend:expr => $($part:ident),+ $(,)?) => {
        $($crate::store_suite!(@$part $backend);)+
    };
    (@behaviours $backend:expr) => {
        $crate::store_suite!(@checks rows $backend => [
            a_new_row_is_read_back_as_it_was_written,
        ]);
    };
    (@checks $group:ident $backend:expr => [$($check:ident),+ $(,)?]) => {
        mod $group {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    let bench = $crate::store::Bench::new($backend, |future| {
                        drop(tokio::spawn(future));
                    });
                    $crate::store::$group::$check(&bench).await;
                }
            )+
        }
    };
}
