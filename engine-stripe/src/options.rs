use monetization_core::clock::Clock;
use monetization_core::reference::Mode;
use rust_decimal::Decimal;

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
