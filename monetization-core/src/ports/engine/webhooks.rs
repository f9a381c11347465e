use async_trait::async_trait;
use http::HeaderMap;

use super::{EngineContext, EngineError, EngineInvoice};
use crate::clock::Timestamp;
use crate::ids::BatchId;
use crate::reference::ObjectKind;
use crate::secret::Secret;
use crate::store::Port;
use crate::text::ForeignId;

/// Understands the news a provider sends: it is verified, completed where it only points at what it says,
/// and interpreted. The first and the last of these are pure: no call, no clock.
///
/// A message is a hint and a fact at once: its id is marked in the same change as its effect, so
/// that delivering it twice changes nothing, and its version says whether it is older than what is
/// known. A sketch of an engine whose messages carry a shared word, and speak of nothing:
///
/// ```
/// use http::HeaderMap;
/// use monetization_core::clock::Timestamp;
/// use monetization_core::engine::{EngineEvent, VerifiedEvent, WebhookError, Webhooks};
/// use monetization_core::secret::Secret;
///
/// #[derive(Debug)]
/// struct Word;
///
/// impl Webhooks for Word {
///     fn verify(
///         &self, body: &[u8], headers: &HeaderMap, secrets: &[Secret], _now: Timestamp,
///     ) -> Result<VerifiedEvent, WebhookError> {
///         let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
///         // A real one compares a digest of the body in constant time, and its age with `_now`.
///         let word = text("x-word").ok_or(WebhookError::Signature)?;
///         if !secrets.iter().any(|secret| secret.reveal() == word) {
///             return Err(WebhookError::Signature);
///         }
///         let id = text("x-id").and_then(|id| id.parse().ok());
///         let id = id.ok_or(WebhookError::Malformed { problem: "no id".to_owned() })?;
///         Ok(VerifiedEvent { id, body: body.to_vec() })
///     }
///
///     fn interpret(&self, _event: &VerifiedEvent) -> Result<Vec<EngineEvent>, WebhookError> {
///         Ok(Vec::new())
///     }
/// }
///
/// let mut headers = HeaderMap::new();
/// headers.insert("x-word", "please".parse()?);
/// headers.insert("x-id", "evt_1".parse()?);
/// let (old, new) = (Secret::new("please"), Secret::new("thanks"));
/// let now = Timestamp::from_micros(0);
/// // While secrets are exchanged both are good.
/// assert!(Word.verify(b"{}", &headers, &[new.clone(), old], now).is_ok());
/// assert_eq!(Word.verify(b"{}", &headers, &[new], now), Err(WebhookError::Signature));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[async_trait]
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

    /// Reads from the provider what a message says that only points at it; any other is handed back as it
    /// is, which is all that a provider needs whose messages say everything. The id stays the same.
    ///
    /// `cx` is of the tenant whose endpoint the message came to, in its own account.
    ///
    /// # Errors
    /// [`EngineError`] where it cannot be read; the provider is made to send the message again.
    async fn complete(
        &self,
        _cx: &EngineContext,
        event: VerifiedEvent,
    ) -> Result<VerifiedEvent, EngineError> {
        Ok(event)
    }

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
///
/// It says how the object stands, not what changed, so that messages that overtake each other end
/// in the same place.
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
    /// A subscription is over at the provider. One that is in force here ends then, too: nothing of it is
    /// billed any more.
    SubscriptionEnded,
    /// A customer has stored what they pay with, on a page of the provider's. The object is the customer.
    PaymentMethodStored,
    /// Use that the provider had taken does not count after all.
    ReportsRejected(RejectedReports),
}

/// Reports that a provider has refused after it had taken them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedReports {
    /// How many.
    pub count: u64,
    /// Those of them that it names: not all, where it names some for an example.
    pub named: Vec<RejectedReport>,
}

/// A report that a provider has refused after it had taken it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedReport {
    /// Which one.
    pub batch: BatchId,
    /// Why, in the provider's words.
    pub reason: String,
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
