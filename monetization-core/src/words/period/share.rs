//! What a short period costs.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Schedule, TimeZone};
use crate::clock::{Span, Timestamp};
use crate::money::{Money, MoneyError, Rounding};

/// What the base price of a part of a cycle is: of a first period that its alignment makes shorter, and
/// of what is left of a period when the plan changes. Later periods, and periods that end early, are
/// charged whole: they are charged when they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Proration {
    /// The share of the cycle's seconds that are left, begun ones counted.
    #[default]
    PerSecond,
    /// The share of the cycle's local days that are left, the first one counted.
    ByDays,
    /// The whole price, for a first period. What is left when the plan changes is neither charged nor
    /// taken back.
    None,
}

/// A part of a cycle: so many of its days or seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Those that count.
    pub part: u64,
    /// All that the cycle has.
    pub whole: u64,
    /// What they are.
    pub unit: ShareUnit,
}

/// What a cycle is divided into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum ShareUnit {
    /// Days of the calendar.
    Days,
    /// Seconds.
    Seconds,
}

impl Proration {
    /// What share of a cycle a part of it is charged for; `None` where it is charged whole. Days are
    /// those of the time zone.
    #[must_use]
    pub fn share(self, part: Span, whole: Span, zone: TimeZone) -> Option<Share> {
        let (unit, part, whole) = match self {
            Self::None => return None,
            Self::ByDays => (ShareUnit::Days, zone.days(part), zone.days(whole)),
            Self::PerSecond => (ShareUnit::Seconds, seconds(part), seconds(whole)),
        };
        let (part, whole) = (u64::try_from(part).ok()?, u64::try_from(whole).ok()?);
        (part < whole).then_some(Share { part, whole, unit })
    }
}

/// How many seconds begin in it, or before it and end in it.
fn seconds(span: Span) -> i64 {
    let second = |at: Timestamp| at.as_micros().div_euclid(1_000_000);
    second(span.end).saturating_sub(second(span.start))
}

impl Share {
    /// This share of an amount, rounded once.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] where it does not fit, or where the cycle has nothing to share.
    pub fn of(self, amount: Money, rounding: Rounding) -> Result<Money, MoneyError> {
        amount.share((self.part.into(), self.whole.into()), rounding)
    }
}

/// As an invoice says it: `24 of 31 days`.
impl fmt::Display for Share {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            ShareUnit::Days => "days",
            ShareUnit::Seconds => "seconds",
        };
        write!(out, "{} of {} {unit}", self.part, self.whole)
    }
}

impl Schedule {
    /// What share of its cycle a period is charged for; `None` where it is charged whole.
    ///
    /// ```
    /// use monetization_core::period::{Alignment, Cycle, Proration, Schedule};
    ///
    /// let schedule = Schedule {
    ///     alignment: Alignment::Calendar,
    ///     ..Schedule::new("2023-01-08T15:00:00Z".parse()?, Cycle::MONTH)
    /// };
    /// let share = |index| schedule.share(index, Proration::ByDays).map(|share| share.to_string());
    /// assert_eq!(share(0).as_deref(), Some("24 of 31 days"));
    /// assert_eq!(share(1), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn share(&self, index: u32, by: Proration) -> Option<Share> {
        self.share_of(self.period(index)?, index, by)
    }

    /// What share of its cycle a part of a period is charged for; `None` where it is charged whole.
    #[must_use]
    pub fn share_of(&self, part: Span, index: u32, by: Proration) -> Option<Share> {
        by.share(part, self.whole(index)?, self.zone_of(index))
    }
}
