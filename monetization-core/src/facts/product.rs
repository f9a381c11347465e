//! What is sold: an API, what it counts, and its life.
//!
//! A product names what the gateway serves (its slug and endpoint), what is counted (its meters)
//! and, where it wants to, which operations there are (its resources). What it costs is the
//! business of its [plans](crate::plan).
//!
//! The states, and where each may go; staying is always allowed:
//!
//! | from | to `draft` | to `active` | to `deprecated` | to `archived` |
//! |---|---|---|---|---|
//! | `draft` | stays | yes | no | yes |
//! | `active` | yes | stays | yes | yes |
//! | `deprecated` | no | yes | stays | yes |
//! | `archived` | no | no | no | stays |
//!
//! ```
//! use monetization_core::product::ProductState;
//!
//! assert!(ProductState::Draft.to(ProductState::Active).is_ok());
//! let error = ProductState::Archived.to(ProductState::Active).unwrap_err();
//! assert_eq!(error.to_string(), "there is no way from Archived to Active");
//! assert!(ProductState::Deprecated.is_served() && !ProductState::Deprecated.is_on_sale());
//! ```

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::field::FieldError;
use crate::ids::{ProductId, PublisherId, ResourceId, TenantId, TypedId};
use crate::text::{Endpoint, ForeignId, Name, Prose, Slug};

pub use meter::{
    Aggregation, CallFilter, HeaderText, Meter, MeterDraft, Pointer, Source, StatusPattern, Unit,
};

mod meter;

/// An API that is sold, or several endpoints of one. WSO2's API and API Product are both this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// The marketplace it is sold in.
    pub tenant: TenantId,
    /// Who owns it.
    pub publisher: PublisherId,
    /// The first segment of its path at the gateway; unique in the tenant, which the caller's
    /// key determines.
    pub slug: Slug,
    /// Its name, shown to people.
    pub name: Name,
    /// What it is, for people.
    pub description: Prose,
    /// Where it is served. Consumers never see it.
    pub gateway_endpoint: Endpoint,
    /// Where it is in its life.
    pub state: ProductState,
    /// What it counts. The first is always `requests`.
    pub meters: Vec<Meter>,
    /// What it consists of; empty for everything below its endpoint.
    pub resources: Vec<Resource>,
    /// Present once it is sold through an engine: what the engine asked to know, by name.
    pub monetization: Option<Monetization>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Product {
    /// Resources a product may have.
    pub const RESOURCES_MAX: usize = 200;
    /// Meters a product may have, that of calls among them.
    pub const METERS_MAX: usize = 32;

    /// The meter of this name.
    #[must_use]
    pub fn meter(&self, name: &str) -> Option<&Meter> {
        self.meters.iter().find(|meter| meter.name.as_str() == name)
    }
}

/// Where a product is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new state changes every match on purpose"
)]
pub enum ProductState {
    /// Seen by its owners only. Subscriptions made earlier keep working.
    Draft,
    /// In the catalogue.
    Active,
    /// Still served and shown to its subscribers; nobody new may subscribe.
    Deprecated,
    /// No longer served. For good: what was billed stays.
    Archived,
}

impl ProductState {
    /// Goes to `next`: `draft` and `active` to and fro, `active` and `deprecated` to and fro,
    /// and from anywhere to `archived`, which is final. Staying is no move and always allowed.
    ///
    /// # Errors
    /// [`IllegalMove`] for every other move.
    pub fn to(self, next: Self) -> Result<Self, IllegalMove> {
        let allowed = self == next
            || matches!(
                (self, next),
                (Self::Draft, Self::Active)
                    | (Self::Active, Self::Draft | Self::Deprecated)
                    | (Self::Deprecated, Self::Active)
                    | (
                        Self::Draft | Self::Active | Self::Deprecated,
                        Self::Archived
                    )
            );
        if allowed {
            Ok(next)
        } else {
            Err(IllegalMove::new(self, next))
        }
    }

    /// Whether consumers may see it and subscribe to it.
    #[must_use]
    pub fn is_on_sale(self) -> bool {
        self == Self::Active
    }

    /// Whether calls of its subscribers are let through.
    #[must_use]
    pub fn is_served(self) -> bool {
        self != Self::Archived
    }
}

/// A move that a state machine does not know.
///
/// Nothing has changed when it is returned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no way from {from} to {to}")]
pub struct IllegalMove {
    from: String,
    to: String,
}

impl IllegalMove {
    /// From one state, by an event or to another state.
    pub fn new(from: impl fmt::Debug, to: impl fmt::Debug) -> Self {
        Self {
            from: format!("{from:?}"),
            to: format!("{to:?}"),
        }
    }
}

/// One operation of a product.
///
/// A product with resources serves those alone, and a call that is none of them is refused. The
/// patterns are those of [`Routes`](crate::routing::Routes).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// Its name, unique in the product; it never changes.
    pub identifier: Slug,
    /// The HTTP method, upper case.
    pub method: Method,
    /// The path below the product's, with `{name}` for one segment and `{*name}` for the rest.
    pub path: ForeignId,
    /// Its name, shown to people.
    pub name: Name,
    /// What it does, for people.
    #[serde(default)]
    pub description: Option<Prose>,
}

impl Resource {
    /// What quotas of its calls are found by: the same for ever, as its identifier is.
    #[must_use]
    pub fn id(product: ProductId, identifier: &Slug) -> ResourceId {
        ResourceId::derived(&[product.uuid().as_bytes(), identifier.as_str().as_bytes()])
    }

    /// Whether one of `resources` has this identifier, which stands at `field`.
    ///
    /// # Errors
    /// A [`FieldError`] with those there are.
    pub(crate) fn known(
        resources: &[Self],
        identifier: &Slug,
        field: &str,
    ) -> Result<(), FieldError> {
        let known = resources.iter().map(|resource| &resource.identifier);
        if known.clone().any(|known| known == identifier) {
            return Ok(());
        }
        let known: Vec<&str> = known.map(Slug::as_str).collect();
        let problem = match known.as_slice() {
            [] => format!("{identifier:?} cannot be counted: the product has no resources"),
            known => format!(
                "{identifier:?} is no resource of the product: allowed are {}",
                known.join(", ")
            ),
        };
        Err(FieldError::new(field, problem))
    }
}

/// An HTTP method of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(
    missing_docs,
    reason = "the methods of RFC 9110 are their own explanation"
)]
#[non_exhaustive]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

impl Method {
    /// Its name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }
}

/// That a product is sold through an engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monetization {
    /// What the engine asked to know of this product, by the names in its descriptor.
    pub attributes: std::collections::BTreeMap<String, String>,
    /// Since when.
    pub enabled_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::ProductState::{self, Active, Archived, Deprecated, Draft};

    #[test]
    fn every_move_is_allowed_or_refused_as_the_table_says() {
        let allowed = [
            (Draft, Active),
            (Active, Draft),
            (Active, Deprecated),
            (Deprecated, Active),
            (Draft, Archived),
            (Active, Archived),
            (Deprecated, Archived),
        ];
        for from in [Draft, Active, Deprecated, Archived] {
            for to in [Draft, Active, Deprecated, Archived] {
                let expected = from == to || allowed.contains(&(from, to));
                assert_eq!(
                    ProductState::to(from, to).is_ok(),
                    expected,
                    "{from:?} to {to:?}"
                );
            }
        }
    }
}
