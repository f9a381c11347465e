//! The provider's own calendar, walked period by period from the anchor. It shares no arithmetic
//! with core's, so that comparing the two can fail.

use std::time::Duration;

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use monetization_core::clock::{Span, Timestamp};
use monetization_core::period::{CycleUnit, Schedule};

/// Period number `index`; `None` beyond the calendar.
pub(crate) fn period(schedule: &Schedule, index: u32) -> Option<Span> {
    let start = boundary(schedule, index)?;
    let end = boundary(schedule, index.checked_add(1)?)?;
    Some(Span { start, end })
}

/// The number of the period that `at` lies in; `None` before the anchor or beyond the calendar.
pub(crate) fn index_at(schedule: &Schedule, at: Timestamp) -> Option<u32> {
    if at < schedule.anchor {
        return None;
    }
    let mut index = 0_u32;
    while boundary(schedule, index.checked_add(1)?)? <= at {
        index = index.checked_add(1)?;
    }
    Some(index)
}

/// The start of period number `index`: days and weeks have a length, months and years have a day.
fn boundary(schedule: &Schedule, index: u32) -> Option<Timestamp> {
    if let Some(trial_ends_at) = schedule.trial_ends_at {
        let Some(later) = index.checked_sub(1) else {
            return Some(schedule.anchor);
        };
        return boundary(&Schedule::new(trial_ends_at, schedule.cycle), later);
    }
    let units = index.checked_mul(u32::from(schedule.cycle.count()))?;
    let days = |days: u64| {
        let days = days.checked_mul(u64::from(units))?;
        let length = Duration::from_secs(days.checked_mul(24)?.checked_mul(3_600)?);
        schedule.anchor.checked_add(length)
    };
    match schedule.cycle.unit() {
        CycleUnit::Day => days(1),
        CycleUnit::Week => days(7),
        CycleUnit::Month => on_the_same_day(schedule.anchor, units),
        CycleUnit::Year => on_the_same_day(schedule.anchor, units.checked_mul(12)?),
    }
}

/// So many months after the anchor: on its day of the month, or on the month's last.
fn on_the_same_day(anchor: Timestamp, months: u32) -> Option<Timestamp> {
    let anchor = DateTime::<Utc>::from(anchor);
    let mut year = anchor.year();
    let mut month = anchor.month();
    for _ in 0..months {
        (year, month) = match month {
            12 => (year.checked_add(1)?, 1),
            earlier => (year, earlier.checked_add(1)?),
        };
    }
    let days = (1..=anchor.day()).rev();
    let date = days
        .filter_map(|day| NaiveDate::from_ymd_opt(year, month, day))
        .next()?;
    Timestamp::try_from(date.and_time(anchor.time()).and_utc()).ok()
}

#[cfg(test)]
mod tests {
    use monetization_core::period::Cycle;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn both_calendars_agree(
            micros in 0_i64..1_700_000_000_000_000, unit in 0_usize..4, count in 1_u16..=12,
            later in 0_u32..60, trial in prop::option::of(1_u64..10_000_000_000_000),
        ) {
            let anchor = Timestamp::from_micros(micros);
            let cycle = Cycle::every(count, CycleUnit::ALL[unit]).unwrap();
            let schedule = Schedule {
                trial_ends_at: trial.map(|length| anchor.saturating_add(Duration::from_micros(length))),
                ..Schedule::new(anchor, cycle)
            };
            let mine = period(&schedule, later);
            prop_assert_eq!(mine, schedule.period(later));
            let end = mine.unwrap().end;
            prop_assert_eq!(index_at(&schedule, end), schedule.index_at(end));
        }
    }
}
