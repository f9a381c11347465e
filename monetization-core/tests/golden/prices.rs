//! Prices of a quantity: tiers, packages, differences of what was billed, commitments.

use monetization_core::ids::{MeterId, TypedId};
use monetization_core::invoice::{CommitmentBound, Line, LineItem};
use monetization_core::money::{Exact, Money, Quantity, Scale};
use monetization_core::plan::{PlanTerms, UsagePrice};
use monetization_core::pricing::{Priced, parts, price};
use monetization_core::product::{Meter, MeterDraft};
use monetization_core::rating::{LateUse, SegmentUse, Used, late_lines, usage_lines};
use serde_json::{Value, json};

use super::case::{Case, Checked, SCALE, exact, plan, quantity, same, text, used};

pub(super) fn run(case: &Case) -> Option<Checked> {
    let model = case.model.as_str();
    Some(match model {
        "graduated"
        | "graduated_with_flat"
        | "graduated_with_tier_flat"
        | "graduated_with_free_first_tier"
        | "volume"
        | "package"
        | "per_unit"
        | "tiered_blocks_ALL_TIERS"
        | "tiered_blocks_TOP_TIER"
        | "graduated_percentage" => {
            case.expects("amount", whole(&terms(case), case.input("units")))
        }
        "package_count" => packages(case, &terms(case), "packages"),
        "graduated_progressive_delta" | "package_progressive_delta" => {
            let before = exact(case.input("previous_units"));
            let after = before.checked_add(exact(case.input("units"))).unwrap();
            let terms = terms(case);
            let amount = |units: Exact| whole(&terms, &units.to_string());
            case.expects("amount", amount(after).checked_sub(amount(before)).unwrap())
        }
        "graduated_cumulative_delta"
        | "volume_cumulative_delta"
        | "package_cumulative_delta"
        | "graduated_percentage_per_transaction" => deltas(case),
        "volume_with_min_max_spend"
        | "package_with_min_spend"
        | "per_unit_with_min_spend"
        | "graduated_with_max_spend_progressive" => committed(case),
        "bill_missing_usage" => late(case),
        "commitment_true_up" => filled_up(case),
        "max_spend_overage" if case.id == "om-max-001" => capped(case),
        "base_fee_plus_usage_ALL_TIERS"
        | "base_fee_plus_usage_TOP_TIER"
        | "base_fee_plus_blocks_ALL_TIERS" => {
            let base = exact(text(&case.config["base"]));
            let usage = whole(&terms(case), case.input("units"));
            case.expects("total", base.checked_add(usage).unwrap())
        }
        "two_units_ALL_TIERS" | "two_units_TOP_TIER" => {
            let of = |meter: &str| {
                let draft = json!({ "tiers": case.config[meter] });
                whole(&terms_of(&case.model, &draft), case.input(meter))
            };
            case.expects("amount", of("minutes").checked_add(of("mbytes")).unwrap())
        }
        _ => return in_our_words(case),
    })
}

/// What is written otherwise here.
fn in_our_words(case: &Case) -> Option<Checked> {
    Some(match case.model.as_str() {
        "unit_config_then_per_unit" => {
            let config =
                json!({ "package_size": case.config["factor"], "amount": case.config["unit"] });
            let amount = whole(&terms_of("package", &config), case.input("units"));
            case.expects("amount", amount)
        }
        "unit_config" if case.config["round"] == "floor" => {
            let config = json!({ "package_size": case.config["factor"], "round": "down" });
            packages(case, &terms_of("package", &config), "billed_units")
        }
        "capacity_tier_by_total" => {
            let tiers = steps(case.config["tiers"].as_array().unwrap());
            let terms = terms_from(json!({ "stairstep": tiers }));
            let base = exact(text(&case.config["base"]));
            let usage = whole(&terms, case.input("units"));
            case.expects("total", base.checked_add(usage).unwrap())
        }
        "commitment_with_overage_factor" => {
            let committed = text(&case.config["commitment"]);
            let terms = beyond(&case.config, (committed, &case.config["overage_factor"]));
            case.expects("total", whole(&terms, case.input("units")))
        }
        "quantity_commitment_bucket_then_base" => {
            let bucket = &case.config["bucket"];
            let terms = beyond(bucket, (text(&bucket["commit_units"]), &bucket["factor"]));
            let bucket = whole(&terms, case.input("bucket_units"));
            let base = json!({ "unit": case.config["base_unit"] });
            let base = whole(&terms_of("per_unit", &base), case.input("base_units"));
            case.expects("total", bucket.checked_add(base).unwrap())
        }
        _ => return None,
    })
}

/// How many packages are to be paid.
fn packages(case: &Case, terms: &PlanTerms, expected: &str) -> Checked {
    let part = parts(&priced(&terms.usage()[0]), quantity(case.input("units"))).next();
    let packages = part.unwrap().unwrap().packages.unwrap();
    let expected: i64 = text(&case.expected[expected]).parse().unwrap();
    if packages.scaled() == expected {
        Ok(())
    } else {
        Err(format!("{packages:?} packages, expected {expected}"))
    }
}

