use std::time::Duration;

use serde::{Deserialize, Serialize};

/// That the provider did not do what it was asked, in its own words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(deny_unknown_fields)]
#[error("{message}")]
pub struct Refusal {
    /// What kind of refusal.
    pub kind: RefusalKind,
    /// What it says; never a secret.
    pub message: String,
}

impl Refusal {
    /// A refusal of this kind.
    pub fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { kind, message }
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(RefusalKind::Conflict, message)
    }

    pub(crate) fn missing(what: impl std::fmt::Display) -> Self {
        Self::new(RefusalKind::NotFound, format!("no such object: {what}"))
    }

    pub(crate) fn permanent(message: impl Into<String>) -> Self {
        Self::new(RefusalKind::Permanent, message)
    }
}

/// What kind of refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "the client must translate every kind"
)]
pub enum RefusalKind {
    /// Too many calls; nothing was done.
    Throttled {
        /// How long to wait.
        retry_after: Duration,
    },
    /// Not to be reached; nothing was done.
    Unavailable,
    /// It failed within: nobody can say whether it was done (a status of 500).
    Broken,
    /// It will never do this.
    Permanent,
    /// The key was used for something else.
    Conflict,
    /// It has no such object.
    NotFound,
    /// The credentials are not good.
    Unauthorized,
}
