//! The generic cell rate algorithm.

use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

use thiserror::Error;

/// A smooth rate with a burst: `count` units per `period`, of which up to `burst` may come at once.
///
/// It is kept as an emission interval, the time that one unit occupies: `period / count` in whole nanoseconds,
/// rounded up, so that never more than the rate is let through. `burst` units come back after `burst` intervals.
///
/// Compared with a calendar window of the same size it has no edge at which two full quotas meet: over any stretch of
/// time at most the rate and one burst pass.
///
/// ```
/// use std::num::NonZeroU32;
/// use std::time::Duration;
/// use monetization_rate_limiter::Gcra;
///
/// let count = NonZeroU32::new(3).expect("not zero");
/// let rate = Gcra::new(count, Duration::from_secs(1), NonZeroU32::MIN)?;
/// assert_eq!(rate.interval(), Duration::from_nanos(333_333_334));
/// # Ok::<(), monetization_rate_limiter::GcraError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gcra {
    interval: NonZeroU64,
    /// `u64::MAX / interval`, to divide by the interval without dividing.
    reciprocal: u64,
    capacity: u64,
    burst: NonZeroU32,
    count: NonZeroU32,
    period: Duration,
}

impl Gcra {
    /// The longest period: 100 days. What is longer is a calendar window's business.
    pub const PERIOD_MAX: Duration = Duration::from_secs(100 * 86_400);

    /// The longest time in which a whole burst may come back: 50 years.
    pub const REFILL_MAX: Duration = Duration::from_secs(50 * 365 * 86_400);

    /// A rate of `count` units per `period`, of which up to `burst` may come at once.
    ///
    /// # Errors
    /// When `period` is zero or longer than [`PERIOD_MAX`](Self::PERIOD_MAX), or when `burst` units would take longer
    /// than [`REFILL_MAX`](Self::REFILL_MAX) to come back.
    pub fn new(count: NonZeroU32, period: Duration, burst: NonZeroU32) -> Result<Self, GcraError> {
        if period > Self::PERIOD_MAX {
            return Err(GcraError::PeriodTooLong);
        }
        let nanos = u64::try_from(period.as_nanos()).map_err(|_| GcraError::PeriodTooLong)?;
        let interval =
            NonZeroU64::new(nanos.div_ceil(u64::from(count.get()))).ok_or(GcraError::PeriodZero)?;
        let capacity = interval
            .get()
            .checked_mul(u64::from(burst.get()))
            .filter(|nanos| Duration::from_nanos(*nanos) <= Self::REFILL_MAX)
            .ok_or(GcraError::BurstTooLarge)?;
        Ok(Self {
            interval,
            reciprocal: u64::MAX / interval,
            capacity,
            burst,
            count,
            period,
        })
    }

    /// Units per [`period`](Self::period).
    #[must_use]
    pub const fn count(self) -> NonZeroU32 {
        self.count
    }

    /// The time in which [`count`](Self::count) units are let through on the long run.
    #[must_use]
    pub const fn period(self) -> Duration {
        self.period
    }

    /// Units that may come at once after a time of rest.
    #[must_use]
    pub const fn burst(self) -> NonZeroU32 {
        self.burst
    }

    /// The time that one unit occupies, a whole number of nanoseconds.
    #[must_use]
    pub const fn interval(self) -> Duration {
        Duration::from_nanos(self.interval.get())
    }

    /// The same in nanoseconds; fits in 53 bits.
    pub(crate) const fn interval_ns(self) -> u64 {
        self.interval.get()
    }

    /// Asks for `weight` units when what was admitted still occupies `backlog` nanoseconds from now on.
    #[inline(always)]
    pub(crate) fn draw(self, backlog: u64, weight: u64) -> Draw {
        let burst = u64::from(self.burst.get());
        let free = self.capacity.saturating_sub(backlog);
        let asked = weight.saturating_mul(self.interval.get());
        let available = self.units_in(free);
        // Asked as nanoseconds, so that who needs no more than yes or no pays for no division.
        if weight > burst || asked > free {
            let wait = if weight > burst {
                backlog
            } else {
                self.excess(backlog, weight)
            };
            return Draw {
                fits: false,
                available,
                backlog,
                wait,
            };
        }
        let backlog = backlog.saturating_add(asked);
        let left = available.saturating_sub(weight);
        let wait = if left == burst {
            0
        } else {
            self.excess(backlog, left.saturating_add(1))
        };
        Draw {
            fits: true,
            available,
            backlog,
            wait,
        }
    }

