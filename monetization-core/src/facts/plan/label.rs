//! Prices as a line for people, where the owner has written none.

use super::{Billing, PlanTerms, Price, Tier, UsagePrice};
use crate::money::{Currency, Quantity, UnitPrice};

/// The base price, each meter's price, the setup fee: what there is of them.
pub(super) fn of(terms: &PlanTerms) -> String {
    let mut parts = Vec::new();
    if terms.billing() == Billing::Free {
        parts.push("free".to_owned());
    }
    if !terms.base_price().is_zero() {
        let cycle = terms.cycle();
        parts.push(format!("{} per {cycle}", terms.base_price()));
    }
    parts.extend(
        terms
            .usage()
            .iter()
            .map(|usage| used(usage, terms.currency())),
    );
    if !terms.setup_fee().is_zero() {
        parts.push(format!("{} once", terms.setup_fee()));
    }
    parts.join(" + ")
}

fn used(usage: &UsagePrice, currency: Currency) -> String {
    let unit = singular(usage.meter.name.as_str());
    let scale = usage.meter.scale;
    let per = |price: UnitPrice| format!("{price} {currency} per {unit}");
    let tiered = |tiers: &[Tier], how: &str| {
        let prices = tiers.iter().map(|tier| tier.unit_price.decimal());
        let (low, high) = prices.fold((None, None), |(low, high), price| {
            (
                Some(low.map_or(price, |low: rust_decimal::Decimal| low.min(price))),
                Some(high.map_or(price, |high: rust_decimal::Decimal| high.max(price))),
            )
        });
        let (low, high) = (low.unwrap_or_default(), high.unwrap_or_default());
        format!("{low} to {high} {currency} per {unit}, {how}")
    };
    let text = match &usage.price {
        Price::PerUnit { unit_price } => per(*unit_price),
        Price::Graduated { tiers } => tiered(tiers, "by tier"),
        Price::Volume { tiers } => tiered(tiers, "by volume"),
        Price::Stairstep { steps } => format!("{} steps of {}", steps.len(), usage.meter.name),
        Price::Package { size, price, .. } => {
            let size = scale.render(*size);
            format!("{price} {currency} per {size} {}", usage.meter.name)
        }
        Price::Percentage(percentage) => {
            let (rate, name) = (percentage.rate, &usage.meter.name);
            if percentage.fee == UnitPrice::ZERO {
                format!("{rate} % of {name}")
            } else {
                format!("{rate} % of {name} and {} {currency} each", percentage.fee)
            }
        }
    };
    match usage.included {
        Quantity::ZERO => text,
        included => format!("{text} after {}", scale.render(included)),
    }
}

/// One of what a meter counts: `request` of `requests`.
fn singular(name: &str) -> &str {
    let one = name.strip_suffix('s');
    one.filter(|one| !one.ends_with('s')).unwrap_or(name)
}
