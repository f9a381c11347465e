//! Reasons as lines for people.

use std::fmt;

use super::{Packages, Reason};
use crate::invoice::CommitmentBound;
use crate::money::Rounding;

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
            Self::Refused {
                asked,
                let_through,
                is_exact,
            } => {
                let more = if *is_exact { "" } else { " or a little more" };
                write!(
                    out,
                    "{asked} asked for, {let_through}{more} let through: the plan refuses the rest"
                )
            }
            Self::Included {
                used,
                included,
                charged,
            } => write!(out, "{used} used, {included} included: {charged} to pay"),
            Self::Tier { .. } => self.show_tier(out),
            Self::FreeTransactions {
                transactions,
                free,
                charged,
            } => write!(
                out,
                "{free} of {transactions} transactions free: {charged} to pay"
            ),
            Self::Percentage { .. } => self.show_percentage(out),
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
    fn show_percentage(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Percentage {
            rate,
            of,
            fee,
            minimum,
            maximum,
            charge,
            transactions,
            amount,
        } = self
        else {
            return Ok(());
        };
        let mut share = format!("{rate} % of {of}");
        if is_something(fee) {
            share.push_str(&format!(" and {fee}"));
        }
        let Some(transactions) = transactions else {
            return write!(out, "{share} = {amount}");
        };
        write!(out, "{transactions} x {charge} = {amount}, each {share}")?;
        match (minimum, maximum) {
            (_, Some(most)) => write!(out, ", at most {most}"),
            (Some(least), None) => write!(out, ", at least {least}"),
            (None, None) => Ok(()),
        }
    }

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
        let before = if is_something(flat) {
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

/// Whether an amount is not zero.
fn is_something(amount: &str) -> bool {
    amount.bytes().any(|byte| (b'1'..=b'9').contains(&byte))
}

fn way(rounding: Rounding) -> &'static str {
    match rounding {
        Rounding::HalfAwayFromZero => "to the nearest, a half away from zero",
        Rounding::HalfEven => "to the nearest, a half to the even neighbour",
        Rounding::Up => "up",
        Rounding::Down => "down",
    }
}
