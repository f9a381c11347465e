//! Time, handed in. Instants are whole microseconds since the Unix epoch, UTC.
//!
//! Two kinds of time are kept apart. *Business time* ([`Clock::now`]) decides periods, prices
//! and due dates; a test or a demo moves it by hand. *Process time* ([`Clock::uptime`]) only
//! ever grows and measures waiting: time-outs, leases, how old a view is.
//!
//! Nothing in core asks the machine for the time but the [`Clock`] that a program made. A function
//! that decides takes the instant as an argument (`now`, `at`) instead of a clock, so that one call
//! sees one time.
//!
//! ```
//! use std::time::Duration;
//! use monetization_core::clock::{Clock, Timestamp};
//!
//! let start: Timestamp = "2026-01-31T23:59:59.5Z".parse()?;
//! let (clock, manual) = Clock::manual(start);
//! manual.advance(Duration::from_millis(500));
//! assert_eq!(clock.now().to_string(), "2026-02-01T00:00:00Z");
//!
//! // Business time may be set back; process time never goes back.
//! manual.set(start);
//! assert_eq!(clock.now(), start);
//! assert_eq!(clock.uptime(), Duration::from_millis(500));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

pub use monetization_rate_limiter::{Span, Timestamp};

/// Where the time comes from. Clones tell the same time.
///
/// | made by | business time | process time | for |
/// |---|---|---|---|
/// | [`system`](Self::system) | the machine's | the machine's monotonic clock | production |
/// | [`manual`](Self::manual) | by hand | by hand | tests |
/// | [`manual_business`](Self::manual_business) | by hand | the machine's monotonic clock | a demo over real sockets |
#[derive(Debug, Clone)]
pub struct Clock {
    business: Business,
    process: Process,
}

#[derive(Debug, Clone)]
enum Business {
    System,
    Manual(Arc<AtomicI64>),
}

#[derive(Debug, Clone)]
enum Process {
    System(Instant),
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The machine's clocks.
    #[must_use]
    pub fn system() -> Self {
        Self {
            business: Business::System,
            process: Process::started(),
        }
    }

    /// Both kinds of time stand still until [`ManualClock::advance`] moves them: for tests.
    #[must_use]
    pub fn manual(start: Timestamp) -> (Self, ManualClock) {
        let uptime = Arc::new(AtomicU64::new(0));
        let (business, manual) = ManualClock::starting(start, Some(Arc::clone(&uptime)));
        (
            Self {
                business,
                process: Process::Manual(uptime),
            },
            manual,
        )
    }

    /// Business time is moved by hand, waiting is measured by the machine: for a demo that runs
    /// a month over real sockets.
    #[must_use]
    pub fn manual_business(start: Timestamp) -> (Self, ManualClock) {
        let (business, manual) = ManualClock::starting(start, None);
        (
            Self {
                business,
                process: Process::started(),
            },
            manual,
        )
    }

    /// The business time.
    ///
    /// UTC, in whole microseconds. The machine's may step back when it is set; whatever must not is
    /// measured by [`uptime`](Self::uptime).
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.business {
            Business::System => system_now(),
            Business::Manual(micros) => Timestamp::from_micros(micros.load(Ordering::Acquire)),
        }
    }

    /// Time since this clock was made; it never goes back.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        match &self.process {
            Process::System(started) => started.elapsed(),
            Process::Manual(micros) => Duration::from_micros(micros.load(Ordering::Acquire)),
        }
    }
}

/// Moves the business time of the [`Clock`] it was made with.
///
/// Clones move the same clock. Every clone of the clock sees the move at once.
#[derive(Debug, Clone)]
pub struct ManualClock {
    business: Arc<AtomicI64>,
    process: Option<Arc<AtomicU64>>,
}

impl ManualClock {
    fn starting(start: Timestamp, process: Option<Arc<AtomicU64>>) -> (Business, Self) {
        let business = Arc::new(AtomicI64::new(start.as_micros()));
        (
            Business::Manual(Arc::clone(&business)),
            Self { business, process },
        )
    }

    /// Moves time forward by whole microseconds, process time too where it is manual.
    ///
    /// What is below a microsecond is cut off.
    pub fn advance(&self, by: Duration) {
        let micros = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        let signed = i64::try_from(micros).unwrap_or(i64::MAX);
        self.business.fetch_add(signed, Ordering::AcqRel);
        if let Some(process) = &self.process {
            process.fetch_add(micros, Ordering::AcqRel);
        }
    }

    /// Sets the business time, forwards or backwards; process time stays.
    pub fn set(&self, now: Timestamp) {
        self.business.store(now.as_micros(), Ordering::Release);
    }
}

impl Process {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks the machine"
    )]
    fn started() -> Self {
        Self::System(Instant::now())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that asks the machine"
)]
fn system_now() -> Timestamp {
    let micros = match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        Err(before) => {
            i64::try_from(before.duration().as_micros()).map_or(i64::MIN, i64::wrapping_neg)
        }
    };
    Timestamp::from_micros(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_second_by_hand_is_half_a_second() {
        let (clock, manual) = Clock::manual(Timestamp::from_micros(0));
        manual.advance(Duration::from_millis(500));
        assert_eq!(clock.now().as_micros(), 500_000);
        assert_eq!(clock.uptime(), Duration::from_millis(500));
    }

    #[test]
    fn setting_business_time_back_leaves_process_time() {
        let (clock, manual) = Clock::manual(Timestamp::from_micros(9));
        manual.advance(Duration::from_secs(1));
        manual.set(Timestamp::from_micros(3));
        assert_eq!(clock.now().as_micros(), 3);
        assert_eq!(clock.uptime(), Duration::from_secs(1));
    }
}
