//! Stretches of time.

use std::time::Duration;

use crate::Timestamp;

/// A half-open stretch of time `[start, end)`: the start belongs to it, the end does not.
///
/// Any two instants make a span; one that does not start before its end is empty.
///
/// ```
/// use monetization_rate_limiter::{Span, Timestamp};
///
/// let span = Span {
///     start: Timestamp::from_secs(60),
///     end: Timestamp::from_secs(120),
/// };
/// assert!(span.contains(span.start));
/// assert!(!span.contains(span.end));
/// assert_eq!(span.duration().as_secs(), 60);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct Span {
    /// The first instant inside.
    pub start: Timestamp,
    /// The first instant after it.
    pub end: Timestamp,
}

impl Span {
    /// Whether `at` lies inside.
    #[must_use]
    pub fn contains(self, at: Timestamp) -> bool {
        self.start <= at && at < self.end
    }

    /// The time from start to end, zero when empty.
    #[must_use]
    pub fn duration(self) -> Duration {
        self.end.saturating_since(self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_inside_and_the_end_is_not() {
        let span = Span {
            start: Timestamp::from_secs(10),
            end: Timestamp::from_secs(20),
        };
        assert!(span.contains(span.start));
        assert!(span.contains(Timestamp::from_micros(19_999_999)));
        assert!(!span.contains(span.end));
        assert!(!span.contains(Timestamp::from_micros(9_999_999)));
        assert_eq!(span.duration(), Duration::from_secs(10));
    }

    #[test]
    fn a_reversed_span_is_empty() {
        let span = Span {
            start: Timestamp::from_secs(20),
            end: Timestamp::from_secs(10),
        };
        assert!(!span.contains(Timestamp::from_secs(15)));
        assert_eq!(span.duration(), Duration::ZERO);
    }
}
