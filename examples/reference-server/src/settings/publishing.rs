//! How processes beside the server behave, checked.

use std::path::PathBuf;
use std::time::Duration;

use super::{Check, SettingsError, data_directory};
use crate::cli::{ProviderArgs, PublishArgs};
use crate::database::Database;
use crate::engine_secrets::Demands;

/// How a process that only publishes behaves.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PublishSettings {
    /// From where, and to whom.
    pub of: ProviderSettings,
    /// How long after a run the next one begins; one run alone if nothing is said.
    pub every: Option<Duration>,
    /// For how long a run that nobody hears of keeps others from taking over.
    pub lease: Duration,
    /// Whether the database was put back from a back-up.
    pub after_restore: bool,
}

/// Where use is kept, and to whom it is reported.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ProviderSettings {
    /// The database that servers serve from.
    pub database: Database,
    /// To whom.
    pub provider: Provider,
    /// The file of what the provider is signed in to with.
    pub engine_secrets: Option<PathBuf>,
}

/// To whom use is published.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Provider {
    /// The process of the mock that listens at this URL.
    Mock(String),
    /// Stripe.
    #[cfg(feature = "stripe")]
    Stripe(super::StripeSettings),
}

impl Provider {
    /// What a file of secrets for it has to say.
    pub(crate) fn demands(&self) -> Demands {
        match self {
            Self::Mock(_) => Demands::default(),
            #[cfg(feature = "stripe")]
            Self::Stripe(stripe) => stripe.demands(),
        }
    }
}

impl PublishSettings {
    /// Checks what was given.
    ///
    /// # Errors
    /// [`SettingsError`] with everything that is wrong, not the first thing only.
    pub fn new(args: PublishArgs) -> Result<Self, SettingsError> {
        let mut check = Check::default();
        let of = check.provider_settings(args.of);
        let every = args
            .every_seconds
            .map(|seconds| check.seconds("--every-seconds", Some(seconds), (1, 86_400, 60)));
        let lease = check.seconds("--lease-seconds", args.lease_seconds, (1, 3_600, 60));
        let settings = Self {
            of,
            every,
            lease,
            after_restore: args.after_restore,
        };
        check.end(settings)
    }
}

impl ProviderSettings {
    /// Checks what was given.
    ///
    /// # Errors
    /// [`SettingsError`] with everything that is wrong, not the first thing only.
    pub fn new(args: ProviderArgs) -> Result<Self, SettingsError> {
        let mut check = Check::default();
        let settings = check.provider_settings(args);
        check.end(settings)
    }
}

impl Check {
    fn provider_settings(&mut self, args: ProviderArgs) -> ProviderSettings {
        ProviderSettings {
            provider: self.provider(&args),
            database: self.database(&args.database, &data_directory(args.data_directory)),
            engine_secrets: args.engine_secrets_file,
        }
    }

    fn provider(&mut self, args: &ProviderArgs) -> Provider {
        let engine = self.engine(args.engine.clone());
        #[cfg(feature = "stripe")]
        {
            let said = super::stripe::Said {
                args: args.stripe.clone(),
                fee_percent: None,
                has_secrets: args.engine_secrets_file.is_some(),
            };
            if let Some(stripe) = self.stripe(&engine, said) {
                return Provider::Stripe(stripe);
            }
        }
        if engine.as_str() == "none" {
            self.problem("--engine", "the engine none takes no use");
        } else if args.mock_url.is_none() {
            let problem = "it is missing: use is published to a provider that is a process of its \
                own, so say where it listens";
            self.problem("--mock-url", problem);
        }
        Provider::Mock(self.mock_url(args.mock_url.clone()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publisher_needs_a_provider_and_a_lease_of_a_second_at_least() {
        let args = PublishArgs {
            every_seconds: Some("0".to_owned()),
            lease_seconds: Some("0".to_owned()),
            ..PublishArgs::default()
        };
        let error = PublishSettings::new(args).unwrap_err();
        let options: Vec<&str> = error.problems.iter().map(|it| it.field()).collect();
        assert_eq!(
            options,
            ["--mock-url", "--every-seconds", "--lease-seconds"]
        );
    }
}
