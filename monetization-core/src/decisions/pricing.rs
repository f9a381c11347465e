//! What a quantity costs under one price, and why.
//!
//! The rule of each model stands at [`Price`]. A quantity is priced as a whole, from the first unit
//! of its billing period: what a part of it costs is the difference of two wholes, so that paying in
//! two parts costs what paying at once would have cost.
//!
//! ```
//! use monetization_core::money::{Quantity, Scale, UnitPrice};
//! use monetization_core::plan::{Price, Tier, ZeroUse};
//! use monetization_core::pricing::{Priced, price};
//!
//! let tier = |up_to: Option<i64>, unit_price: &str, flat: &str| {
//!     Ok::<_, monetization_core::money::MoneyError>(Tier {
//!         up_to: up_to.map(Quantity::from_scaled),
//!         unit_price: unit_price.parse()?,
//!         flat: flat.parse()?,
//!         package: None,
//!     })
//! };
//! let tiers = vec![tier(Some(500), "2", "0")?, tier(Some(5_000), "1", "10")?, tier(None, "0.5", "20")?];
//! let whole = |by: &Price| {
//!     price(&Priced { by, scale: Scale::WHOLE, zero_use: ZeroUse::Charged }, Quantity::from_scaled(5_001))
//! };
//! let graduated = whole(&Price::Graduated { tiers: tiers.clone() })?;
//! assert_eq!(graduated.to_string(), "5530.5");
//! let volume = whole(&Price::Volume { tiers })?;
//! assert_eq!(volume.to_string(), "2520.5");
//! # Ok::<(), monetization_core::money::MoneyError>(())
//! ```

use crate::invoice::LinePart;
use crate::money::{Exact, MoneyError, Quantity, Rounding, Scale};
use crate::plan::{PartialPackage, Price, Tier, ZeroUse};

/// A price with what has to be known to apply it. A percentage is applied to each transaction when it
/// is recorded: what is priced here is the sum of that, in [`Percentage::SCALE`].
///
/// [`Percentage::SCALE`]: crate::plan::Percentage::SCALE
#[derive(Debug, Clone, Copy)]
pub struct Priced<'a> {
    /// The price.
    pub by: &'a Price,
    /// The scale of its meter.
    pub scale: Scale,
    /// What no use costs.
    pub zero_use: ZeroUse,
}

/// What `quantity` costs as a whole.
///
/// # Errors
/// [`MoneyError::Overflow`] where an amount does not fit.
pub fn price(by: &Priced<'_>, quantity: Quantity) -> Result<Exact, MoneyError> {
    parts(by, quantity).try_fold(Exact::ZERO, |sum, part| sum.checked_add(part?.amount))
}

/// The steps in which `quantity` is priced, in the order of tiers.
///
/// Their amounts add up to what [`price`] says. Tiers that are not entered are left out.
///
/// # Errors
/// Each step: [`MoneyError::Overflow`] where its amount does not fit.
pub fn parts<'a>(
    by: &Priced<'a>,
    quantity: Quantity,
) -> impl Iterator<Item = Result<LinePart, MoneyError>> + use<'a> {
    let (scale, zero_use) = (by.scale, by.zero_use);
    let shape = Shape::of(by.by);
    let is_free = quantity == Quantity::ZERO && zero_use == ZeroUse::Free;
    let only = match shape.mode {
        Mode::Whole => Some(shape.place_of(quantity)),
        Mode::Each => None,
    };
    let mut floor = Quantity::ZERO;
    (0..shape.by.tiers()).filter_map(move |place| {
        let tier = shape.by.tier(place)?;
        let from = floor;
        floor = tier.up_to.unwrap_or(Quantity::from_scaled(i64::MAX));
        let within = match only {
            Some(only) if only != place => return None,
            Some(_) => quantity,
            None => quantity.min(floor).above(from),
        };
        // The first tier is entered by nothing, every other one by its first unit.
        let is_entered = within > Quantity::ZERO || place == 0 || only.is_some();
        (is_entered && !is_free).then(|| part(place, tier, within, (scale, shape.partial)))
    })
}

fn part(
    place: usize,
    tier: Tier,
    quantity: Quantity,
    (scale, partial): (Scale, PartialPackage),
) -> Result<LinePart, MoneyError> {
    let packages = match tier.package {
        Some(size) => Some(packages(quantity, size, partial)?),
        None => None,
    };
    let usage = match packages {
        Some(packages) => Exact::of(tier.unit_price, packages, Scale::WHOLE)?,
        None => Exact::of(tier.unit_price, quantity, scale)?,
    };
    Ok(LinePart {
        tier: place,
        quantity,
        packages,
        unit_price: tier.unit_price,
        flat: tier.flat,
        amount: Exact::once(tier.flat)?.checked_add(usage)?,
    })
}

/// How many packages of `size` are to be paid.
fn packages(
    quantity: Quantity,
    size: Quantity,
    partial: PartialPackage,
) -> Result<Quantity, MoneyError> {
    let rounding = match partial {
        PartialPackage::Charged => Rounding::Up,
        PartialPackage::Free => Rounding::Down,
    };
    let count = rounding
        .divide(quantity.scaled().into(), size.scaled().into())
        .and_then(|count| i64::try_from(count).ok());
    count.map(Quantity::from_scaled).ok_or(MoneyError::Overflow)
}

/// Which units a tier prices.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Those that fall in it.
    Each,
    /// All of them, if the last one falls in it.
    Whole,
}

/// A price as tiers, and how they are applied.
#[derive(Clone, Copy)]
struct Shape<'a> {
    mode: Mode,
    partial: PartialPackage,
    by: &'a Price,
}

impl<'a> Shape<'a> {
    fn of(by: &'a Price) -> Self {
        let mode = match by {
            Price::PerUnit { .. }
            | Price::Graduated { .. }
            | Price::Package { .. }
            | Price::Percentage(_) => Mode::Each,
            Price::Volume { .. } | Price::Stairstep { .. } => Mode::Whole,
        };
        let partial = match by {
            Price::Package { partial, .. } => *partial,
            _ => PartialPackage::Charged,
        };
        Self { mode, partial, by }
    }

    /// The tier in which the last unit falls; the last tier where all of them are too small.
    fn place_of(&self, quantity: Quantity) -> usize {
        let holds = |place: &usize| {
            let up_to = self.by.tier(*place).and_then(|tier| tier.up_to);
            up_to.is_none_or(|up_to| quantity <= up_to)
        };
        let last = self.by.tiers().saturating_sub(1);
        (0..last).find(holds).unwrap_or(last)
    }
}

#[cfg(test)]
mod tests;
