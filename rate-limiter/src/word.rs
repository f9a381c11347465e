//! The running state of one limit in 64 bits, and the pure arithmetic on it.

use thiserror::Error;

use crate::limit::Form;
use crate::state::{Reading, State};
use crate::{Gcra, Limit, Window};

/// Eight bytes that count for one limit; zero when nothing was ever taken.
///
/// Calendar: the end of the latest window seen, in units as long as the window (days for months and years), over what
/// was taken in it. GCRA: the theoretical arrival time in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) u64);

impl Word {
    /// Nothing was ever taken.
    pub(crate) const FRESH: Self = Self(0);

    /// Whether every count of `limit` can be kept.
    pub(crate) fn can_keep(limit: &Limit) -> Result<(), DoesNotFit> {
        match *limit.form() {
            Form::Calendar { window, max } if max > count_mask(window) => Err(DoesNotFit {
                window,
                max,
                allowed: count_mask(window),
            }),
            _ => Ok(()),
        }
    }

    /// Whether a fresh word would answer the same from `now` on.
    pub(crate) fn is_idle(self, limit: &Limit, now: i64) -> bool {
        let micros = clamped(now);
        match limit.form() {
            Form::Calendar { window, .. } => {
                micros >= self.window_end(*window) || self.0 & count_mask(*window) == 0
            }
            Form::Gcra(_) => self.0 <= nanos(micros),
        }
    }

    #[inline(always)]
    fn read_gcra(self, gcra: &Gcra, micros: i64, weight: u64) -> Reading<Self> {
        let now = nanos(micros);
        let draw = gcra.draw(self.0.saturating_sub(now), weight);
        Reading {
            fits: draw.fits,
            available: draw.available,
            next: Self(now.saturating_add(draw.backlog)),
            reset: micros.saturating_add_unsigned(draw.wait.div_ceil(1_000)),
        }
    }

    #[inline(always)]
    fn read_window(self, window: Window, max: u64, micros: i64, weight: u64) -> Reading<Self> {
        let mut current = self;
        let mut end = self.window_end(window);
        if micros >= end {
            end = window.bounds(micros).1;
            current = Self::opened(window, end);
        }
        let available = max.saturating_sub(current.0 & count_mask(window));
        Reading {
            fits: weight == 0 || weight <= available,
            available,
            // What is taken never passes the maximum, so the count never runs into the window's end.
            next: Self(current.0.saturating_add(weight)),
            reset: end,
        }
    }

    #[inline(always)]
    fn window_end(self, window: Window) -> i64 {
        let (unit, bits) = packing(window);
        i64::try_from((self.0 >> bits).saturating_mul(unit)).unwrap_or(i64::MAX)
    }

    #[inline(always)]
    fn opened(window: Window, end: i64) -> Self {
        let (unit, bits) = packing(window);
        Self(end.unsigned_abs().checked_div(unit).unwrap_or(0) << bits)
    }
}

impl State for Word {
    #[inline(always)]
    fn read(self, limit: &Limit, now: i64, weight: u64) -> Reading<Self> {
        let micros = clamped(now);
        match limit.form() {
            Form::Calendar { window, max } => self.read_window(*window, *max, micros, weight),
            Form::Gcra(gcra) => self.read_gcra(gcra, micros, weight),
        }
    }
}

/// A maximum is too large to be counted in 64 bits beside its window's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("maximum {max} for a {window} does not fit in a packed count, at most {allowed} does")]
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

#[inline(always)]
fn clamped(now: i64) -> i64 {
    now.clamp(0, LATEST)
}

#[inline(always)]
const fn nanos(micros: i64) -> u64 {
    micros.unsigned_abs().saturating_mul(1_000)
}

/// The unit in which a window's end is kept, in microseconds, and how many low bits are left for the count.
#[inline(always)]
const fn packing(window: Window) -> (u64, u32) {
    match window {
        Window::Second => (1_000_000, 30),
        Window::Minute => (60_000_000, 35),
        Window::Hour => (3_600_000_000, 41),
        Window::Day | Window::Month | Window::Year => (86_400_000_000, 46),
    }
}

#[inline(always)]
const fn count_mask(window: Window) -> u64 {
    (1_u64 << packing(window).1).wrapping_sub(1)
}
