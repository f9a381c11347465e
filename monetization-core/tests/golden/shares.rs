//! Base prices, and what of them a first period costs that is shorter than a cycle.

use chrono::Datelike;
use monetization_core::clock::{Span, Timestamp};
use monetization_core::money::{Money, Rounding};
use monetization_core::period::{Cycle, Proration, Schedule, Share, ShareUnit, TimeZone};
use monetization_core::plan::PlanTerms;
use monetization_core::rating::base_line;
use serde_json::{Value, json};

use super::case::{Case, Checked, agree, instant, text};
use super::periods::cycle;

pub(super) fn run(case: &Case) -> Option<Checked> {
    Some(match case.model.as_str() {
        "proration_factor_days" => {
            let share = by_days(span(&case.input["partial"]), span(&case.config["full"]));
            agree(
                case,
                [
                    ("numerator", share.part.to_string().into()),
                    ("denominator", share.whole.to_string().into()),
                ],
            )
        }
        "first_stub" => {
            let share = first(case, &anchor(case).day().to_string());
            agree(
                case,
                [
                    ("days", share.part.to_string().into()),
                    ("of", share.whole.to_string().into()),
                ],
            )
        }
        "flat_fee_prorated_by_duration" => by_duration(case),
        "calendar_prorated_fee" | "fixed_charge_prorated" => {
            let (part, whole) = case.input("days").split_once('/').unwrap();
            let share = days(part.parse().unwrap(), whole.parse().unwrap());
            fee(case, "amount_cents", share)
        }
        "upgrade_yearly_first_partial_period" => {
            let end = instant(case.input("period_end"));
            let start = instant(case.input("start"));
            fee(
                case,
                "plan_fee_cents",
                by_days(Span { start, end }, before(end, cycle(case))),
            )
        }
        "recurring_leading_stub" | "in_arrear_stub_end_of_month_bcd" => {
            let ends_on = TimeZone::UTC
                .date(instant(case.input("to")))
                .day()
                .to_string();
            let day = case.config["bcd"].as_str().unwrap_or(&ends_on);
            let (terms, schedule) = plan(case, day, case.input("from"));
            agree(case, [("amount", amount(&terms, &schedule, 1).0.into())])
        }
        "recurring_in_advance" | "recurring_with_leading_proration" => {
            let (terms, schedule) = plan(case, text(&case.config["bcd"]), case.input("start"));
            let count = begun(&schedule, case.input("target"));
            let (amount, items) = amount(&terms, &schedule, count);
            same_amount(case, &amount).and_then(|()| match case.expected["items"].is_null() {
                true => Ok(()),
                false => agree(case, [("items", items.to_string().into())]),
            })
        }
        "regenerate_is_idempotent" => {
            let day = TimeZone::UTC
                .date(instant(case.input("start")))
                .day()
                .to_string();
            let (_, schedule) = plan(case, &day, case.input("start"));
            let items = |target| begun(&schedule, case.input(target));
            let new = items("new_target") - items("invoiced_to_target");
            agree(case, [("new_items", new.to_string().into())])
        }
        "billing_cycles_in_advance" if case.input["end"].is_null() => cycles(case),
        _ => return None,
    })
}

/// How many cycles are charged by a date, and what shares of others.
fn cycles(case: &Case) -> Checked {
    let (_, schedule) = plan(case, text(&case.config["bcd"]), case.input("start"));
    let indices = 0..begun(&schedule, case.input("target"));
    let shares = indices.map(|index| schedule.share(index, Proration::ByDays));
    let (parts, whole): (Vec<_>, Vec<_>) = shares.partition(Option::is_some);
    let part = |share: Share| format!("{}/{}", share.part, share.whole);
    let parts: Vec<String> = parts.into_iter().flatten().map(part).collect();
    let fractions = json!({ "whole": whole.len().to_string(), "parts": parts });
    agree(case, [("as_fractions", fractions)])
}

