//! How Stripe is told where billing periods end.
//!
//! | schedule | told as |
//! |---|---|
//! | days, weeks; months and years whose first period ends on the day on which it began | the end of the first period |
//! | a month from the 29th, 30th or 31st, a year from 29 February, that ends earlier | the day, hour, minute and second of each |
//! | several months or years at once that end on an earlier day | refused: Stripe would stay on that day |
//! | aligned to the calendar, or in a time zone other than UTC | refused |
//!
//! A trial is told by its end, from which Stripe counts on by itself; its start is when Stripe is told.
//!
//! Stripe knows whole seconds: of a boundary within a second, the second's beginning counts. The start
//! is told with the end of the first period, so a subscription has to reach Stripe before that.

use chrono::{DateTime, Datelike, Timelike, Utc};
use monetization_core::engine::{EngineError, EngineErrorKind};
use monetization_core::period::{Alignment, CycleUnit, Schedule, TimeZone};

use crate::time::seconds;

/// Where periods end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// The first ends then, and the others so many cycles later.
    At(i64),
    /// Each ends then, or with a month that is shorter.
    Each {
        month: Option<i64>,
        day: i64,
        hour: i64,
        minute: i64,
        second: i64,
    },
}

impl Anchor {
    /// How Stripe is told of this schedule.
    ///
    /// # Errors
    /// `Permanent` for what Stripe cannot do.
    pub(crate) fn of(schedule: &Schedule) -> Result<Self, EngineError> {
        check_calendar(schedule)?;
        let period = schedule.period(0);
        let end = period
            .ok_or_else(|| refuse("a period beyond the calendar"))?
            .end;
        let (start, ends) = (
            DateTime::<Utc>::from(schedule.anchor),
            DateTime::<Utc>::from(end),
        );
        let cycle = schedule.cycle;
        let month = match (cycle.unit(), cycle.count()) {
            (CycleUnit::Day | CycleUnit::Week, _) => return Ok(Self::At(seconds(end))),
            _ if start.day() == ends.day() => return Ok(Self::At(seconds(end))),
            (CycleUnit::Month, 1) => None,
            (CycleUnit::Year, 1) => Some(start.month().into()),
            _ => {
                return Err(refuse(
                    "several months at once from a day that not every month has",
                ));
            }
        };
        Ok(Self::Each {
            month,
            day: start.day().into(),
            hour: start.hour().into(),
            minute: start.minute().into(),
            second: start.second().into(),
        })
    }
}

/// Checks that periods begin with the subscription, or with the end of its trial.
///
/// # Errors
/// `Permanent` for what Stripe cannot keep.
pub(crate) fn check_calendar(schedule: &Schedule) -> Result<(), EngineError> {
    if schedule.alignment == Alignment::Start && schedule.time_zone == TimeZone::UTC {
        return Ok(());
    }
    Err(refuse(
        "periods that begin with the calendar or in a time zone",
    ))
}

/// For what core has to bill by itself.
fn refuse(what: &str) -> EngineError {
    let message = format!("Stripe cannot bill by {what}: let core make the invoices");
    EngineError::new(EngineErrorKind::Permanent, message)
}

#[cfg(test)]
mod tests {
    use monetization_core::period::Cycle;

    use super::*;

    fn anchor(start: &str, cycle: &str) -> Result<Anchor, EngineError> {
        let cycle: Cycle = cycle.parse().unwrap();
        Anchor::of(&Schedule::new(start.parse().unwrap(), cycle))
    }

    #[test]
    fn a_period_that_ends_on_its_own_day_is_told_by_its_end() {
        for (start, cycle, end) in [
            ("2026-01-01T00:00:00Z", "P1M", 1_769_904_000),
            ("2026-01-28T10:00:00.75Z", "P1M", 1_772_272_800),
            ("2026-01-31T00:00:00Z", "P2M", 1_774_915_200),
            ("2026-01-31T00:00:00Z", "P1W", 1_770_422_400),
            ("2026-03-31T00:00:00Z", "P1Y", 1_806_451_200),
        ] {
            assert_eq!(
                anchor(start, cycle).unwrap(),
                Anchor::At(end),
                "{start} {cycle}"
            );
        }
    }

    #[test]
    fn a_month_that_is_too_short_does_not_move_the_later_ones() {
        let each = |month, day| Anchor::Each {
            month,
            day,
            hour: 10,
            minute: 20,
            second: 30,
        };
        let monthly = anchor("2026-01-31T10:20:30Z", "P1M").unwrap();
        assert_eq!(monthly, each(None, 31));
        let yearly = anchor("2028-02-29T10:20:30Z", "P1Y").unwrap();
        assert_eq!(yearly, each(Some(2), 29));
        let error = anchor("2026-01-31T00:00:00Z", "P3M").unwrap_err();
        assert_eq!(error.kind(), &EngineErrorKind::Permanent);
    }

    #[test]
    fn the_calendar_is_not_told() {
        let start = "2026-01-31T00:00:00Z".parse().unwrap();
        let schedule = Schedule {
            alignment: Alignment::Calendar,
            ..Schedule::new(start, Cycle::MONTH)
        };
        assert!(Anchor::of(&schedule).is_err());
        let schedule = Schedule {
            time_zone: "Europe/Berlin".parse().unwrap(),
            ..Schedule::new(start, Cycle::MONTH)
        };
        assert!(Anchor::of(&schedule).is_err());
    }
}
