//! Numbers without error: amounts per unit, quantities, and what they come to.

use std::fmt;

use num_bigint::BigInt;

/// Twelve decimals of an amount times fifteen of a quantity.
const DECIMALS: usize = 27;

/// A number with at most 27 decimals. An amount per unit has up to 12 and a quantity up to 15, so
/// what they come to is exact.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exact(BigInt);

impl Exact {
    /// Nothing.
    #[must_use]
    pub fn zero() -> Self {
        Self::default()
    }

    /// A whole number.
    #[must_use]
    pub fn whole(number: impl Into<BigInt>) -> Self {
        Self(number.into() * one())
    }

    /// Reads `-12.5`. None where it is no number or has too many decimals.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let digits = format!("{whole}{fraction:0<DECIMALS$}");
        let is_number = !whole.is_empty() || !fraction.is_empty();
        if !is_number || fraction.len() > DECIMALS || !digits.bytes().all(|it| it.is_ascii_digit())
        {
            return None;
        }
        let number: BigInt = digits.parse().ok()?;
        Some(Self(if text.starts_with('-') {
            -number
        } else {
            number
        }))
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self(&self.0 + &other.0)
    }

    /// What is left without the other.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self(&self.0 - &other.0)
    }

    /// The product, exact as long as both together have at most 27 decimals.
    #[must_use]
    pub fn times(&self, other: &Self) -> Self {
        Self(&self.0 * &other.0 / one())
    }

    /// How many whole parts of this size it has, and whether anything is left.
    #[must_use]
    pub fn parts_of(&self, size: u64) -> (Self, bool) {
        let size = Self::whole(size).0;
        let parts = &self.0 / &size;
        let is_left = &parts * &size != self.0;
        (Self::whole(parts), is_left)
    }

    /// Whether it is more than nothing.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        *self > Self::zero()
    }

    /// The whole number next to it, the half upwards in size. The largest there is, where it does
    /// not fit.
    #[must_use]
    pub fn half_up(&self) -> i64 {
        rounded(&self.0, &one())
    }

    /// The whole number, where it is one.
    #[must_use]
    pub fn as_whole(&self) -> Option<i64> {
        let whole = &self.0 / one();
        (&whole * one() == self.0)
            .then(|| i64::try_from(whole).ok())
            .flatten()
    }
}

/// The share of an amount that `part` of `of` has, the half upwards in size.
#[must_use]
pub fn share(amount: i64, part: i64, of: i64) -> i64 {
    if of == 0 {
        return 0;
    }
    rounded(&(BigInt::from(amount) * part), &BigInt::from(of))
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_negative = self.0 < BigInt::default();
        let digits = self.0.magnitude().to_string();
        let digits = format!("{digits:0>width$}", width = DECIMALS + 1);
        let (whole, fraction) = digits.split_at(digits.len() - DECIMALS);
        let fraction = fraction.trim_end_matches('0');
        let sign = if is_negative { "-" } else { "" };
        let point = if fraction.is_empty() { "" } else { "." };
        write!(f, "{sign}{whole}{point}{fraction}")
    }
}

fn one() -> BigInt {
    BigInt::from(10).pow(27)
}

fn rounded(number: &BigInt, by: &BigInt) -> i64 {
    let zero = BigInt::default();
    let (number, by): (BigInt, BigInt) = if *by < zero {
        (-number, -by)
    } else {
        (number.clone(), by.clone())
    };
    let is_negative = number < zero;
    let size: BigInt = if is_negative { -number } else { number };
    let size: BigInt = (size * 2 + &by) / (by * 2);
    i64::try_from(if is_negative { -size } else { size }).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Exact, share};

    #[test]
    fn numbers_are_read_and_written_exactly() {
        for text in [
            "0",
            "1",
            "-1.5",
            "0.000000000001",
            "123456789012345.000000000000123",
        ] {
            assert_eq!(
                Exact::read(text).map(|it| it.to_string()).as_deref(),
                Some(text)
            );
        }
        for text in [
            "",
            "-",
            ".",
            "1e3",
            "1.2.3",
            "--1",
            "0.1234567890123456789012345678",
        ] {
            assert_eq!(Exact::read(text), None, "{text}");
        }
    }

    #[test]
    fn halves_are_rounded_away_from_nothing() {
        let rounded = |text| Exact::read(text).map(|it| it.half_up());
        assert_eq!(rounded("0.5"), Some(1));
        assert_eq!(rounded("0.499999999999"), Some(0));
        assert_eq!(rounded("-0.5"), Some(-1));
        assert_eq!(share(100, 1, 3), 33);
        assert_eq!(share(-100, 1, 8), -13);
    }

    #[test]
    fn products_have_all_their_digits() {
        let price = Exact::read("0.000000000003");
        let units = Exact::read("999999999999.123");
        let product = price
            .zip(units)
            .map(|(price, units)| price.times(&units).to_string());
        assert_eq!(product.as_deref(), Some("2.999999999997369"));
    }
}
