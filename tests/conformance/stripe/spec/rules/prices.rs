//! Rules of prices.

use super::super::Found;
use super::super::ViolationKind::DocumentedRule;
use crate::stripe::form::Form;

pub(in super::super) fn check(form: &Form, found: &mut Found) {
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
    tiers(form, found);
}

/// Tiers and what belongs to them.
fn tiers(form: &Form, found: &mut Found) {
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
