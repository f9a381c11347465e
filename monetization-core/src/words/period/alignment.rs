//! Where the boundaries of billing periods lie.

use std::fmt;
use std::str::FromStr;

use chrono::Weekday;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Cycle, CycleUnit};

/// Where the boundaries of a subscription's billing periods lie.
///
/// | in JSON | cycles of | boundaries |
/// |---|---|---|
/// | `start`, the default | any unit | a whole number of cycles after the subscription begins, at its time of day |
/// | `day 1` to `day 31` | months, years | that day of the month, or the month's last |
/// | `monday` to `sunday` | weeks | that day of the week |
/// | `calendar` | any unit | the first day of a year, month or week (a Monday), or any day |
///
/// All but the first begin with the local day, and may make the first period shorter than a cycle. Its
/// end is the aligned day of the month, week or year in which the subscription begins, where that is
/// still to come, and one cycle after it where it is not: with a quarter that is billed on `day 10`,
/// what begins on 4 January has its first boundary on 10 January, and what begins on 15 January on
/// 10 April. By `calendar`, cycles of several months that divide a year begin where the year does, so
/// that quarters are those of the year.
///
/// ```
/// use monetization_core::period::{Alignment, Cycle};
///
/// let day: Alignment = "day 15".parse()?;
/// assert_eq!(day, Alignment::Day(15));
/// assert!(day.fits(Cycle::MONTH) && !day.fits(Cycle::WEEK));
/// assert!("day 32".parse::<Alignment>().is_err());
/// # Ok::<(), monetization_core::period::AlignmentError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new alignment changes every match on purpose"
)]
pub enum Alignment {
    /// To the instant at which the subscription begins.
    #[default]
    Start,
    /// To a day of the month, 1 to 31, or the month's last.
    Day(u8),
    /// To a day of the week.
    Weekday(Weekday),
    /// To the first day of the year, month or week.
    Calendar,
}

impl Alignment {
    /// Whether periods of this cycle can be aligned so.
    #[must_use]
    pub fn fits(self, cycle: Cycle) -> bool {
        match self {
            Self::Start | Self::Calendar => true,
            Self::Day(day) => {
                (1..=31).contains(&day)
                    && matches!(cycle.unit(), CycleUnit::Month | CycleUnit::Year)
            }
            Self::Weekday(_) => cycle.unit() == CycleUnit::Week,
        }
    }

    /// Whether it is the default, which is not written.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
    pub(super) fn is_start(&self) -> bool {
        *self == Self::Start
    }
}

impl fmt::Display for Alignment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => out.write_str("start"),
            Self::Day(day) => write!(out, "day {day}"),
            Self::Weekday(weekday) => out.write_str(name(*weekday)),
            Self::Calendar => out.write_str("calendar"),
        }
    }
}

impl FromStr for Alignment {
    type Err = AlignmentError;

    /// Reads what [`Display`](fmt::Display) writes, in any case.
    ///
    /// # Errors
    /// [`AlignmentError`] for any other text, with what is allowed.
    fn from_str(text: &str) -> Result<Self, AlignmentError> {
        let lower = text.to_ascii_lowercase();
        let days = (1..=31).map(Self::Day);
        let weekdays = WEEKDAYS.into_iter().map(Self::Weekday);
        let mut all = [Self::Start, Self::Calendar]
            .into_iter()
            .chain(days)
            .chain(weekdays);
        let found = all.find(|alignment| alignment.to_string() == lower);
        found.ok_or_else(|| AlignmentError {
            value: text.chars().take(32).collect(),
        })
    }
}

impl Serialize for Alignment {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Alignment {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The text names no alignment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{value:?} is no alignment of billing periods: allowed are start, calendar, day 1 to day 31, and monday to sunday"
)]
pub struct AlignmentError {
    value: String,
}

const WEEKDAYS: [Weekday; 7] = [
    Weekday::Mon,
    Weekday::Tue,
    Weekday::Wed,
    Weekday::Thu,
    Weekday::Fri,
    Weekday::Sat,
    Weekday::Sun,
];

const fn name(weekday: Weekday) -> &'static str {
    match weekday {
        Weekday::Mon => "monday",
        Weekday::Tue => "tuesday",
        Weekday::Wed => "wednesday",
        Weekday::Thu => "thursday",
        Weekday::Fri => "friday",
        Weekday::Sat => "saturday",
        Weekday::Sun => "sunday",
    }
}
