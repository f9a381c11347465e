//! What a plan costs, in prices of Stripe's.
//!
//! | price of a plan | price at Stripe | refused |
//! |---|---|---|
//! | base price, setup fee | flat; the second once | what its currency cannot say |
//! | `per_unit` | per unit; with included units graduated, the first tier free | - |
//! | `graduated` | graduated, moved up by the included units | packages in tiers |
//! | `volume` | volume | included units, packages in tiers |
//! | `stairstep` | volume with flat fees; graduated by the differences where units are included | falling steps with included units |
//! | `package` | quantity divided, rounded up or down | included units |
//!
//! Stripe charges the flat fee of the first tier without any use. Where a plan says that no use costs
//! nothing, a graduated price gets a first tier of one unit that costs the fee and the unit.
//!
//! Stripe rounds each line half up, and writes a line for each tier and each flat fee; core rounds once.
//! Both come to the same where at most one line has a fraction. So fees and whole tiers must come to
//! whole minor units, and a plan rounds half away from zero unless nothing in it has a fraction.

use monetization_core::field::FieldError;
use monetization_core::ids::{MeterId, PlanVersionId};
use monetization_core::money::{Money, Rounding};
use monetization_core::period::{Cycle, CycleUnit};
use monetization_core::plan::PlanTerms;
use rust_decimal::Decimal;

use crate::currency::Unit;
use crate::names;
use tiers::check_sums;
use usage::shape;

pub(crate) use tiers::{Mode, StripeTier};

mod tiers;
mod usage;

/// A price that a plan needs at Stripe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// What it is for.
    pub(crate) role: Role,
    /// What it costs.
    pub(crate) shape: Shape,
}

/// What a price is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Each period.
    Base,
    /// The start, once.
    Setup,
    /// The use of a meter.
    Usage(MeterId),
}

/// How a quantity becomes an amount; amounts in Stripe's unit of the currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    /// So much for each unit.
    Unit(Decimal),
    /// So much for each package.
    Package {
        price: Decimal,
        size: i64,
        rounded_up: bool,
    },
    /// By tiers.
    Tiered { mode: Mode, tiers: Vec<StripeTier> },
}

/// How often Stripe bills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interval {
    /// What is counted.
    pub(crate) unit: CycleUnit,
    /// How many of them.
    pub(crate) count: u16,
}

impl Wanted {
    /// What finds the price of this plan again.
    pub(crate) fn lookup_key(&self, plan: PlanVersionId) -> String {
        match self.role {
            Role::Base => names::base_key(plan),
            Role::Setup => names::setup_key(plan),
            Role::Usage(meter) => names::usage_key(plan, meter),
        }
    }
}

/// Checks that Stripe can invoice these terms by itself: what no word of
/// [`PriceShapes`](monetization_core::engine::PriceShapes) says.
///
/// # Errors
/// A [`FieldError`] that names the part of the terms.
pub(crate) fn check(terms: &PlanTerms) -> Result<(), FieldError> {
    wanted(terms).map(drop)
}

/// The prices that these terms need at Stripe.
///
/// # Errors
/// A [`FieldError`] of the part that Stripe cannot express.
pub(crate) fn wanted(terms: &PlanTerms) -> Result<Vec<Wanted>, FieldError> {
    interval(terms.cycle())?;
    let unit = unit(terms)?;
    let mut wanted = Vec::new();
    for usage in terms.usage() {
        let shape = shape(usage, unit)?;
        check_sums(&shape, usage, unit, terms.rounding())?;
        let role = Role::Usage(usage.meter.id);
        wanted.push(Wanted { role, shape });
    }
    let flat = |money: Money, field: &'static str| {
        let amount = unit.amount(money);
        let amount = amount.map_err(|error| FieldError::new(field, error))?;
        Ok::<_, FieldError>(Shape::Unit(Decimal::from(amount)))
    };
    // Stripe has no subscription to nothing.
    if !terms.base_price().is_zero() || wanted.is_empty() {
        let shape = flat(terms.base_price(), "base_price")?;
        let role = Role::Base;
        wanted.insert(0, Wanted { role, shape });
    }
    if !terms.setup_fee().is_zero() {
        let shape = flat(terms.setup_fee(), "setup_fee")?;
        let role = Role::Setup;
        wanted.push(Wanted { role, shape });
    }
    Ok(wanted)
}

/// How Stripe counts the plan's currency.
///
/// # Errors
/// A [`FieldError`] that names the part of the terms.
pub(crate) fn unit(terms: &PlanTerms) -> Result<Unit, FieldError> {
    Unit::of(terms.currency()).map_err(|error| FieldError::new("currency", error))
}

/// How often Stripe bills for this cycle: at most every three years.
///
/// # Errors
/// A [`FieldError`] that names the part of the terms.
pub(crate) fn interval(cycle: Cycle) -> Result<Interval, FieldError> {
    let (unit, count) = (cycle.unit(), cycle.count());
    let count_max = match unit {
        CycleUnit::Day => 1_095,
        CycleUnit::Week => 156,
        CycleUnit::Month => 36,
        CycleUnit::Year => 3,
    };
    if count > count_max {
        let problem = "Stripe bills at least every three years";
        return Err(FieldError::new("cycle", problem));
    }
    Ok(Interval { unit, count })
}

/// Whether the way of rounding can matter, given whether anything has a fraction.
///
/// # Errors
/// A [`FieldError`] that names the part of the terms.
fn check_rounding(rounding: Rounding, has_fraction: bool) -> Result<(), FieldError> {
    if has_fraction && rounding != Rounding::HalfAwayFromZero {
        let problem =
            "Stripe rounds half away from zero: choose that, or let core make the invoices";
        return Err(FieldError::new("rounding", problem));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
