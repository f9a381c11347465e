//! Where in a document a value stands, by names and numbers.

use std::fmt;
use std::ops::Range;

use serde_json::Value;
use serde_path_to_error::{Path, Segment};
use toml::Spanned;
use toml::de::DeValue;

use super::SCHEMA;

/// The way from the top of a document to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

impl Field {
    /// The document itself.
    pub(super) const ROOT: Self = Self(Vec::new());

    pub(super) fn key(&self, key: &str) -> Self {
        self.then(&Self(vec![Step::Key(key.to_owned())]))
    }

    pub(super) fn index(&self, index: usize) -> Self {
        self.then(&Self(vec![Step::Index(index)]))
    }

    /// The way that goes on by another one.
    pub(super) fn then(&self, other: &Self) -> Self {
        Self(self.0.iter().chain(&other.0).cloned().collect())
    }

    /// Reads what a [`FieldError`](crate::field::FieldError) names, such as `usage[0].included`.
    pub(super) fn parse(text: &str) -> Self {
        let parts = text.split(['.', '[', ']']).filter(|part| !part.is_empty());
        let step = |part: &str| match part.parse() {
            Ok(index) => Step::Index(index),
            Err(_) => Step::Key(part.to_owned()),
        };
        Self(parts.map(step).collect())
    }

    /// The way that serde has taken. Variants have no step of their own in TOML.
    pub(super) fn of(path: &Path) -> Self {
        let steps = path.iter().filter_map(|segment| match segment {
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Enum { .. } | Segment::Unknown => None,
        });
        Self(steps.collect())
    }

    /// Whether its last step is this key.
    pub(super) fn ends_with_key(&self, key: &str) -> bool {
        matches!(self.0.last(), Some(Step::Key(last)) if last == key)
    }

    /// Whether it leads into what `outer` leads to.
    pub(super) fn is_within(&self, outer: &Self) -> bool {
        self.0.starts_with(&outer.0)
    }

    /// The way to the nearest value that has a name: itself, or the array it is an element of.
    pub(super) fn named(mut self) -> Self {
        while matches!(self.0.last(), Some(Step::Index(_))) {
            self.0.pop();
        }
        self
    }

    /// What the schema says of it, where it says what may stand there.
    pub(super) fn allowed(&self) -> Option<String> {
        let schema: Value = serde_json::from_str(SCHEMA).ok()?;
        let target = |node: &Value| match node["$ref"].as_str() {
            Some(name) => schema.pointer(name.trim_start_matches('#')).cloned(),
            None => Some(node.clone()),
        };
        let mut nodes = vec![schema.clone()];
        for step in &self.0 {
            let ways = nodes
                .iter()
                .flat_map(|node| match node["oneOf"].as_array() {
                    Some(ways) => ways.clone(),
                    None => vec![node.clone()],
                });
            let below = ways.filter_map(|node| match step {
                Step::Key(key) => target(node["properties"].get(key)?),
                Step::Index(_) => target(node.get("items")?),
            });
            nodes = below.collect();
        }
        let choices = nodes.iter().filter_map(|node| node["enum"].as_array());
        let choices: Vec<&str> = choices.flatten().filter_map(Value::as_str).collect();
        if !choices.is_empty() {
            return Some(format!("are {}", choices.join(", ")));
        }
        let node = nodes.first()?;
        let is_plain = ["string", "integer"].contains(&node["type"].as_str()?);
        let said = node["description"].as_str().filter(|_| is_plain)?;
        let mut letters = said.trim_end_matches('.').chars();
        let first = letters.next()?.to_ascii_lowercase();
        Some(format!("is {first}{}", letters.as_str()))
    }

    /// The value it leads to below `node`.
    pub(super) fn find<'a, 'i>(
        &self,
        node: &'a Spanned<DeValue<'i>>,
    ) -> Option<&'a Spanned<DeValue<'i>>> {
        self.0
            .iter()
            .try_fold(node, |node, step| child(node.get_ref(), step))
    }

    /// Where in the text it stands: of a value that is missing, where it would.
    pub(super) fn span(&self, node: &Spanned<DeValue<'_>>) -> Range<usize> {
        let mut at = node;
        for step in &self.0 {
            match child(at.get_ref(), step) {
                Some(inner) => at = inner,
                None => break,
            }
        }
        at.span()
    }

    /// Where in the text the key stands that it ends with, if there is one.
    pub(super) fn key_span(&self, node: &Spanned<DeValue<'_>>) -> Option<Range<usize>> {
        let (Step::Key(key), parents) = self.0.split_last()? else {
            return None;
        };
        let parent = Self(parents.to_vec());
        let table = parent.find(node)?.get_ref().as_table()?;
        Some(table.get_key_value(key.as_str())?.0.span())
    }

    /// Takes the value out of the document; `false` where there is none.
    pub(super) fn remove(&self, node: &mut Spanned<DeValue<'_>>) -> bool {
        let Some((Step::Key(key), parents)) = self.0.split_last() else {
            return false;
        };
        let mut at = node.get_mut();
        for step in parents {
            let inner = match (at, step) {
                (DeValue::Table(table), Step::Key(key)) => table.get_mut(key.as_str()),
                (DeValue::Array(array), Step::Index(index)) => array.get_mut(*index),
                _ => None,
            };
            match inner {
                Some(inner) => at = inner.get_mut(),
                None => return false,
            }
        }
        match at {
            DeValue::Table(table) => table.remove(key.as_str()).is_some(),
            _ => false,
        }
    }
}

fn child<'a, 'i>(value: &'a DeValue<'i>, step: &Step) -> Option<&'a Spanned<DeValue<'i>>> {
    match step {
        Step::Key(key) => value.as_table()?.get(key.as_str()),
        Step::Index(index) => value.as_array()?.get(*index),
    }
}

impl fmt::Display for Field {
    /// `plans[0].terms`; keys that are not plain stand in quotes.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |key: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            (1..=64).contains(&key.len()) && key.bytes().all(plain)
        };
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(out, "[{index}]")?,
                Step::Key(key) => {
                    let dot = if place == 0 { "" } else { "." };
                    if is_plain(key) {
                        write!(out, "{dot}{key}")?;
                    } else {
                        let key: String = key.chars().take(64).collect();
                        write!(out, "{dot}{key:?}")?;
                    }
                }
            }
        }
        Ok(())
    }
}
