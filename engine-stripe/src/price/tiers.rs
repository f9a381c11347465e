//! Tiers as Stripe has them, and what their lines come to.
//!
//! Of one quantity under a graduated price Stripe makes a line for each tier that was reached and one for
//! each fee, and rounds each of them by itself. All of them but that of the last tier are of whole tiers,
//! so if whole tiers and fees come to whole minor units, only one line is rounded, as with core.

use monetization_core::field::FieldError;
use monetization_core::money::{Rounding, Scale};
use monetization_core::plan::UsagePrice;
use rust_decimal::Decimal;

use super::{Shape, check_rounding};
use crate::currency::Unit;

/// Which units a tier prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Those that fall in it.
    Graduated,
    /// All of them, if the last one falls in it.
    Volume,
}

/// Units up to a bound, and what they cost in Stripe's unit of the currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StripeTier {
    /// The last unit that belongs to it; `None` for the open last tier.
    pub(crate) up_to: Option<i64>,
    /// What each unit of it costs.
    pub(crate) unit: Decimal,
    /// What entering it costs.
    pub(crate) flat: Decimal,
}

/// Checks that Stripe's lines, each rounded by itself, come to what core rounds once, and to amounts
/// that the currency has.
///
/// # Errors
/// A [`FieldError`] where two lines would be rounded, or where the currency has no such amount.
pub(crate) fn check_sums(
    shape: &Shape,
    usage: &UsagePrice,
    unit: Unit,
    rounding: Rounding,
) -> Result<(), FieldError> {
    let step = Decimal::from(unit.step());
    let is_multiple = |amount: Decimal| {
        let rest = amount.checked_rem(step);
        rest.is_some_and(|rest| rest.is_zero())
    };
    let has_fraction = !amounts(shape).all(is_multiple) || usage.meter.scale != Scale::WHOLE;
    if has_fraction && unit.step() > 1 {
        let problem = format!(
            "Stripe takes multiples of {} of the smallest unit of this currency only: price whole units at such multiples, or let core make the invoices",
            unit.step()
        );
        return Err(FieldError::new("usage.unit_price", problem));
    }
    check_rounding(rounding, has_fraction)?;
    if let Shape::Tiered { mode, tiers } = shape {
        check_tiers(*mode, tiers)?;
    }
    Ok(())
}

/// Every amount of which lines are made.
fn amounts(shape: &Shape) -> impl Iterator<Item = Decimal> {
    let (single, tiers) = match shape {
        Shape::Unit(unit) => (Some(*unit), [].as_slice()),
        Shape::Package { price, .. } => (Some(*price), [].as_slice()),
        Shape::Tiered { tiers, .. } => (None, tiers.as_slice()),
    };
    let tiers = tiers.iter().flat_map(|tier| [tier.unit, tier.flat]);
    single.into_iter().chain(tiers.collect::<Vec<_>>())
}

/// Of the lines of one quantity only the last may have a fraction.
///
/// # Errors
/// A [`FieldError`] where two lines would be rounded, or where the currency has no such amount.
fn check_tiers(mode: Mode, tiers: &[StripeTier]) -> Result<(), FieldError> {
    let mut floor = 0_i64;
    for tier in tiers {
        let is_whole = |amount: Option<Decimal>| amount.is_some_and(|amount| amount.is_integer());
        if !is_whole(Some(tier.flat)) {
            return Err(apart("the fee of each tier"));
        }
        let Some(up_to) = tier.up_to else {
            return Ok(());
        };
        let width = Decimal::from(up_to.saturating_sub(floor));
        if mode == Mode::Graduated && !is_whole(tier.unit.checked_mul(width)) {
            return Err(apart("each whole tier"));
        }
        floor = up_to;
    }
    Ok(())
}

/// For what would be rounded more than once.
fn apart(what: &str) -> FieldError {
    let problem = format!(
        "Stripe rounds each tier by itself: {what} must come to whole minor units, or core makes the invoices"
    );
    FieldError::new("usage.tiers", problem)
}
