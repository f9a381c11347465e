//! What is said about Stripe.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// How Stripe is reached.
#[derive(Debug, Clone, Default, Args)]
pub struct StripeArgs {
    /// Where Stripe is, for proxies and fakes: https, or http of this machine
    /// [default: `https://api.stripe.com`].
    #[arg(long, value_name = "URL", env = "MONETIZATION_SERVER_STRIPE_URL")]
    pub stripe_url: Option<String>,
    /// Take keys for real money, and no others: true or false [default: false].
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        default_missing_value = "true",
        env = "MONETIZATION_SERVER_STRIPE_LIVE"
    )]
    pub stripe_live: Option<String>,
}

/// What is prepared at Stripe.
#[derive(Debug, Clone, Subcommand)]
#[expect(clippy::exhaustive_enums, reason = "the binary knows every command")]
pub enum StripeCommand {
    /// Have Stripe send its news to a server.
    ///
    /// Makes the webhook endpoint with the events that the server understands, and the event destination for
    /// thin events, or finds them again, or mends them: running this twice makes no second one. What Stripe signs
    /// with is printed once, when they are made. Publishers with accounts of their own need a second pair, with
    /// --connect.
    SetupWebhook(SetupWebhookArgs),
}

/// Where the news shall go.
#[derive(Debug, Clone, Args)]
pub struct SetupWebhookArgs {
    /// The file of secrets of the server: its credentials are what Stripe is signed in to with.
    #[arg(
        long,
        value_name = "FILE",
        env = "MONETIZATION_SERVER_ENGINE_SECRETS_FILE"
    )]
    pub engine_secrets_file: PathBuf,
    /// Where Stripe reaches the control plane of the server, such as
    /// `https://api.example.com/webhooks/stripe`.
    #[arg(long, value_name = "URL")]
    pub url: String,
    /// For news of connected accounts, instead of those of the platform's own.
    #[arg(long)]
    pub connect: bool,
    /// How Stripe is reached.
    #[command(flatten)]
    pub stripe: StripeArgs,
}
