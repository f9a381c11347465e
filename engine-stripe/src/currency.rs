//! How Stripe counts money.
//!
//! Stripe counts most currencies in the minor unit of ISO 4217, as core does. Where it does not:
//!
//! | currencies | Stripe counts | rule |
//! |---|---|---|
//! | BHD JOD KWD OMR TND | thousandths | the last digit is 0 |
//! | ISK UGX | hundredths, core whole ones | the last two digits are 00 |
//! | MGA | whole ones, core hundredths | no fraction |
//!
//! An amount that Stripe could not take is refused by name; none is ever rounded here.

use std::fmt;

use monetization_core::money::{Currency, Money, UnitPrice};
use rust_decimal::Decimal;

/// Without decimals at Stripe.
const WHOLE: [&str; 15] = [
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF",
    "XOF", "XPF",
];
/// With three, of which the last is 0.
const THREE: [&str; 5] = ["BHD", "JOD", "KWD", "OMR", "TND"];
/// With two, which are 00, though ISO 4217 has none.
const AS_IF_TWO: [&str; 2] = ["ISK", "UGX"];

/// A currency as Stripe counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unit {
    currency: Currency,
    /// Decimals of an amount at Stripe.
    exponent: u32,
    /// Every amount at Stripe is a multiple of it.
    step: i64,
}

/// That an amount cannot be told to Stripe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {problem}")]
pub(crate) struct CurrencyError {
    what: String,
    problem: String,
}

impl Unit {
    /// How Stripe counts this currency.
    ///
    /// # Errors
    /// [`CurrencyError`] where nothing can be told without rounding.
    pub(crate) fn of(currency: Currency) -> Result<Self, CurrencyError> {
        let code = currency.code();
        let (exponent, step) = if WHOLE.contains(&code) {
            (0, 1)
        } else if THREE.contains(&code) {
            (3, 10)
        } else if AS_IF_TWO.contains(&code) {
            (2, 100)
        } else if currency.exponent() == 2 {
            (2, 1)
        } else {
            let problem = "Stripe does not have this currency";
            return Err(CurrencyError::new(currency, problem));
        };
        Ok(Self {
            currency,
            exponent,
            step,
        })
    }

    /// Of the currency that Stripe calls so.
    ///
    /// # Errors
    /// [`CurrencyError`] where nothing can be told without rounding.
    pub(crate) fn named(code: &str) -> Result<Self, CurrencyError> {
        let known = code.parse::<Currency>();
        Self::of(known.map_err(|error| CurrencyError::new(code, error))?)
    }

    /// The code as Stripe writes it.
    pub(crate) fn code(self) -> String {
        self.currency.code().to_ascii_lowercase()
    }

    /// Every amount at Stripe is a multiple of it.
    pub(crate) fn step(self) -> i64 {
        self.step
    }

    /// An amount of ours as Stripe counts it.
    ///
    /// # Errors
    /// [`CurrencyError`] where nothing can be told without rounding.
    pub(crate) fn amount(self, money: Money) -> Result<i64, CurrencyError> {
        let too_fine = || CurrencyError::new(money, self.rule());
        let amount = self.rescaled(money.minor(), self.currency.exponent(), self.exponent);
        let amount = amount.ok_or_else(too_fine)?;
        match amount.checked_rem(self.step) {
            Some(0) => Ok(amount),
            _ => Err(too_fine()),
        }
    }

    /// An amount of Stripe's as we count it.
    ///
    /// # Errors
    /// [`CurrencyError`] where nothing can be told without rounding.
    pub(crate) fn money(self, amount: i64) -> Result<Money, CurrencyError> {
        let minor = self.rescaled(amount, self.exponent, self.currency.exponent());
        let told = || format!("{amount} of {}", self.code());
        let minor = minor.ok_or_else(|| CurrencyError::new(told(), self.rule()))?;
        Ok(Money::new(minor, self.currency))
    }

