//! How Stripe is reached, checked.

use std::path::PathBuf;

use monetization_core::clock::Clock;
use monetization_core::reference::Mode;
use monetization_core::text::Slug;
use monetization_engine_stripe::{Scope, StripeOptions, engine};
use rust_decimal::Decimal;

use super::{Check, SWITCH, SettingsError, is_stripe};
use crate::cli::{ProviderArgs, SetupWebhookArgs, StripeArgs};
use crate::engine_secrets::Demands;

/// How Stripe is reached.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StripeSettings {
    /// Where it is.
    pub url: String,
    /// Which keys are taken.
    pub mode: Mode,
    /// What the platform keeps of what connected accounts invoice, of a hundred.
    pub fee_percent: Option<Decimal>,
}

impl StripeSettings {
    /// The options of the engine; `days_until_due` is for invoices that Stripe makes.
    pub(crate) fn options(&self, clock: Clock, days_until_due: u32) -> StripeOptions {
        let mut options = StripeOptions::default();
        options.base_url.clone_from(&self.url);
        options.mode = self.mode;
        options.application_fee_percent = self.fee_percent;
        options.days_until_due = days_until_due;
        options.clock = clock;
        options
    }

    /// What a file of secrets has to say.
    pub(crate) fn demands(&self) -> Demands {
        Demands::Stripe(self.mode)
    }

    /// Whether it is a fake on this machine: Stripe itself is never reached without encryption.
    pub(crate) fn is_here(&self) -> bool {
        self.url.starts_with("http://")
    }
}

/// Which endpoint is set up, and how.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SetupWebhookSettings {
    /// How Stripe is reached.
    pub stripe: StripeSettings,
    /// The file of what it is signed in to with.
    pub secrets: PathBuf,
    /// Where it shall send its news.
    pub url: String,
    /// Whose news.
    pub scope: Scope,
}

impl SetupWebhookSettings {
    /// Checks what was given.
    ///
    /// # Errors
    /// [`SettingsError`] with everything that is wrong, not the first thing only.
    pub fn new(args: SetupWebhookArgs) -> Result<Self, SettingsError> {
        let mut check = Check::default();
        let stripe = check.reach(args.stripe, None);
        let url = check.url("--url", Some(args.url)).unwrap_or_default();
        check.end(Self {
            stripe,
            secrets: args.engine_secrets_file,
            url,
            scope: if args.connect {
                Scope::Connected
            } else {
                Scope::Own
            },
        })
    }
}

impl Check {
    /// What was said about Stripe, where it is the engine.
    pub(super) fn stripe(
        &mut self,
        engine: &Slug,
        args: &ProviderArgs,
        fee_percent: Option<String>,
    ) -> Option<StripeSettings> {
        let ProviderArgs {
            stripe,
            engine_secrets_file,
            ..
        } = args;
        if !is_stripe(engine) {
            let options = [
                ("--stripe-url", stripe.stripe_url.is_some()),
                ("--stripe-live", stripe.stripe_live.is_some()),
                ("--stripe-fee-percent", fee_percent.is_some()),
            ];
            for (option, _) in options.into_iter().filter(|(_, is_said)| *is_said) {
                self.problem(option, "it needs Stripe: add --engine stripe");
            }
            return None;
        }
        if engine_secrets_file.is_none() {
            let problem = "it is missing: say what Stripe is signed in to with and what its messages are \
                signed with, in a file";
            self.problem("--engine-secrets-file", problem);
        }
        Some(self.reach(stripe.clone(), fee_percent))
    }

    fn reach(&mut self, args: StripeArgs, fee_percent: Option<String>) -> StripeSettings {
        let is_live = self.one_of("--stripe-live", args.stripe_live.as_ref(), &SWITCH);
        let settings = StripeSettings {
            url: args
                .stripe_url
                .unwrap_or_else(|| StripeOptions::default().base_url),
            mode: if is_live { Mode::Live } else { Mode::Test },
            fee_percent: self.percent("--stripe-fee-percent", fee_percent),
        };
        // The engine knows what it takes.
        if let Err(error) = engine(&settings.options(Clock::system(), 0)) {
            let option = match error.field() {
                "base_url" => "--stripe-url",
                _ => "--stripe-fee-percent",
            };
            self.problem(option, error.problem());
        }
        settings
    }

    fn percent(&mut self, option: &str, given: Option<String>) -> Option<Decimal> {
        let text = given?;
        let read = text.parse::<Decimal>();
        read.map_err(|_| self.problem(option, format!("{text:?} is no number such as 2.5")))
            .ok()
    }
}
