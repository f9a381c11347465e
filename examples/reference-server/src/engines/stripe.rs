//! Stripe as the engine.

use std::collections::BTreeMap;
use std::path::Path;

use monetization_core::clock::Clock;
use monetization_core::engine::Engine;
use monetization_core::flows::Engines;
use monetization_core::reference::Mode;
use monetization_core::secret::Secret;
use monetization_engine_stripe::StripeOptions;

use super::{Chosen, EngineChoiceError};
use crate::engine_secrets::{SecretsError, SecretsFile};
use crate::settings::StripeSettings;

/// The engine of these settings; invoices that Stripe makes are due after so many days.
pub(crate) fn engine(
    settings: &StripeSettings,
    clock: Clock,
    days_until_due: u32,
) -> Result<Engine, EngineChoiceError> {
    let options = settings.options(clock, days_until_due);
    monetization_engine_stripe::engine(&options).map_err(EngineChoiceError::Stripe)
}

/// Stripe where nothing is said of it: for its name.
pub(super) fn by_default() -> Result<Engine, EngineChoiceError> {
    let engine = monetization_engine_stripe::engine(&StripeOptions::default());
    engine.map_err(EngineChoiceError::Stripe)
}

/// Stripe, with the secrets of its messages. Both kinds of secrets have to be in the file.
pub(crate) fn choose(
    engine: Engine,
    (settings, secrets): (&StripeSettings, &Path),
) -> Result<Chosen, EngineChoiceError> {
    let (_, webhook_secrets) = read_secrets(settings, secrets)?;
    Ok(Chosen {
        webhook_secrets: BTreeMap::from([(engine.descriptor.id.clone(), webhook_secrets)]),
        engines: Engines::new([engine]),
        mock: None,
        demands: settings.demands(),
    })
}

/// The key, and what messages are signed with, of a file that has both.
pub(crate) fn read_secrets(
    settings: &StripeSettings,
    path: &Path,
) -> Result<(Secret, Vec<Secret>), SecretsError> {
    let (key, webhook_secrets) = read_key(settings, path)?;
    let problem = "webhook_secrets is missing: say what Stripe signs its messages with, which \
        `reference-server stripe setup-webhook` prints";
    let webhook_secrets = webhook_secrets.ok_or_else(|| unfit(path, problem))?;
    Ok((key, webhook_secrets))
}

/// The key of a file, and what messages are signed with where it says that, too.
pub(crate) fn read_key(
    settings: &StripeSettings,
    path: &Path,
) -> Result<(Secret, Option<Vec<Secret>>), SecretsError> {
    let read = SecretsFile::read(path, settings.demands())?;
    let problem = "credentials is missing: say a secret or restricted key of Stripe's";
    let key = read.credentials.ok_or_else(|| unfit(path, problem))?;
    Ok((key, read.webhook_secrets))
}

/// Whether a key is one of this mode; what is wrong with it, and what to do.
pub(crate) fn check_key(key: &Secret, mode: Mode) -> Result<(), String> {
    let mut options = StripeOptions::default();
    options.mode = mode;
    options.check_key(key).map_err(|error| {
        let mend = match mode {
            Mode::Test => "take a test key, or add --stripe-live",
            Mode::Live => "take a live key, or leave out --stripe-live",
        };
        format!("{error}: {mend}")
    })
}

fn unfit(path: &Path, problem: &str) -> SecretsError {
    SecretsError::Unfit {
        path: path.to_owned(),
        problem: problem.to_owned(),
    }
}
