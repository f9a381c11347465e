//! What is moved, and where to.

use std::path::PathBuf;

use clap::Args;
use monetization_core::secret::Secret;

/// What is moved, and where to.
#[derive(Debug, Clone, Args)]
pub struct CopyArgs {
    /// The database of a server that is stopped: `sqlite:FILE`, such as `sqlite:monetization-data/monetization.db`.
    #[arg(long, value_name = "ADDRESS")]
    pub from: String,
    /// The empty database it is moved to: `postgres://USER@HOST/DATABASE`. Where it holds a password, better in a
    /// file.
    #[arg(
        long,
        value_name = "ADDRESS",
        value_parser = super::secret,
        required_unless_present_any = ["to_file", "give_up"],
        conflicts_with_all = ["to_file", "give_up"]
    )]
    pub to: Option<Secret>,
    /// The file that this address is in.
    #[arg(long, value_name = "FILE", conflicts_with = "give_up")]
    pub to_file: Option<PathBuf>,
    /// Give up a move that was begun and is not finished, so that the database can be served from again.
    #[arg(long)]
    pub give_up: bool,
}
