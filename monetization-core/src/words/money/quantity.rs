//! How much of something, in the scale of its meter.

use serde::{Deserialize, Serialize};

use super::MoneyError;
use crate::decimal::{self, DecimalError, Shape};

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
