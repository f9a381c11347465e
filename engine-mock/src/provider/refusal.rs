//! What the provider says instead of an answer.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// That the provider did not do what it was asked, in its own words.
///
/// Faults are scripted with it too, which is how a refusal can be an untruth: see
/// [`Fault::FailAfter`](crate::faults::Fault::FailAfter).
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

/// What kind of refusal, and with it what a caller makes of it: `Throttled` is worth another attempt;
/// so are `Unavailable`, `Broken` and `InProgress`, after which nobody knows; the others are final.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "the client must translate every kind"
)]
pub enum RefusalKind {
    /// Too many calls; nothing was done, and it will work later. Over HTTP a 429.
    Throttled {
        /// How long to wait, where it says so.
        retry_after: Option<Duration>,
    },
    /// Not to be reached, and it may work later. Over HTTP a 503 from in front of the provider, which
    /// may have had the call all the same.
    Unavailable,
    /// A call with the same key is under way, and what comes of that is not known yet. Over HTTP a
    /// 409, as a conflict is.
    InProgress,
    /// It failed within: nobody can say whether it was done. Over HTTP a 500, which large
    /// providers keep under the key and give again, however often they are asked.
    Broken,
    /// It will never do this: the order makes no sense, or the object does not allow it.
    Permanent,
    /// The key was used for something else.
    Conflict,
    /// It has no such object.
    NotFound,
    /// The credentials are not good.
    Unauthorized,
}
