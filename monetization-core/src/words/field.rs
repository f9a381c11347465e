//! The answer to bad input.

use std::fmt;

/// What is wrong with one field of what somebody sent.
///
/// Checks stop at the first field that is wrong. The problem says what is wrong with the value and
/// what is allowed, so that the text can be shown to the sender as it is.
///
/// ```
/// use monetization_core::field::FieldError;
///
/// let error = FieldError::new("seats", "0 is too few: allowed are 1 to 500");
/// assert_eq!(error.field(), "seats");
/// assert_eq!(error.to_string(), "seats: 0 is too few: allowed are 1 to 500");
/// ```
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

    /// The same problem, of a field within another.
    ///
    /// ```
    /// use monetization_core::field::FieldError;
    ///
    /// let error = FieldError::new("size", "0 is too few").within("packages[2]");
    /// assert_eq!(error.field(), "packages[2].size");
    /// ```
    #[must_use]
    pub fn within(self, path: &str) -> Self {
        Self {
            field: format!("{path}.{}", self.field),
            ..self
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
