//! A price of use as Stripe applies it to all use of a period.
//!
//! Core takes included units off before it applies a price; Stripe has no such thing, so they become a
//! free first tier and every bound moves up by them:
//!
//! ```text
//!                  1,000 included, then 5 at 2 + 1, then 0.5 + 3
//! core       charged = used above 1,000:   ..5: 2 + 1          ..: 0.5 + 3
//! Stripe     ..1,000: 0 + 1                ..1,005: 2 + 0      ..: 0.5 + 3
//! ```
//!
//! The fee of the first tier moves to the free one, because both charge it without use. Where a plan
//! says that no use costs nothing, it stays where the first charged unit brings it, and without included
//! units a tier of one unit brings it:
//!
//! ```text
//! core       ..5: 2 + 1, free without use
//! Stripe     ..1: 3 + 0                    ..5: 2 + 0          ..: 0.5 + 3
//! ```
//!
//! Steps are fees without a price of units. Their prices become differences where units are included,
//! since each tier of a graduated price adds to those before it.

use monetization_core::field::FieldError;
use monetization_core::money::{Quantity, Scale, UnitPrice};
use monetization_core::plan::{PartialPackage, Price, Step, Tier, UsagePrice, ZeroUse};
use rust_decimal::Decimal;

use super::Shape;
use super::tiers::{Mode, StripeTier};
use crate::currency::Unit;

/// A price of use as Stripe applies it to all use of a period.
///
/// # Errors
/// A [`FieldError`] that names the part of the price that Stripe cannot express.
pub(super) fn shape(usage: &UsagePrice, unit: Unit) -> Result<Shape, FieldError> {
    let converted = Converted {
        usage,
        unit,
        scale: usage.meter.scale,
    };
    let has_included = usage.included != Quantity::ZERO;
    match &usage.price {
        Price::PerUnit { unit_price } if !has_included => {
            Ok(Shape::Unit(converted.decimal(*unit_price)?))
        }
        Price::PerUnit { unit_price } => converted.graduated(vec![StripeTier {
            up_to: None,
            unit: converted.decimal(*unit_price)?,
            flat: Decimal::ZERO,
        }]),
        Price::Graduated { tiers } => {
            converted.graduated(converted.tiers(tiers, "usage.graduated")?)
        }
        Price::Volume { tiers } => converted.volume(converted.tiers(tiers, "usage.volume")?),
        Price::Stairstep { steps } => converted.stairstep(steps),
        Price::Package {
            size,
            price,
            partial,
        } => {
            if has_included {
                return Err(unable("usage.included", "included units before packages"));
            }
            Ok(Shape::Package {
                price: converted.decimal(*price)?,
                size: converted.whole(*size, "usage.package")?,
                rounded_up: *partial == PartialPackage::Charged,
            })
        }
        Price::Percentage(_) => Err(unable("usage.percentage", "a share of transactions")),
    }
}

/// What is needed to convert one price.
struct Converted<'a> {
    usage: &'a UsagePrice,
    unit: Unit,
    scale: Scale,
}

