//! What one unit costs.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{Currency, Exact, Money, MoneyError, Quantity, Rounding, Scale};
use crate::decimal::{self, Shape};

/// The price of one unit, in major units of the plan's currency: at most 9 digits before the
/// point and 12 after it. A ten-thousandth of a cent is a price like any other.
///
/// It has no currency of its own: that is the plan's. In JSON it is a string, and keeps the zeros
/// it was written with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct UnitPrice(Decimal);

impl UnitPrice {
    /// Nothing.
    pub const ZERO: Self = Self(Decimal::ZERO);
    /// One major unit.
    pub const ONE: Self = Self(Decimal::ONE);

    /// The price as a decimal number of major units.
    #[must_use]
    pub fn decimal(self) -> Decimal {
        self.0
    }

    /// What `quantity` units cost, rounded once to the currency's minor unit.
    ///
    /// The product of price and quantity is exact; only the last step rounds.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] where the amount needs more than 63 bits: it is never cut short.
    pub fn times(
        self,
        quantity: Quantity,
        scale: Scale,
        currency: Currency,
        rounding: Rounding,
    ) -> Result<Money, MoneyError> {
        Exact::of(self, quantity, scale)?.round(currency, rounding)
    }
}

impl FromStr for UnitPrice {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let shape = Shape {
            integer_digits_max: 9,
            decimals_max: 12,
            digits_max: 21,
        };
        let digits = decimal::parse(text, shape)?;
        let mantissa = digits.scaled().ok_or(MoneyError::Overflow)?;
        let price = Decimal::try_from_i128_with_scale(mantissa, digits.decimals);
        Ok(Self(price.map_err(|_| MoneyError::Overflow)?))
    }
}

impl fmt::Display for UnitPrice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, out)
    }
}

impl fmt::Debug for UnitPrice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl Serialize for UnitPrice {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UnitPrice {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}
