//! What goes together with a database that several servers share.

use std::path::{Path, PathBuf};

use super::{Check, Settings, data_directory};
use crate::cli::{DatabaseArgs, ServeArgs};
use crate::database::Database;

impl Check {
    /// The database; where it is none, one that nobody opens.
    pub(super) fn database(&mut self, args: &DatabaseArgs, data_directory: &Path) -> Database {
        Database::chosen(args, data_directory).unwrap_or_else(|problem| {
            self.problems.push(problem);
            Database::Sqlite(data_directory.to_owned())
        })
    }

    /// Where a server keeps its state and everything else. Says what is of no use to that database.
    pub(super) fn place(&mut self, args: &ServeArgs) -> (PathBuf, Database) {
        let directory = data_directory(args.data_directory.clone());
        let database = self.database(&args.database, &directory);
        if database.is_shared() && args.synchronous.is_some() {
            let problem =
                "how much a commit waits for is a setting of PostgreSQL's server: leave it out";
            self.problem("--synchronous", problem);
        }
        if !database.is_shared() && args.lease_seconds.is_some() {
            let problem = "a database of SQLite's has one server: leave it out";
            self.problem("--lease-seconds", problem);
        }
        (directory, database)
    }

    /// Says what every one of several servers would have for itself.
    pub(super) fn shared(&mut self, settings: &Settings) {
        if !settings.database.is_shared() {
            return;
        }
        if settings.engine.as_str() == "mock" && settings.mock_process.is_none() {
            let problem = "the mock provider in this process would be this server's alone, and others of the \
                database would not find in theirs what it has: start it as a process (engine-mock) and name it \
                with --mock-url, or choose another engine";
            self.problem("--engine", problem);
        }
        if settings.manual_clock.is_some() {
            let problem = "others of the database would go by another time: leave it out";
            self.problem("--manual-clock", problem);
        }
        if settings.standby {
            let problem = "several servers may serve from this database at once: leave it out";
            self.problem("--standby", problem);
        }
    }
}

#[cfg(test)]
mod tests {
    use monetization_core::field::FieldError;
    use monetization_core::secret::Secret;

    use super::*;

    fn problems(address: &str, change: impl FnOnce(&mut ServeArgs)) -> Vec<String> {
        let mut args = ServeArgs::default();
        args.database.database = Some(Secret::new(address));
        change(&mut args);
        match Settings::new(args) {
            Ok(_) => Vec::new(),
            Err(error) => error
                .problems
                .iter()
                .map(|it| it.field().to_owned())
                .collect(),
        }
    }

    #[test]
    fn a_lease_is_for_databases_that_are_shared() {
        let said = problems("sqlite:", |args| args.lease_seconds = Some("30".to_owned()));
        assert_eq!(said, ["--lease-seconds"]);
        let wrong = Settings::new(ServeArgs {
            database: DatabaseArgs {
                database: Some(Secret::new("nowhere")),
                database_file: None,
            },
            ..ServeArgs::default()
        });
        let problems = wrong.unwrap_err().problems;
        assert_eq!(
            problems.iter().map(FieldError::field).collect::<Vec<_>>(),
            ["--database"]
        );
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn what_each_of_several_servers_would_have_for_itself_is_refused() {
        let text = |text: &str| Some(text.to_owned());
        let address = "postgres://market@db/market";
        assert_eq!(problems(address, |_| {}), ["--engine"]);
        let none = |args: &mut ServeArgs| args.engine = Some("none".to_owned());
        assert!(problems(address, none).is_empty());
        let process = |args: &mut ServeArgs| {
            args.mock_url = text("http://127.0.0.1:8082");
            args.mock_webhook_secret = Some(Secret::new("whsec_c2VjcmV0"));
            args.lease_seconds = text("5");
        };
        assert!(problems(address, process).is_empty());
        let all = problems(address, |args| {
            args.synchronous = text("full");
            args.manual_clock = text("2026-01-01T00:00:00Z");
            args.standby = text("true");
        });
        assert_eq!(
            all,
            ["--synchronous", "--engine", "--manual-clock", "--standby"]
        );
    }
}
