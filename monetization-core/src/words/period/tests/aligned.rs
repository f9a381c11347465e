//! Alignments, by examples and by a count day by day.

use chrono::{Datelike, NaiveDate};
use proptest::prelude::*;

use super::super::*;
use super::at;
use crate::clock::Timestamp;
use crate::money::{Money, Rounding};

fn schedule(alignment: &str, cycle: &str, anchor: &str) -> Schedule {
    Schedule {
        alignment: alignment.parse().unwrap(),
        ..Schedule::new(at(anchor), cycle.parse().unwrap())
    }
}

fn starts(schedule: &Schedule, count: u32) -> Vec<String> {
    let starts = (0..count).map(|index| schedule.period(index).unwrap().start.to_string());
    starts
        .map(|start| start.replace("T00:00:00Z", ""))
        .collect()
}

#[test]
fn a_billing_day_is_kept_through_short_months_and_makes_a_short_first_period_b9() {
    let table = [
        (
            ("day 31", "month", "2023-01-15T12:00:00Z"),
            ["2023-01-31", "2023-02-28", "2023-03-31"],
        ),
        (
            ("day 31", "month", "2024-02-10T12:00:00Z"),
            ["2024-02-29", "2024-03-31", "2024-04-30"],
        ),
        (
            ("day 10", "3 months", "2021-01-04T12:00:00Z"),
            ["2021-01-10", "2021-04-10", "2021-07-10"],
        ),
        (
            ("day 10", "3 months", "2021-01-10T00:00:00Z"),
            ["2021-04-10", "2021-07-10", "2021-10-10"],
        ),
        (
            ("day 10", "3 months", "2021-01-15T12:00:00Z"),
            ["2021-04-10", "2021-07-10", "2021-10-10"],
        ),
        (
            ("day 29", "year", "2024-02-01T12:00:00Z"),
            ["2024-02-29", "2025-02-28", "2026-02-28"],
        ),
    ];
    for ((alignment, cycle, anchor), expected) in table {
        let schedule = schedule(alignment, cycle, anchor);
        assert_eq!(
            starts(&schedule, 4)[1..],
            expected,
            "{alignment}, {cycle}, {anchor}"
        );
    }
}

#[test]
fn weeks_and_calendars_are_aligned_to_their_first_day_b9() {
    let table = [
        (
            ("monday", "week", "2024-03-06T12:00:00Z"),
            ["2024-03-11", "2024-03-18"],
        ),
        (
            ("wednesday", "week", "2024-03-06T12:00:00Z"),
            ["2024-03-13", "2024-03-20"],
        ),
        (
            ("friday", "2 weeks", "2024-03-06T12:00:00Z"),
            ["2024-03-08", "2024-03-22"],
        ),
        (
            ("calendar", "week", "2024-03-06T12:00:00Z"),
            ["2024-03-11", "2024-03-18"],
        ),
        (
            ("calendar", "day", "2024-03-06T12:00:00Z"),
            ["2024-03-07", "2024-03-08"],
        ),
        (
            ("calendar", "month", "2024-12-30T12:00:00Z"),
            ["2025-01-01", "2025-02-01"],
        ),
        (
            ("calendar", "3 months", "2026-04-01T00:00:00Z"),
            ["2026-07-01", "2026-10-01"],
        ),
        (
            ("calendar", "6 months", "2026-03-15T12:00:00Z"),
            ["2026-07-01", "2027-01-01"],
        ),
        (
            ("calendar", "5 months", "2026-03-15T12:00:00Z"),
            ["2026-08-01", "2027-01-01"],
        ),
        (
            ("calendar", "year", "2026-03-15T12:00:00Z"),
            ["2027-01-01", "2028-01-01"],
        ),
        (
            ("calendar", "2 years", "2026-03-15T12:00:00Z"),
            ["2028-01-01", "2030-01-01"],
        ),
    ];
    for ((alignment, cycle, anchor), expected) in table {
        let schedule = schedule(alignment, cycle, anchor);
        assert_eq!(
            starts(&schedule, 3)[1..],
            expected,
            "{alignment}, {cycle}, {anchor}"
        );
    }
}

