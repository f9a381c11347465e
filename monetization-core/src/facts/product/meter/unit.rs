//! What one of a meter is.

use serde::{Deserialize, Serialize};

/// What one of a meter is, for people, invoices and limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unit {
    /// Calls through the gateway.
    Requests,
    /// Bytes of bodies.
    Bytes,
    /// Things that happened.
    Events,
    /// Tokens of a language model.
    Tokens,
    /// Money in major units of the plan's currency, such as what a marketplace's sales come to.
    Amount,
}

impl Unit {
    /// Its name in JSON and headers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Bytes => "bytes",
            Self::Events => "events",
            Self::Tokens => "tokens",
            Self::Amount => "amount",
        }
    }
}
