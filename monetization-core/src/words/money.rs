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
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::decimal::{self, DecimalError, Shape};

pub use exact::Exact;

mod exact;

/// A currency of ISO 4217 with a minor unit.
///
/// Its exponent says how many decimals an amount has: 0 for the yen, 2 for the dollar, 3 for the
/// Kuwaiti dinar. Codes without one (gold, test codes) are refused.
///
/// ```
/// use monetization_core::money::Currency;
///
/// let error = "XAU".parse::<Currency>().unwrap_err();
/// assert!(error.to_string().starts_with("\"XAU\" is not a currency"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Currency {
    iso: iso_currency::Currency,
    exponent: u32,
}

impl Currency {
    /// The three letters, upper case.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.iso.code()
    }

    /// Decimals of an amount: 0 to 4.
    #[must_use]
    pub fn exponent(self) -> u32 {
        self.exponent
    }
}

impl FromStr for Currency {
    type Err = MoneyError;

    /// Reads a code in upper or lower case.
    ///
    /// # Errors
    /// [`MoneyError::UnknownCurrency`] for a code that ISO 4217 does not have, or has without a minor
    /// unit.
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let known = iso_currency::Currency::from_code(&text.to_ascii_uppercase());
        known
            .and_then(|iso| {
                iso.exponent().map(|exponent| Self {
                    iso,
                    exponent: exponent.into(),
                })
            })
            .ok_or_else(|| MoneyError::UnknownCurrency {
                code: text.chars().take(16).collect(),
            })
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.code())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

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
        decimal::render(self.minor, self.currency.exponent)
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
        decimals_max: usize::try_from(currency.exponent).unwrap_or(0),
        digits_max,
    };
    let digits = decimal::parse(text, shape)?;
    let missing = currency.exponent.saturating_sub(digits.decimals);
    let minor = 10_i128
        .checked_pow(missing)
        .and_then(|factor| digits.scaled()?.checked_mul(factor));
    minor.ok_or(MoneyError::Overflow)
}

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

/// How many decimals the quantities of a meter have: 0 to 6, fixed when the meter is made.
///
/// ```
/// use monetization_core::money::{Quantity, Scale};
///
/// let hours = Scale::try_from(2)?;
/// let quantity = hours.parse("1.5")?;
/// assert_eq!(quantity, Quantity::from_scaled(150));
/// assert_eq!(hours.render(quantity), "1.50");
/// assert!(hours.parse("1.505").is_err(), "refused, never rounded");
/// assert!(Scale::try_from(7).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Scale(u8);

impl Scale {
    /// Whole units.
    pub const WHOLE: Self = Self(0);
    /// Hundred-millionths, for what single transactions cost: finer than any quantity from outside.
    pub(crate) const CHARGES: Self = Self(8);
    /// The most decimals there are.
    pub const DECIMALS_MAX: u8 = 6;

    /// Decimals of a quantity.
    #[must_use]
    pub fn decimals(self) -> u8 {
        self.0
    }

    /// So many whole units; `None` for more than [`Quantity::SINGLE_MAX`].
    #[must_use]
    pub fn whole(self, units: u64) -> Option<Quantity> {
        let one = 10_i64.checked_pow(u32::from(self.0))?;
        let scaled = i64::try_from(units).ok()?.checked_mul(one)?;
        let quantity = Quantity::from_scaled(scaled);
        (quantity <= Quantity::SINGLE_MAX).then_some(quantity)
    }

    /// How many whole units a quantity has; what is left over does not count.
    #[must_use]
    pub fn whole_units(self, quantity: Quantity) -> u64 {
        let one = 10_i64.saturating_pow(u32::from(self.0));
        let whole = quantity.scaled().checked_div(one).unwrap_or(0);
        u64::try_from(whole).unwrap_or(0)
    }

    /// Reads a quantity of this scale: at most 15 digits in all, not negative.
    ///
    /// # Errors
    /// [`DecimalError`] where the text is no such number; never rounded.
    pub fn parse(self, text: &str) -> Result<Quantity, DecimalError> {
        let decimals_max = usize::from(self.0);
        let digits_max = Quantity::DIGITS_MAX;
        let shape = Shape {
            integer_digits_max: digits_max.saturating_sub(decimals_max),
            decimals_max,
            digits_max,
        };
        let digits = decimal::parse(text, shape)?;
        let missing = u32::from(self.0).saturating_sub(digits.decimals);
        let scaled = 10_i128
            .checked_pow(missing)
            .and_then(|factor| digits.scaled()?.checked_mul(factor))
            .and_then(|scaled| i64::try_from(scaled).ok());
        // 15 digits always fit 64 bits, so this cannot be missing.
        scaled.map(Quantity).ok_or_else(|| DecimalError::Grammar {
            value: text.chars().take(64).collect(),
        })
    }

    /// Writes a quantity of this scale with all its decimals.
    #[must_use]
    pub fn render(self, quantity: Quantity) -> String {
        decimal::render(quantity.0, u32::from(self.0))
    }
}

