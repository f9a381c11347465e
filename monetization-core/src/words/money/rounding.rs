//! What becomes of parts of a minor unit.

use serde::{Deserialize, Serialize};

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
