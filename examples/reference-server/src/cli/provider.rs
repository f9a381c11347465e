//! Where use is kept, and to whom it is reported: what every process of an installation is told alike.

use std::path::PathBuf;

use clap::Args;

use super::DatabaseArgs;
#[cfg(feature = "stripe")]
use super::StripeArgs;

/// Where use is kept, and to whom it is reported.
#[derive(Debug, Clone, Default, Args)]
pub struct ProviderArgs {
    /// The database.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// The billing engine: mock, stripe where it was built in, or none to meter and limit only
    /// [default: mock].
    #[arg(long, value_name = "NAME", env = "MONETIZATION_SERVER_ENGINE")]
    pub engine: Option<String>,
    /// The mock provider that is a process of its own and listens there, such as
    /// `http://127.0.0.1:8082`, and not one within the server.
    #[arg(long, value_name = "URL", env = "MONETIZATION_SERVER_MOCK_URL")]
    pub mock_url: Option<String>,
    /// How Stripe is reached.
    #[cfg(feature = "stripe")]
    #[command(flatten)]
    pub stripe: StripeArgs,
    /// What Stripe, or the provider at --mock-url, is signed in to with, and what its messages are signed
    /// with, as a file of JSON: {"credentials": "...", "webhook_secrets": ["..."]}. A server reads it again
    /// on SIGHUP and when the owner asks for it, others before each run.
    #[arg(
        long,
        value_name = "FILE",
        env = "MONETIZATION_SERVER_ENGINE_SECRETS_FILE"
    )]
    pub engine_secrets_file: Option<PathBuf>,
}
