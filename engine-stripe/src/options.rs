use monetization_core::clock::Clock;
use monetization_core::field::FieldError;
use monetization_core::reference::Mode;
use monetization_core::secret::Secret;
use rust_decimal::Decimal;

use crate::transport::mode_of;

pub use crate::governor::Rates;

/// How the engine reaches Stripe and what it asks of it.
///
/// ```
/// use monetization_engine_stripe::{StripeOptions, engine};
///
/// let mut options = StripeOptions::default();
/// options.days_until_due = 30;
/// let stripe = engine(&options)?;
/// assert_eq!(stripe.descriptor.id.as_str(), "stripe");
///
/// options.base_url = "http://api.stripe.com".to_owned();
/// let error = engine(&options).unwrap_err();
/// assert_eq!(error.field(), "base_url");
/// # Ok::<(), monetization_core::field::FieldError>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StripeOptions {
    /// Where Stripe is: `https`, or `http` of this machine.
    pub base_url: String,
    /// Which keys are taken: with [`Mode::Test`] none for real money.
    pub mode: Mode,
    /// Days until an invoice that Stripe makes is due; at most 365.
    pub days_until_due: u32,
    /// What the platform keeps of what connected accounts invoice, of a hundred, with at most two
    /// decimals; `None` for nothing.
    pub application_fee_percent: Option<Decimal>,
    /// How many requests a second.
    pub rates: Rates,
    /// By which waiting is measured, and by which use is found to be too old to be billed.
    pub clock: Clock,
}

impl StripeOptions {
    /// Checks that a key is a secret or restricted one of the mode that these options are for, before it
    /// is used: programs that are configured say so at once.
    ///
    /// # Errors
    /// A [`FieldError`] of `credentials`, which does not tell the key.
    pub fn check_key(&self, key: &Secret) -> Result<(), FieldError> {
        let text = key.reveal();
        let is_secret = ["sk_", "rk_"].iter().any(|start| text.starts_with(start));
        let problem = match (mode_of(key), self.mode) {
            _ if !is_secret => "it is no secret or restricted key: those begin with sk_ or rk_",
            (Mode::Live, Mode::Test) => "it is a key for real money, and only test keys are taken",
            (Mode::Test, Mode::Live) => "it is a test key, and only keys for real money are taken",
            (Mode::Live, Mode::Live) | (Mode::Test, Mode::Test) => return Ok(()),
        };
        Err(FieldError::new("credentials", problem))
    }
}

impl Default for StripeOptions {
    /// Stripe itself, test keys only, due in 14 days, no fee.
    fn default() -> Self {
        Self {
            base_url: "https://api.stripe.com".to_owned(),
            mode: Mode::Test,
            days_until_due: 14,
            application_fee_percent: None,
            rates: Rates::default(),
            clock: Clock::system(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_of_the_mode_that_was_asked_for_r_p11() {
        let mut options = StripeOptions::default();
        for mode in [Mode::Test, Mode::Live] {
            options.mode = mode;
            for (key, of) in [
                ("sk_test_1", Some(Mode::Test)),
                ("rk_test_1", Some(Mode::Test)),
                ("sk_live_1", Some(Mode::Live)),
                ("rk_live_1", Some(Mode::Live)),
                ("pk_test_1", None),
                ("whsec_1", None),
                (" sk_test_1", None),
                ("", None),
            ] {
                let checked = options.check_key(&Secret::new(key));
                assert_eq!(checked.is_ok(), of == Some(mode), "{key} {mode:?}");
                if let Err(error) = checked {
                    assert_eq!(error.field(), "credentials");
                    assert!(key.is_empty() || !error.to_string().contains(key));
                }
            }
        }
    }
}
