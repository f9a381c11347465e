//! Shares of what single transactions come to: what each adds when it is recorded, and the line.

use std::collections::BTreeMap;

use monetization_core::clock::Timestamp;
use monetization_core::ids::{MeterId, TypedId};
use monetization_core::metering::reported;
use monetization_core::money::{Exact, Money, Quantity, Rounding, Scale};
use monetization_core::plan::PlanTerms;
use monetization_core::pricing::{Priced, price};
use monetization_core::product::{Meter, MeterDraft, Unit};
use monetization_core::rating::{Used, usage_lines};
use serde_json::{Value, json};

use super::case::{Case, Checked, exact, plan, same, text, used};

/// Decimals of the amounts that are charged.
const DECIMALS: u8 = 2;

pub(super) fn run(case: &Case) -> Option<Checked> {
    match case.model.as_str() {
        "percentage" | "percentage_min_max_per_transaction"
            if case.config["free_amount"].is_null() =>
        {
            Some(charged(case))
        }
        "dynamic_multiplier" => Some(marked_up(case)),
        _ => None,
    }
}

/// Transactions with their fees, bounds and free ones.
fn charged(case: &Case) -> Checked {
    let mut percentage = json!({ "rate": case.config["rate_percent"] });
    for (theirs, ours) in [
        ("fixed_per_event", "fee"),
        ("min_per_tx", "minimum"),
        ("max_per_tx", "maximum"),
    ] {
        if case.config[theirs].is_string() {
            percentage[ours] = case.config[theirs].clone();
        }
    }
    if let Some(free) = case.config["free_events"].as_str() {
        percentage["free_events"] = free.parse::<u32>().unwrap().into();
    }
    let terms = terms(&percentage);
    let sums = sums(&terms, &transactions(&case.input));
    let expected = text(&case.expected["amount"]);
    same("amount", expected, costs(&terms, &sums))?;
    let rounding = Rounding::HalfAwayFromZero;
    let rounded = exact(expected).round(terms.currency(), rounding).unwrap();
    line_is(&terms, sums, rounded)
}

/// What something costs elsewhere, times a factor.
fn marked_up(case: &Case) -> Checked {
    let factor: rust_decimal::Decimal = text(&case.config["multiplier"]).parse().unwrap();
    let rate = (factor * rust_decimal::Decimal::ONE_HUNDRED).normalize();
    let terms = terms(&json!({ "rate": rate.to_string() }));
    let sums = sums(&terms, &[case.input("metered_amount").to_owned()]);
    let expected = Money::parse(text(&case.expected["amount"]), terms.currency()).unwrap();
    line_is(&terms, sums, expected)
}

/// The amounts of single transactions: as they are written, or as the totals of the first ones and
/// of all say, the others alike.
fn transactions(input: &Value) -> Vec<String> {
    if let Some(events) = input["events"].as_array() {
        return events.iter().map(|event| text(event).to_owned()).collect();
    }
    let amount = |value: &Value| text(value).parse::<rust_decimal::Decimal>().unwrap();
    let count: usize = text(&input["events"]).parse().unwrap();
    let mut before = rust_decimal::Decimal::ZERO;
    let mut amounts = Vec::new();
    for total in input["running_total_of_first_events"].as_array().unwrap() {
        amounts.push(amount(total) - before);
        before = amount(total);
    }
    let others = count - amounts.len();
    let each = (amount(&input["total"]) - before) / rust_decimal::Decimal::from(others);
    amounts.resize(count, each);
    amounts.iter().map(ToString::to_string).collect()
}

fn terms(percentage: &Value) -> PlanTerms {
    let draft = MeterDraft {
        unit: Unit::Amount,
        decimals: Scale::try_from(DECIMALS).unwrap(),
        ..MeterDraft::new("sales".parse().unwrap())
    };
    let meter = draft.check(MeterId::derived(&[b"sales"])).unwrap();
    plan(
        &json!({ "meter": "sales", "percentage": percentage }),
        meter,
    )
}

/// What the sums of a period hold after these were reported, one after the other.
fn sums(terms: &PlanTerms, amounts: &[String]) -> Used {
    let meter: &Meter = &terms.usage()[0].meter;
    let (mut sums, mut kept) = (Used::new(), BTreeMap::new());
    for amount in amounts {
        for counted in reported(meter, terms.usage(), (Some(amount), None)).unwrap() {
            let before = kept.get(&counted.meter).copied();
            let (added, now) =
                (counted.tally).count(before, counted.quantity, Timestamp::EPOCH, false);
            kept.insert(counted.meter, now);
            let sum = sums.entry(counted.meter).or_insert(Quantity::ZERO);
            *sum = sum.checked_add(added).unwrap();
        }
    }
    sums
}

/// What the sums cost before they are rounded.
fn costs(terms: &PlanTerms, sums: &Used) -> Exact {
    let usage = &terms.usage()[0];
    let (meter, scale) = usage.rated_meter();
    let priced = Priced {
        by: &usage.price,
        scale,
        zero_use: usage.zero_use,
    };
    price(&priced, sums[&meter]).unwrap()
}

fn line_is(terms: &PlanTerms, sums: Used, expected: Money) -> Checked {
    let lines = usage_lines(&[used((0, 1), terms, sums)]).unwrap();
    match lines.as_slice() {
        [line] if line.amount == expected => Ok(()),
        lines => Err(format!("{lines:?}, expected {expected}")),
    }
}
