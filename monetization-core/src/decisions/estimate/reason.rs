//! Why a line costs what it costs.

use std::fmt;

use serde::Serialize;

use crate::invoice::{CommitmentBound, CommitmentLine, LinePart, UsageLine};
use crate::money::{Exact, Money, Quantity, Rounding, Scale};
use crate::plan::{PlanTerms, Price, UsagePrice};

/// One step of how a line's amount comes about. Shown, it is a line for people.
///
/// Quantities are texts with the decimals of their meter, amounts texts in major units of the plan's
/// currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
#[non_exhaustive]
pub enum Reason {
    /// It is charged once.
    Once,
    /// It is charged for each period.
    Base {
        /// How long a period is.
        cycle: String,
        /// Whether this one ends early, which changes nothing.
        is_cut: bool,
        /// The share that is charged, where the first one is short.
        share: Option<String>,
    },
    /// The plan refuses what is beyond a strict limit.
    Refused {
        /// What is asked for.
        asked: String,
        /// What passes.
        let_through: String,
    },
    /// Some units are paid for by the base price.
    Included {
        /// What is used.
        used: String,
        /// What the base price pays for.
        included: String,
        /// What is left to pay.
        charged: String,
    },
    /// So many units, packages or steps of one tier.
    Tier {
        /// How the price is applied: `per_unit`, `graduated`, `volume`, `stairstep`, `package`.
        model: &'static str,
        /// The tier, from 1.
        tier: usize,
        /// What the tier begins above; none for the first one.
        above: Option<String>,
        /// The last quantity of it; none for the last one.
        up_to: Option<String>,
        /// What of it is charged.
        quantity: String,
        /// How many packages these are.
        packages: Option<Packages>,
        /// What a unit costs, or a package.
        unit_price: String,
        /// What the tier itself costs.
        flat: String,
        /// What all of it comes to, not rounded.
        amount: String,
    },
    /// A share of what a transaction comes to.
    Percentage {
        /// Of a hundred.
        rate: String,
        /// What it comes to. All that is asked about is taken for one transaction.
        of: String,
        /// What each transaction costs besides.
        fee: String,
        /// What it costs, within the least and the most for one transaction, not rounded.
        amount: String,
    },
    /// Nothing is to be paid.
    Nothing,
    /// The amount is not one of the currency's.
    Rounded {
        /// Before.
        exact: String,
        /// How.
        rounding: Rounding,
        /// After.
        amount: String,
    },
    /// A commitment adds to what was used, or takes off.
    Committed {
        /// Whether the least or the most was reached.
        bound: CommitmentBound,
        /// What is committed to.
        committed: String,
        /// What it is in a whole period, where this one ends early.
        whole: Option<String>,
        /// What the use costs.
        used: String,
    },
}

/// Packages of units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Packages {
    /// How many are charged.
    pub count: String,
    /// Units of one.
    pub size: String,
}

/// Why the use of a meter costs `amount`.
pub(super) fn of_usage(
    terms: &PlanTerms,
    price: &UsagePrice,
    (asked, line): (Quantity, &UsageLine),
    amount: Money,
) -> Vec<Reason> {
    let render = |quantity| price.meter.scale.render(quantity);
    let mut reasons = Vec::new();
    if line.used < asked {
        reasons.push(Reason::Refused {
            asked: render(asked),
            let_through: render(line.used),
        });
    }
    if price.included != Quantity::ZERO {
        reasons.push(Reason::Included {
            used: render(line.used),
            included: render(price.included),
            charged: render(line.charged),
        });
    }
    let is_charged =
        |part: &&LinePart| part.quantity != Quantity::ZERO || !part.flat.decimal().is_zero();
    let parts = line.parts.iter().filter(is_charged);
    let before = reasons.len();
    reasons.extend(parts.map(|part| match &price.price {
        Price::Percentage(percentage) => Reason::Percentage {
            rate: percentage.rate.to_string(),
            of: render(part.quantity),
            fee: percentage.fee.to_string(),
            amount: part.amount.to_string(),
        },
        _ => tier(price, part),
    }));
    if reasons.len() == before {
        reasons.push(Reason::Nothing);
    }
    let exact = line
        .parts
        .iter()
        .try_fold(Exact::ZERO, |sum, part| sum.checked_add(part.amount));
    let exact = exact.map(|exact| exact.to_string()).unwrap_or_default();
    if exact != shortened(&amount.amount()) {
        reasons.push(Reason::Rounded {
            exact,
            rounding: terms.rounding(),
            amount: amount.amount(),
        });
    }
    reasons
}

