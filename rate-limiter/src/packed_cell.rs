//! One limit in one atomic word.

use thiserror::Error;

use crate::limit::Form;
use crate::sync::{AtomicU64, Ordering};
use crate::{Gcra, Limit, Standing, Timestamp, Window};

/// One limit whose whole state is one atomic word, changed by compare-and-swap: nothing waits, and every unit is
/// counted exactly under threads. The fastest choice where one limit is enough; it has no look-up and no lock.
///
/// A GCRA keeps its theoretical arrival time in nanoseconds. A calendar window keeps its end, in units as long as the
/// window (days for months and years), and what was taken. That word bounds the maximum, checked when the cell is made:
///
/// | limit | largest maximum |
/// |---|---|
/// | second | 2^30 - 1 |
/// | minute | 2^35 - 1 |
/// | hour | 2^41 - 1 |
/// | day, month, year | 2^46 - 1 |
/// | GCRA | any burst that [`Gcra`] accepts |
///
/// Time is told from 1970 to the end of 2499; an instant outside counts as the nearest inside. A clock that steps back
/// counts in the latest window seen, as with [`Bucket`](crate::Bucket).
#[derive(Debug)]
pub struct PackedCell {
    word: AtomicU64,
    limit: Limit,
}

impl PackedCell {
    /// A cell from which nothing is taken yet.
    ///
    /// # Errors
    /// When the limit's maximum does not fit beside the window's end; the table above says what does.
    pub fn new(limit: Limit) -> Result<Self, DoesNotFit> {
        match limit.form() {
            Form::Calendar { window, max } if *max > count_mask(*window) => Err(DoesNotFit {
                window: *window,
                max: *max,
                allowed: count_mask(*window),
            }),
            _ => Ok(Self {
                word: AtomicU64::new(0),
                limit,
            }),
        }
    }

    /// The limit that is kept here.
    #[must_use]
    pub const fn limit(&self) -> &Limit {
        &self.limit
    }

    /// Takes `weight` units at `now`, or none: [`Standing::is_exceeded`] says that the call is refused. A weight of
    /// zero always passes and takes nothing.
    #[inline]
    #[must_use = "an exceeded standing that nobody reads refuses nobody"]
    pub fn take(&self, now: Timestamp, weight: u64) -> Standing {
        let micros = now.as_micros().clamp(0, LATEST);
        match self.limit.form() {
            Form::Calendar { window, max } => self.take_window(*window, *max, micros, weight),
            Form::Gcra(gcra) => self.take_gcra(gcra, micros, weight),
        }
    }

    #[inline]
    fn take_gcra(&self, gcra: &Gcra, micros: i64, weight: u64) -> Standing {
        let now = micros.unsigned_abs().saturating_mul(1_000);
        let mut arrival = self.word.load(Ordering::Relaxed);
        loop {
            let draw = gcra.draw(arrival.saturating_sub(now), weight);
            let reset = micros.saturating_add_unsigned(draw.wait.div_ceil(1_000));
            if weight == 0 {
                return Standing::taken(&self.limit, 0, draw.available, reset);
            }
            if weight > draw.available {
                return Standing::exceeded(&self.limit, 0, reset);
            }
            match self.swap(arrival, now.saturating_add(draw.backlog)) {
                Ok(_) => {
                    return Standing::taken(
                        &self.limit,
                        0,
                        draw.available.saturating_sub(weight),
                        reset,
                    );
                }
                Err(changed) => arrival = changed,
            }
        }
    }

    #[inline]
    fn take_window(&self, window: Window, max: u64, micros: i64, weight: u64) -> Standing {
        let (unit, bits) = packing(window);
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let latest_end = i64::try_from((word >> bits).saturating_mul(unit)).unwrap_or(i64::MAX);
            let (end, used) = if micros < latest_end {
                (latest_end, word & count_mask(window))
            } else {
                (window.bounds(micros).1, 0)
            };
            let available = max.saturating_sub(used);
            if weight == 0 {
                return Standing::taken(&self.limit, 0, available, end);
            }
            if weight > available {
                return Standing::exceeded(&self.limit, 0, end);
            }
            let taken = used.saturating_add(weight);
            let changed = if end == latest_end {
                word.saturating_add(weight)
            } else {
                (end.unsigned_abs().checked_div(unit).unwrap_or(0) << bits) | taken
            };
            match self.swap(word, changed) {
                Ok(_) => {
                    return Standing::taken(&self.limit, 0, available.saturating_sub(weight), end);
                }
                Err(other) => word = other,
            }
        }
    }

    #[inline]
    fn swap(&self, from: u64, to: u64) -> Result<u64, u64> {
        // Relaxed: the word is all there is, nothing else is published through it.
        self.word
            .compare_exchange_weak(from, to, Ordering::Relaxed, Ordering::Relaxed)
    }
}

