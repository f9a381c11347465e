//! The command `copy`: a running installation's database, moved from SQLite to PostgreSQL.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use monetization_core::field::FieldError;
use monetization_core::store::StoreError;
use monetization_store_sqlite::{Export, SqliteOptions};

use crate::cli::{CopyArgs, DatabaseArgs};
use crate::database::Database;

#[cfg(feature = "postgres")]
mod moving;

/// Why nothing was moved, or not all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// It is not known what is meant.
    #[error("the options are not valid")]
    Options(#[from] FieldError),
    /// One of the databases cannot be used.
    #[error("failed to move {place}; what has arrived stays, and the same command goes on with it")]
    Store {
        /// The database.
        place: String,
        /// Why not.
        source: StoreError,
    },
    /// Something else has arrived than was sent.
    #[error(
        "{table} has not arrived as it is: {sent} rows adding up to {sent_amount}, and {arrived} adding up to \
         {arrived_amount}; nothing can be served from {place}: throw it away, and report this"
    )]
    Differs {
        /// The table.
        table: &'static str,
        /// Rows that there are.
        sent: i64,
        /// What they add up to.
        sent_amount: i128,
        /// Rows that have arrived.
        arrived: i64,
        /// What those add up to.
        arrived_amount: i128,
        /// Where they have arrived.
        place: String,
    },
    /// Nothing can be printed.
    #[error("failed to talk to the operating system")]
    System(#[from] io::Error),
}

/// Moves a database, and tells `out` what has arrived; or gives that up.
///
/// Nobody may serve from either database meanwhile: both refuse to be opened. What was broken off goes on
/// where it was.
///
/// # Errors
/// [`CopyError`].
pub async fn copy(args: CopyArgs, mut out: impl Write) -> Result<(), CopyError> {
    let from = from(&args.from)?;
    let options = SqliteOptions::new(&from);
    if args.give_up {
        let given_up = Export::give_up(&options).await;
        given_up.map_err(|error| failed(&from.display(), error))?;
        writeln!(
            out,
            "{} can be served from again; throw away the database it was being moved to",
            from.display()
        )?;
        return Ok(());
    }
    match to(&args)? {
        Database::Sqlite(_) => {
            Err(FieldError::new("--to", "a move leads to postgres://...").into())
        }
        #[cfg(feature = "postgres")]
        Database::Postgres(shared) => moving::run(&options, &shared, &mut out).await,
    }
}

fn from(address: &str) -> Result<PathBuf, FieldError> {
    let path = address
        .strip_prefix("sqlite:")
        .filter(|path| !path.is_empty());
    let path = path.map(PathBuf::from);
    let path = path.ok_or_else(|| FieldError::new("--from", "allowed is sqlite:FILE"))?;
    if !path.is_file() {
        let problem = format!("{} is no file", path.display());
        return Err(FieldError::new("--from", problem));
    }
    Ok(path)
}

fn to(args: &CopyArgs) -> Result<Database, FieldError> {
    let named = DatabaseArgs {
        database: args.to.clone(),
        database_file: args.to_file.clone(),
    };
    let option = if args.to.is_some() {
        "--to"
    } else {
        "--to-file"
    };
    Database::chosen(&named, Path::new(""))
        .map_err(|error| FieldError::new(option, error.problem().to_owned()))
}

fn failed(place: &impl ToString, source: StoreError) -> CopyError {
    CopyError::Store {
        place: place.to_string(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use monetization_core::secret::Secret;

    use super::*;

    async fn problem(args: CopyArgs) -> String {
        crate::report::chain(&copy(args, Vec::new()).await.unwrap_err())
    }

    #[tokio::test]
    async fn what_cannot_be_meant_is_refused_with_what_can() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("monetization.db");
        let args = |from: &str, to: &str| CopyArgs {
            from: from.to_owned(),
            to: Some(Secret::new(to)),
            to_file: None,
            give_up: false,
        };
        let somewhere = "postgres://market:canary@db/market";
        let wrong = problem(args("monetization.db", somewhere)).await;
        assert!(wrong.contains("--from: allowed is sqlite:FILE"), "{wrong}");
        let from = format!("sqlite:{}", file.display());
        let missing = problem(args(&from, somewhere)).await;
        assert!(missing.contains("is no file"), "{missing}");
        std::fs::write(&file, "").unwrap();
        let same = problem(args(&from, "sqlite:other.db")).await;
        assert!(same.contains("--to: a move leads to postgres://"), "{same}");
        let other = problem(args(&from, "mysql://canary@db")).await;
        assert!(
            other.contains("--to") && !other.contains("canary"),
            "{other}"
        );
    }
}