    /// A price in the unit that Stripe counts, with its decimals.
    pub(crate) fn decimal(self, price: UnitPrice) -> Option<Decimal> {
        let factor = Decimal::from(10_i64.checked_pow(self.exponent)?);
        price
            .decimal()
            .checked_mul(factor)
            .map(|decimal| decimal.normalize())
    }

    /// The amount with another number of decimals; `None` where it would lose some, or not fit.
    fn rescaled(self, amount: i64, from: u32, to: u32) -> Option<i64> {
        let factor = 10_i64.checked_pow(from.abs_diff(to))?;
        if to >= from {
            return amount.checked_mul(factor);
        }
        (amount.checked_rem(factor)? == 0).then_some(amount.checked_div(factor)?)
    }

    /// Why an amount cannot be told.
    fn rule(self) -> &'static str {
        match (self.exponent, self.step) {
            (3, _) => {
                "Stripe takes amounts of this currency in hundredths: its last digit must be 0"
            }
            (0, _) => "Stripe takes amounts of this currency without a fraction",
            _ => "Stripe cannot take an amount of so much",
        }
    }
}

impl CurrencyError {
    /// About an amount, or about a currency.
    fn new(what: impl fmt::Display, problem: impl fmt::Display) -> Self {
        Self {
            what: what.to_string(),
            problem: problem.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unit(code: &str) -> Unit {
        Unit::named(code).unwrap()
    }

    fn money(minor: i64, code: &str) -> Money {
        Money::new(minor, code.parse().unwrap())
    }

    #[test]
    fn each_kind_of_currency_is_counted_as_stripe_counts_it_b10() {
        for (code, minor, amount) in [
            ("USD", 1_050, 1_050),
            ("JPY", 500, 500),
            ("KWD", 5_120, 5_120),
            ("ISK", 5, 500),
            ("UGX", 5, 500),
            ("MGA", 500, 5),
            ("HUF", 1_045, 1_045),
        ] {
            assert_eq!(unit(code).amount(money(minor, code)), Ok(amount), "{code}");
            assert_eq!(unit(code).money(amount), Ok(money(minor, code)), "{code}");
        }
    }

    #[test]
    fn what_stripe_cannot_take_is_refused_by_name_and_not_rounded_r_v6() {
        let refused = |minor, code| {
            unit(code)
                .amount(money(minor, code))
                .unwrap_err()
                .to_string()
        };
        assert!(refused(5_124, "KWD").starts_with("5.124 KWD: Stripe takes"));
        assert!(refused(550, "MGA").starts_with("5.50 MGA: Stripe takes"));
        assert!(refused(i64::MAX, "ISK").contains("so much"));
        for code in ["CLF", "LYD", "UYI"] {
            let error = Unit::named(code).unwrap_err();
            assert!(error.to_string().starts_with(code), "{error}");
        }
        assert!(unit("ISK").money(550).is_err());
    }

    #[test]
    fn a_price_keeps_every_decimal() {
        let decimal = |code, price: &str| unit(code).decimal(price.parse().unwrap()).unwrap();
        assert_eq!(decimal("USD", "0.000000000001").to_string(), "0.0000000001");
        assert_eq!(decimal("USD", "0.0100").to_string(), "1");
        assert_eq!(decimal("JPY", "0.5").to_string(), "0.5");
        assert_eq!(decimal("ISK", "5").to_string(), "500");
        assert_eq!(decimal("KWD", "0.05").to_string(), "50");
    }

    proptest! {
        #[test]
        fn amounts_come_back_as_they_went(minor in any::<i64>(), place in 0_usize..7) {
            let code = ["USD", "JPY", "KWD", "ISK", "UGX", "MGA", "EUR"][place];
            if let Ok(amount) = unit(code).amount(money(minor, code)) {
                prop_assert_eq!(amount % unit(code).step(), 0);
                prop_assert_eq!(unit(code).money(amount), Ok(money(minor, code)));
            }
        }
    }
}
