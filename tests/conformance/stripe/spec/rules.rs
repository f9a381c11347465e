//! Rules that Stripe documents and no schema holds.

use super::ViolationKind::DocumentedRule;
use super::{Found, Operation};
use crate::stripe::form::Form;

const SECONDS_PER_DAY: i64 = 86_400;
const AGE_MAX: i64 = 35 * SECONDS_PER_DAY;
const AHEAD_MAX: i64 = 300;
const IDENTIFIER_MAX: usize = 100;
const DIGITS_MAX: usize = 15;
const METADATA_MAX: usize = 50;
const METADATA_NAME_MAX: usize = 40;
const METADATA_VALUE_MAX: usize = 500;
const LIMIT_MAX: u32 = 100;

pub(super) fn check(operation: &Operation, form: &Form, now: i64, found: &mut Found) {
    match (operation.method.as_str(), operation.path.as_str()) {
        ("POST", "/v1/billing/meter_events") => meter_event(form, now, found),
        ("POST", "/v1/billing/meter_event_adjustments") => {
            let cancel = form.member("cancel");
            if cancel.is_none_or(|it| it.text_of("identifier").is_none()) {
                found.push(
                    DocumentedRule,
                    "cancel[identifier]",
                    "missing: what is cancelled?",
                );
            }
        }
        ("POST", "/v1/prices") => price(form, found),
        ("GET", _) => {
            let limit = form.text_of("limit").map(str::parse::<u32>);
            if limit.is_some_and(|it| !it.is_ok_and(|it| (1..=LIMIT_MAX).contains(&it))) {
                found.push(DocumentedRule, "limit", "has to be from 1 to 100");
            }
        }
        _ => {}
    }
    metadata(form, "", found);
}

fn meter_event(form: &Form, now: i64, found: &mut Found) {
    let at: Option<i64> = form.text_of("timestamp").and_then(|it| it.parse().ok());
    if at.is_some_and(|at| at < now - AGE_MAX) {
        found.push(DocumentedRule, "timestamp", "more than 35 days ago");
    }
    if at.is_some_and(|at| at > now + AHEAD_MAX) {
        found.push(DocumentedRule, "timestamp", "more than 5 minutes ahead");
    }
    let identifier = form.text_of("identifier").unwrap_or_default();
    if identifier.is_empty() {
        found.push(
            DocumentedRule,
            "identifier",
            "missing: sent again it would count twice",
        );
    }
    if identifier.chars().count() > IDENTIFIER_MAX {
        found.push(DocumentedRule, "identifier", "more than 100 characters");
    }
    let payload: Vec<_> = form
        .member("payload")
        .into_iter()
        .flat_map(Form::members)
        .collect();
    if payload.is_empty() {
        found.push(DocumentedRule, "payload", "empty");
    }
    let value = payload.iter().find(|(name, _)| *name == "value");
    if let Some(value) = value.and_then(|(_, it)| it.text()) {
        check_value(value, found);
    }
}

fn check_value(value: &str, found: &mut Found) {
    let unsigned = value.strip_prefix('-').unwrap_or(value);
    let digits: String = unsigned.chars().filter(|it| *it != '.').collect();
    let points = unsigned.matches('.').count();
    if digits.is_empty() || points > 1 || !digits.bytes().all(|it| it.is_ascii_digit()) {
        let reason = format!("{value:?} has to be a number");
        found.push(DocumentedRule, "payload[value]", reason);
    } else if digits.trim_start_matches('0').len() > DIGITS_MAX {
        let reason = format!("{value:?} has more than {DIGITS_MAX} digits");
        found.push(DocumentedRule, "payload[value]", reason);
    }
}

fn price(form: &Form, found: &mut Found) {
    let recurring = form.member("recurring");
    let meter = recurring.and_then(|it| it.text_of("meter"));
    let usage = recurring.and_then(|it| it.text_of("usage_type"));
    match (usage, meter) {
        (Some("metered"), None) => {
            found.push(
                DocumentedRule,
                "recurring[meter]",
                "a metered price needs a meter",
            );
        }
        (usage, Some(_)) if usage != Some("metered") => {
            found.push(
                DocumentedRule,
                "recurring[usage_type]",
                "a meter needs usage_type=metered",
            );
        }
        _ => {}
    }
    if form.member("product").is_some() == form.member("product_data").is_some() {
        found.push(
            DocumentedRule,
            "product",
            "exactly one of product and product_data",
        );
    }
    let amounts = [
        "unit_amount",
        "unit_amount_decimal",
        "custom_unit_amount",
        "tiers",
    ];
    if amounts
        .iter()
        .filter(|it| form.member(it).is_some())
        .count()
        != 1
    {
        let reason = format!("exactly one of {}", amounts.join(", "));
        found.push(DocumentedRule, "unit_amount", reason);
    }
    let is_tiered = form.text_of("billing_scheme") == Some("tiered");
    if is_tiered != form.member("tiers").is_some()
        || is_tiered != form.member("tiers_mode").is_some()
    {
        let reason = "billing_scheme=tiered, tiers and tiers_mode belong together";
        found.push(DocumentedRule, "tiers", reason);
    }
    if is_tiered && form.member("transform_quantity").is_some() {
        found.push(
            DocumentedRule,
            "transform_quantity",
            "cannot be combined with tiers",
        );
    }
    let tiers = form
        .member("tiers")
        .and_then(Form::list)
        .unwrap_or_default();
    if tiers
        .last()
        .is_some_and(|it| it.text_of("up_to") != Some("inf"))
    {
        found.push(
            DocumentedRule,
            "tiers",
            "the last tier's up_to has to be inf",
        );
    }
    let has_one = |tier: &&Form, name: &str| {
        let decimal = format!("{name}_decimal");
        tier.member(name).is_some() && tier.member(&decimal).is_some()
    };
    if tiers
        .iter()
        .any(|it| has_one(it, "unit_amount") || has_one(it, "flat_amount"))
    {
        found.push(
            DocumentedRule,
            "tiers",
            "an amount and its decimal form are both set",
        );
    }
}

/// The limits of `metadata`, wherever it stands.
fn metadata(form: &Form, at: &str, found: &mut Found) {
    for (name, member) in form.members() {
        let at = if at.is_empty() {
            name.to_owned()
        } else {
            format!("{at}[{name}]")
        };
        if name != "metadata" {
            metadata(member, &at, found);
            continue;
        }
        let pairs: Vec<_> = member.members().collect();
        if pairs.len() > METADATA_MAX {
            found.push(DocumentedRule, &at, "more than 50 entries");
        }
        for (name, value) in pairs {
            let value = value.text().unwrap_or_default();
            if name.chars().count() > METADATA_NAME_MAX {
                found.push(
                    DocumentedRule,
                    &at,
                    format!("{name:?} has more than 40 characters"),
                );
            }
            if value.chars().count() > METADATA_VALUE_MAX {
                found.push(
                    DocumentedRule,
                    &at,
                    format!("{name:?} has more than 500 characters"),
                );
            }
        }
    }
}