/// Units up to a commitment at their price, those beyond it at a multiple of that.
fn beyond(config: &Value, (committed, factor): (&str, &Value)) -> PlanTerms {
    let decimal = |text: &str| text.parse::<rust_decimal::Decimal>().unwrap();
    let unit = text(&config["unit"]);
    let dearer = (decimal(unit) * decimal(text(factor))).to_string();
    terms_from(json!({
        "graduated": [{ "up_to": committed, "unit_price": unit }, { "unit_price": dearer }],
    }))
}

/// Bands that cost the same whatever is used of them; the last one is open here.
fn steps(tiers: &[Value]) -> Value {
    let last = tiers.len() - 1;
    let steps = tiers.iter().enumerate().map(|(place, tier)| {
        let mut step = json!({ "price": tier["price"] });
        if place < last {
            step["up_to"] = tier["max"].clone();
        }
        step
    });
    steps.collect()
}

/// What is missing to a commitment.
fn filled_up(case: &Case) -> Checked {
    let config = json!({ "unit": "1", "min": case.config["commitment"] });
    let terms = terms_of("per_unit", &config);
    let used = [of_units(
        (0, 1),
        &terms,
        quantity(case.input("usage_amount")),
    )];
    let filled_up = bound(&usage_lines(&used).unwrap(), CommitmentBound::Minimum);
    cents_are("true_up", text(&case.expected["true_up"]), filled_up)
}

/// The model's own way to write a price, as ours.
fn terms(case: &Case) -> PlanTerms {
    terms_of(&case.model, &case.config)
}

fn terms_of(model: &str, config: &Value) -> PlanTerms {
    let mut usage = json!({});
    let tiers = config["tiers"].as_array();
    if let Some(tiers) = tiers {
        let name = if model.starts_with("volume") || model.contains("TOP_TIER") {
            "volume"
        } else {
            "graduated"
        };
        usage[name] = tiers_of(tiers, model);
    } else if config["package_size"].is_string() {
        let price = config["amount"].as_str().unwrap_or("1");
        let partial = match config["round"].as_str() {
            Some("down") => "free",
            _ => "charged",
        };
        usage["package"] =
            json!({ "size": config["package_size"], "price": price, "partial": partial });
    } else {
        usage["unit_price"] = config["unit"].clone();
    }
    if let Some(free) = config["free_units"].as_str() {
        usage["included"] = free.into();
    }
    let mut commitment = json!({});
    for (theirs, ours) in [("min", "minimum"), ("max", "maximum")] {
        if config[theirs].is_string() {
            commitment[ours] = config[theirs].clone();
        }
    }
    usage["commitment"] = commitment;
    terms_from(usage)
}

/// A plan with this price of the units.
fn terms_from(mut usage: Value) -> PlanTerms {
    usage["meter"] = "units".into();
    plan(&usage, meter())
}

/// Tiers by their upper bounds, or by how many blocks of which size they hold.
fn tiers_of(tiers: &[Value], model: &str) -> Value {
    let last = tiers.len() - 1;
    let mut top = 0_i64;
    let tiers = tiers.iter().enumerate().map(|(place, tier)| {
        if let Some(size) = tier["size"].as_str() {
            let blocks = text(&tier["max_blocks"]);
            let units: i64 = size.parse::<i64>().unwrap() * blocks.parse::<i64>().unwrap();
            top += units;
            let mut ours = json!({ "unit_price": tier["price"], "package": size });
            if place < last {
                ours["up_to"] = top.to_string().into();
            }
            return ours;
        }
        let unit = if tier["rate"].is_string() && model.starts_with("graduated_percentage") {
            hundredth(text(&tier["rate"]))
        } else {
            let unit = [&tier["unit"], &tier["rate"]];
            let unit = unit.into_iter().find_map(Value::as_str);
            unit.unwrap_or("0").to_owned()
        };
        let mut ours = json!({ "unit_price": unit, "flat": tier["flat"] });
        if place < last {
            ours["up_to"] = tier["up_to"].clone();
        }
        ours
    });
    tiers.collect()
}

/// A percentage as a share.
fn hundredth(percent: &str) -> String {
    let percent: rust_decimal::Decimal = percent.parse().unwrap();
    (percent / rust_decimal::Decimal::from(100)).to_string()
}

fn meter() -> Meter {
    let draft = MeterDraft {
        decimals: Scale::try_from(SCALE).unwrap(),
        ..MeterDraft::new("units".parse().unwrap())
    };
    draft.check(MeterId::derived(&[b"units"])).unwrap()
}

