//! Which calls a meter counts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::field::FieldError;
use crate::product::Resource;
use crate::text::Slug;

/// Which calls a meter counts.
///
/// Where it names statuses, those alone are counted, whatever the plan's metering policy says; else
/// the calls that the policy bills are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CallFilter {
    /// Statuses of the upstream, such as `404` or `2xx`; empty for those that are billed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<StatusPattern>,
    /// Operations of the product, by their identifiers; empty for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Slug>,
}

impl CallFilter {
    /// Whether calls of this operation are counted, as far as operations go.
    pub(crate) fn covers(&self, resource: Option<&Slug>) -> bool {
        self.resources.is_empty()
            || resource.is_some_and(|resource| self.resources.contains(resource))
    }

    /// Whether it names operations of a product that has these.
    ///
    /// # Errors
    /// A [`FieldError`] for one that is none of them, with those there are.
    pub(crate) fn check(&self, resources: &[Resource]) -> Result<(), FieldError> {
        let mut named = self.resources.iter().enumerate();
        named.try_for_each(|(place, named)| {
            Resource::known(resources, named, &format!("filter.resources[{place}]"))
        })
    }
}

/// A status, or all of its hundred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum StatusPattern {
    /// This one.
    Exactly(u16),
    /// All that begin with this digit.
    Class(u16),
}

impl StatusPattern {
    /// Whether `status` is meant.
    #[must_use]
    pub fn matches(self, status: u16) -> bool {
        match self {
            Self::Exactly(this) => status == this,
            Self::Class(digit) => status / 100 == digit,
        }
    }
}

impl fmt::Display for StatusPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(status) => write!(out, "{status}"),
            Self::Class(digit) => write!(out, "{digit}xx"),
        }
    }
}

impl FromStr for StatusPattern {
    type Err = FieldError;

    /// # Errors
    /// A [`FieldError`] for anything but a status from 100 to 599, or `1xx` to `5xx`.
    fn from_str(text: &str) -> Result<Self, FieldError> {
        let digit = text.strip_suffix("xx").and_then(|digit| digit.parse().ok());
        let class = digit.filter(|digit| (1..=5).contains(digit) && text.len() == 3);
        let status = text.parse().ok().filter(|_| text.len() == 3);
        let exactly = status.filter(|status| (100..600).contains(status));
        class
            .map(Self::Class)
            .or(exactly.map(Self::Exactly))
            .ok_or_else(|| {
                let text: String = text.chars().take(16).collect();
                let problem =
                    format!("{text:?} is no status: allowed are 100 to 599 and 1xx to 5xx");
                FieldError::new("status", problem)
            })
    }
}

impl Serialize for StatusPattern {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StatusPattern {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let parsed: Result<Self, FieldError> = text.parse();
        parsed.map_err(|error| serde::de::Error::custom(error.problem()))
    }
}
