//! One limit.

use std::fmt;
use std::time::Duration;

use crate::{Gcra, Timestamp, Window};

/// One limit: at most so many units in a calendar window, or at a smooth rate.
///
/// A unit is whatever the caller counts: calls, bytes, tokens. Limits are plain values without any running state; the
/// counters are in a [`Bucket`](crate::Bucket) and its relatives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limit(Form);

impl Limit {
    /// At most `max` units in each `window`. Zero admits nothing.
    #[must_use]
    pub const fn calendar(window: Window, max: u64) -> Self {
        Self(Form::Calendar { window, max })
    }

    /// A smooth rate with a burst.
    #[must_use]
    pub const fn gcra(gcra: Gcra) -> Self {
        Self(Form::Gcra(gcra))
    }

    /// What the limit is known by: counters belong to a kind, not to a number or a place in a list.
    #[must_use]
    #[inline]
    pub const fn kind(&self) -> LimitKind {
        match self.0 {
            Form::Calendar { window, .. } => LimitKind::Calendar(window),
            Form::Gcra(_) => LimitKind::Gcra,
        }
    }

    /// The most units that can ever be had at once: the window's, or the burst.
    #[must_use]
    pub const fn max(&self) -> u64 {
        match self.0 {
            Form::Calendar { max, .. } => max,
            // The only widening that a const fn knows.
            Form::Gcra(gcra) => gcra.burst().get() as u64,
        }
    }

    /// The calendar window, if this limit has one.
    #[must_use]
    pub const fn window(&self) -> Option<Window> {
        match self.0 {
            Form::Calendar { window, .. } => Some(window),
            Form::Gcra(_) => None,
        }
    }

    /// The smooth rate, if this limit is one; its burst is [`Gcra::burst`].
    #[must_use]
    pub const fn rate(&self) -> Option<Gcra> {
        match self.0 {
            Form::Calendar { .. } => None,
            Form::Gcra(gcra) => Some(gcra),
        }
    }

    /// How long the quota is for: the length of the calendar window in which `now` lies, or the rate's period.
    ///
    /// ```
    /// use monetization_rate_limiter::{Limit, Timestamp, Window};
    ///
    /// let month = Limit::calendar(Window::Month, 1000);
    /// let january = month.period("2027-01-15T00:00:00Z".parse()?);
    /// assert_eq!(january.as_secs(), 31 * 86_400);
    /// # Ok::<(), monetization_rate_limiter::ParseTimestampError>(())
    /// ```
    #[must_use]
    pub fn period(&self, now: Timestamp) -> Duration {
        match self.0 {
            Form::Calendar { window, .. } => window.containing(now).duration(),
            Form::Gcra(gcra) => gcra.period(),
        }
    }

    pub(crate) const fn form(&self) -> &Form {
        &self.0
    }

    /// The longest that the period lasts, to say which of two limits is the longer.
    pub(crate) const fn longest(&self) -> Duration {
        match self.0 {
            Form::Calendar { window, .. } => window.longest(),
            Form::Gcra(gcra) => gcra.period(),
        }
    }
}

/// What kind a limit is of. One set of limits has at most one of each kind, and one counter serves all limits of its
/// kind that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(
    clippy::exhaustive_enums,
    reason = "complete by definition: users render each of them"
)]
pub enum LimitKind {
    /// A smooth rate.
    Gcra,
    /// A calendar window.
    Calendar(Window),
}

impl LimitKind {
    /// How many kinds there are.
    pub const COUNT: usize = 7;

    /// A small number that stands for the kind and never changes: 0 for GCRA, 1 to 6 for second to year.
    ///
    /// ```
    /// use monetization_rate_limiter::{LimitKind, Window};
    ///
    /// assert_eq!(LimitKind::Gcra.code(), 0);
    /// assert_eq!(LimitKind::Calendar(Window::Month).code(), 5);
    /// ```
    #[must_use]
    #[inline]
    pub const fn code(self) -> u8 {
        match self {
            Self::Gcra => 0,
            Self::Calendar(Window::Second) => 1,
            Self::Calendar(Window::Minute) => 2,
            Self::Calendar(Window::Hour) => 3,
            Self::Calendar(Window::Day) => 4,
            Self::Calendar(Window::Month) => 5,
            Self::Calendar(Window::Year) => 6,
        }
    }

    #[inline]
    pub(crate) const fn index(self) -> usize {
        self.code() as usize
    }
}

/// `gcra`, or the window's name.
impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gcra => f.write_str("gcra"),
            Self::Calendar(window) => window.fmt(f),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Form {
    Calendar { window: Window, max: u64 },
    Gcra(Gcra),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::tests::rate;

    #[test]
    fn every_kind_has_a_code_of_its_own() {
        let mut codes: Vec<u8> = Window::ALL
            .into_iter()
            .map(|window| LimitKind::Calendar(window).code())
            .collect();
        codes.push(LimitKind::Gcra.code());
        codes.sort_unstable();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(codes.len(), LimitKind::COUNT);
    }

    #[test]
    fn a_limit_tells_what_headers_need() {
        let month = Limit::calendar(Window::Month, 1000);
        assert_eq!(
            (month.max(), month.window(), month.rate()),
            (1000, Some(Window::Month), None)
        );
        let february = "2027-02-10T00:00:00Z".parse().unwrap();
        assert_eq!(month.period(february), Duration::from_secs(28 * 86_400));

        let smooth = Limit::gcra(rate(20, 60, 5));
        assert_eq!((smooth.max(), smooth.window()), (5, None));
        assert_eq!(smooth.period(february), Duration::from_secs(60));
    }
}
