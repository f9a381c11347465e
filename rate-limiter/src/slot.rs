//! The running state of one limit that may be exchanged.

use crate::limit::Form;
use crate::state::{Reading, State};
use crate::{Count, Gcra, Limit};

/// Sixteen bytes that count for one limit.
///
/// Calendar: `at` is the end of the latest window seen, `tail` what was taken in it. GCRA: `at` is the theoretical
/// arrival time in microseconds, the low bits of `tail` its nanoseconds below that, the high ones the emission interval
/// under which it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    at: i64,
    tail: u64,
}

impl Slot {
    /// Nothing was ever taken.
    pub(crate) const FRESH: Self = Self {
        at: i64::MIN,
        tail: 0,
    };

    /// Goes on from what was counted elsewhere.
    pub(crate) fn resumed(limit: &Limit, count: Count) -> Self {
        let at = count.until.as_micros();
        let tail = match limit.form() {
            Form::Calendar { .. } => count.rest,
            Form::Gcra(gcra) => {
                (gcra.interval_ns() << SUB_MICRO_BITS)
                    | count.rest.min(NANOS_PER_MICRO.saturating_sub(1))
            }
        };
        Self { at, tail }
    }

    /// Takes back units that were taken at `taken_at`, if they still count.
    pub(crate) fn give_back(self, limit: &Limit, taken_at: i64, weight: u64) -> Self {
        match limit.form() {
            Form::Calendar { window, .. } if window.bounds(taken_at).1 == self.at => Self {
                tail: self.tail.saturating_sub(weight),
                ..self
            },
            Form::Calendar { .. } => self,
            Form::Gcra(_) => match self.backlog(taken_at) {
                0 => self,
                backlog => {
                    let interval = self.tail >> SUB_MICRO_BITS;
                    let returned = weight.saturating_mul(interval);
                    Self::occupied(interval, taken_at, backlog.saturating_sub(returned))
                }
            },
        }
    }

    #[inline]
    fn read_window(self, max: u64, weight: u64) -> Reading<Self> {
        let available = max.saturating_sub(self.tail);
        Reading {
            fits: weight == 0 || weight <= available,
            available,
            next: Self {
                tail: self.tail.saturating_add(weight),
                ..self
            },
            reset: self.at,
        }
    }

    #[inline]
    fn read_gcra(self, gcra: &Gcra, now: i64, weight: u64) -> Reading<Self> {
        let interval = gcra.interval_ns();
        let mut backlog = self.backlog(now);
        if backlog > 0 && self.tail >> SUB_MICRO_BITS != interval {
            backlog = rescaled(backlog, self.tail >> SUB_MICRO_BITS, interval);
        }
        let draw = gcra.draw(backlog, weight);
        Reading {
            fits: draw.fits,
            available: draw.available,
            next: Self::occupied(interval, now, draw.backlog),
            reset: now.saturating_add_unsigned(draw.wait.div_ceil(NANOS_PER_MICRO)),
        }
    }

    /// Nanoseconds from `now` on that earlier units still occupy.
    #[inline]
    fn backlog(self, now: i64) -> u64 {
        match u64::try_from(self.at.saturating_sub(now)) {
            Ok(micros) => micros
                .saturating_mul(NANOS_PER_MICRO)
                .saturating_add(self.tail & SUB_MICRO_MASK),
            Err(_) => 0,
        }
    }

    #[inline]
    fn occupied(interval: u64, from: i64, backlog: u64) -> Self {
        Self {
            at: from.saturating_add_unsigned(backlog / NANOS_PER_MICRO),
            tail: (interval << SUB_MICRO_BITS) | (backlog % NANOS_PER_MICRO),
        }
    }
}

impl State for Slot {
    #[inline]
    fn read(self, limit: &Limit, now: i64, weight: u64) -> Reading<Self> {
        match limit.form() {
            Form::Calendar { window, max } => {
                let current = if now < self.at {
                    self
                } else {
                    Self {
                        at: window.bounds(now).1,
                        tail: 0,
                    }
                };
                current.read_window(*max, weight)
            }
            Form::Gcra(gcra) => self.read_gcra(gcra, now, weight),
        }
    }
}

const NANOS_PER_MICRO: u64 = 1_000;

/// Enough for 999; leaves 54 bits for an interval, and [`Gcra::PERIOD_MAX`] needs 53.
const SUB_MICRO_BITS: u32 = 10;
const SUB_MICRO_MASK: u64 = (1 << SUB_MICRO_BITS) - 1;

/// The same number of units under another interval, rounded up so that nothing is gained by changing it.
#[cold]
fn rescaled(backlog: u64, from: u64, to: u64) -> u64 {
    u128::from(backlog)
        .saturating_mul(u128::from(to))
        .div_ceil(u128::from(from.max(1)))
        .try_into()
        .unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::tests::rate;

    const HOUR: i64 = 3_600_000_000;

    #[test]
    fn the_longest_interval_keeps_its_nanoseconds() {
        let longest = Gcra::PERIOD_MAX.as_nanos().try_into().unwrap();
        let slot = Slot::occupied(longest, 5, 999);
        assert_eq!(slot.tail >> SUB_MICRO_BITS, longest);
        assert_eq!(slot.backlog(5), 999);
        assert_eq!(slot.backlog(6), 0);
    }

    #[test]
    fn units_keep_their_number_when_the_rate_changes() {
        let slow = Limit::gcra(rate(20, 60, 20));
        let fast = Limit::gcra(rate(100, 60, 100));
        let used_up = Slot::FRESH.read(&slow, HOUR, 20).next;
        assert_eq!(used_up.read(&slow, HOUR, 1).available, 0);
        assert_eq!(used_up.read(&fast, HOUR, 1).available, 80);
        let more = used_up.read(&fast, HOUR, 30).next;
        assert_eq!(more.read(&fast, HOUR, 0).available, 50);
        // 50 units weigh on 20: one passes when 31 have drained at 3 s each.
        let refused = more.read(&slow, HOUR, 1);
        assert_eq!(refused.available, 0);
        assert_eq!(refused.reset - HOUR, 31 * 3_000_000);
    }

    #[test]
    fn what_was_counted_elsewhere_goes_on() {
        let smooth = Limit::gcra(rate(7, 1, 50));
        let ours = Slot::FRESH.read(&smooth, HOUR, 20).next;
        let count = Count {
            until: crate::Timestamp::from_micros(ours.at),
            rest: ours.tail & SUB_MICRO_MASK,
        };
        assert_eq!(Slot::resumed(&smooth, count), ours);
    }

    #[test]
    fn changing_to_and_fro_gains_nothing() {
        let sevenths = Limit::gcra(rate(7, 1, 50));
        let thirds = Limit::gcra(rate(3, 1, 50));
        let mut slot = Slot::FRESH;
        for turn in 0..50 {
            let limit = if turn % 2 == 0 { &sevenths } else { &thirds };
            let reading = slot.read(limit, HOUR, 1);
            assert!(reading.available <= 50 - turn);
            slot = reading.next;
        }
        assert_eq!(slot.read(&sevenths, HOUR, 1).available, 0);
    }
}