/// A maximum is too large for a [`PackedCell`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("maximum {max} for a {window} does not fit in a packed cell, at most {allowed} does")]
pub struct DoesNotFit {
    window: Window,
    max: u64,
    allowed: u64,
}

impl DoesNotFit {
    /// The largest maximum that fits for this window.
    #[must_use]
    pub const fn allowed(self) -> u64 {
        self.allowed
    }
}

/// The last microsecond of the year 2499.
const LATEST: i64 = 16_725_225_600_000_000 - 1;

/// The unit in which a window's end is kept, in microseconds, and how many low bits are left for the count.
#[inline]
const fn packing(window: Window) -> (u64, u32) {
    match window {
        Window::Second => (1_000_000, 30),
        Window::Minute => (60_000_000, 35),
        Window::Hour => (3_600_000_000, 41),
        Window::Day | Window::Month | Window::Year => (86_400_000_000, 46),
    }
}

#[inline]
const fn count_mask(window: Window) -> u64 {
    (1_u64 << packing(window).1).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::tests::rate;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_largest_maximum_fits_and_one_more_is_refused() {
        for window in Window::ALL {
            let largest = count_mask(window);
            let cell = PackedCell::new(Limit::calendar(window, largest)).unwrap();
            for now in [Timestamp::EPOCH, at("2499-12-31T23:59:59.999999Z")] {
                assert_eq!(cell.take(now, largest).remaining(), 0);
                assert!(cell.take(now, 1).is_exceeded());
            }
            let error = PackedCell::new(Limit::calendar(window, largest + 1)).unwrap_err();
            assert_eq!(error.allowed(), largest);
        }
    }

    #[test]
    fn a_month_opens_again_at_its_real_end() {
        let cell = PackedCell::new(Limit::calendar(Window::Month, 2)).unwrap();
        let standing = cell.take(at("2027-02-28T23:59:50Z"), 2);
        assert_eq!(standing.reset_at(), at("2027-03-01T00:00:00Z"));
        assert!(
            cell.take(at("2027-02-28T23:59:59.999999Z"), 1)
                .is_exceeded()
        );
        assert_eq!(cell.take(at("2027-03-01T00:00:00Z"), 1).remaining(), 1);
    }

    #[test]
    fn a_clock_that_steps_back_opens_no_fresh_window() {
        let cell = PackedCell::new(Limit::calendar(Window::Minute, 2)).unwrap();
        assert_eq!(cell.take(at("2026-01-01T00:01:00Z"), 1).remaining(), 1);
        assert_eq!(cell.take(at("2026-01-01T00:00:59Z"), 1).remaining(), 0);
        assert!(cell.take(at("2026-01-01T00:01:59Z"), 1).is_exceeded());
    }

    #[test]
    fn a_burst_comes_back_at_the_conforming_instant() {
        let cell = PackedCell::new(Limit::gcra(rate(3, 1, 2))).unwrap();
        let now = at("2026-01-01T00:00:00Z");
        assert_eq!(cell.take(now, 2).remaining(), 0);
        let refused = cell.take(now, 1);
        assert!(refused.is_exceeded());
        assert_eq!(refused.reset_at(), at("2026-01-01T00:00:00.333334Z"));
        assert!(
            cell.take(at("2026-01-01T00:00:00.333333Z"), 1)
                .is_exceeded()
        );
        assert!(!cell.take(refused.reset_at(), 1).is_exceeded());
    }

    #[test]
    fn instants_outside_count_as_the_nearest_inside() {
        for limit in [Limit::gcra(rate(1, 1, 1)), Limit::calendar(Window::Year, 1)] {
            let cell = PackedCell::new(limit).unwrap();
            assert!(!cell.take(Timestamp::MIN, 1).is_exceeded());
            assert!(cell.take(Timestamp::EPOCH, 1).is_exceeded());
            assert!(!cell.take(at("2500-01-01T00:00:00Z"), 1).is_exceeded());
            assert!(cell.take(Timestamp::MAX, 1).is_exceeded());
        }
    }

    #[test]
    fn a_weight_of_zero_passes_an_exhausted_cell() {
        let cell = PackedCell::new(Limit::calendar(Window::Day, 0)).unwrap();
        assert!(cell.take(Timestamp::EPOCH, 1).is_exceeded());
        assert!(!cell.take(Timestamp::EPOCH, 0).is_exceeded());
    }
}
