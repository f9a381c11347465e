//! The database: a file of SQLite's for one server, or PostgreSQL's for several.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use monetization_core::clock::Timestamp;
use monetization_core::field::FieldError;
use monetization_core::store::inspection::{Finding, Held};
use monetization_core::store::schema::Schema;
use monetization_core::store::{Store, StoreError};
#[cfg(feature = "postgres")]
use monetization_store_postgres::{PostgresOptions, PostgresStore};
use monetization_store_sqlite::{SqliteOptions, SqliteStore};

use crate::cli::DatabaseArgs;
use crate::data_directory::DataDirectory;

/// Where everything is kept. What is printed of it names no password.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Database {
    /// A file, for one server and those who publish beside it.
    Sqlite(PathBuf),
    /// A database on a server of its own, for any number of ours.
    #[cfg(feature = "postgres")]
    Postgres(Box<PostgresOptions>),
}

/// A database that is looked at from outside: nothing is written to it.
#[derive(Debug)]
pub(crate) enum Inspection {
    Sqlite(monetization_store_sqlite::Inspection),
    #[cfg(feature = "postgres")]
    Postgres(monetization_store_postgres::Inspection),
}

impl Database {
    /// The database that is named; the one in the data directory where none is.
    ///
    /// # Errors
    /// [`FieldError`] where there is no such database. What it says does not repeat the address, which may hold
    /// a password.
    pub fn chosen(args: &DatabaseArgs, data_directory: &Path) -> Result<Self, FieldError> {
        let (option, address) = match (&args.database, &args.database_file) {
            (Some(_), Some(_)) => {
                let problem = "the address is named besides: leave one of them out";
                return Err(FieldError::new(FILE, problem));
            }
            (Some(address), None) => (ADDRESS, address.reveal().to_owned()),
            (None, Some(path)) => {
                let unreadable = |error| {
                    let shown = path.display();
                    FieldError::new(FILE, format!("{shown} cannot be read: {error}"))
                };
                (FILE, fs::read_to_string(path).map_err(unreadable)?)
            }
            (None, None) => (ADDRESS, "sqlite:".to_owned()),
        };
        let chosen = Self::at(address.trim(), data_directory);
        chosen.map_err(|problem| FieldError::new(option, problem))
    }

    /// # Errors
    /// What is wrong with the address.
    fn at(address: &str, data_directory: &Path) -> Result<Self, String> {
        match address.split_once(':') {
            Some(("sqlite", "")) => Ok(Self::Sqlite(DataDirectory::at(data_directory).database())),
            Some(("sqlite", path)) => Ok(Self::Sqlite(path.into())),
            Some(("postgres" | "postgresql", _)) => Self::postgres(address),
            _ => Err("allowed are sqlite:, sqlite:FILE and \
                postgres://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full"
                .to_owned()),
        }
    }

    #[cfg(feature = "postgres")]
    fn postgres(address: &str) -> Result<Self, String> {
        let options = PostgresOptions::new(address);
        let options = options.map_err(|error| crate::report::chain(&error))?;
        Ok(Self::Postgres(Box::new(options)))
    }

    /// It was not built in.
    #[cfg(not(feature = "postgres"))]
    fn postgres(_: &str) -> Result<Self, String> {
        Err(
            "PostgreSQL was not built in: build the server with `cargo build --release -p \
            reference-server --features postgres`"
                .to_owned(),
        )
    }

    /// Whether several servers may serve from it at once.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.file().is_none()
    }

    /// The file that it is, where it is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => None,
        }
    }

    /// Opens it beside whoever serves from it.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be reached, or nobody has served from it yet.
    pub(crate) async fn open_beside(&self) -> Result<Arc<dyn Store>, StoreError> {
        Ok(match self {
            Self::Sqlite(path) => {
                Arc::new(SqliteStore::open_beside(&SqliteOptions::new(path)).await?)
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(options) => Arc::new(PostgresStore::open(options).await?),
        })
    }

    /// Opens it to look at it.
    ///
    /// # Errors
    /// [`StoreError`] where there is none, or it cannot be reached.
    pub(crate) async fn inspect(&self) -> Result<Inspection, StoreError> {
        Ok(match self {
            Self::Sqlite(path) => {
                Inspection::Sqlite(monetization_store_sqlite::Inspection::open(path).await?)
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(options) => {
                Inspection::Postgres(monetization_store_postgres::Inspection::open(options).await?)
            }
        })
    }
}

impl fmt::Display for Database {
    /// Where it is, for people.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(out, "{}", path.display()),
            #[cfg(feature = "postgres")]
            Self::Postgres(options) => write!(out, "{}", options.place()),
        }
    }
}

