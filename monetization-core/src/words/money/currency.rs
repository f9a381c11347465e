//! In which money.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::MoneyError;

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
