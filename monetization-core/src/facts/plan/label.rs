//! Prices as a line for people, where the owner has written none.

use super::{Billing, Bundle, Commitment, Overage, Percentage, PlanTerms, Price, Tier, UsagePrice};
use crate::money::{Currency, Quantity, UnitPrice};

/// The base price, each meter's price, the setup fee; then the trial, commitments and what can be bought in
/// advance.
pub(super) fn of(terms: &PlanTerms) -> String {
    let mut parts = Vec::new();
    if terms.billing() == Billing::Free {
        parts.push("free".to_owned());
    }
    let has_only_base = terms.billing() == Billing::Fixed && terms.setup_fee().is_zero();
    if !terms.base_price().is_zero() || has_only_base {
        let cycle = terms.cycle();
        parts.push(format!("{} per {cycle}", terms.base_price()));
    }
    let usage = terms.usage().iter();
    parts.extend(usage.map(|usage| used(usage, terms.currency())));
    if !terms.setup_fee().is_zero() {
        parts.push(format!("{} once", terms.setup_fee()));
    }
    let committed = committed(terms.commitment()).map(|bounds| format!("use is {bounds}"));
    let tried = terms.trial().map(|trial| match trial.days {
        1 => "the first day is free".to_owned(),
        days => format!("the first {days} days are free"),
    });
    let also = tried
        .into_iter()
        .chain(committed)
        .chain(bundled(terms.bundles()));
    let priced = parts.join(" + ");
    std::iter::once(priced)
        .chain(also)
        .collect::<Vec<_>>()
        .join("; ")
}

fn used(usage: &UsagePrice, currency: Currency) -> String {
    let (name, included) = (&usage.meter.name, usage.meter.scale.render(usage.included));
    let text = match usage.overage {
        Overage::Strict => format!("{included} {name} included"),
        Overage::Loose => {
            let (price, how) = priced(usage, currency);
            match usage.included {
                Quantity::ZERO => format!("{price}{how}"),
                _ => format!("{price} after {included}{how}"),
            }
        }
    };
    match committed(usage.commitment) {
        Some(bounds) => format!("{text}, {bounds} in all"),
        None => text,
    }
}

/// What units cost, and how that depends on how many they are.
fn priced(usage: &UsagePrice, currency: Currency) -> (String, String) {
    let (name, scale) = (&usage.meter.name, usage.meter.scale);
    match &usage.price {
        Price::PerUnit { unit_price } => {
            let unit = singular(name.as_str());
            (format!("{unit_price} {currency} per {unit}"), String::new())
        }
        Price::Graduated { tiers } => tiered(usage, tiers, ("by tier", currency)),
        Price::Volume { tiers } => tiered(usage, tiers, ("by volume", currency)),
        Price::Stairstep { steps } => {
            let prices = steps.iter().map(|step| step.price);
            let text = format!("{} {currency} for {name}", range(prices));
            (text, ", by step".to_owned())
        }
        Price::Package { size, price, .. } => {
            let size = scale.render(*size);
            (
                format!("{price} {currency} per {size} {name}"),
                String::new(),
            )
        }
        Price::Percentage(percentage) => (
            format!("{} % of {name}", percentage.rate),
            of_transactions(percentage, currency),
        ),
    }
}

/// Prices by what they are of, single units or packages of a size, and what the tiers themselves cost.
fn tiered(
    usage: &UsagePrice,
    tiers: &[Tier],
    (how, currency): (&str, Currency),
) -> (String, String) {
    let mut sizes: Vec<Option<Quantity>> = tiers.iter().map(|tier| tier.package).collect();
    sizes.sort_unstable();
    sizes.dedup();
    let texts = sizes.into_iter().map(|size| {
        let alike = tiers.iter().filter(|tier| tier.package == size);
        let prices = range(alike.map(|tier| tier.unit_price));
        let unit = match size {
            None => singular(usage.meter.name.as_str()).to_owned(),
            Some(size) => format!("{} {}", usage.meter.scale.render(size), usage.meter.name),
        };
        format!("{prices} {currency} per {unit}")
    });
    let flats = tiers.iter().map(|tier| tier.flat);
    let flat = if flats.clone().all(|flat| flat.decimal().is_zero()) {
        String::new()
    } else {
        format!(" with flat fees of {} {currency}", range(flats))
    };
    let how = if tiers.len() > 1 {
        format!(", {how}")
    } else {
        String::new()
    };
    (
        texts.collect::<Vec<_>>().join(" or "),
        format!("{how}{flat}"),
    )
}

/// What a percentage costs besides, within which bounds, and what of it is free.
fn of_transactions(percentage: &Percentage, currency: Currency) -> String {
    let mut text = String::new();
    if percentage.fee != UnitPrice::ZERO {
        text.push_str(&format!(" and {} {currency}", percentage.fee));
    }
    if let Some(minimum) = percentage.minimum {
        text.push_str(&format!(", at least {minimum} {currency}"));
    }
    if let Some(maximum) = percentage.maximum {
        text.push_str(&format!(", at most {maximum} {currency}"));
    }
    if !text.is_empty() {
        text.push_str(" each");
    }
    if percentage.free_events > 0 {
        text.push_str(&format!(", the first {} free", percentage.free_events));
    }
    text
}

/// The least and the most that is paid for use.
fn committed(commitment: Commitment) -> Option<String> {
    match (commitment.minimum, commitment.maximum) {
        (None, None) => None,
        (Some(minimum), None) => Some(format!("at least {minimum}")),
        (None, Some(maximum)) => Some(format!("at most {maximum}")),
        (Some(minimum), Some(maximum)) => Some(format!("at least {minimum} and at most {maximum}")),
    }
}

/// What can be bought in advance, by its price where there is one bundle.
fn bundled(bundles: &[Bundle]) -> Option<String> {
    match bundles {
        [] => None,
        [only] => Some(format!(
            "{} {} in advance for {}",
            only.calls, only.resource, only.price
        )),
        several => Some(format!("{} bundles of calls in advance", several.len())),
    }
}

/// The least and the greatest of some prices.
fn range(prices: impl Iterator<Item = UnitPrice> + Clone) -> String {
    let least = prices.clone().min_by_key(|price| price.decimal());
    let most = prices.max_by_key(|price| price.decimal());
    match (least, most) {
        (Some(least), Some(most)) if least.decimal() != most.decimal() => {
            format!("{least} to {most}")
        }
        (Some(least), _) => least.to_string(),
        (None, _) => String::new(),
    }
}

/// One of what a meter counts: `request` of `requests`.
fn singular(name: &str) -> &str {
    let one = name.strip_suffix('s');
    one.filter(|one| !one.ends_with('s')).unwrap_or(name)
}

#[cfg(test)]
mod tests;
