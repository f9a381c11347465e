//! Schemas as `spec.json` writes them.

use std::collections::BTreeMap;

use serde_json::Value;

/// What a value has to be.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Schema {
    Any,
    Text,
    Integer,
    Number,
    Boolean,
    /// A number written as a text, with at most twelve decimals.
    Decimal,
    Enum(Vec<Value>),
    List(Box<Self>),
    /// A hash of any names.
    Map(Box<Self>),
    /// A list with `has_more`.
    Page(Box<Self>),
    /// A page of what was searched for.
    Found(Box<Self>),
    /// A list with `next_page_url`.
    Linked(Box<Self>),
    /// The hash of this name.
    Hash(String),
    /// An id, or the object of this name where it was expanded.
    IdOf(String),
    AnyOf(Vec<Self>),
    Nullable(Box<Self>),
}

/// The members that a hash may have, and those it must have.
#[derive(Debug)]
pub(super) struct Hash {
    pub(super) required: Vec<String>,
    pub(super) members: BTreeMap<String, Schema>,
}

impl Hash {
    pub(super) fn read(value: &Value) -> Option<Self> {
        let required = value.get("required").and_then(Value::as_array);
        let required = required.into_iter().flatten().filter_map(Value::as_str);
        let members = value.get("members").and_then(Value::as_object);
        let members = members.into_iter().flatten();
        let members = members.map(|(name, schema)| Some((name.clone(), Schema::read(schema)?)));
        Some(Self {
            required: required.map(str::to_owned).collect(),
            members: members.collect::<Option<_>>()?,
        })
    }
}

impl Schema {
    pub(super) fn read(value: &Value) -> Option<Self> {
        if let Some(name) = value.as_str() {
            return Self::scalar(name);
        }
        let (kind, inner) = value.as_object()?.iter().next()?;
        let boxed = || Self::read(inner).map(Box::new);
        let name = || inner.as_str().map(str::to_owned);
        Some(match kind.as_str() {
            "enum" => Self::Enum(inner.as_array()?.clone()),
            "list" => Self::List(boxed()?),
            "map" => Self::Map(boxed()?),
            "page" => Self::Page(boxed()?),
            "found" => Self::Found(boxed()?),
            "linked" => Self::Linked(boxed()?),
            "nullable" => Self::Nullable(boxed()?),
            "hash" => Self::Hash(name()?),
            "id_of" => Self::IdOf(name()?),
            "any_of" => {
                let schemas = inner.as_array()?.iter().map(Self::read);
                Self::AnyOf(schemas.collect::<Option<_>>()?)
            }
            _ => return None,
        })
    }

    fn scalar(name: &str) -> Option<Self> {
        if let Some(inner) = name.strip_suffix('?') {
            return Some(Self::Nullable(Box::new(Self::scalar(inner)?)));
        }
        Some(match name {
            "any" => Self::Any,
            "string" => Self::Text,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            "decimal" => Self::Decimal,
            _ => return None,
        })
    }
}
