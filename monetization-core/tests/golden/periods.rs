//! Billing periods: from where a subscription begins, or aligned to the calendar.

use std::time::Duration;

use monetization_core::clock::{Span, Timestamp};
use monetization_core::period::{
    Alignment, CalendarDuration, Cycle, CycleUnit, Schedule, TimeZone,
};
use serde_json::Value;

use super::case::{Case, Checked, agree, day, instant, text};

const DAY: Duration = Duration::from_secs(86_400);

pub(super) fn run(case: &Case) -> Option<Checked> {
    from_the_start(case)
        .or_else(|| aligned(case))
        .or_else(|| by_duration(case))
}

/// Cycles of several months or weeks, billed on a day or by the calendar.
fn aligned(case: &Case) -> Option<Checked> {
    let model = case.model.as_str();
    let alignment = match model {
        "anniversary_next_billing_date"
        | "advance_period_billing_day"
        | "period_containing_date"
        | "elapsed_cycles"
        | "next_bcd_on_or_after" => {
            let names = ["billing_day", "anchor_day", "bcd"];
            let mut days = names
                .into_iter()
                .filter_map(|name| case.config[name].as_str());
            format!("day {}", days.next().unwrap())
        }
        "weekly_anchor" => weekday(text(&case.config["anchor_weekday"])).to_owned(),
        "calendar_next_billing_date" | "calendar_first_period_days" => "calendar".to_owned(),
        "weekly_alignment_ignores_bcd" => "start".to_owned(),
        _ => return None,
    };
    let names = ["start", "invoice_date", "current", "original", "date"];
    let begins = names.into_iter().find_map(|name| case.input[name].as_str());
    let schedule = Schedule {
        alignment: alignment.parse().unwrap(),
        ..Schedule::new(instant(begins.unwrap()), cycle(case))
    };
    let target = case.input["target"].as_str().map(instant);
    let index = target.map_or(0, |target| schedule.index_at(target).unwrap_or(0));
    let period = schedule.period(index).unwrap();
    let (first, whole) = (schedule.period(0).unwrap(), schedule.whole(0).unwrap());
    let days = |span: Span| TimeZone::UTC.days(span).to_string();
    Some(agree(
        case,
        [
            ("next", day(period.end).into()),
            ("from", day(period.start).into()),
            ("to", day(period.end).into()),
            ("elapsed", index.to_string().into()),
            ("aligned", day(on_or_after(&schedule, case)).into()),
            ("billed_days", days(first).into()),
            ("period_days", days(whole).into()),
        ],
    ))
}

/// The first date not before the one that is asked for on which a whole cycle begins.
fn on_or_after(schedule: &Schedule, case: &Case) -> Timestamp {
    let Some(date) = case.input["date"].as_str().map(instant) else {
        return schedule.anchor;
    };
    let periods = (0..).map(|index| (schedule.period(index), schedule.whole(index)));
    let mut wholes = periods.filter(|(period, whole)| period == whole);
    let on = wholes.find_map(|(period, _)| period.filter(|period| period.start >= date));
    on.unwrap().start
}

pub(super) fn cycle(case: &Case) -> Cycle {
    let config = &case.config;
    let every = |field: &str, unit| {
        let count = config[field].as_str()?.parse().unwrap();
        Some(Cycle::every(count, unit).unwrap())
    };
    every("interval_months", CycleUnit::Month)
        .or_else(|| every("interval_days", CycleUnit::Day))
        .or_else(|| {
            let names = ["interval", "period", "cycle"];
            names
                .into_iter()
                .find_map(|name| config[name].as_str())
                .map(worded)
        })
        .unwrap_or(if case.model == "weekly_anchor" {
            Cycle::WEEK
        } else {
            Cycle::MONTH
        })
}

/// `quarterly`, or `weekly calendar (Monday)`.
fn worded(text: &str) -> Cycle {
    let word = text.split(' ').next().unwrap();
    let cycle = match word {
        "daily" => "day",
        "weekly" => "week",
        "monthly" => "month",
        "quarterly" => "3 months",
        "semiannual" | "half_yearly" => "6 months",
        "yearly" | "annual" => "year",
        other => panic!("{other} is no cycle"),
    };
    cycle.parse().unwrap()
}

/// `Mon` as `monday`.
fn weekday(short: &str) -> &'static str {
    let names = [
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
    ];
    let short = short.to_lowercase();
    let found = names.into_iter().find(|name| name.starts_with(&short));
    found.unwrap()
}

/// Durations of ISO 8601.
fn by_duration(case: &Case) -> Option<Checked> {
    if case.model != "iso_duration_add" {
        return None;
    }
    let duration: CalendarDuration = text(&case.config["duration"]).parse().unwrap();
    let result = duration.after(instant(case.input("start")), TimeZone::UTC);
    Some(agree(case, [("result", shown(result.unwrap()))]))
}

/// Cycles of one month or year from the start on.
fn from_the_start(case: &Case) -> Option<Checked> {
    let cycle = match case.model.as_str() {
        "anniversary_yearly_leap_anchor" => Cycle::YEAR,
        "anniversary_monthly"
        | "anniversary_monthly_billing_dates"
        | "monthly_period_containing"
        | "month_buckets_day31"
        | "monthly_anchor_31" => Cycle::MONTH,
        _ => return None,
    };
    let schedule = Schedule::new(instant(text(&case.config["anchor"])), cycle);
    assert_eq!(schedule.alignment, Alignment::Start);
    Some(checked(case, &schedule))
}

fn checked(case: &Case, schedule: &Schedule) -> Checked {
    let count = case.input["n"].as_str().map_or(0, |n| n.parse().unwrap());
    let first = case.input["from"]
        .as_str()
        .map_or(0, |from| schedule.index_at(instant(from)).unwrap());
    let periods = |first: u32| (first..first + count).map(|index| schedule.period(index).unwrap());
    let actual = match case.model.as_str() {
        "anniversary_monthly" if count > 0 => {
            let both = |period: Span| vec![day(period.start), day_before(period.end)];
            vec![("periods_inclusive", periods(0).map(both).collect::<Value>())]
        }
        "anniversary_monthly" | "anniversary_yearly_leap_anchor" => {
            let billing_at = instant(case.input("billing_at"));
            let ended = schedule.period_at(billing_at.saturating_sub(DAY)).unwrap();
            let days = ended.end.saturating_since(ended.start).as_secs() / DAY.as_secs();
            vec![
                ("from", day(ended.start).into()),
                ("to_inclusive", day_before(ended.end).into()),
                ("days", days.to_string().into()),
            ]
        }
        "monthly_period_containing" => {
            let period = schedule.period_at(instant(case.input("at"))).unwrap();
            vec![("from", shown(period.start)), ("to", shown(period.end))]
        }
        "month_buckets_day31" => {
            let starts = periods(0).map(|period| day(period.start));
            vec![("starts", starts.collect())]
        }
        // Billed at the end of each period; where a date is given, from the one that begins there on.
        _ if first > 0 => {
            let starts = periods(first).map(|period| day(period.start));
            vec![("billing_dates", starts.collect())]
        }
        _ => {
            let ends = periods(0).map(|period| day(period.end));
            vec![("billing_dates", ends.collect())]
        }
    };
    agree(case, actual)
}

/// As the cases write instants.
pub(super) fn shown(at: Timestamp) -> Value {
    at.to_string().replace('Z', "+00:00").into()
}

fn day_before(at: Timestamp) -> String {
    day(at.saturating_sub(DAY))
}
