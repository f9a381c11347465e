//! What is said about rates that several servers share.

use clap::Args;
use monetization_core::secret::Secret;

/// Where rates are counted that several servers share.
#[derive(Debug, Clone, Default, Args)]
pub struct SharedRatesArgs {
    /// Count the rates of all servers together in this Redis or Valkey, where that was built in:
    /// `redis://[user:password@]host[:port][/number]`, or `rediss://` for TLS; with a password better by its variable
    /// [default: each server counts alone].
    #[arg(
        long,
        value_name = "URL",
        env = "MONETIZATION_SERVER_REDIS",
        hide_env_values = true,
        value_parser = super::secret
    )]
    pub redis: Option<Secret>,
    /// What keeps this installation apart from others there; all servers of it say the same
    /// [default: monetization].
    #[arg(long, value_name = "NAME", env = "MONETIZATION_SERVER_REDIS_NAMESPACE")]
    pub redis_namespace: Option<String>,
}