#[test]
fn what_does_not_fit_has_no_periods() {
    for (alignment, cycle) in [
        ("day 3", "week"),
        ("monday", "month"),
        ("day 3", "day"),
        ("sunday", "day"),
    ] {
        let schedule = schedule(alignment, cycle, "2024-03-06T12:00:00Z");
        assert!(!schedule.alignment.fits(schedule.cycle));
        assert_eq!(schedule.period(0), None, "{alignment}, {cycle}");
        assert_eq!(
            schedule.index_at(schedule.anchor),
            None,
            "{alignment}, {cycle}"
        );
    }
    for day in [0, 32] {
        assert!(!Alignment::Day(day).fits(Cycle::MONTH), "{day}");
    }
}

#[test]
fn alignments_are_read_in_any_case_and_others_refused_with_the_list_b9() {
    for text in ["start", "calendar", "day 1", "day 31", "monday", "sunday"] {
        let read: Alignment = text.to_uppercase().parse().unwrap();
        assert_eq!(read.to_string(), text);
    }
    for text in [
        "", "day", "day 0", "day 32", "day 01", "15", "mon", "anchor",
    ] {
        let error = text.parse::<Alignment>().unwrap_err().to_string();
        assert!(
            error.contains("start, calendar, day 1 to day 31"),
            "{error}"
        );
    }
}

#[test]
fn a_first_period_is_charged_for_the_share_of_its_cycle_b9() {
    let month = schedule("calendar", "month", "2023-01-08T15:30:00.5Z");
    let told = |by| month.share(0, by).map(|share| share.to_string());
    assert_eq!(told(Proration::ByDays).as_deref(), Some("24 of 31 days"));
    let told = told(Proration::PerSecond);
    assert_eq!(told.as_deref(), Some("2017800 of 2678400 seconds"));
    assert_eq!(month.share(0, Proration::None), None);
    assert_eq!(month.share(1, Proration::ByDays), None);
    let days = month.share(0, Proration::ByDays).unwrap();
    let fee = Money::parse("50.00", "USD".parse().unwrap()).unwrap();
    assert_eq!(days.of(fee, Rounding::default()).unwrap().amount(), "38.71");
    assert_eq!(days.of(fee, Rounding::Down).unwrap().amount(), "38.70");
    // The first day counts, however late it was, so a cycle that began with it is whole.
    let whole = schedule("day 8", "month", "2023-01-08T15:30:00Z");
    assert_eq!(whole.share(0, Proration::ByDays), None);
    assert!(whole.share(0, Proration::PerSecond).is_some());
}

