use http::HeaderMap;

use super::EngineInvoice;
use crate::clock::Timestamp;
use crate::reference::ObjectKind;
use crate::secret::Secret;
use crate::store::Port;
use crate::text::ForeignId;

/// Understands the news a provider sends. Both steps are pure: no call, no clock.
pub trait Webhooks: Port {
    /// Checks that the bytes come from the provider and are fresh. Any of the secrets will do,
    /// so that they can be exchanged without losing news.
    ///
    /// # Errors
    /// [`WebhookError`]; nothing of such a message may have an effect.
    fn verify(
        &self,
        body: &[u8],
        headers: &HeaderMap,
        secrets: &[Secret],
        now: Timestamp,
    ) -> Result<VerifiedEvent, WebhookError>;

    /// Reads what it says; empty for news that core has no use for.
    ///
    /// # Errors
    /// [`WebhookError::Malformed`] where it says something that makes no sense.
    fn interpret(&self, event: &VerifiedEvent) -> Result<Vec<EngineEvent>, WebhookError>;
}

/// Bytes that were found to come from the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedEvent {
    /// What the provider calls the message: the same each time it is delivered.
    pub id: ForeignId,
    /// The bytes.
    pub body: Vec<u8>,
}

/// One piece of news about one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineEvent {
    /// The account it lives in; `None` for the tenant's own.
    pub account: Option<ForeignId>,
    /// What kind of object it is about.
    pub object: ObjectKind,
    /// What the provider calls the object.
    pub external: ForeignId,
    /// The object's version: news with a lower one than what is known is old.
    pub version: u64,
    /// When it happened, on the provider's clock.
    pub occurred_at: Timestamp,
    /// What happened.
    pub news: News,
}

/// What happened at a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "webhooks must decide about every kind of news"
)]
pub enum News {
    /// An invoice stands as it says; `subscription` is whose, as the provider calls it.
    Invoice {
        /// The subscription it bills, where the provider made it.
        subscription: Option<ForeignId>,
        /// How it stands.
        invoice: EngineInvoice,
    },
    /// A subscription is over at the provider.
    SubscriptionEnded,
}

/// Why a message is not news.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// It has no signature, or none that fits.
    #[error("the signature does not fit")]
    Signature,
    /// It is older or newer than can be.
    #[error("the message is not fresh")]
    Stale,
    /// It makes no sense.
    #[error("the message makes no sense: {problem}")]
    Malformed {
        /// What does not.
        problem: String,
    },
}
