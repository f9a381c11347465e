//! From bytes to a document of TOML, with every mistake that the text itself has.

use std::ops::Range;

use toml::de::DeTable;

use super::{Mistake, PlanFile, PlanFileError};

/// Beyond this size only the first mistake of the syntax is told: a text that has one at each letter
/// would otherwise take a hundred times its own memory.
const RECOVERED_BYTES_MAX: usize = 64 * 1024;

/// The text of a file.
pub(super) fn text_of(bytes: &[u8]) -> Result<&str, Vec<Mistake>> {
    let whole = |problem: String| {
        Err(vec![Mistake {
            line: 1,
            column: 1,
            field: String::new(),
            problem,
        }])
    };
    if bytes.len() > PlanFile::BYTES_MAX {
        let allowed = PlanFile::BYTES_MAX;
        return whole(format!(
            "the file is too large: allowed are {allowed} bytes"
        ));
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let (good, bad) = bytes.split_at(error.valid_up_to());
            if bytes.contains(&0) {
                return whole(
                    "this is no text but a binary file: allowed is TOML in UTF-8".to_owned(),
                );
            }
            let good = String::from_utf8_lossy(good);
            let byte = bad.first().copied().unwrap_or_default();
            let problem = format!("the byte 0x{byte:02x} is no UTF-8: allowed is text in UTF-8");
            return Err(vec![mistake(&good, good.len()..good.len(), problem)]);
        }
    };
    if text.contains('\0') {
        return whole("this is no text but a binary file: allowed is TOML in UTF-8".to_owned());
    }
    Ok(text)
}

/// The document that a text holds.
pub(super) fn document(text: &str) -> Result<DeTable<'_>, Vec<Mistake>> {
    let (document, errors) = if text.len() > RECOVERED_BYTES_MAX {
        match DeTable::parse(text) {
            Ok(document) => (document, Vec::new()),
            Err(error) => return Err(vec![of_syntax(text, &error)]),
        }
    } else {
        DeTable::parse_recoverable(text)
    };
    if errors.is_empty() {
        return Ok(document.into_inner());
    }
    let errors = errors.iter().take(PlanFileError::MISTAKES_MAX);
    Err(errors.map(|error| of_syntax(text, error)).collect())
}

fn of_syntax(text: &str, error: &toml::de::Error) -> Mistake {
    let said = error.message().trim();
    let problem = match said.split_once(", expected ") {
        Some((problem, expected)) => format!("{problem}: allowed is {expected}"),
        None if said.contains("duplicate key") => format!("{said}: allowed is each key once"),
        None => format!("{said}: allowed is TOML"),
    };
    mistake(text, error.span().unwrap_or(0..0), problem)
}

/// A mistake without a field.
fn mistake(text: &str, span: Range<usize>, problem: String) -> Mistake {
    let (line, column) = position(text, span.start);
    Mistake {
        line,
        column,
        field: String::new(),
        problem,
    }
}

/// Line and column of a byte, both from 1.
pub(super) fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count();
    let last = before.rsplit('\n').next().unwrap_or_default();
    (
        line.saturating_add(1),
        last.chars().count().saturating_add(1),
    )
}