    /// How many whole intervals there are in `nanos`.
    #[inline(always)]
    fn units_in(self, nanos: u64) -> u64 {
        // Never too large, and too small by at most one, since the reciprocal lacks at most one 2^64th.
        let (_, units) = nanos.carrying_mul(self.reciprocal, 0);
        let rest = nanos.saturating_sub(units.saturating_mul(self.interval.get()));
        units.saturating_add(u64::from(rest >= self.interval.get()))
    }

    /// By how much `backlog` must shrink until `weight` units fit, at most a burst.
    #[inline(always)]
    fn excess(self, backlog: u64, weight: u64) -> u64 {
        backlog
            .saturating_add(weight.saturating_mul(self.interval.get()))
            .saturating_sub(self.capacity)
    }
}

/// Answer to [`Gcra::draw`], times in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    /// Whether the weight does. Zero always does.
    pub(crate) fits: bool,
    /// Units that could be had.
    pub(crate) available: u64,
    /// What is occupied afterwards; unchanged when the weight does not fit.
    pub(crate) backlog: u64,
    /// Until one unit more can be had, if the weight fits; else until the weight does, or until all is free when it
    /// never will.
    pub(crate) wait: u64,
}

/// Why numbers do not make a [`Gcra`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GcraError {
    /// The period is zero.
    #[error("period is zero, must be longer")]
    PeriodZero,
    /// The period is longer than [`Gcra::PERIOD_MAX`].
    #[error("period is longer than 100 days")]
    PeriodTooLong,
    /// The burst takes longer than [`Gcra::REFILL_MAX`] to come back.
    #[error("burst takes longer than 50 years to come back")]
    BurstTooLarge,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(count: u32) -> NonZeroU32 {
        NonZeroU32::new(count).unwrap()
    }

    #[test]
    fn the_interval_is_rounded_up() {
        let thirds = Gcra::new(count(3), Duration::from_secs(1), count(1)).unwrap();
        assert_eq!(thirds.interval(), Duration::from_nanos(333_333_334));
        let fastest = Gcra::new(count(u32::MAX), Duration::from_nanos(1), count(1)).unwrap();
        assert_eq!(fastest.interval(), Duration::from_nanos(1));
    }

    #[test]
    fn periods_and_bursts_out_of_range_are_refused() {
        let second = Duration::from_secs(1);
        let refused = |period, burst| Gcra::new(count(1), period, count(burst)).unwrap_err();
        assert_eq!(refused(Duration::ZERO, 1), GcraError::PeriodZero);
        assert_eq!(
            refused(Gcra::PERIOD_MAX.saturating_add(Duration::from_nanos(1)), 1),
            GcraError::PeriodTooLong
        );
        assert_eq!(refused(Duration::MAX, 1), GcraError::PeriodTooLong);
        assert_eq!(refused(second, u32::MAX), GcraError::BurstTooLarge);
        assert_eq!(
            refused(Gcra::PERIOD_MAX, u32::MAX),
            GcraError::BurstTooLarge
        );
        assert!(Gcra::new(count(1), Gcra::PERIOD_MAX, count(182)).is_ok());
    }

    #[test]
    fn dividing_by_the_reciprocal_is_exact() {
        for interval in [
            1,
            2,
            3,
            7,
            1 << 20,
            999_999_937,
            Gcra::PERIOD_MAX.as_nanos().try_into().unwrap(),
        ] {
            let gcra = Gcra::new(count(1), Duration::from_nanos(interval), count(1)).unwrap();
            let edges = [
                0,
                1,
                interval,
                u64::MAX / 2,
                u64::MAX / interval * interval,
                u64::MAX,
            ];
            for nanos in edges
                .into_iter()
                .flat_map(|edge| [edge.saturating_sub(1), edge, edge.saturating_add(1)])
            {
                assert_eq!(
                    gcra.units_in(nanos),
                    nanos / interval,
                    "{nanos} / {interval}"
                );
            }
        }
    }

    #[test]
    fn a_burst_is_had_at_once_and_comes_back_one_by_one() {
        let gcra = Gcra::new(count(10), Duration::from_secs(1), count(3)).unwrap();
        let all = gcra.draw(0, 3);
        assert_eq!(
            (all.available, all.backlog, all.wait),
            (3, 300_000_000, 100_000_000)
        );
        let none = gcra.draw(all.backlog, 1);
        assert_eq!(
            (none.available, none.backlog, none.wait),
            (0, 300_000_000, 100_000_000)
        );
        let later = gcra.draw(200_000_000, 1);
        assert_eq!((later.available, later.backlog), (1, 300_000_000));
    }
}