impl Converted<'_> {
    /// A price in Stripe's unit, with all its decimals.
    ///
    /// # Errors
    /// A [`FieldError`] that names the part of the price that Stripe cannot express.
    fn decimal(&self, price: UnitPrice) -> Result<Decimal, FieldError> {
        let decimal = self.unit.decimal(price);
        decimal.ok_or_else(|| unable("usage.unit_price", "a price of so many digits"))
    }

    /// Bounds and sizes are whole units at Stripe.
    ///
    /// # Errors
    /// A [`FieldError`] that names the part of the price that Stripe cannot express.
    fn whole(&self, quantity: Quantity, field: &'static str) -> Result<i64, FieldError> {
        let units = i64::try_from(self.scale.whole_units(quantity)).ok();
        let is_whole = |units: &i64| {
            let back = u64::try_from(*units).ok();
            back.and_then(|units| self.scale.whole(units)) == Some(quantity)
        };
        let whole = units.filter(is_whole);
        whole.ok_or_else(|| unable(field, "parts of units where a tier or a package ends"))
    }

    /// Tiers as they are, before anything is moved.
    ///
    /// # Errors
    /// A [`FieldError`] that names the part of the price that Stripe cannot express.
    fn tiers(&self, tiers: &[Tier], field: &'static str) -> Result<Vec<StripeTier>, FieldError> {
        let tier = |tier: &Tier| {
            if tier.package.is_some() {
                return Err(unable(field, "packages in tiers"));
            }
            Ok(StripeTier {
                up_to: tier
                    .up_to
                    .map(|up_to| self.whole(up_to, field))
                    .transpose()?,
                unit: self.decimal(tier.unit_price)?,
                flat: self.decimal(tier.flat)?,
            })
        };
        tiers.iter().map(tier).collect()
    }

    /// Moved up by the included units, which are a free first tier; where no use costs nothing
    /// although the first tier has a fee, the first unit brings it.
    ///
    /// # Errors
    /// A [`FieldError`] that names the part of the price that Stripe cannot express.
    fn graduated(&self, mut tiers: Vec<StripeTier>) -> Result<Shape, FieldError> {
        let included = self.whole(self.usage.included, "usage.included")?;
        let fee = tiers.first().map_or(Decimal::ZERO, |first| first.flat);
        let is_free_without_use = self.usage.zero_use == ZeroUse::Free && !fee.is_zero();
        let too_many = || unable("usage.included", "so many units");
        if included > 0 {
            for tier in &mut tiers {
                let moved = tier
                    .up_to
                    .map(|up_to| up_to.checked_add(included).ok_or_else(too_many));
                tier.up_to = moved.transpose()?;
            }
            let flat = match tiers.first_mut() {
                Some(first) if !is_free_without_use => std::mem::take(&mut first.flat),
                _ => Decimal::ZERO,
            };
            let free = StripeTier {
                up_to: Some(included),
                unit: Decimal::ZERO,
                flat,
            };
            tiers.insert(0, free);
        } else if is_free_without_use {
            if self.scale != Scale::WHOLE {
                return Err(unable("usage.zero_use", "a fee that part of a unit brings"));
            }
            self.first_unit_brings(fee, &mut tiers)?;
        }
        let mode = Mode::Graduated;
        Ok(Shape::Tiered { mode, tiers })
    }

    /// A first tier of one unit that costs the fee and the unit: so no use costs nothing.
    ///
    /// # Errors
    /// A [`FieldError`] that names the part of the price that Stripe cannot express.
    fn first_unit_brings(
        &self,
        fee: Decimal,
        tiers: &mut Vec<StripeTier>,
    ) -> Result<(), FieldError> {
        let Some(first) = tiers.first_mut() else {
            return Ok(());
        };
        let digits = || unable("usage.zero_use", "a price of so many digits");
        let unit = first.unit.checked_add(fee).ok_or_else(digits)?;
        first.flat = Decimal::ZERO;
        if first.up_to == Some(1) {
            first.unit = unit;
            return Ok(());
        }
        let one = StripeTier {
            up_to: Some(1),
            unit,
            flat: Decimal::ZERO,
        };
        tiers.insert(0, one);
        Ok(())
    }

    /// As it is, or refused: all units of a volume price are charged, included ones too.
    ///
    /// # Errors
    /// A [`FieldError`] that names the part of the price that Stripe cannot express.
    fn volume(&self, tiers: Vec<StripeTier>) -> Result<Shape, FieldError> {
        if self.usage.included != Quantity::ZERO {
            return Err(unable(
                "usage.included",
                "included units before volume tiers",
            ));
        }
        let has_fee = tiers.first().is_some_and(|first| !first.flat.is_zero());
        if has_fee && self.usage.zero_use == ZeroUse::Free {
            let what = "a volume tier whose fee no use does not bring";
            return Err(unable("usage.zero_use", what));
        }
        let mode = Mode::Volume;
        Ok(Shape::Tiered { mode, tiers })
    }

    /// Steps are the fees of volume tiers; where that cannot be, what each adds to the one before.
    ///
    /// # Errors
    /// A [`FieldError`] that names the part of the price that Stripe cannot express.
    fn stairstep(&self, steps: &[Step]) -> Result<Shape, FieldError> {
        let mut tiers = Vec::with_capacity(steps.len());
        for step in steps {
            let up_to = step.up_to.map(|up_to| self.whole(up_to, "usage.stairstep"));
            tiers.push(StripeTier {
                up_to: up_to.transpose()?,
                unit: Decimal::ZERO,
                flat: self.decimal(step.price)?,
            });
        }
        let is_charged = self.usage.zero_use == ZeroUse::Charged
            || tiers.first().is_none_or(|first| first.flat.is_zero());
        if self.usage.included == Quantity::ZERO && is_charged {
            return self.volume(tiers);
        }
        let mut before = Decimal::ZERO;
        for tier in &mut tiers {
            let price = tier.flat;
            let rise = price
                .checked_sub(before)
                .filter(|rise| !rise.is_sign_negative());
            let falling = || unable("usage.stairstep", "steps that fall after free units");
            tier.flat = rise.ok_or_else(falling)?;
            before = price;
        }
        self.graduated(tiers)
    }
}

/// For what Stripe has no price for.
fn unable(field: &'static str, what: &str) -> FieldError {
    let problem = format!(
        "Stripe cannot invoice {what} by itself: leave it out, or let core make the invoices"
    );
    FieldError::new(field, problem)
}
