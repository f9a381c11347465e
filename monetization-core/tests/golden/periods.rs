//! Periods that begin where a subscription begins.

use std::time::Duration;

use monetization_core::clock::{Span, Timestamp};
use monetization_core::period::{Cycle, CycleUnit, Schedule};
use serde_json::Value;

use super::case::{Case, Checked, text};

const DAY: Duration = Duration::from_secs(86_400);

pub(super) fn run(case: &Case) -> Option<Checked> {
    several_months(case).or_else(|| of_one(case))
}

/// Cycles of several months, where the subscription begins on the day on which it is billed.
fn several_months(case: &Case) -> Option<Checked> {
    let months = case.config["interval_months"].as_str()?;
    let cycle = Cycle::every(months.parse().unwrap(), CycleUnit::Month).unwrap();
    let billed_on = ["billing_day", "anchor_day"].map(|name| case.config[name].as_str());
    let billed_on: usize = billed_on.into_iter().flatten().next()?.parse().unwrap();
    let begins = ["start", "invoice_date", "current"].map(|name| case.input[name].as_str());
    let begins = begins.into_iter().flatten().next()?;
    if begins[8..].parse() != Ok(billed_on) {
        return None;
    }
    let schedule = Schedule::new(instant(begins), cycle);
    let target = case.input["target"].as_str().map(instant);
    let index = target.map_or(0, |target| schedule.index_at(target).unwrap_or(0));
    let period = schedule.period(index).unwrap();
    Some(agree(
        case,
        [
            ("next", day(period.end).into()),
            ("from", day(period.start).into()),
            ("to", day(period.end).into()),
            ("elapsed", index.to_string().into()),
        ],
    ))
}

/// Cycles of one month or year.
fn of_one(case: &Case) -> Option<Checked> {
    let cycle = match case.model.as_str() {
        "anniversary_yearly_leap_anchor" => Cycle::YEAR,
        "anniversary_monthly"
        | "anniversary_monthly_billing_dates"
        | "monthly_period_containing"
        | "month_buckets_day31"
        | "monthly_anchor_31" => Cycle::MONTH,
        _ => return None,
    };
    let anchor = instant(text(&case.config["anchor"]));
    let schedule = Schedule::new(anchor, cycle);
    Some(checked(case, schedule))
}

fn checked(case: &Case, schedule: Schedule) -> Checked {
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
            let shown = |at: Timestamp| Value::from(at.to_string().replace('Z', "+00:00"));
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

fn agree<'a>(case: &Case, actual: impl IntoIterator<Item = (&'a str, Value)>) -> Checked {
    for (name, actual) in actual {
        let expected = &case.expected[name];
        if !expected.is_null() && *expected != actual {
            return Err(format!("{name} is {actual}, expected {expected}"));
        }
    }
    Ok(())
}

fn instant(text: &str) -> Timestamp {
    let text = if text.contains('T') {
        text.to_owned()
    } else {
        format!("{text}T00:00:00Z")
    };
    text.parse().unwrap()
}

fn day(at: Timestamp) -> String {
    at.to_string()[..10].to_owned()
}

fn day_before(at: Timestamp) -> String {
    day(at.saturating_sub(DAY))
}
