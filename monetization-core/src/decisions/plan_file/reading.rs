//! Values out of a document, and what is wrong with each.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use super::field::Field;
use super::{Mistake, PlanFileError, syntax};
use crate::field::FieldError;

/// A document that is read, and the mistakes found so far.
#[derive(Debug)]
pub(super) struct Reading<'i> {
    text: &'i str,
    mistakes: Vec<Mistake>,
}

impl<'i> Reading<'i> {
    pub(super) fn new(text: &'i str) -> Self {
        Self {
            text,
            mistakes: Vec::new(),
        }
    }

    pub(super) fn is_clean(&self) -> bool {
        self.mistakes.is_empty()
    }

    pub(super) fn into_mistakes(self) -> Vec<Mistake> {
        self.mistakes
    }

    pub(super) fn tell(&mut self, span: Range<usize>, field: &Field, problem: String) {
        if self.is_full() {
            return;
        }
        let (line, column) = syntax::position(self.text, span.start);
        self.mistakes.push(Mistake {
            line,
            column,
            field: field.to_string(),
            problem,
        });
    }

    /// Tells of what stands at `inner` of `node`, which itself stands at `field`.
    pub(super) fn tell_within(
        &mut self,
        node: &Spanned<DeValue<'i>>,
        field: &Field,
        inner: &Field,
        problem: String,
    ) {
        self.tell(inner.span(node), &field.then(inner), problem);
    }

    /// Tells of a field of what stands at `field`.
    pub(super) fn tell_field(
        &mut self,
        node: &Spanned<DeValue<'i>>,
        field: &Field,
        error: &FieldError,
    ) {
        let inner = Field::parse(error.field());
        self.tell_within(node, field, &inner, error.problem().to_owned());
    }

    /// Tells of a field of the terms of the plan that stands at `field`.
    pub(super) fn tell_terms(
        &mut self,
        node: &Spanned<DeValue<'i>>,
        field: &Field,
        error: &FieldError,
    ) {
        let inner = Field::ROOT.key("terms").then(&Field::parse(error.field()));
        self.tell_within(node, field, &inner, error.problem().to_owned());
    }

    /// The elements of an array of tables, at most so many.
    pub(super) fn tables<'a>(
        &mut self,
        node: &'a Spanned<DeValue<'i>>,
        field: &Field,
        max: usize,
    ) -> Vec<(usize, &'a Spanned<DeValue<'i>>)> {
        let Some(array) = node.get_ref().as_array() else {
            let kind = node.get_ref().type_str();
            let problem = format!("one {kind} stands here: allowed is [[{field}]] for each");
            self.tell(node.span(), field, problem);
            return Vec::new();
        };
        if array.len() > max {
            let problem = format!("{} are given: allowed are {max}", array.len());
            self.tell(node.span(), field, problem);
        }
        array.iter().take(max).enumerate().collect()
    }

    /// The value of `node`, which stands at `field`; `None` where there is a mistake in it.
    ///
    /// A value that is wrong is told of and taken out, so that those beside it are looked at too.
    pub(super) fn value<T: DeserializeOwned>(
        &mut self,
        node: &Spanned<DeValue<'i>>,
        field: &Field,
    ) -> Option<T> {
        let mut node = node.clone();
        let mut taken: Vec<Field> = Vec::new();
        loop {
            let from = ValueDeserializer::from(node.clone());
            let error = match serde_path_to_error::deserialize(from) {
                Ok(value) => return taken.is_empty().then_some(value),
                Err(error) => error,
            };
            let found = Found::new(&node, &Field::of(error.path()), error.inner().message());
            if taken.contains(&found.field) || self.is_full() {
                return None;
            }
            self.tell(found.span, &field.then(&found.field), found.problem);
            let wrong = found.around.named();
            if !wrong.remove(&mut node) {
                return None;
            }
            taken.push(wrong);
        }
    }

    fn is_full(&self) -> bool {
        self.mistakes.len() >= PlanFileError::MISTAKES_MAX
    }
}

/// What serde has found.
struct Found {
    /// The field that is wrong.
    field: Field,
    /// The field that is there and has to go for the rest to be looked at.
    around: Field,
    span: Range<usize>,
    problem: String,
}

impl Found {
    /// `path` is how far serde has come; of names that are wrong or missing it tells in words.
    fn new(node: &Spanned<DeValue<'_>>, path: &Field, said: &str) -> Self {
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
                field,
            };
        }
        if let Some(name) = said.strip_prefix("missing field `") {
            let field = path.key(name.trim_end_matches('`'));
            return Self {
                around: path.clone(),
                span: path.span(node),
                problem: "it is missing, and has to be given".to_owned(),
                field,
            };
        }
        let field = culprit(node, path, said).unwrap_or_else(|| path.clone());
        Self {
            around: field.clone(),
            span: field.span(node),
            problem: explain(said, field.find(node)),
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
            _ => said.to_owned(),
        };
    };
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
