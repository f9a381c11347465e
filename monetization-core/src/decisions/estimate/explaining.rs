//! From the lines that rating makes to the reasons of their amounts.

use super::Asked;
use super::reason::{Packages, Reason};
use super::transactions::Transactions;
use crate::invoice::{CommitmentBound, CommitmentLine, LinePart, UsageLine};
use crate::money::{Exact, Money, MoneyError, Quantity, Scale};
use crate::plan::{PlanTerms, UsagePrice};
use crate::product::Meter;

/// Why the use of a meter costs `amount`.
pub(super) fn of_usage(
    terms: &PlanTerms,
    price: &UsagePrice,
    (asked, passed, line): (Asked, Asked, &UsageLine),
    amount: Money,
) -> Result<Vec<Reason>, MoneyError> {
    let render = |quantity| price.meter.scale.render(quantity);
    let mut reasons = Vec::new();
    if passed.quantity < asked.quantity {
        reasons.push(Reason::Refused {
            asked: render(asked.quantity),
            let_through: render(passed.quantity),
            is_exact: price.meter.name.as_str() == Meter::REQUESTS,
        });
    }
    if price.included != Quantity::ZERO {
        reasons.push(Reason::Included {
            used: render(line.used),
            included: render(price.included),
            charged: render(line.charged),
        });
    }
    let before = reasons.len();
    if let Some(transactions) = Transactions::of(price, passed) {
        reasons.extend(transactions.reasons()?);
    } else {
        let is_charged =
            |part: &&LinePart| part.quantity != Quantity::ZERO || !part.flat.decimal().is_zero();
        let parts = line.parts.iter().filter(is_charged);
        reasons.extend(parts.map(|part| tier(price, part)));
    }
    if reasons.len() == before {
        reasons.push(Reason::Nothing);
    }
    let mut exact = Exact::ZERO;
    for part in &line.parts {
        exact = exact.checked_add(part.amount)?;
    }
    let exact = exact.to_string();
    if exact != shortened(&amount.amount()) {
        reasons.push(Reason::Rounded {
            exact,
            rounding: terms.rounding(),
            amount: amount.amount(),
        });
    }
    Ok(reasons)
}

fn tier(price: &UsagePrice, part: &LinePart) -> Reason {
    let scale = price.meter.scale;
    let tier = |place: usize| price.price.tier(place);
    let bound = |place: Option<usize>| {
        let bound = place.and_then(tier)?.up_to;
        bound.map(|bound| scale.render(bound))
    };
    let size = tier(part.tier).and_then(|tier| tier.package);
    let packages = part.packages.zip(size);
    Reason::Tier {
        model: price.price.model(),
        tier: part.tier.saturating_add(1),
        above: bound(part.tier.checked_sub(1)),
        up_to: bound(Some(part.tier)),
        quantity: scale.render(part.quantity),
        packages: packages.map(|(count, size)| Packages {
            count: Scale::WHOLE.render(count),
            size: scale.render(size),
        }),
        unit_price: part.unit_price.to_string(),
        flat: part.flat.to_string(),
        amount: part.amount.to_string(),
    }
}

/// What a commitment's line is for, and why it costs `amount`.
pub(super) fn of_commitment(
    terms: &PlanTerms,
    price: Option<&UsagePrice>,
    line: &CommitmentLine,
) -> (String, Reason) {
    let commitment = price.map_or(terms.commitment(), |price| price.commitment);
    let (name, whole) = match line.bound {
        CommitmentBound::Minimum => ("minimum", commitment.minimum),
        CommitmentBound::Maximum => ("maximum", commitment.maximum),
    };
    let of = price.map_or("all use", |price| price.meter.name.as_str());
    let whole = whole.filter(|whole| *whole != line.committed);
    let reason = Reason::Committed {
        bound: line.bound,
        committed: line.committed.amount(),
        whole: whole.map(Money::amount),
        used: line.used.amount(),
    };
    (format!("{name} for {of}"), reason)
}

/// A number without zeros at its end, as [`Exact`] is shown.
fn shortened(amount: &str) -> &str {
    if amount.contains('.') {
        amount.trim_end_matches('0').trim_end_matches('.')
    } else {
        amount
    }
}
