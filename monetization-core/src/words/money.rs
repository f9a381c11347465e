//! Money, prices and quantities: integers with a known scale, checked arithmetic, strings in
//! JSON, and no binary fraction anywhere.
//!
//! | type | is an integer of | at most | in JSON |
//! |---|---|---|---|
//! | [`Money`] | the currency's minor unit | 63 bits; 12 digits before the point when read | `{"amount": "27.00", "currency": "USD"}` |
//! | [`Exact`] | 10^-18 of the major unit | 127 bits | never |
//! | [`UnitPrice`] | a decimal of the major unit | 9 digits before the point, 12 after it | `"0.0001"` |
//! | [`Quantity`] | the meter's [`Scale`] | 15 digits when read, 63 bits as a sum | a whole number |
//!
//! What one type cannot express is refused when it is read and an error when it is computed; the
//! one place that rounds is [`Exact::round`], by a [`Rounding`] that has a name.
//!
//! ```
//! use monetization_core::money::{Currency, Money, MoneyError, Rounding, Scale, UnitPrice};
//!
//! let usd: Currency = "usd".parse()?;
//! let jpy: Currency = "JPY".parse()?;
//! let kwd: Currency = "KWD".parse()?;
//! assert_eq!((jpy.exponent(), usd.exponent(), kwd.exponent()), (0, 2, 3));
//!
//! // 12,345 calls at a hundredth of a cent are 1.2345 dollars: 1.23 after one rounding.
//! let price: UnitPrice = "0.0001".parse()?;
//! let calls = Scale::WHOLE.parse("12345")?;
//! let amount = price.times(calls, Scale::WHOLE, usd, Rounding::HalfAwayFromZero)?;
//! assert_eq!(amount.to_string(), "1.23 USD");
//! let up = price.times(calls, Scale::WHOLE, usd, Rounding::Up)?;
//! assert_eq!(up, Money::new(124, usd));
//!
//! // Two currencies are never added, and half a yen is never rounded away.
//! assert!(matches!(
//!     amount.checked_add(Money::zero(jpy)),
//!     Err(MoneyError::CurrencyMismatch { .. }),
//! ));
//! assert!(Money::parse("0.5", jpy).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::decimal::{self, DecimalError, Shape};

pub use currency::Currency;
pub use exact::Exact;
pub use quantity::{Quantity, Scale};
pub use rounding::Rounding;
pub use unit_price::UnitPrice;

mod currency;
mod exact;
mod quantity;
mod rounding;
mod unit_price;

/// An amount of one currency in its minor unit (cents, yen, fils).
///
/// In JSON: `{"amount":"27.00","currency":"USD"}`.
///
/// An amount may be negative: differences are. What is read by [`parse`](Self::parse) is not.
///
/// ```
/// use monetization_core::money::{Currency, Money};
///
/// let usd: Currency = "USD".parse()?;
/// let base = Money::parse("25", usd)?;
/// let usage = Money::new(200, usd);
/// let total = Money::sum(usd, [base, usage])?;
/// assert_eq!((total.minor(), total.amount().as_str()), (2_700, "27.00"));
/// assert_eq!(usage.checked_sub(base)?.amount(), "-23.00");
/// assert_eq!(serde_json::to_string(&total)?, r#"{"amount":"27.00","currency":"USD"}"#);
/// assert!(Money::new(i64::MAX, usd).checked_add(usage).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

impl Money {
    /// So many minor units: `Money::new(2_700, usd)` is 27.00 USD.
    #[must_use]
    pub fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Nothing, in this currency.
    #[must_use]
    pub fn zero(currency: Currency) -> Self {
        Self::new(0, currency)
    }

