//! The answer to bad input.

use std::fmt;

/// What is wrong with one field of what somebody sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct FieldError {
    field: String,
    problem: String,
}

impl FieldError {
    /// Says that `field` has this problem; the problem tells what is allowed.
    pub fn new(field: impl Into<String>, problem: impl fmt::Display) -> Self {
        Self {
            field: field.into(),
            problem: problem.to_string(),
        }
    }

    /// The field's name as the sender wrote it, such as `usage[0].unit_price`.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What is wrong and what is allowed.
    #[must_use]
    pub fn problem(&self) -> &str {
        &self.problem
    }
}
