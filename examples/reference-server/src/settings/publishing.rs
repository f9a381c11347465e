//! How a process that only publishes behaves, checked.

use std::path::PathBuf;
use std::time::Duration;

use super::{Check, DATA_DIRECTORY, SettingsError};
use crate::cli::PublishArgs;

/// How a process that only publishes behaves.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PublishSettings {
    /// Where the server keeps its state.
    pub data_directory: PathBuf,
    /// Where the process of the mock provider listens.
    pub mock_url: String,
    /// The file of what the provider is signed in to with.
    pub engine_secrets: Option<PathBuf>,
    /// How long after a run the next one begins; one run alone if nothing is said.
    pub every: Option<Duration>,
    /// For how long a run that nobody hears of keeps others from taking over.
    pub lease: Duration,
    /// Whether the database was put back from a back-up.
    pub after_restore: bool,
}

impl PublishSettings {
    /// Checks what was given.
    ///
    /// # Errors
    /// [`SettingsError`] with everything that is wrong, not the first thing only.
    pub fn new(args: PublishArgs) -> Result<Self, SettingsError> {
        let mut check = Check::default();
        if args.mock_url.is_none() {
            let problem = "it is missing: use is published to a provider that is a process of its \
                own, so say where it listens";
            check.problem("--mock-url", problem);
        }
        let mock_url = check.mock_url(args.mock_url).unwrap_or_default();
        let every = args.every_seconds.map(|seconds| {
            let seconds = check.number("--every-seconds", Some(seconds), (1, 86_400, 60));
            Duration::from_secs(seconds)
        });
        let lease = check.number("--lease-seconds", args.lease_seconds, (1, 3_600, 60));
        let settings = Self {
            data_directory: args.data_directory.unwrap_or_else(|| DATA_DIRECTORY.into()),
            mock_url,
            engine_secrets: args.engine_secrets_file,
            every,
            lease: Duration::from_secs(lease),
            after_restore: args.after_restore,
        };
        check.end(settings)
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