/// A monthly plan unless the case says otherwise, billed on a day of the month.
fn plan(case: &Case, day: &str, start: &str) -> (PlanTerms, Schedule) {
    let cycle = cycle(case);
    let draft = json!({
        "billing": "fixed",
        "currency": "USD",
        "cycle": cycle,
        "alignment": format!("day {day}"),
        "base_price": case.config["rate"].as_str().unwrap_or("1"),
        "proration": "by_days",
    });
    let terms = PlanTerms::new(serde_json::from_value(draft).unwrap(), &[]).unwrap();
    let schedule = Schedule {
        alignment: terms.alignment(),
        ..Schedule::new(instant(start), terms.cycle())
    };
    (terms, schedule)
}

/// What the first so many periods cost, and how many lines that are.
fn amount(terms: &PlanTerms, schedule: &Schedule, periods: u32) -> (String, usize) {
    let lines = (0..periods).filter_map(|index| base_line(terms, schedule, index).unwrap());
    let amounts: Vec<Money> = lines.map(|line| line.amount).collect();
    let total = Money::sum(terms.currency(), amounts.iter().copied()).unwrap();
    (total.amount(), amounts.len())
}

fn same_amount(case: &Case, actual: &str) -> Checked {
    case.expects("amount", super::case::exact(actual))
}

/// How many periods have begun on a date.
fn begun(schedule: &Schedule, target: &str) -> u32 {
    schedule
        .index_at(instant(target))
        .map_or(0, |index| index + 1)
}

fn first(case: &Case, day: &str) -> Share {
    let (_, schedule) = plan(case, day, case.input("start"));
    schedule.share(0, Proration::ByDays).unwrap()
}

fn anchor(case: &Case) -> chrono::NaiveDate {
    TimeZone::UTC.date(instant(text(&case.config["anchor"])))
}

/// By exact durations: those of whole days here.
fn by_duration(case: &Case) -> Checked {
    let of_days = |days: &str| {
        let start = Timestamp::EPOCH;
        let days: i64 = days.parse().unwrap();
        Span {
            start,
            end: Timestamp::from_secs(days * 86_400),
        }
    };
    let full = match case.input["full_period"].as_str() {
        Some(dates) => {
            let (start, end) = dates.split_once("..").unwrap();
            Span {
                start: instant(start),
                end: instant(end),
            }
        }
        None => of_days(case.input("full_days")),
    };
    let part = of_days(case.input("service_days"));
    let currency = text(&case.config["currency"]).parse().unwrap();
    let fee = Money::parse(text(&case.config["amount"]), currency).unwrap();
    let share = Proration::PerSecond.share(part, full, TimeZone::UTC);
    let amount = share.map_or(fee, |share| share.of(fee, Rounding::default()).unwrap());
    same_amount(case, &amount.amount())
}

fn fee(case: &Case, of: &str, share: Share) -> Checked {
    let cents = text(&case.config[of]).parse().unwrap();
    let whole = Money::new(cents, "USD".parse().unwrap());
    let fee = share.of(whole, Rounding::default()).unwrap();
    agree(case, [("fee_cents", fee.minor().to_string().into())])
}

/// The share by days; all of them where that is the whole.
fn by_days(part: Span, whole: Span) -> Share {
    let all = TimeZone::UTC.days(whole).try_into().unwrap();
    let share = Proration::ByDays.share(part, whole, TimeZone::UTC);
    share.unwrap_or(days(all, all))
}

fn days(part: u64, whole: u64) -> Share {
    Share {
        part,
        whole,
        unit: ShareUnit::Days,
    }
}

/// The cycle that ends at an instant.
fn before(end: Timestamp, cycle: Cycle) -> Span {
    let date = TimeZone::UTC.date(end);
    let months = cycle.duration();
    let starts = (1..=366).map(|back| date - chrono::Days::new(back));
    let mut starts = starts.map(|date| instant(&date.to_string()));
    let start = starts.find(|start| months.after(*start, TimeZone::UTC) == Some(end));
    Span {
        start: start.unwrap(),
        end,
    }
}

fn span(dates: &Value) -> Span {
    Span {
        start: instant(text(&dates[0])),
        end: instant(text(&dates[1])),
    }
}
