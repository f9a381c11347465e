//! Calendar windows.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use thiserror::Error;

use crate::{Span, Timestamp};

/// A window of the calendar in UTC. Every instant lies in exactly one window of each kind, and windows of a kind meet
/// without a gap. Months and years have their real lengths.
///
/// They are ordered from the shortest to the longest. Leap seconds do not exist here, as they do not in
/// [`Timestamp`], so that seconds, minutes, hours and days are always of one length.
///
/// ```
/// use monetization_rate_limiter::Window;
///
/// let month = Window::Month.containing("2028-02-29T08:00:00Z".parse()?);
/// assert_eq!(month.start.to_string(), "2028-02-01T00:00:00Z");
/// assert_eq!(month.end.to_string(), "2028-03-01T00:00:00Z");
/// # Ok::<(), monetization_rate_limiter::ParseTimestampError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[expect(
    clippy::exhaustive_enums,
    reason = "complete by definition: users render each of them"
)]
pub enum Window {
    /// From one full second to the next.
    Second,
    /// From one full minute to the next.
    Minute,
    /// From one full hour to the next.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From the first of a month to the first of the next.
    Month,
    /// From 1 January to the next 1 January.
    Year,
}

impl Window {
    /// All windows, shortest first.
    pub const ALL: [Self; 6] = [
        Self::Second,
        Self::Minute,
        Self::Hour,
        Self::Day,
        Self::Month,
        Self::Year,
    ];

    /// The window of this kind in which `now` lies. A window that reaches beyond [`Timestamp::MAX`] is shown as ending
    /// there.
    #[must_use]
    pub fn containing(self, now: Timestamp) -> Span {
        let (start, end) = self.bounds(now.as_micros());
        Span {
            start: Timestamp::from_micros(start),
            end: Timestamp::from_micros(end),
        }
    }

    /// The name in lower case: `second`, `minute`, `hour`, `day`, `month`, `year`.
    ///
    /// Reading it back takes any case:
    ///
    /// ```
    /// use monetization_rate_limiter::Window;
    ///
    /// assert_eq!(Window::Day.as_str(), "day");
    /// assert_eq!("Day".parse(), Ok(Window::Day));
    /// assert!("daily".parse::<Window>().is_err());
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// Start and end in microseconds since the epoch, not held within the range of [`Timestamp`], so that the last
    /// window of all still ends after every instant in it.
    pub(crate) fn bounds(self, now: i64) -> (i64, i64) {
        match self {
            Self::Second => even(now, SECOND),
            Self::Minute => even(now, SECOND.saturating_mul(60)),
            Self::Hour => even(now, SECOND.saturating_mul(3_600)),
            Self::Day => even(now, DAY),
            Self::Month => {
                let (year, month) = year_and_month(now);
                if month == 12 {
                    (first_of(year, 12), first_of(year.saturating_add(1), 1))
                } else {
                    (
                        first_of(year, month),
                        first_of(year, month.saturating_add(1)),
                    )
                }
            }
            Self::Year => {
                let (year, _) = year_and_month(now);
                (first_of(year, 1), first_of(year.saturating_add(1), 1))
            }
        }
    }

    /// The longest that a window of this kind lasts; serves to say which of two is the longer.
    pub(crate) const fn longest(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
            Self::Month => 31 * 86_400,
            Self::Year => 366 * 86_400,
        })
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads the name in any case.
impl FromStr for Window {
    type Err = UnknownWindow;

    fn from_str(text: &str) -> Result<Self, UnknownWindow> {
        Self::ALL
            .into_iter()
            .find(|window| window.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownWindow {
                given: text.chars().take(GIVEN_CHARS_MAX).collect(),
            })
    }
}

/// A text names no [`Window`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("window {given:?} is unknown, expected second, minute, hour, day, month or year")]
pub struct UnknownWindow {
    given: String,
}

const GIVEN_CHARS_MAX: usize = 40;
const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

fn even(now: i64, length: i64) -> (i64, i64) {
    let start = now.saturating_sub(now.rem_euclid(length));
    (start, start.saturating_add(length))
}

