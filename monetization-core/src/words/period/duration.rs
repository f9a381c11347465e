//! Durations of the calendar.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{Days, Months, NaiveDateTime};

use super::TimeZone;
use crate::clock::Timestamp;

/// So many months, then so many days, then a time: a duration of ISO 8601.
///
/// Months and days are those of the calendar, so that a month from 31 January ends with February,
/// and a day on which clocks are changed has 23 or 25 hours.
///
/// ```
/// use monetization_core::period::{CalendarDuration, TimeZone};
///
/// let month: CalendarDuration = "P1M".parse()?;
/// let after = month.after("2025-01-31T00:00:00Z".parse()?, TimeZone::UTC);
/// assert_eq!(after, Some("2025-02-28T00:00:00Z".parse()?));
///
/// let days: CalendarDuration = "P5D".parse()?;
/// let after = days.after("2026-03-05T05:00:00Z".parse()?, "America/New_York".parse()?);
/// assert_eq!(after, Some("2026-03-10T04:00:00Z".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CalendarDuration {
    months: u32,
    days: u32,
    seconds: u32,
}

impl CalendarDuration {
    /// So many months of the calendar.
    #[must_use]
    pub const fn months(months: u32) -> Self {
        Self {
            months,
            days: 0,
            seconds: 0,
        }
    }

    /// So many days of the calendar.
    #[must_use]
    pub const fn days(days: u32) -> Self {
        Self {
            months: 0,
            days,
            seconds: 0,
        }
    }

    /// So many times as long; `None` where that cannot be expressed.
    #[must_use]
    pub fn times(self, count: u32) -> Option<Self> {
        Some(Self {
            months: self.months.checked_mul(count)?,
            days: self.days.checked_mul(count)?,
            seconds: self.seconds.checked_mul(count)?,
        })
    }

    /// The instant so much later by the calendar of a time zone; `None` beyond the calendar.
    ///
    /// The day of the month is held within its month. Months and days keep the local time of day, as
    /// far as the day has it.
    #[must_use]
    pub fn after(self, at: Timestamp, zone: TimeZone) -> Option<Timestamp> {
        let dated = match self {
            // A local time that comes twice would be taken for the first.
            Self {
                months: 0, days: 0, ..
            } => at,
            _ => zone.instant(self.later(zone.local(at))?)?,
        };
        dated.checked_add(Duration::from_secs(u64::from(self.seconds)))
    }

    /// So many months and days later, and no time.
    pub(super) fn later(self, local: NaiveDateTime) -> Option<NaiveDateTime> {
        local
            .checked_add_months(Months::new(self.months))?
            .checked_add_days(Days::new(u64::from(self.days)))
    }

    /// So many months and days earlier, and no time.
    pub(super) fn earlier(self, local: NaiveDateTime) -> Option<NaiveDateTime> {
        local
            .checked_sub_months(Months::new(self.months))?
            .checked_sub_days(Days::new(u64::from(self.days)))
    }

    /// No calendar makes it longer: no month has more than 31 days and no 12 of them more than 366.
    pub(super) fn seconds_max(self) -> u64 {
        let years = u64::from(self.months / 12);
        let months = u64::from(self.months % 12);
        let days = years
            .saturating_mul(366)
            .saturating_add(months.saturating_mul(31))
            .saturating_add(u64::from(self.days));
        days.saturating_mul(86_400)
            .saturating_add(u64::from(self.seconds))
    }
}

impl FromStr for CalendarDuration {
    type Err = DurationError;

    /// Reads `P1Y2M10DT5H30M45S`: whole numbers, each unit at most once, largest first; weeks count
    /// as 7 days.
    ///
    /// # Errors
    /// [`DurationError`] for any other text.
    fn from_str(text: &str) -> Result<Self, DurationError> {
        parse(text).ok_or_else(|| DurationError {
            value: text.chars().take(32).collect(),
        })
    }
}

/// The text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{value:?} is no duration of ISO 8601: allowed are whole numbers of units from the largest, such as P1M or P1DT12H"
)]
pub struct DurationError {
    value: String,
}

fn parse(text: &str) -> Option<CalendarDuration> {
    let text = text.strip_prefix('P')?;
    let (date, time) = match text.split_once('T') {
        Some((_, "")) => return None,
        Some((date, time)) => (date, time),
        None => (text, ""),
    };
    let [years, months, weeks, days] = numbers(date, ['Y', 'M', 'W', 'D'])?;
    let [hours, minutes, seconds] = numbers(time, ['H', 'M', 'S'])?;
    if text.is_empty() {
        return None;
    }
    Some(CalendarDuration {
        months: years.checked_mul(12)?.checked_add(months)?,
        days: weeks.checked_mul(7)?.checked_add(days)?,
        seconds: hours
            .checked_mul(60)?
            .checked_add(minutes)?
            .checked_mul(60)?
            .checked_add(seconds)?,
    })
}

/// The numbers before these letters, which come in this order; none where a letter is missing.
fn numbers<const N: usize>(text: &str, letters: [char; N]) -> Option<[u32; N]> {
    let mut rest = text;
    let mut found = [0; N];
    for (number, letter) in found.iter_mut().zip(letters) {
        if let Some((digits, after)) = rest.split_once(letter) {
            let is_number = digits.bytes().all(|digit| digit.is_ascii_digit());
            *number = digits.parse().ok().filter(|_| is_number)?;
            rest = after;
        }
    }
    rest.is_empty().then_some(found)
}

impl fmt::Display for CalendarDuration {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = |out: &mut fmt::Formatter<'_>, number: u32, letter: char| match number {
            0 => Ok(()),
            number => write!(out, "{number}{letter}"),
        };
        if *self == Self::default() {
            return out.write_str("P0D");
        }
        out.write_str("P")?;
        unit(out, self.months / 12, 'Y')?;
        unit(out, self.months % 12, 'M')?;
        unit(out, self.days, 'D')?;
        if self.seconds > 0 {
            out.write_str("T")?;
        }
        unit(out, self.seconds / 3_600, 'H')?;
        unit(out, self.seconds / 60 % 60, 'M')?;
        unit(out, self.seconds % 60, 'S')
    }
}
