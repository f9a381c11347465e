use std::pin::Pin;
use std::time::Duration;

use monetization_core::runtime::Sleep;
use tokio::runtime::Handle;

/// What runs futures beside the calls and waits. [`TokioRuntime`] is one.
///
/// It is asked to run the rest of calls whose clients have gone: futures that end when the inner
/// service has answered, and where a meter reads the answer, with its end or
/// [`rest_wait_max`](crate::LayerOptions::rest_wait_max). They hold their place in the committer's queue, so
/// a shutdown waits for them as for any call; it cuts the reading short. One that is never run settles its call as failed when it is dropped.
///
/// ```
/// use std::pin::Pin;
/// use std::time::Duration;
/// use monetization_core::runtime::Sleep;
/// use monetization_gateway_tower::{Runtime, TokioRuntime};
///
/// /// Counts what is left over by clients that have gone.
/// struct Counting(TokioRuntime, std::sync::atomic::AtomicU64);
///
/// impl Sleep for Counting {
///     fn sleep(&self, length: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
///         self.0.sleep(length)
///     }
/// }
///
/// impl Runtime for Counting {
///     fn spawn(&self, rest: Pin<Box<dyn Future<Output = ()> + Send>>) {
///         self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
///         self.0.spawn(rest);
///     }
/// }
/// # let _: fn(TokioRuntime) -> Counting = |tokio| Counting(tokio, 0.into());
/// ```
pub trait Runtime: Sleep {
    /// Runs the future to its end, whoever waits for it.
    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>);
}

/// A tokio runtime with its timers on. It also is the [`Sleep`] that
/// [`Gatekeeper::run`](monetization_core::runtime::Gatekeeper::run) asks for.
#[derive(Debug, Clone)]
pub struct TokioRuntime(Handle);

impl TokioRuntime {
    /// The runtime of this handle, for layers that are made outside of it.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        Self(handle)
    }

    /// The runtime that this runs on.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn current() -> Self {
        Self(Handle::current())
    }
}

impl Sleep for TokioRuntime {
    fn sleep(&self, length: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let _entered = self.0.enter();
        Box::pin(tokio::time::sleep(length))
    }
}

impl Runtime for TokioRuntime {
    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        // Nobody waits for it: it is the rest of a call whose client has gone.
        drop(self.0.spawn(future));
    }
}