fn tier(price: &UsagePrice, part: &LinePart) -> Reason {
    let scale = price.meter.scale;
    let bounds: Vec<Option<Quantity>> = match &price.price {
        Price::Graduated { tiers } | Price::Volume { tiers } => {
            tiers.iter().map(|tier| tier.up_to).collect()
        }
        Price::Stairstep { steps } => steps.iter().map(|step| step.up_to).collect(),
        Price::PerUnit { .. } | Price::Package { .. } | Price::Percentage(_) => Vec::new(),
    };
    let size = match &price.price {
        Price::Package { size, .. } => Some(*size),
        Price::Graduated { tiers } | Price::Volume { tiers } => {
            tiers.get(part.tier).and_then(|tier| tier.package)
        }
        Price::PerUnit { .. } | Price::Stairstep { .. } | Price::Percentage(_) => None,
    };
    let bound = |place: Option<usize>| {
        let bound = place.and_then(|place| bounds.get(place).copied().flatten());
        bound.map(|bound| scale.render(bound))
    };
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

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Once => out.write_str("once, with the first period"),
            Self::Base {
                cycle,
                is_cut,
                share,
            } => {
                write!(out, "for each {cycle}, whatever is used")?;
                if let Some(share) = share {
                    write!(out, "; of this short one {share}")?;
                }
                let note = ", and whole though this one ends early";
                out.write_str(if *is_cut { note } else { "" })
            }
            Self::Refused { asked, let_through } => {
                write!(
                    out,
                    "{asked} asked for, {let_through} let through: the plan refuses the rest"
                )
            }
            Self::Included {
                used,
                included,
                charged,
            } => write!(out, "{used} used, {included} included: {charged} to pay"),
            Self::Tier { .. } => self.show_tier(out),
            Self::Percentage {
                rate,
                of,
                fee,
                amount,
            } => {
                write!(out, "{rate} % of {of}")?;
                if fee.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) {
                    write!(out, " and {fee}")?;
                }
                write!(out, ", as one transaction within its bounds = {amount}")
            }
            Self::Nothing => out.write_str("nothing is to be paid"),
            Self::Rounded {
                exact,
                rounding,
                amount,
            } => write!(out, "{exact} rounded {}: {amount}", way(*rounding)),
            Self::Committed {
                bound,
                committed,
                whole,
                used,
            } => {
                match bound {
                    CommitmentBound::Minimum => {
                        write!(out, "{used} is less than the {committed} committed to")?
                    }
                    CommitmentBound::Maximum => {
                        write!(out, "{used} is more than {committed}, which is the most")?
                    }
                }
                whole.iter().try_for_each(|whole| {
                    write!(
                        out,
                        " ({whole} in a whole period, less for one that ends early)"
                    )
                })
            }
        }
    }
}

impl Reason {
    fn show_tier(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Tier {
            model,
            tier,
            above,
            up_to,
            quantity,
            packages,
            unit_price,
            flat,
            amount,
        } = self
        else {
            return Ok(());
        };
        let name = if *model == "stairstep" {
            "step"
        } else {
            "tier"
        };
        match (above, up_to) {
            (None, None) if matches!(*model, "per_unit" | "package") => {}
            (None, None) => write!(out, "{name} {tier}: ")?,
            (None, Some(up_to)) => write!(out, "{name} {tier}, up to {up_to}: ")?,
            (Some(above), None) => write!(out, "{name} {tier}, above {above}: ")?,
            (Some(above), Some(up_to)) => {
                write!(out, "{name} {tier}, above {above} up to {up_to}: ")?;
            }
        }
        if *model == "stairstep" {
            return write!(out, "{amount} for any quantity of it");
        }
        let all = if *model == "volume" { "all " } else { "" };
        let has_flat = flat.bytes().any(|byte| (b'1'..=b'9').contains(&byte));
        let before = if has_flat {
            format!("{flat} + ")
        } else {
            String::new()
        };
        match packages {
            Some(Packages { count, size }) => write!(
                out,
                "{before}{count} x {unit_price} for {all}{quantity} in packages of {size} = {amount}"
            ),
            None => write!(out, "{before}{all}{quantity} x {unit_price} = {amount}"),
        }
    }
}

fn way(rounding: Rounding) -> &'static str {
    match rounding {
        Rounding::HalfAwayFromZero => "to the nearest, a half away from zero",
        Rounding::HalfEven => "to the nearest, a half to the even neighbour",
        Rounding::Up => "up",
        Rounding::Down => "down",
    }
}
