//! The command `doctor`: what an operator looks at before a start, and when something is odd.
//!
//! Nothing is changed. What it looks at, in this order: the settings, the plan files, the data directory, the
//! pepper, the database, the engine, Redis, the addresses, and what waits for an operator.

use std::io::{self, Write};

use monetization_core::clock::Clock;
use serde_json::{Value, json};

use crate::cli::ServeArgs;
use crate::data_directory::DataDirectory;
use crate::plan_choice::PlanChoiceError;
use crate::plans::{PlansError, SalesFile};
use crate::report;
use crate::settings::Settings;
use network::Addresses;

mod database;
mod directory;
mod engine;
mod network;
mod shared_rates;
#[cfg(feature = "stripe")]
mod stripe;

/// What was found, line by line.
#[derive(Debug, Clone, Default)]
pub struct Diagnosis {
    lines: Vec<Line>,
}

/// One thing that was looked at.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Line {
    /// What.
    pub subject: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// How to mend it, where it is a problem.
    pub mend: Option<String>,
}

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and somebody should know.
    Warn,
    /// It does not work, or will not.
    Problem,
}

impl Verdict {
    /// Its name where it is printed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warn => "WARN",
            Self::Problem => "PROBLEM",
        }
    }
}

/// Looks at everything that a server with these options needs. `unknown` are environment variables
/// that look like settings and are none.
pub async fn examine(args: ServeArgs, unknown: &[String], clock: &Clock) -> Diagnosis {
    let mut diagnosis = Diagnosis::default();
    if !unknown.is_empty() {
        let found = format!("no settings: {}", unknown.join(", "));
        diagnosis.problem("environment", found, "correct their names, or unset them");
    }
    match Settings::new(args) {
        Err(error) => diagnosis.problem("settings", error.to_string(), "correct what is named"),
        Ok(settings) => {
            diagnosis.ok("settings", "valid");
            look(&settings, clock, &mut diagnosis).await;
        }
    }
    diagnosis
}

/// Every mistake of a plan file is a line of its own.
fn look_at_plans(settings: &Settings, diagnosis: &mut Diagnosis) {
    let mend = "mend what is named: a server does not start with it";
    for path in &settings.plans {
        match SalesFile::read(path) {
            Ok(sales) => diagnosis.ok("plans", sales.summary()),
            Err(PlansError::File(PlanChoiceError::File(error))) => {
                for mistake in error.mistakes() {
                    let found = format!("{}:{mistake}", error.file());
                    diagnosis.problem("plans", found, mend);
                }
            }
            Err(error) => diagnosis.problem("plans", report::chain(&error), mend),
        }
    }
}

async fn look(settings: &Settings, clock: &Clock, diagnosis: &mut Diagnosis) {
    look_at_plans(settings, diagnosis);
    let directory = DataDirectory::at(&settings.data_directory);
    let directory = directory.with_pepper_in(settings.pepper_file.as_deref());
    let is_begun = database::is_begun(&settings.database).await;
    let is_there = directory::look(&settings.data_directory, diagnosis);
    if is_there || settings.pepper_file.is_some() {
        directory::look_at_pepper(&directory, is_begun, diagnosis);
    }
    let now = settings.manual_clock.unwrap_or_else(|| clock.now());
    let is_running = database::look(settings, (&directory, now, is_begun), diagnosis).await;
    engine::look(settings, (&directory, now), is_begun, diagnosis).await;
    shared_rates::look(settings, clock, diagnosis).await;
    Addresses::new(settings, is_running).look(diagnosis).await;
}

impl Diagnosis {
    /// What was found, in the order in which it was looked at.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Whether there is no problem.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.lines
            .iter()
            .all(|line| line.verdict != Verdict::Problem)
    }

    /// Prints it, for people.
    ///
    /// # Errors
    /// Where nothing can be printed.
    pub fn tell(&self, mut out: impl Write) -> io::Result<()> {
        for line in &self.lines {
            let verdict = line.verdict.as_str();
            writeln!(out, "{verdict:<8} {:<11} {}", line.subject, line.found)?;
            if let Some(mend) = &line.mend {
                writeln!(out, "{:20} {mend}", "")?;
            }
        }
        let problems = self.lines.iter().filter(|line| line.mend.is_some()).count();
        match problems {
            0 => writeln!(out, "\nno problem"),
            1 => writeln!(out, "\n1 problem"),
            more => writeln!(out, "\n{more} problems"),
        }
    }

    /// The same for programs.
    #[must_use]
    pub fn document(&self) -> Value {
        let line = |line: &Line| {
            json!({
                "subject": line.subject,
                "verdict": line.verdict.as_str(),
                "found": line.found,
                "mend": line.mend,
            })
        };
        json!({
            "healthy": self.is_healthy(),
            "lines": self.lines.iter().map(line).collect::<Vec<_>>(),
        })
    }

    fn ok(&mut self, subject: &'static str, found: impl Into<String>) {
        self.push(subject, Verdict::Ok, found.into(), None);
    }

    fn warn(&mut self, subject: &'static str, found: impl Into<String>) {
        self.push(subject, Verdict::Warn, found.into(), None);
    }

    fn problem(
        &mut self,
        subject: &'static str,
        found: impl Into<String>,
        mend: impl Into<String>,
    ) {
        let mend = Some(mend.into());
        self.push(subject, Verdict::Problem, found.into(), mend);
    }

    fn push(
        &mut self,
        subject: &'static str,
        verdict: Verdict,
        found: String,
        mend: Option<String>,
    ) {
        self.lines.push(Line {
            subject,
            verdict,
            found,
            mend,
        });
    }
}
