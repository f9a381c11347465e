use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{Currency, Money, MoneyError, Quantity, Rounding, Scale, UnitPrice};
use crate::decimal::{self, Shape};

/// An amount before it is rounded, in major units of its plan's currency: exact to 18 decimals,
/// which is what the smallest price times the smallest quantity has.
///
/// Amounts of a line are added exactly, and rounded once when they are all there.
///
/// ```
/// use monetization_core::money::{Currency, Exact, Rounding, Scale, UnitPrice};
///
/// let price: UnitPrice = "0.004".parse()?;
/// let one = Exact::of(price, Scale::WHOLE.parse("1")?, Scale::WHOLE)?;
/// let two = one.checked_add(one)?;
/// let usd: Currency = "USD".parse()?;
/// assert_eq!(one.round(usd, Rounding::HalfAwayFromZero)?.amount(), "0.00");
/// assert_eq!(two.round(usd, Rounding::HalfAwayFromZero)?.amount(), "0.01");
/// assert_eq!(two.to_string(), "0.008");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Exact(i128);

impl Exact {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    const DECIMALS: u32 = 18;

    /// What `quantity` units of a meter of this scale cost at this price.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] where the product needs more than 127 bits.
    pub fn of(price: UnitPrice, quantity: Quantity, scale: Scale) -> Result<Self, MoneyError> {
        // Most tiers have no flat fee.
        if price.decimal().is_zero() {
            return Ok(Self::ZERO);
        }
        let decimals = price
            .decimal()
            .scale()
            .saturating_add(u32::from(scale.decimals()));
        let missing = Self::DECIMALS.saturating_sub(decimals);
        let product = price
            .decimal()
            .mantissa()
            .checked_mul(i128::from(quantity.scaled()));
        let factor = power_of_ten(missing);
        let exact = product
            .zip(factor)
            .and_then(|(product, factor)| product.checked_mul(factor));
        exact.map(Self).ok_or(MoneyError::Overflow)
    }

    /// The price of one, as an amount: what a flat fee or a whole package costs.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn once(price: UnitPrice) -> Result<Self, MoneyError> {
        Self::of(price, Quantity::from_scaled(1), Scale::WHOLE)
    }

    /// The sum.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] past 127 bits.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        let sum = self.0.checked_add(other.0);
        sum.map(Self).ok_or(MoneyError::Overflow)
    }

    /// The difference.
    ///
    /// # Errors
    /// As [`checked_add`](Self::checked_add).
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        let difference = self.0.checked_sub(other.0);
        difference.map(Self).ok_or(MoneyError::Overflow)
    }

    /// A hundredth; what is below 18 decimals is rounded half away from zero, which no price of at most
    /// 10 decimals needs.
    #[must_use]
    pub fn percent(self) -> Self {
        Self(Rounding::HalfAwayFromZero.divide(self.0, 100).unwrap_or(0))
    }

    /// As a quantity of this scale, half away from zero.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] where it needs more than 63 bits.
    pub fn quantity(self, scale: Scale) -> Result<Quantity, MoneyError> {
        let surplus = Self::DECIMALS.saturating_sub(u32::from(scale.decimals()));
        let scaled = power_of_ten(surplus)
            .and_then(|divisor| Rounding::HalfAwayFromZero.divide(self.0, divisor))
            .and_then(|scaled| i64::try_from(scaled).ok());
        scaled
            .map(Quantity::from_scaled)
            .ok_or(MoneyError::Overflow)
    }

    /// The amount in minor units of `currency`, rounded once.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] where it needs more than 63 bits.
    pub fn round(self, currency: Currency, rounding: Rounding) -> Result<Money, MoneyError> {
        let surplus = Self::DECIMALS.saturating_sub(currency.exponent());
        let minor = power_of_ten(surplus)
            .and_then(|divisor| rounding.divide(self.0, divisor))
            .and_then(|minor| i64::try_from(minor).ok());
        Ok(Money::new(minor.ok_or(MoneyError::Overflow)?, currency))
    }
}

/// 10 to that power; `None` beyond the decimals that an amount has.
fn power_of_ten(exponent: u32) -> Option<i128> {
    /// Multiplying 128 bits again and again is slow.
    const POWERS: [i128; 19] = {
        let mut powers = [1; 19];
        let mut exponent = 1;
        while exponent < powers.len() {
            powers[exponent] = powers[exponent - 1] * 10;
            exponent += 1;
        }
        powers
    };
    POWERS.get(usize::try_from(exponent).ok()?).copied()
}

impl fmt::Display for Exact {
    /// As a decimal number without zeros at its end.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = decimal::render(self.0, Self::DECIMALS);
        out.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl fmt::Debug for Exact {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let (digits, sign) = match text.strip_prefix('-') {
            Some(digits) => (digits, -1),
            None => (text.as_str(), 1),
        };
        let shape = Shape {
            integer_digits_max: 21,
            decimals_max: 18,
            digits_max: 39,
        };
        let digits = decimal::parse(digits, shape).map_err(D::Error::custom)?;
        let missing = Self::DECIMALS.saturating_sub(digits.decimals);
        let exact = digits
            .scaled()
            .zip(power_of_ten(missing))
            .and_then(|(scaled, factor)| scaled.checked_mul(factor)?.checked_mul(sign));
        exact
            .map(Self)
            .ok_or_else(|| D::Error::custom(MoneyError::Overflow))
    }
}
