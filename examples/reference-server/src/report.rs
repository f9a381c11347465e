//! What the operator reads on the standard error stream.

use std::error::Error;
use std::fmt;

/// An error and what caused it, on one line: `a: b: c`.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let said = cause.to_string();
        // Some errors repeat their cause in their own words.
        if !line.ends_with(&said) {
            line.push_str(": ");
            line.push_str(&said);
        }
        next = cause.source();
    }
    line
}

/// Tells of a failure, once, where it is dealt with. What is handed in names no secret.
pub(crate) fn failure(doing: &str, error: &dyn Error) {
    line(format_args!("failed to {doing}: {}", chain(error)));
}

/// Writes one line for the operator.
#[expect(
    clippy::print_stderr,
    reason = "the one place where the server writes to its operator"
)]
pub(crate) fn line(text: fmt::Arguments<'_>) {
    eprintln!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::num::ParseIntError);

    #[test]
    fn an_error_is_one_readable_line_with_its_causes() {
        let inner = "x".parse::<u8>().unwrap_err();
        assert_eq!(chain(&Outer(inner)), "outer: invalid digit found in string");
    }
}
