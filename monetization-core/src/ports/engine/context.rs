use std::fmt;
use std::time::Duration;

use crate::ids::TenantId;
use crate::secret::Secret;
use crate::text::ForeignId;

/// What every call of an engine carries: nothing about a call is global.
///
/// Two tenants with two sets of credentials use one engine at the same time; an engine keeps none
/// of this between calls.
#[derive(Debug, Clone)]
pub struct EngineContext {
    /// For whom.
    pub tenant: TenantId,
    /// What the tenant signs in with, where the engine needs that.
    pub credentials: Option<Secret>,
    /// The publisher's own account; `None` for the tenant's.
    pub account: Option<ForeignId>,
    /// Recognises the call when it is repeated.
    pub key: IdempotencyKey,
    /// Whether an earlier call with this key may have reached the provider, however long ago: where
    /// that forgets keys, what is to be made has to be looked for first, by the id it has here.
    pub repeated: bool,
    /// How long it may take.
    pub timeout: Duration,
}

/// Recognises a call when it is repeated: the same key, the same effect, once. Made of stable ids
/// and written down before the first call that carries it.
///
/// An operation that takes several calls gives each step a key of its own:
///
/// ```
/// use monetization_core::engine::IdempotencyKey;
///
/// let key = IdempotencyKey::new("start:sub_0197");
/// assert_eq!(key.step("customer").as_str(), "start:sub_0197/customer");
/// assert_ne!(key.step("customer"), key.step("subscription"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key of this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The key of one step of an operation that takes several.
    #[must_use]
    pub fn step(&self, step: impl fmt::Display) -> Self {
        Self(format!("{}/{step}", self.0))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
