//! How often a plan is billed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::CalendarDuration;

/// How often a plan is billed: each day, week, month or year, or each so many of them.
///
/// In JSON a text: `month`, or `3 months`; reading takes any case, and durations of ISO 8601 of one
/// unit: `P3M`.
///
/// ```
/// use monetization_core::period::Cycle;
///
/// let quarter: Cycle = "3 months".parse()?;
/// assert_eq!(quarter.to_string(), "3 months");
/// assert_eq!("1 month".parse(), Ok(Cycle::MONTH));
/// assert_eq!("P3M".parse(), Ok(quarter));
/// assert!("0 days".parse::<Cycle>().is_err());
/// # Ok::<(), monetization_core::period::CycleError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cycle {
    count: u16,
    unit: CycleUnit,
}

/// What cycles are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new unit changes every match on purpose"
)]
pub enum CycleUnit {
    /// A day of the calendar: 24 hours in UTC, an hour more or less where clocks are changed.
    Day,
    /// 7 days of the calendar.
    Week,
    /// A calendar month, from the anchor's day on or the month's last.
    Month,
    /// A calendar year; 29 February falls on the 28th in common years.
    Year,
}

impl Cycle {
    /// Each day.
    pub const DAY: Self = Self::one(CycleUnit::Day);
    /// Each 7 days.
    pub const WEEK: Self = Self::one(CycleUnit::Week);
    /// Each calendar month, on the anchor's day or the month's last.
    pub const MONTH: Self = Self::one(CycleUnit::Month);
    /// Each calendar year; 29 February falls on the 28th in common years.
    pub const YEAR: Self = Self::one(CycleUnit::Year);
    /// The cycles of one unit, shortest first.
    pub const ALL: [Self; 4] = [Self::DAY, Self::WEEK, Self::MONTH, Self::YEAR];
    /// How many units a cycle may have.
    pub const COUNT_MAX: u16 = 366;

    const fn one(unit: CycleUnit) -> Self {
        Self { count: 1, unit }
    }

    /// So many of a unit; `None` for none of it, or more than [`COUNT_MAX`](Self::COUNT_MAX).
    #[must_use]
    pub fn every(count: u16, unit: CycleUnit) -> Option<Self> {
        (1..=Self::COUNT_MAX)
            .contains(&count)
            .then_some(Self { count, unit })
    }

    /// How many units it has.
    #[must_use]
    pub fn count(self) -> u16 {
        self.count
    }

    /// What it is counted in.
    #[must_use]
    pub fn unit(self) -> CycleUnit {
        self.unit
    }

    /// How long it is on the calendar.
    #[must_use]
    pub fn duration(self) -> CalendarDuration {
        let count = u32::from(self.count);
        match self.unit {
            CycleUnit::Day => CalendarDuration::days(count),
            CycleUnit::Week => CalendarDuration::days(count.saturating_mul(7)),
            CycleUnit::Month => CalendarDuration::months(count),
            CycleUnit::Year => CalendarDuration::months(count.saturating_mul(12)),
        }
    }
}

impl CycleUnit {
    /// Every unit, shortest first.
    pub const ALL: [Self; 4] = [Self::Day, Self::Week, Self::Month, Self::Year];

    /// Its name: `day`, `week`, `month` or `year`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }

    /// Its letter in durations of ISO 8601, in lower case.
    const fn iso(self) -> char {
        match self {
            Self::Day => 'd',
            Self::Week => 'w',
            Self::Month => 'm',
            Self::Year => 'y',
        }
    }
}

impl fmt::Display for Cycle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = self.unit.as_str();
        match self.count {
            1 => out.write_str(unit),
            count => write!(out, "{count} {unit}s"),
        }
    }
}

impl FromStr for Cycle {
    type Err = CycleError;

    /// Reads a unit in any case, a number of them, or a duration of ISO 8601 of one unit.
    ///
    /// # Errors
    /// [`CycleError`] for any other text, with what is allowed.
    fn from_str(text: &str) -> Result<Self, CycleError> {
        let lower = text.to_ascii_lowercase();
        let cycle = match lower.strip_prefix('p') {
            Some(iso) => duration(iso),
            None => worded(&lower),
        };
        cycle.ok_or_else(|| CycleError {
            value: text.chars().take(32).collect(),
        })
    }
}

/// `month`, `1 month` or `3 months`.
fn worded(text: &str) -> Option<Cycle> {
    let (count, name) = match text.split_once(' ') {
        Some((count, name)) => (count.parse().ok()?, name.strip_suffix('s').unwrap_or(name)),
        None => (1, text),
    };
    let mut units = CycleUnit::ALL.into_iter();
    Cycle::every(count, units.find(|unit| unit.as_str() == name)?)
}

/// `3m` of `P3M`.
fn duration(iso: &str) -> Option<Cycle> {
    let mut units = CycleUnit::ALL.into_iter();
    let unit = units.find(|unit| iso.ends_with(unit.iso()))?;
    Cycle::every(iso.strip_suffix(unit.iso())?.parse().ok()?, unit)
}

impl Serialize for Cycle {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cycle {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The text names no cycle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{value:?} is not a billing cycle: allowed are day, week, month and year, or 1 to 366 of them such as \"3 months\" or P3M"
)]
pub struct CycleError {
    value: String,
}
