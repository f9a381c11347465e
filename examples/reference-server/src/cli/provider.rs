//! What processes beside the server are told of the database and of the provider.

use std::path::PathBuf;

use clap::Args;

use super::DatabaseArgs;
#[cfg(feature = "stripe")]
use super::StripeArgs;

/// Where use is kept, and to whom it is reported.
#[derive(Debug, Clone, Default, Args)]
pub struct ProviderArgs {
    /// Where the server keeps its state [default: ./monetization-data].
    #[arg(
        long,
        value_name = "DIRECTORY",
        env = "MONETIZATION_SERVER_DATA_DIRECTORY"
    )]
    pub data_directory: Option<PathBuf>,
    /// The database of the server.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// The billing engine of the server [default: mock].
    #[arg(long, value_name = "NAME", env = "MONETIZATION_SERVER_ENGINE")]
    pub engine: Option<String>,
    /// Where the process of the mock provider listens.
    #[arg(long, value_name = "URL", env = "MONETIZATION_SERVER_MOCK_URL")]
    pub mock_url: Option<String>,
    /// How Stripe is reached.
    #[cfg(feature = "stripe")]
    #[command(flatten)]
    pub stripe: StripeArgs,
    /// What the provider is signed in to with: the file that the server has, read before each run.
    #[arg(
        long,
        value_name = "FILE",
        env = "MONETIZATION_SERVER_ENGINE_SECRETS_FILE"
    )]
    pub engine_secrets_file: Option<PathBuf>,
}
