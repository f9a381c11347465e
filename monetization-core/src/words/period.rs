//! Billing periods: half-open stretches of time, each boundary derived from the first anchor.
//!
//! ```
//! use monetization_core::period::{Cycle, Schedule};
//!
//! let schedule = Schedule { anchor: "2026-01-31T10:00:00Z".parse()?, cycle: Cycle::MONTH };
//! let starts: Vec<String> = (0..4)
//!     .filter_map(|index| schedule.period(index))
//!     .map(|period| period.start.to_string())
//!     .collect();
//! assert_eq!(
//!     starts,
//!     ["2026-01-31T10:00:00Z", "2026-02-28T10:00:00Z", "2026-03-31T10:00:00Z", "2026-04-30T10:00:00Z"],
//! );
//!
//! // A boundary belongs to the period that it begins.
//! assert_eq!(schedule.index_at("2026-02-28T09:59:59.999999Z".parse()?), Some(0));
//! assert_eq!(schedule.index_at("2026-02-28T10:00:00Z".parse()?), Some(1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Months, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock::{Span, Timestamp};

/// How often a plan is billed: each day, week, month or year, or each so many of them.
///
/// In JSON a text: `month`, or `3 months`; reading takes any case.
///
/// ```
/// use monetization_core::period::Cycle;
///
/// let quarter: Cycle = "3 months".parse()?;
/// assert_eq!(quarter.to_string(), "3 months");
/// assert_eq!("1 month".parse(), Ok(Cycle::MONTH));
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
    /// 24 hours.
    Day,
    /// 7 days.
    Week,
    /// A calendar month, from the anchor's day on or the month's last.
    Month,
    /// A calendar year; 29 February falls on the 28th in common years.
    Year,
}

impl Cycle {
    /// Each 24 hours.
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

    /// Reads a unit in any case, or a number of them.
    ///
    /// # Errors
    /// [`CycleError`] for any other text, with what is allowed.
    fn from_str(text: &str) -> Result<Self, CycleError> {
        let (count, name) = match text.split_once(' ') {
            Some((count, name)) => (count.parse().ok(), name),
            None => (Some(1), text),
        };
        let name = name.to_ascii_lowercase();
        let unit = CycleUnit::ALL.into_iter().find(|unit| {
            let rest = name.strip_prefix(unit.as_str());
            rest.is_some_and(|rest| rest.is_empty() || (rest == "s" && text.contains(' ')))
        });
        let cycle = count
            .zip(unit)
            .and_then(|(count, unit)| Self::every(count, unit));
        cycle.ok_or_else(|| CycleError {
            value: text.chars().take(32).collect(),
        })
    }
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
    "{value:?} is not a billing cycle: allowed are day, week, month and year, or 1 to 366 of them such as \"3 months\""
)]
pub struct CycleError {
    value: String,
}

/// The periods of one subscription: numbered from 0, the first begins at the anchor.
///
/// Every boundary is computed from the anchor, never from the boundary before it, so that a
/// subscription made on 31 January is billed on 28 or 29 February and then on 31 March again.
/// All of it in UTC; periods partition time from the anchor on without gap or overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Start of period 0.
    pub anchor: Timestamp,
    /// Length of a period.
    pub cycle: Cycle,
}

impl Schedule {
    /// Period number `index`; `None` beyond the calendar that can be expressed.
    #[must_use]
    pub fn period(&self, index: u32) -> Option<Span> {
        let start = self.boundary(index)?;
        let end = self.boundary(index.checked_add(1)?)?;
        Some(Span { start, end })
    }

    /// The number of the period that `at` lies in; `None` before the anchor or beyond the
    /// calendar.
    #[must_use]
    pub fn index_at(&self, at: Timestamp) -> Option<u32> {
        if at < self.anchor {
            return None;
        }
        let elapsed = at.saturating_since(self.anchor);
        // Never too high: no month is longer than 31 days and no year than 366.
        let at_least = elapsed.as_secs().checked_div(self.seconds_max())?;
        let mut index = u32::try_from(at_least).ok()?;
        while self.boundary(index.checked_add(1)?)? <= at {
            index = index.checked_add(1)?;
        }
        Some(index)
    }

    /// The period that `at` lies in.
    #[must_use]
    pub fn period_at(&self, at: Timestamp) -> Option<Span> {
        self.period(self.index_at(at)?)
    }

    /// Where period `index` begins, computed from the anchor alone.
    fn boundary(&self, index: u32) -> Option<Timestamp> {
        let units = index.checked_mul(u32::from(self.cycle.count))?;
        let days = |days: u64| {
            let seconds = u64::from(units).checked_mul(days)?.checked_mul(86_400)?;
            self.anchor.checked_add(Duration::from_secs(seconds))
        };
        match self.cycle.unit {
            CycleUnit::Day => days(1),
            CycleUnit::Week => days(7),
            CycleUnit::Month => self.months(units),
            CycleUnit::Year => self.months(units.checked_mul(12)?),
        }
    }

    fn months(&self, months: u32) -> Option<Timestamp> {
        let anchor = DateTime::<Utc>::from(self.anchor);
        let boundary = anchor.checked_add_months(Months::new(months))?;
        Timestamp::try_from(boundary).ok()
    }