#[test]
fn a_schedule_in_utc_from_the_start_is_written_as_before() {
    let plain = schedule("start", "month", "2023-01-08T15:30:00Z");
    let text = serde_json::to_string(&plain).unwrap();
    assert_eq!(text, r#"{"anchor":"2023-01-08T15:30:00Z","cycle":"month"}"#);
    assert_eq!(serde_json::from_str::<Schedule>(&text).unwrap(), plain);
    let berlin = Schedule {
        time_zone: "Europe/Berlin".parse().unwrap(),
        ..schedule("day 31", "month", "2023-01-08T15:30:00Z")
    };
    let moved = berlin.moved(TimeZone::UTC, berlin.anchor).unwrap();
    let text = serde_json::to_string(&moved).unwrap();
    assert_eq!(serde_json::from_str::<Schedule>(&text).unwrap(), moved);
}

/// The aligned dates after the anchor, found by asking day by day, and how many of them a cycle is.
fn aligned_dates(of: &Schedule) -> (impl Iterator<Item = NaiveDate>, usize, bool) {
    let (alignment, count) = (of.alignment, u32::from(of.cycle.count()));
    let months = match of.cycle.unit() {
        CycleUnit::Year => 12,
        CycleUnit::Month => (1..=12)
            .rev()
            .find(|divisor| 12 % divisor == 0 && count.is_multiple_of(*divisor))
            .unwrap(),
        CycleUnit::Day | CycleUnit::Week => 1,
    };
    let unit = of.cycle.unit();
    let is_aligned = move |date: &NaiveDate| match alignment {
        Alignment::Start => unreachable!(),
        Alignment::Day(day) => {
            let is_last = date.succ_opt().unwrap().day() == 1;
            date.day() == u32::from(day) || (is_last && date.day() < u32::from(day))
        }
        Alignment::Weekday(weekday) => date.weekday() == weekday,
        Alignment::Calendar => match unit {
            CycleUnit::Day => true,
            CycleUnit::Week => date.weekday() == Weekday::Mon,
            CycleUnit::Month | CycleUnit::Year => {
                date.day() == 1 && date.month0().is_multiple_of(months)
            }
        },
    };
    let step = match (alignment, unit) {
        (Alignment::Day(_), CycleUnit::Year) => count * 12,
        (Alignment::Calendar, CycleUnit::Month) => count / months,
        _ => count,
    };
    let begins = TimeZone::UTC.date(of.anchor);
    let dates = begins.iter_days().skip(1).filter(is_aligned);
    let first = dates.clone().next().unwrap();
    let same_unit = match alignment {
        Alignment::Day(_) => first.month() == begins.month(),
        Alignment::Weekday(_) => first.iso_week() == begins.iso_week(),
        Alignment::Start | Alignment::Calendar => false,
    };
    (dates, step.try_into().unwrap(), same_unit)
}

pub(super) fn alignments() -> impl Strategy<Value = (Alignment, Cycle)> {
    let weekday = (0_u8..7).prop_map(|day| Alignment::Weekday(Weekday::try_from(day).unwrap()));
    let months = prop_oneof![Just(CycleUnit::Month), Just(CycleUnit::Year)];
    let any = (0_usize..4).prop_map(|unit| CycleUnit::ALL[unit]);
    let pairs = prop_oneof![
        ((1_u8..=31).prop_map(Alignment::Day), months),
        (weekday, Just(CycleUnit::Week)),
        (Just(Alignment::Calendar), any),
    ];
    (pairs, 1_u16..=24)
        .prop_map(|((alignment, unit), count)| (alignment, Cycle::every(count, unit).unwrap()))
}

proptest! {
    #[test]
    fn aligned_periods_agree_with_a_count_day_by_day_r_t2(
        (alignment, cycle) in alignments(), seconds in 0_i64..2_000_000_000, later in 0_usize..6,
    ) {
        let anchor = Timestamp::from_secs(seconds);
        let schedule = Schedule { alignment, ..Schedule::new(anchor, cycle) };
        let (mut dates, step, same_unit) = aligned_dates(&schedule);
        let place = if same_unit { later * step } else { (later + 1) * step - 1 };
        let expected = at(&format!("{}T00:00:00Z", dates.nth(place).unwrap()));
        let boundary = schedule.period(u32::try_from(later).unwrap()).unwrap().end;
        prop_assert_eq!(boundary, expected);
    }

    #[test]
    fn a_first_period_is_the_end_of_its_cycle((alignment, cycle) in alignments(), seconds in 0_i64..2_000_000_000) {
        let anchor = Timestamp::from_secs(seconds);
        let schedule = Schedule { alignment, ..Schedule::new(anchor, cycle) };
        let (period, whole) = (schedule.period(0).unwrap(), schedule.whole(0).unwrap());
        prop_assert!(whole.start <= period.start && period.start < period.end);
        prop_assert_eq!(whole.end, period.end);
        // What begins with its cycle has the same boundaries, and no short period.
        let earlier = Schedule { anchor: whole.start, ..schedule.clone() };
        if let (Alignment::Calendar | Alignment::Weekday(_), true) = (alignment, cycle.count() == 1) {
            prop_assert_eq!(earlier.period(0), Some(whole));
            prop_assert_eq!(earlier.share(0, Proration::PerSecond), None);
        }
        for by in [Proration::ByDays, Proration::PerSecond] {
            let share = schedule.share(0, by);
            prop_assert!(share.is_none_or(|share| 0 < share.part && share.part < share.whole));
        }
    }
}
