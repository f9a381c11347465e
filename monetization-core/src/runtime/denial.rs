use std::time::Duration;

use super::Standings;
use crate::access::Closed;
use crate::clock::Timestamp;

/// Why a call is refused. A value, not an error: the gateway knows exactly what it is doing.
///
/// A refused call has taken nothing and leaves no record.
///
/// | denial | status of an HTTP gateway |
/// |---|---|
/// | `Unauthenticated` | 401 |
/// | `Closed`, where payment is due | 402 |
/// | `Closed`, where the product is no longer served | 404 |
/// | `Closed` for every other reason, `NoSubscription`, `NotCovered` | 403 |
/// | `NoSuchResource` | 404 |
/// | `Limited` | 429 |
/// | `Busy` | 503 |
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Denial {
    /// Nobody we know is calling.
    #[error("{0}")]
    Unauthenticated(#[from] Unauthenticated),
    /// The caller has not bought this product.
    #[error("no subscription to this product")]
    NoSubscription,
    /// The product has no such operation.
    #[error("the product has no such operation")]
    NoSuchResource,
    /// The caller's plan does not cover the operation.
    #[error("the plan does not cover the operation")]
    NotCovered,
    /// The caller's subscription opens nothing now.
    #[error("{0}")]
    Closed(#[from] Closed),
    /// A limit of the plan is reached.
    #[error("API rate limit exceeded")]
    Limited(Box<Limited>),
    /// The call could not be decided or recorded now, so it is not served.
    #[error("the call cannot be decided or recorded at the moment")]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
}

/// Why nobody we know is calling.
///
/// A key that is unknown, revoked or wrong in its secret is told by one answer, so that nobody
/// learns which keys there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unauthenticated {
    /// There is no key.
    #[error("no API key: send it as Authorization: Bearer or as X-API-Key")]
    Missing,
    /// There is more than one key.
    #[error("more than one API key: send one")]
    Several,
    /// The key is mistyped, unknown, or no longer good.
    #[error("the API key is not valid")]
    Invalid,
}

/// A limit of the plan is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limited {
    /// How every limit stands; the refused call has consumed nothing.
    pub standings: Standings,
    /// When the call could pass, if nothing else passes until then. `None` for never.
    pub retry_at: Option<Timestamp>,
    /// Whether a quota is used up; otherwise calls come too fast.
    pub quota: bool,
}
