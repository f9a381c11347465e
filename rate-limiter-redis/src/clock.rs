//! Where the time comes from.

use std::fmt;
use std::time::Duration;

use monetization_rate_limiter::Timestamp;

/// The time of this machine, passed in, so that tests can set it.
///
/// Shared limits are decided on the server's time. This one serves for what is decided without it: how much of a block's
/// life has gone by, and which window a local share is of.
///
/// ```
/// use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
/// use monetization_rate_limiter::Timestamp;
/// use monetization_rate_limiter_redis::Clock;
///
/// #[derive(Debug)]
/// struct Machine(Instant);
///
/// impl Clock for Machine {
///     fn now(&self) -> Timestamp {
///         let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
///         Timestamp::EPOCH.saturating_add(since)
///     }
///     fn uptime(&self) -> Duration {
///         self.0.elapsed()
///     }
/// }
/// # assert!(Machine(Instant::now()).now() > Timestamp::EPOCH);
/// ```
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time of day, which may step. Local shares are of the windows that it tells.
    fn now(&self) -> Timestamp;

    /// The time since some fixed instant. It never steps back, and goes on at the pace of real time, also while the machine
    /// sleeps: a block is not to be spent from after its window.
    fn uptime(&self) -> Duration;
}
