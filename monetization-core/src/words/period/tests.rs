use std::time::Duration;

use chrono::{DateTime, Utc};
use proptest::prelude::*;

use super::*;
use crate::clock::Timestamp;

mod aligned;
mod transitions;
mod zoned;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn the_anchor_day_is_kept_through_short_months_b9() {
    let schedule = Schedule::new(at("2024-01-31T10:00:00Z"), Cycle::MONTH);
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
    let schedule = Schedule::new(at("2024-02-29T00:00:00Z"), Cycle::YEAR);
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
    let schedule = Schedule::new(at("2023-12-31T00:00:00Z"), "2 months".parse().unwrap());
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
            let schedule = Schedule::new(anchor, cycle);
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
    let schedule = Schedule::new(at("2024-01-01T00:00:00Z"), Cycle::DAY);
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
        let schedule = Schedule::new(naive_month_start(year, month, day), cycle);
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
        let schedule = Schedule::new(first, cycle);
        let later = later / u32::from(count);
        let months = u32::try_from(year).unwrap() * 12 + month - 1 + later * u32::from(count);
        let expected = naive_month_start(i32::try_from(months / 12).unwrap(), months % 12 + 1, anchored);
        prop_assert_eq!(schedule.period(later).unwrap().start, expected);
    }
}