    /// The longest that a period can be: what makes the first guess of `index_at` never too high.
    fn seconds_max(&self) -> u64 {
        let of_one: u64 = match self.cycle.unit {
            CycleUnit::Day => 86_400,
            CycleUnit::Week => 604_800,
            CycleUnit::Month => 2_678_400,
            CycleUnit::Year => 31_622_400,
        };
        of_one.saturating_mul(u64::from(self.cycle.count))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_anchor_day_is_kept_through_short_months_b9() {
        let schedule = Schedule {
            anchor: at("2024-01-31T10:00:00Z"),
            cycle: Cycle::MONTH,
        };
        let starts: Vec<String> = (0..5)
            .map(|n| schedule.period(n).unwrap().start.to_string())
            .collect();
        let expected = [
            "2024-01-31",
            "2024-02-29",
            "2024-03-31",
            "2024-04-30",
            "2024-05-31",
        ];
        let expected: Vec<String> = expected.iter().map(|d| format!("{d}T10:00:00Z")).collect();
        assert_eq!(starts, expected);
    }

    #[test]
    fn the_last_of_february_is_the_28th_in_common_years() {
        let schedule = Schedule {
            anchor: at("2024-02-29T00:00:00Z"),
            cycle: Cycle::YEAR,
        };
        assert_eq!(
            schedule.period(1).unwrap().start,
            at("2025-02-28T00:00:00Z")
        );
        assert_eq!(
            schedule.period(4).unwrap().start,
            at("2028-02-29T00:00:00Z")
        );
    }

    #[test]
    fn cycles_are_read_in_any_case_and_others_refused_with_the_list_b9() {
        for (text, cycle) in [
            ("MONTH", Cycle::MONTH),
            ("Year", Cycle::YEAR),
            ("week", Cycle::WEEK),
            ("dAy", Cycle::DAY),
        ] {
            assert_eq!(text.parse(), Ok(cycle));
        }
        for text in [
            "fortnight",
            "months",
            "0 months",
            "367 days",
            "1.5 years",
            "-1 days",
            "3",
            "3  days",
            "",
        ] {
            let error = text.parse::<Cycle>().unwrap_err().to_string();
            assert!(error.contains("day, week, month and year"), "{error}");
        }
    }

    #[test]
    fn cycles_of_several_units_keep_the_anchors_day_b9() {
        let schedule = Schedule {
            anchor: at("2023-12-31T00:00:00Z"),
            cycle: "2 months".parse().unwrap(),
        };
        let starts = (0..4).map(|n| schedule.period(n).unwrap().start.to_string());
        let days: Vec<String> = starts.map(|start| start[..10].to_owned()).collect();
        assert_eq!(
            days,
            ["2023-12-31", "2024-02-29", "2024-04-30", "2024-06-30"]
        );
        let text = serde_json::to_string(&schedule.cycle).unwrap();
        assert_eq!(text, r#""2 months""#);
        assert_eq!(
            serde_json::from_str::<Cycle>(&text).unwrap(),
            schedule.cycle
        );
    }

    #[test]
    fn a_boundary_belongs_to_the_period_it_begins() {
        for cycle in Cycle::ALL {
            for day in 1..=30 {
                let anchor = at(&format!("2023-12-{day:02}T23:59:59.999999Z"));
                let schedule = Schedule { anchor, cycle };
                for index in 1..=4 {
                    let start = schedule.period(index).unwrap().start;
                    let just_before = Timestamp::from_micros(start.as_micros() - 1);
                    let just_after = Timestamp::from_micros(start.as_micros() + 1);
                    assert_eq!(schedule.index_at(just_before), Some(index - 1));
                    assert_eq!(schedule.index_at(start), Some(index));
                    assert_eq!(schedule.index_at(just_after), Some(index));
                }
            }
        }
    }

    #[test]
    fn before_the_anchor_there_is_no_period() {
        let schedule = Schedule {
            anchor: at("2024-01-01T00:00:00Z"),
            cycle: Cycle::DAY,
        };
        assert_eq!(schedule.index_at(at("2023-12-31T23:59:59.999999Z")), None);
    }

    /// The naive way: add one day at a time and ask the calendar which day of which month it is.
    fn naive_month_start(year: i32, month: u32, day: u32) -> Timestamp {
        let last = (28..=31)
            .rev()
            .find(|last| chrono::NaiveDate::from_ymd_opt(year, month, *last).is_some())
            .unwrap();
        let date = chrono::NaiveDate::from_ymd_opt(year, month, day.min(last)).unwrap();
        Timestamp::try_from(date.and_hms_opt(1, 2, 3).unwrap().and_utc()).unwrap()
    }

    proptest! {
        #[test]
        fn periods_partition_time(
            year in 1990_i32..2030, month in 1_u32..=12, day in 1_u32..=31,
            offset in 0_u64..40 * 366 * 86_400, unit in 0_usize..4, count in 1_u16..=24,
        ) {
            let cycle = Cycle::every(count, CycleUnit::ALL[unit]).unwrap();
            let schedule = Schedule { anchor: naive_month_start(year, month, day), cycle };
            let at = schedule.anchor.checked_add(Duration::from_secs(offset)).unwrap();
            let index = schedule.index_at(at).unwrap();
            let period = schedule.period(index).unwrap();
            prop_assert!(period.start <= at && at < period.end);
            prop_assert_eq!(schedule.period(index + 1).unwrap().start, period.end);
        }

        #[test]
        fn months_agree_with_the_naive_calendar(
            year in 1990_i32..2030, month in 1_u32..=12, day in 1_u32..=31, later in 0_u32..480,
            count in 1_u16..=24,
        ) {
            let first = naive_month_start(year, month, day);
            // The anchor itself may be clamped: its own day of the month is what is kept.
            let anchored = day.min(chrono::Datelike::day(&DateTime::<Utc>::from(first)));
            let cycle = Cycle::every(count, CycleUnit::Month).unwrap();
            let schedule = Schedule { anchor: first, cycle };
            let later = later / u32::from(count);
            let months = u32::try_from(year).unwrap() * 12 + month - 1 + later * u32::from(count);
            let expected = naive_month_start(i32::try_from(months / 12).unwrap(), months % 12 + 1, anchored);
            prop_assert_eq!(schedule.period(later).unwrap().start, expected);
        }
    }
}