fn year_and_month(now: i64) -> (i32, u32) {
    let date = DateTime::<Utc>::from(Timestamp::from_micros(now)).date_naive();
    (date.year(), date.month())
}

fn first_of(year: i32, month: u32) -> i64 {
    NaiveDate::from_ymd_opt(year, month, 1)
        .and_then(|date| date.and_hms_opt(0, 0, 0))
        .expect("the years 0000 to 10000 have every month")
        .and_utc()
        .timestamp_micros()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(window: Window, now: &str) -> (String, String) {
        let span = window.containing(now.parse().unwrap());
        (span.start.to_string(), span.end.to_string())
    }

    fn pair(start: &str, end: &str) -> (String, String) {
        (start.to_owned(), end.to_owned())
    }

    #[test]
    fn windows_begin_at_full_units() {
        let now = "2026-11-20T08:05:03.25Z";
        assert_eq!(
            span(Window::Second, now),
            pair("2026-11-20T08:05:03Z", "2026-11-20T08:05:04Z")
        );
        assert_eq!(
            span(Window::Minute, now),
            pair("2026-11-20T08:05:00Z", "2026-11-20T08:06:00Z")
        );
        assert_eq!(
            span(Window::Hour, now),
            pair("2026-11-20T08:00:00Z", "2026-11-20T09:00:00Z")
        );
        assert_eq!(
            span(Window::Day, now),
            pair("2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z")
        );
        assert_eq!(
            span(Window::Month, now),
            pair("2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z")
        );
        assert_eq!(
            span(Window::Year, now),
            pair("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z")
        );
    }

    #[test]
    fn february_has_29_days_only_in_leap_years() {
        let ends = |now| span(Window::Month, now).1;
        assert_eq!(ends("2027-02-28T23:59:50Z"), "2027-03-01T00:00:00Z");
        assert_eq!(ends("2028-02-28T23:59:50Z"), "2028-03-01T00:00:00Z");
        assert_eq!(
            Window::Month
                .containing("2028-02-29T00:00:00Z".parse().unwrap())
                .duration()
                .as_secs(),
            29 * 86_400
        );
        assert_eq!(
            Window::Month
                .containing("2100-02-01T00:00:00Z".parse().unwrap())
                .duration()
                .as_secs(),
            28 * 86_400
        );
        assert_eq!(
            Window::Year
                .containing("2000-06-01T00:00:00Z".parse().unwrap())
                .duration()
                .as_secs(),
            366 * 86_400
        );
    }

    #[test]
    fn windows_before_the_epoch_are_whole_too() {
        let now = "1969-12-31T23:59:59.999999Z";
        assert_eq!(
            span(Window::Second, now),
            pair("1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z")
        );
        assert_eq!(
            span(Window::Month, now),
            pair("1969-12-01T00:00:00Z", "1970-01-01T00:00:00Z")
        );
        assert_eq!(
            span(Window::Year, "0000-02-29T00:00:00Z"),
            pair("0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z")
        );
    }

    #[test]
    fn the_last_window_of_all_ends_after_its_instants() {
        for window in Window::ALL {
            let (start, end) = window.bounds(Timestamp::MAX.as_micros());
            assert!(
                start <= Timestamp::MAX.as_micros() && Timestamp::MAX.as_micros() < end,
                "{window}"
            );
            assert_eq!(window.containing(Timestamp::MAX).end, Timestamp::MAX);
        }
    }

    #[test]
    fn names_are_read_in_any_case_and_others_refused() {
        for window in Window::ALL {
            assert_eq!(window.as_str().to_uppercase().parse(), Ok(window));
        }
        let error = "fortnight".parse::<Window>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "window \"fortnight\" is unknown, expected second, minute, hour, day, month or year"
        );
    }

    #[cfg(feature = "serde")]
    #[test]
    fn the_serialised_form_is_the_name() {
        for window in Window::ALL {
            let json = serde_json::to_string(&window).unwrap();
            assert_eq!(json, format!("\"{window}\""));
            assert_eq!(serde_json::from_str::<Window>(&json).unwrap(), window);
        }
    }
}