impl TryFrom<u8> for Scale {
    type Error = MoneyError;

    fn try_from(decimals: u8) -> Result<Self, MoneyError> {
        if decimals <= Self::DECIMALS_MAX {
            Ok(Self(decimals))
        } else {
            Err(MoneyError::Scale { decimals })
        }
    }
}

impl From<Scale> for u8 {
    fn from(scale: Scale) -> Self {
        scale.0
    }
}

/// An amount of use: an integer of its meter's [`Scale`] (1.5 at scale 2 is 150). It stands for
/// nothing without its meter, and quantities of two meters are never added.
///
/// ```
/// use monetization_core::money::Quantity;
///
/// let (used, included) = (Quantity::from_scaled(1_200), Quantity::from_scaled(1_000));
/// assert_eq!(used.above(included), Quantity::from_scaled(200));
/// assert_eq!(included.above(used), Quantity::ZERO);
/// assert!(Quantity::from_scaled(i64::MAX).checked_add(used).is_err());
/// # Ok::<(), monetization_core::money::MoneyError>(())
/// ```
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Quantity(i64);

impl Quantity {
    /// No use.
    pub const ZERO: Self = Self(0);
    /// Digits a quantity that comes from outside may have, decimals included.
    pub const DIGITS_MAX: usize = 15;
    /// The most that a single call or event counts: [`DIGITS_MAX`](Self::DIGITS_MAX) digits.
    pub const SINGLE_MAX: Self = Self(999_999_999_999_999);
    /// The most that one report to an engine says: 15 digits, which a double holds exactly. What is
    /// more leaves in several reports.
    pub const REPORTED_MAX: Self = Self::SINGLE_MAX;

    /// A quantity of so many units of the meter's scale.
    #[must_use]
    pub const fn from_scaled(scaled: i64) -> Self {
        Self(scaled)
    }

    /// So many units of the meter's scale.
    #[must_use]
    pub const fn scaled(self) -> i64 {
        self.0
    }

    /// The sum.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] past 64 bits.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.0
            .checked_add(other.0)
            .map(Self)
            .ok_or(MoneyError::Overflow)
    }

    /// The difference.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`] past 64 bits.
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.0
            .checked_sub(other.0)
            .map(Self)
            .ok_or(MoneyError::Overflow)
    }

    /// What is left of it above `floor`; nothing where it does not reach that far.
    #[must_use]
    pub fn above(self, floor: Self) -> Self {
        Self(self.0.saturating_sub(floor.0).max(0))
    }
}

/// How an amount between two minor units is rounded.
///
/// | exact | half away from zero | half even | up | down |
/// |---|---|---|---|---|
/// | 1.4 | 1 | 1 | 2 | 1 |
/// | 1.5 | 2 | 2 | 2 | 1 |
/// | 2.5 | 3 | 2 | 3 | 2 |
/// | -1.5 | -2 | -2 | -2 | -1 |
///
/// ```
/// use monetization_core::money::Rounding;
///
/// let halves = |mode: Rounding| [3, 5, -3].map(|halves| mode.divide(halves, 2));
/// assert_eq!(halves(Rounding::HalfAwayFromZero), [Some(2), Some(3), Some(-2)]);
/// assert_eq!(halves(Rounding::HalfEven), [Some(2), Some(2), Some(-2)]);
/// assert_eq!(halves(Rounding::Up), [Some(2), Some(3), Some(-2)]);
/// assert_eq!(halves(Rounding::Down), [Some(1), Some(2), Some(-1)]);
/// assert_eq!(Rounding::Up.divide(1, 0), None);
/// ```
///
/// In JSON its name: `half_away_from_zero`, `half_even`, `up`, `down`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Rounding {
    /// To the nearest; a half away from zero: 1.5 to 2, -1.5 to -2.
    #[default]
    HalfAwayFromZero,
    /// To the nearest; a half to the even neighbour: 1.5 and 2.5 to 2.
    HalfEven,
    /// Away from zero: 1.1 to 2.
    Up,
    /// Towards zero: 1.9 to 1.
    Down,
}

impl Rounding {
    /// `numerator / divisor`, rounded; `None` where it does not fit or `divisor` is not positive.
    #[must_use]
    pub fn divide(self, numerator: i128, divisor: i128) -> Option<i128> {
        if divisor <= 0 {
            return None;
        }
        let quotient = numerator.checked_div(divisor)?;
        // Dividing 128 bits is slow, multiplying is not.
        let whole = quotient.checked_mul(divisor)?;
        let remainder = numerator.checked_sub(whole)?.checked_abs()?;
        let twice = remainder.checked_mul(2)?;
        let odd = quotient & 1 != 0;
        let away = match self {
            Self::HalfAwayFromZero => twice >= divisor,
            Self::HalfEven => twice > divisor || (twice == divisor && odd),
            Self::Up => remainder > 0,
            Self::Down => false,
        };
        if away {
            quotient.checked_add(numerator.signum())
        } else {
            Some(quotient)
        }
    }
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
