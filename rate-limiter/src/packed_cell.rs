//! One limit in one atomic word.

use std::hint::spin_loop;

use crate::state::State;
use crate::sync::{AtomicU64, Ordering};
use crate::word::{DoesNotFit, Word};
use crate::{Limit, Standing, Timestamp};

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
/// | GCRA | any burst that [`Gcra`](crate::Gcra) accepts |
///
/// Time is told from 1970 to the end of 2499; an instant outside counts as the nearest inside. A clock that steps back
/// counts in the latest window seen, as with [`Bucket`](crate::Bucket).
///
/// ```
/// use monetization_rate_limiter::{Limit, PackedCell, Timestamp, Window};
///
/// let cell = PackedCell::new(Limit::calendar(Window::Second, 2))?;
/// let now = Timestamp::from_secs(1_800_000_000);
/// assert_eq!(cell.take(now, 2).remaining(), 0);
///
/// let refused = cell.take(now, 1);
/// assert!(refused.is_exceeded());
/// assert_eq!(refused.reset_at(), Timestamp::from_secs(1_800_000_001));
/// # Ok::<(), monetization_rate_limiter::DoesNotFit>(())
/// ```
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
        Word::can_keep(&limit)?;
        Ok(Self {
            word: AtomicU64::new(Word::FRESH.0),
            limit,
        })
    }

    /// The limit that is kept here.
    #[must_use]
    pub const fn limit(&self) -> &Limit {
        &self.limit
    }

    /// Takes `weight` units at `now`, or none: [`Standing::is_exceeded`] says that the call is refused. A weight of
    /// zero always passes and takes nothing.
    #[inline(always)]
    #[must_use = "an exceeded standing that nobody reads refuses nobody"]
    pub fn take(&self, now: Timestamp, weight: u64) -> Standing {
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let reading = Word(word).read(&self.limit, now.as_micros(), weight);
            if !reading.fits {
                return Standing::exceeded(&self.limit, 0, reading.reset);
            }
            let remaining = reading.available.saturating_sub(weight);
            let standing = Standing::taken(&self.limit, 0, remaining, reading.reset);
            if weight == 0 {
                return standing;
            }
            // Relaxed: the word is all there is, nothing else is published through it.
            match self.word.compare_exchange_weak(
                word,
                reading.next.0,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return standing,
                Err(changed) => {
                    // Out of the other thread's way: at once again would only take the line from it.
                    spin_loop();
                    word = changed;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Window;
    use crate::limits::tests::rate;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_largest_maximum_fits_and_one_more_is_refused() {
        let bits = [30, 35, 41, 46, 46, 46];
        for (window, bits) in Window::ALL.into_iter().zip(bits) {
            let largest = (1_u64 << bits) - 1;
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
