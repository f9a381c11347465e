//! What serde has found, in words for people and by the field that they have written.

use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::field::Field;

/// What serde has found.
pub(super) struct Found {
    /// The field that is wrong.
    pub(super) field: Field,
    /// The field that is there and has to go for the rest to be looked at.
    pub(super) around: Field,
    /// Where in the text.
    pub(super) span: Range<usize>,
    /// What is wrong, and what is allowed.
    pub(super) problem: String,
    /// Whether what is wrong is that nothing stands in a table.
    pub(super) is_empty: bool,
    /// Whether what is wrong is that it is not there.
    pub(super) is_missing: bool,
}

impl Found {
    /// `path` is how far serde has come; of names that are wrong or missing it tells in words.
    pub(super) fn new(node: &Spanned<DeValue<'_>>, path: &Field, said: &str) -> Self {
        let below = |name: &str| {
            // The key that is wrong may be a step of the path already.
            if path.ends_with_key(name) && path.find(node).is_some() {
                path.clone()
            } else {
                path.key(name)
            }
        };
        if let Some((name, allowed)) = unknown_field(said) {
            let field = below(name);
            return Self {
                around: field.clone(),
                span: field.key_span(node).unwrap_or_else(|| field.span(node)),
                problem: format!("there is no such field: allowed {allowed}"),
                is_empty: false,
                is_missing: false,
                field,
            };
        }
        if let Some(name) = said.strip_prefix("missing field `") {
            let field = path.key(name.trim_end_matches('`'));
            return Self {
                around: path.clone(),
                span: path.span(node),
                problem: "it is missing, and has to be given".to_owned(),
                is_empty: false,
                is_missing: true,
                field,
            };
        }
        let field = culprit(node, path, said).unwrap_or_else(|| path.clone());
        Self {
            around: field.clone(),
            span: field.span(node),
            problem: explain(said, field.find(node)),
            is_empty: said.ends_with("found 0 elements"),
            is_missing: false,
            field,
        }
    }
}

/// The field of a table that serde means where it has come to the table only: it reads those whole
/// that say by a field of theirs what they are.
fn culprit(node: &Spanned<DeValue<'_>>, path: &Field, said: &str) -> Option<Field> {
    let (found, _) = said.strip_prefix("invalid ")?.rsplit_once(", expected ")?;
    let (_, found) = found.split_once(": ")?;
    let table = path.find(node)?.get_ref().as_table()?;
    let is_meant = |value: &DeValue<'_>| match value {
        DeValue::String(text) => found == format!("string {text:?}"),
        DeValue::Integer(number) => found == format!("integer `{number}`"),
        DeValue::Float(number) => found == format!("floating point `{number}`"),
        DeValue::Boolean(value) => found == format!("boolean `{value}`"),
        DeValue::Array(_) => found == "sequence",
        DeValue::Datetime(_) | DeValue::Table(_) => found == "map",
    };
    let mut entries = table.iter();
    let (key, _) = entries.find(|(_, value)| is_meant(value.get_ref()))?;
    Some(path.key(key.get_ref()))
}

/// The name of a field that nobody knows, and what is allowed instead.
fn unknown_field(said: &str) -> Option<(&str, String)> {
    let rest = said.strip_prefix("unknown field `")?;
    if let Some((name, expected)) = rest.rsplit_once("`, expected ") {
        return Some((name, format!("are {}", names(expected))));
    }
    // The list itself holds "`, `" and the words above only once; none is left for an empty one.
    let name = rest.strip_suffix("`, there are no fields")?;
    Some((name, "is none".to_owned()))
}

/// What is wrong with a value, and what is allowed.
fn explain(said: &str, node: Option<&Spanned<DeValue<'_>>>) -> String {
    let Some((problem, expected)) = said.rsplit_once(", expected ") else {
        return match node.map(|node| node.get_ref().type_str()) {
            Some(found) if said.starts_with("wanted string or table") => {
                format!("its kind is {found}: allowed is text in quotes")
            }
            _ if said.starts_with("wanted exactly 1 element") => {
                "the table says no one thing: allowed is one name with its value".to_owned()
            }
            Some("table") if said.starts_with("expected table, found") => {
                "the name takes no value: allowed is it alone, in quotes".to_owned()
            }
            _ => said.to_owned(),
        };
    };
    if expected == "newtype variant" {
        return "the name needs a value: allowed is a table, { name = \"value\" }".to_owned();
    }
    if let Some(variant) = problem.strip_prefix("unknown variant `") {
        let variant: String = variant.trim_end_matches('`').chars().take(64).collect();
        return format!(
            "{variant:?} is none of them: allowed are {}",
            names(expected)
        );
    }
    let Some(value) = node.map(Spanned::get_ref) else {
        return format!("{problem}: allowed is {}", kind(expected));
    };
    let number = match value {
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        other => {
            let (found, allowed) = (other.type_str(), kind(expected));
            return format!("its kind is {found}: allowed is {allowed}");
        }
    };
    let number: String = number.chars().take(64).collect();
    match expected {
        "a string" => format!("{number} is a number without quotes: allowed is text, \"{number}\""),
        _ => format!("{number} is not allowed: allowed is {}", kind(expected)),
    }
}

/// The names of serde's lists: `` one of `a`, `b` `` is a, b.
fn names(expected: &str) -> String {
    let list = expected.strip_prefix("one of ").unwrap_or(expected);
    list.replace("` or `", ", ").replace('`', "")
}

/// Serde's words for a kind of value, as people say it.
fn kind(expected: &str) -> &str {
    match expected {
        "a string" => "text in quotes",
        "a sequence" => "an array",
        "a boolean" => "true or false",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" => "a whole number, 0 or more",
        "a nonzero u32" => "a whole number from 1 to 4294967295",
        other if other.starts_with("struct ") || other == "a map" => "a table",
        other if other.contains("tagged enum") => "a table",
        other => other,
    }
}
