//! What is wrong with a file.

use std::fmt;

/// One mistake of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mistake {
    /// The line, from 1.
    pub line: usize,
    /// The character of the line, from 1.
    pub column: usize,
    /// The field, such as `plans[0].terms.usage[1].unit_price`; empty where the text is no TOML.
    pub field: String,
    /// What is wrong, and what is allowed.
    pub problem: String,
}

/// A file that cannot be used, and why: every mistake that was found at once.
///
/// Shown, it names file, line, column and field of each, in the form that editors can follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanFileError {
    file: String,
    mistakes: Vec<Mistake>,
}

impl PlanFileError {
    /// Mistakes that are told at once.
    pub const MISTAKES_MAX: usize = 50;

    pub(super) fn new(file: &str, mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
        Self {
            file: file.to_owned(),
            mistakes,
        }
    }

    pub(super) fn no_such_plan(file: &str, name: Option<&str>, names: &[&str]) -> Self {
        let names = names.join(", ");
        let problem = match name {
            Some(name) => {
                let name: String = name.chars().take(100).collect();
                format!("there is no plan {name:?}: allowed are {names}")
            }
            None => format!("which one is meant? allowed are {names}: write {file}#NAME"),
        };
        let mistake = Mistake {
            line: 1,
            column: 1,
            field: "plans".to_owned(),
            problem,
        };
        Self::new(file, vec![mistake])
    }

    /// What the file is called.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// What is wrong with it, in the order of lines; at least one mistake.
    #[must_use]
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }
}

impl std::error::Error for PlanFileError {}

impl fmt::Display for PlanFileError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [mistake] = self.mistakes.as_slice() {
            return write!(out, "{}:{mistake}", self.file);
        }
        let count = self.mistakes.len();
        let more = if count == Self::MISTAKES_MAX {
            " or more"
        } else {
            ""
        };
        write!(out, "{count}{more} mistakes in {}:", self.file)?;
        for mistake in &self.mistakes {
            write!(out, "\n  {}:{mistake}", self.file)?;
        }
        Ok(())
    }
}

impl fmt::Display for Mistake {
    /// `line:column: field: problem`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: ", self.line, self.column)?;
        if !self.field.is_empty() {
            write!(out, "{}: ", self.field)?;
        }
        out.write_str(&self.problem)
    }
}