fn priced(usage: &UsagePrice) -> Priced<'_> {
    Priced {
        by: &usage.price,
        scale: usage.meter.scale,
        zero_use: usage.zero_use,
    }
}

/// What so many units cost, included ones taken off.
fn whole(terms: &PlanTerms, units: &str) -> Exact {
    let usage = &terms.usage()[0];
    price(&priced(usage), quantity(units).above(usage.included)).unwrap()
}

/// What each of several cumulative quantities adds.
fn deltas(case: &Case) -> Checked {
    let terms = terms(case);
    let is_per_event = case.model == "graduated_percentage_per_transaction";
    let (inputs, outputs) = if is_per_event {
        ("transactions", "amounts")
    } else {
        ("cumulative_units", "line_amounts")
    };
    let inputs = case.input[inputs].as_array().unwrap();
    let expected = case.expected[outputs].as_array().unwrap();
    let (mut before, mut units) = (Exact::ZERO, Exact::ZERO);
    for (input, expected) in inputs.iter().zip(expected) {
        let input = exact(text(input));
        units = if is_per_event {
            units.checked_add(input).unwrap()
        } else {
            input
        };
        let amount = whole(&terms, &units.to_string());
        same(outputs, text(expected), amount.checked_sub(before).unwrap())?;
        before = amount;
    }
    Ok(())
}

/// A commitment's own line, and the total; a period may be billed in two parts.
fn committed(case: &Case) -> Checked {
    let terms = terms(case);
    let parts: Vec<&str> = ["previous_units", "units"]
        .into_iter()
        .filter_map(|name| case.input[name].as_str())
        .collect();
    let total = |lines: &[Line]| {
        let amounts = lines.iter().map(|line| line.amount);
        Money::sum(terms.currency(), amounts).unwrap().minor()
    };
    let segments: Vec<SegmentUse<'_>> = parts
        .iter()
        .enumerate()
        .map(|(place, units)| of_units((place, parts.len()), &terms, quantity(units)))
        .collect();
    let lines = usage_lines(&segments).unwrap();
    let billed = case.input["previous_billed"].as_str().map_or(0, cents);
    let checks = [
        ("min_line", bound(&lines, CommitmentBound::Minimum)),
        ("max_discount", -bound(&lines, CommitmentBound::Maximum)),
        ("total", total(&lines) - billed),
    ];
    for (name, actual) in checks {
        if let Some(expected) = case.expected[name].as_str() {
            cents_are(name, expected, actual)?;
        }
    }
    Ok(())
}

/// What a line adds to a period that has cost so much already.
fn capped(case: &Case) -> Checked {
    let config = json!({ "unit": "1", "max": case.config["max"] });
    let terms = terms_of("per_unit", &config);
    let before = quantity(case.input("previously_billed"));
    let line = quantity(text(&case.config["line"]));
    let lines = usage_lines(&[
        of_units((0, 2), &terms, before),
        of_units((1, 2), &terms, line),
    ])
    .unwrap();
    let discount = bound(&lines, CommitmentBound::Maximum);
    cents_are(
        "max_discount",
        text(&case.expected["max_discount"]),
        -discount,
    )?;
    let added = lines[1].amount.minor() + discount;
    cents_are("line_total", text(&case.expected["line_total"]), added)
}

/// What the lines of this bound come to, in cents.
fn bound(lines: &[Line], wanted: CommitmentBound) -> i64 {
    let of = lines.iter().filter(
        |line| matches!(line.item, LineItem::Commitment(commitment) if commitment.bound == wanted),
    );
    of.map(|line| line.amount.minor()).sum()
}

fn cents_are(name: &str, expected: &str, actual: i64) -> Checked {
    if cents(expected) == actual {
        Ok(())
    } else {
        Err(format!("{name} is {actual} cents, expected {expected}"))
    }
}

/// What came late after something was billed already.
fn late(case: &Case) -> Checked {
    let terms = terms(case);
    // What costs as much as was billed before.
    let usage = &terms.usage()[0];
    let billed = exact(text(&case.config["already_billed"]));
    let units: i64 = case.input("units").parse().unwrap();
    let of = |units: i64| quantity(&units.to_string());
    let known = (0..units)
        .find(|known| price(&priced(usage), of(*known)).unwrap() == billed)
        .unwrap();
    let late = Used::from([(meter().id, of(units - known))]);
    let billed = of_units((0, 1), &terms, of(known));
    let lines = late_lines(&[LateUse { billed, late }]).unwrap();
    let owed = lines.iter().map(|line| line.amount.minor()).sum();
    cents_are("amount", text(&case.expected["amount"]), owed)
}

fn cents(amount: &str) -> i64 {
    Money::parse(amount, "USD".parse().unwrap())
        .unwrap()
        .minor()
}

fn of_units(place: (usize, usize), terms: &PlanTerms, quantity: Quantity) -> SegmentUse<'_> {
    used(place, terms, Used::from([(meter().id, quantity)]))
}
