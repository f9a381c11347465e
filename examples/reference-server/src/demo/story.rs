//! How the demos tell what happens.

use std::fmt::Display;
use std::io::{self, Write};

use super::client::Answer;
use crate::table;

pub(super) use crate::table::Column;

/// Tells a story: sections, figures, calls and checks. Whether every check was passed is known at
/// its end.
pub struct Story {
    out: Box<dyn Write + Send>,
    colour: bool,
    section: usize,
    passed: usize,
    failed: usize,
}

/// Headers that tell something to people.
const TELLING: [&str; 9] = [
    "x-ratelimit-limit-month",
    "x-ratelimit-remaining-month",
    "x-ratelimit-limit-minute",
    "x-ratelimit-remaining-minute",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "retry-after",
    "content-type",
];

impl Story {
    /// A story told to `out`, in colour or not.
    pub fn new(out: impl Write + Send + 'static, colour: bool) -> Self {
        Self {
            out: Box::new(out),
            colour,
            section: 0,
            passed: 0,
            failed: 0,
        }
    }

    /// Whether every check was passed, and there was one.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.failed == 0 && self.passed > 0
    }

    pub(super) fn title(&mut self, text: &str) -> io::Result<()> {
        let line = self.bold(text);
        writeln!(self.out, "{line}")
    }

    pub(super) fn section(&mut self, text: &str) -> io::Result<()> {
        self.section = self.section.saturating_add(1);
        let line = self.bold(&format!("{}. {text}", self.section));
        writeln!(self.out, "\n{line}")
    }

    pub(super) fn say(&mut self, text: impl Display) -> io::Result<()> {
        writeln!(self.out, "   {text}")
    }

    /// One figure with what it is.
    pub(super) fn figure(&mut self, what: &str, figure: impl Display) -> io::Result<()> {
        writeln!(self.out, "   {what:<44} {figure:>14}")
    }

    /// A call and its answer: the status, the headers that tell something, a short body.
    pub(super) fn call(&mut self, request: &str, answer: &Answer) -> io::Result<()> {
        let code = match answer.status.as_u16() {
            200..=299 => "32",
            300..=399 => "36",
            _ => "33",
        };
        let status = self.paint(code, &answer.status.to_string());
        writeln!(self.out, "   {request:<44} {status}")?;
        for name in TELLING {
            let refused = !answer.status.is_success();
            let value = answer
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok());
            if let Some(value) = value.filter(|_| refused || name.starts_with("x-ratelimit")) {
                writeln!(self.out, "       {name}: {value}")?;
            }
        }
        if !answer.status.is_success()
            && let Ok(body) = std::str::from_utf8(&answer.body)
        {
            writeln!(self.out, "       {}", body.trim())?;
        }
        Ok(())
    }

    pub(super) fn table(&mut self, columns: &[Column], rows: &[Vec<String>]) -> io::Result<()> {
        let mut lines = table::lines(columns, rows).into_iter();
        if let Some(heads) = lines.next() {
            let heads = self.bold(&heads);
            writeln!(self.out, "   {heads}")?;
        }
        for line in lines {
            writeln!(self.out, "   {line}")?;
        }
        Ok(())
    }

    /// Says whether two figures that should agree do.
    pub(super) fn check<T: PartialEq + Display>(
        &mut self,
        what: &str,
        expected: &T,
        found: &T,
    ) -> io::Result<()> {
        let (verdict, detail) = if expected == found {
            self.passed = self.passed.saturating_add(1);
            (self.paint("32", "PASS"), format!("{found}"))
        } else {
            self.failed = self.failed.saturating_add(1);
            (
                self.paint("31", "FAIL"),
                format!("{found} instead of {expected}"),
            )
        };
        writeln!(self.out, "   {verdict}  {what}: {detail}")
    }

    pub(super) fn verdict(&mut self) -> io::Result<()> {
        let (passed, failed) = (self.passed, self.failed);
        let line = if self.is_good() {
            self.paint("32", &format!("PASS: all {passed} checks agree"))
        } else {
            self.paint(
                "31",
                &format!(
                    "FAIL: {failed} of {} checks do not agree",
                    passed.saturating_add(failed)
                ),
            )
        };
        writeln!(self.out, "\n{line}")?;
        self.out.flush()
    }

    fn bold(&self, text: &str) -> String {
        self.paint("1", text)
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

impl std::fmt::Debug for Story {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Story")
            .field("passed", &self.passed)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