    /// Reads an amount such as `25` or `25.00`; at most the currency's decimals, not negative.
    ///
    /// # Errors
    /// [`MoneyError::Number`] where the text is no such number; an amount that the currency
    /// cannot express is refused, never rounded.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let minor = minor_units(text, currency, (12, 16))?;
        let minor = i64::try_from(minor).map_err(|_| MoneyError::Overflow)?;
        Ok(Self::new(minor, currency))
    }

    /// Reads what [`amount`](Self::amount) has written: any amount there is, credits too.
    fn read(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        const DIGITS_MAX: usize = 19;
        let (digits, sign) = match text.strip_prefix('-') {
            Some(digits) => (digits, -1),
            None => (text, 1),
        };
        let minor = minor_units(digits, currency, (DIGITS_MAX, DIGITS_MAX))?;
        let minor = minor.checked_mul(sign);
        let minor = minor.and_then(|minor| i64::try_from(minor).ok());
        Ok(Self::new(minor.ok_or(MoneyError::Overflow)?, currency))
    }

    /// Minor units: cents for the dollar, whole yen for the yen.
    #[must_use]
    pub fn minor(self) -> i64 {
        self.minor
    }

    /// The currency.
    #[must_use]
    pub fn currency(self) -> Currency {
        self.currency
    }

    /// Whether it is exactly nothing.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.minor == 0
    }

    /// The sum of two amounts of one currency.
    ///
    /// # Errors
    /// [`MoneyError::CurrencyMismatch`] for two currencies, [`MoneyError::Overflow`] past 64 bits.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.combine(other, i64::checked_add)
    }

    /// The difference of two amounts of one currency.
    ///
    /// # Errors
    /// As [`checked_add`](Self::checked_add).
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.combine(other, i64::checked_sub)
    }

    /// So many parts of a whole of it, rounded once.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] past 64 bits, or where the whole is nothing.
    pub fn share(
        self,
        (part, whole): (i128, i128),
        rounding: Rounding,
    ) -> Result<Self, MoneyError> {
        let minor = i128::from(self.minor)
            .checked_mul(part)
            .and_then(|parts| rounding.divide(parts, whole))
            .and_then(|minor| i64::try_from(minor).ok());
        Ok(Self::new(minor.ok_or(MoneyError::Overflow)?, self.currency))
    }

    /// The sum of many amounts, starting from nothing in `currency`.
    ///
    /// # Errors
    /// As [`checked_add`](Self::checked_add).
    pub fn sum(
        currency: Currency,
        amounts: impl IntoIterator<Item = Self>,
    ) -> Result<Self, MoneyError> {
        amounts
            .into_iter()
            .try_fold(Self::zero(currency), Self::checked_add)
    }

    /// The amount with all decimals of its currency and without its code: `27.00`.
    #[must_use]
    pub fn amount(self) -> String {
        decimal::render(self.minor, self.currency.exponent())
    }

    fn combine(self, other: Self, with: fn(i64, i64) -> Option<i64>) -> Result<Self, MoneyError> {
        if self.currency != other.currency {
            return Err(MoneyError::CurrencyMismatch {
                left: self.currency,
                right: other.currency,
            });
        }
        let minor = with(self.minor, other.minor).ok_or(MoneyError::Overflow)?;
        Ok(Self::new(minor, self.currency))
    }
}

impl fmt::Display for Money {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.amount(), self.currency)
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MoneyJson {
    amount: String,
    currency: Currency,
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        MoneyJson {
            amount: self.amount(),
            currency: self.currency,
        }
        .serialize(to)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let MoneyJson { amount, currency } = MoneyJson::deserialize(from)?;
        // What users send is checked to be positive and not too long where it enters.
        Self::read(&amount, currency).map_err(D::Error::custom)
    }
}

/// The minor units of an amount of at most so many digits before the point and in all.
fn minor_units(
    text: &str,
    currency: Currency,
    (integer_digits_max, digits_max): (usize, usize),
) -> Result<i128, MoneyError> {
    let shape = Shape {
        integer_digits_max,
        decimals_max: usize::try_from(currency.exponent()).unwrap_or(0),
        digits_max,
    };
    let digits = decimal::parse(text, shape)?;
    let missing = currency.exponent().saturating_sub(digits.decimals);
    let minor = 10_i128
        .checked_pow(missing)
        .and_then(|factor| digits.scaled()?.checked_mul(factor));
    minor.ok_or(MoneyError::Overflow)
}

/// Why an amount could not be made.
///
/// No variant is a rounding: an amount is exact or there is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MoneyError {
    /// The text is not a number of the wanted kind.
    #[error(transparent)]
    Number(#[from] DecimalError),
    /// No currency of that code has a minor unit.
    #[error(
        "{code:?} is not a currency: allowed are the codes of ISO 4217 that have a minor unit, such as USD, JPY or KWD"
    )]
    UnknownCurrency {
        /// The code, cut to 16 characters.
        code: String,
    },
    /// Two currencies in one sum.
    #[error("amounts in {left} and {right} cannot be combined")]
    CurrencyMismatch {
        /// Currency of the first amount.
        left: Currency,
        /// Currency of the second amount.
        right: Currency,
    },
    /// More than 64 bits hold.
    #[error("the amount does not fit 64 bits of minor units")]
    Overflow,
    /// More decimals than a meter can have.
    #[error("{decimals} decimals are too many: a meter has 0 to 6")]
    Scale {
        /// The decimals asked for.
        decimals: u8,
    },
}

#[cfg(test)]
mod tests;
