//! Stripe's events.
//!
//! What is signed is checked over the raw bytes, and what it says is read from the same bytes afterwards.
//! Only a thin event is read from Stripe in between, because it says nothing but that there is one. A signature is worth nothing without its time, so an old one is refused as
//! well; one header too many is refused, because whoever stands before us may have read the other.

use std::sync::Arc;

use async_trait::async_trait;
use http::{HeaderMap, HeaderName};
use monetization_core::clock::Timestamp;
use monetization_core::engine::{
    EngineContext, EngineError, EngineEvent, VerifiedEvent, WebhookError, Webhooks,
};
use monetization_core::secret::Secret;
use serde::Deserialize;

use crate::session::Session;
use crate::transport::Transport;

mod news;
mod signature;
mod thin;

/// The header with the time of sending and the signatures.
const SIGNATURE: HeaderName = HeaderName::from_static("stripe-signature");

/// Understands what Stripe sends. It holds no secret and no clock: both are handed in.
#[derive(Debug, Clone)]
pub(crate) struct StripeWebhooks {
    /// The way to Stripe, for what has to be read from there.
    pub(crate) transport: Arc<Transport>,
    /// Days until an invoice that Stripe makes is due.
    pub(crate) days_until_due: u32,
}

/// As much of an event as recognises it, in every version of Stripe's interface.
#[derive(Debug, Deserialize)]
struct Marked {
    id: String,
}

#[async_trait]
impl Webhooks for StripeWebhooks {
    fn verify(
        &self,
        body: &[u8],
        headers: &HeaderMap,
        secrets: &[Secret],
        now: Timestamp,
    ) -> Result<VerifiedEvent, WebhookError> {
        let mut values = headers.get_all(SIGNATURE).iter();
        // A header given twice could be read differently by whoever stands before us.
        let only = values.next().filter(|_| values.next().is_none());
        let header = only.and_then(|value| value.to_str().ok());
        signature::check(body, header.ok_or(WebhookError::Signature)?, secrets, now)?;
        let marked: Marked = serde_json::from_slice(body).map_err(malformed)?;
        Ok(VerifiedEvent {
            id: marked.id.parse().map_err(malformed)?,
            body: body.to_vec(),
        })
    }

    async fn complete(
        &self,
        cx: &EngineContext,
        event: VerifiedEvent,
    ) -> Result<VerifiedEvent, EngineError> {
        let Some(pointer) = thin::pointer(&event.body) else {
            return Ok(event);
        };
        let session = Session::new(&self.transport, cx);
        let context = pointer.context.as_deref();
        let body = session.told_event(&event.id, context).await?;
        Ok(VerifiedEvent {
            id: event.id,
            body: body.to_vec(),
        })
    }

    fn interpret(&self, event: &VerifiedEvent) -> Result<Vec<EngineEvent>, WebhookError> {
        news::read(&event.body, self.days_until_due)
    }
}

/// For what is Stripe's and makes no sense.
#[expect(clippy::needless_pass_by_value, reason = "errors are mapped by it")]
fn malformed(problem: impl ToString) -> WebhookError {
    WebhookError::Malformed {
        problem: problem.to_string(),
    }
}

#[cfg(test)]
pub(crate) mod tests;
