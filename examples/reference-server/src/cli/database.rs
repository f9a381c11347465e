//! Where the database is.

use std::path::PathBuf;

use clap::Args;
use monetization_core::secret::Secret;

/// Where the database is.
#[derive(Debug, Clone, Default, Args)]
pub struct DatabaseArgs {
    /// The database: `sqlite:` for a file in the data directory, `sqlite:FILE`, or
    /// `postgres://USER@HOST/DATABASE` where that was built in, for several servers [default: sqlite:].
    /// Where it holds a password, better by its variable or in a file.
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "MONETIZATION_SERVER_DATABASE",
        hide_env_values = true,
        value_parser = super::secret
    )]
    pub database: Option<Secret>,
    /// The file that this address is in.
    #[arg(long, value_name = "FILE", env = "MONETIZATION_SERVER_DATABASE_FILE")]
    pub database_file: Option<PathBuf>,
}