const ADDRESS: &str = "--database";
const FILE: &str = "--database-file";

/// Asks whichever it is.
macro_rules! ask {
    ($inspection:expr, $it:ident => $asked:expr) => {
        match $inspection {
            Inspection::Sqlite($it) => $asked,
            #[cfg(feature = "postgres")]
            Inspection::Postgres($it) => $asked,
        }
    };
}

impl Inspection {
    /// Which migrations it has, compared with those that this program knows.
    pub(crate) async fn schema(&mut self) -> Result<Schema, StoreError> {
        ask!(self, it => it.schema().await)
    }

    /// What was found of every invariant.
    pub(crate) async fn check(&mut self) -> Result<Vec<Finding>, StoreError> {
        ask!(self, it => it.check().await)
    }

    /// What is broken in the file. That its own files are whole is for PostgreSQL's server to say.
    pub(crate) async fn damage(&mut self) -> Result<Vec<String>, StoreError> {
        match self {
            Self::Sqlite(it) => it.damage().await,
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => Ok(Vec::new()),
        }
    }

    /// When the newest record was written, in business time.
    pub(crate) async fn newest_at(&mut self) -> Result<Option<Timestamp>, StoreError> {
        ask!(self, it => it.newest_at().await)
    }

    /// The engines of the tenants.
    pub(crate) async fn engines(&mut self) -> Result<Vec<String>, StoreError> {
        ask!(self, it => it.engines().await)
    }

    /// What waits for an operator, the newest of each kind first, at most `limit` of each.
    pub(crate) async fn held(&mut self, limit: u32) -> Result<Vec<Held>, StoreError> {
        ask!(self, it => it.held(limit).await)
    }
}

#[cfg(test)]
mod tests {
    use monetization_core::secret::Secret;

    use super::*;

    fn chosen(address: &str) -> Result<Database, FieldError> {
        let args = DatabaseArgs {
            database: Some(Secret::new(address)),
            database_file: None,
        };
        Database::chosen(&args, Path::new("data"))
    }

    #[test]
    fn a_database_is_in_the_data_directory_unless_another_is_named() {
        let usual = Database::chosen(&DatabaseArgs::default(), Path::new("data")).unwrap();
        let expected = Path::new("data").join("monetization.db");
        for database in [usual, chosen("sqlite:").unwrap()] {
            assert_eq!(database.to_string(), expected.display().to_string());
            assert!(!database.is_shared());
        }
        assert_eq!(chosen("sqlite:/a/b.db").unwrap().to_string(), "/a/b.db");
        for wrong in ["", "a.db", "mysql://x/y"] {
            let refused = chosen(wrong).unwrap_err();
            assert_eq!(refused.field(), "--database", "{wrong}");
            assert!(refused.problem().contains("postgres://"), "{refused}");
        }
    }

    #[test]
    fn an_address_in_a_file_is_the_same_and_both_are_too_many() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("database");
        let mut args = DatabaseArgs {
            database: None,
            database_file: Some(path.clone()),
        };
        let missing = Database::chosen(&args, folder.path()).unwrap_err();
        assert_eq!(missing.field(), "--database-file");
        fs::write(&path, "sqlite:/a/b.db\n").unwrap();
        let read = Database::chosen(&args, folder.path()).unwrap();
        assert_eq!(read.to_string(), "/a/b.db");
        args.database = Some(Secret::new("sqlite:"));
        let both = Database::chosen(&args, folder.path()).unwrap_err();
        assert_eq!(both.field(), "--database-file");
    }

    #[cfg(not(feature = "postgres"))]
    #[test]
    fn a_database_that_was_not_built_in_is_refused_with_how_to_build_it() {
        let refused = chosen("postgres://market:canary@db/market").unwrap_err();
        assert!(
            refused.problem().contains("--features postgres"),
            "{refused}"
        );
        assert!(!format!("{refused:?}").contains("canary"), "{refused}");
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn a_password_in_an_address_is_told_nowhere_j8() {
        let args = DatabaseArgs {
            database: Some(Secret::new("postgres://market:canary@db:5433/market")),
            database_file: None,
        };
        let database = Database::chosen(&args, Path::new("data")).unwrap();
        let said = format!("{args:?} {database:?} {database}");
        assert!(!said.contains("canary"), "{said}");
        assert_eq!(database.to_string(), "postgres://db:5433/market");
        for wrong in [
            "postgres://market:canary@db:port/market",
            "mysql://market:canary@db",
        ] {
            let refused = format!("{:?}", chosen(wrong).unwrap_err());
            assert!(!refused.contains("canary"), "{refused}");
        }
    }
}
