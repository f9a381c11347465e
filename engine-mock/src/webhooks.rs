//! Signed messages, in the manner of Standard Webhooks: HMAC-SHA256 over `id.timestamp.body`.
//!
//! A message is one JSON object about one object of the provider:
//!
//! ```json
//! {
//!   "type": "invoice.updated",
//!   "account": null,
//!   "object": "inv_0000000004",
//!   "version": 2,
//!   "occurred_at": "2026-01-31T00:00:00Z",
//!   "payment_url": null,
//!   "invoice": { "invoice": "inv_0000000004", "state": "paid", "lines": [] }
//! }
//! ```
//!
//! `type` is `invoice.updated`, `subscription.ended`, `customer.method_stored` or `usage.rejected`, whose `object` is the
//! identifier of the record and whose `reason` says why it does not count after all; any other is passed over, so that a newer
//! provider can say more than an older receiver knows. `version` grows with each change of the
//! object: of two messages the one with the higher version is newer, in whichever order they
//! come. The same message has the same `webhook-id` each time it is delivered.
//!
//! ```
//! use monetization_engine_mock::MockEngine;
//! use monetization_engine_mock::webhooks::sign;
//!
//! let mock = MockEngine::in_memory("2026-01-01T00:00:00Z".parse().unwrap());
//! let (webhooks, provider) = (mock.engine().webhooks.unwrap(), mock.control());
//! let (secrets, now) = (provider.webhook_secrets(), provider.now());
//!
//! let body = br#"{"type":"weather.changed"}"#;
//! let headers = sign(&"evt_1".parse().unwrap(), body, &secrets, now).unwrap();
//! let event = webhooks.verify(body, &headers, &secrets, now)?;
//! assert_eq!(event.id.as_str(), "evt_1");
//! assert_eq!(webhooks.interpret(&event)?, [], "of no use for core");
//!
//! assert!(webhooks.verify(b"{}", &headers, &secrets, now).is_err());
//! # Ok::<(), monetization_core::engine::WebhookError>(())
//! ```
//!
//! A receiver believes a message whose signature fits one of its secrets, compared in constant
//! time, and whose timestamp is at most 300 seconds away from its own clock, either way. It says
//! nothing about which of the checks on the signature failed.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use monetization_core::clock::Timestamp;
use monetization_core::engine::{
    EngineEvent, News, RejectedReport, RejectedReports, VerifiedEvent, WebhookError, Webhooks,
};
use monetization_core::ids::IdError;
use monetization_core::reference::ObjectKind;
use monetization_core::secret::Secret;
use monetization_core::text::ForeignId;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::client::engine_invoice;
use crate::provider::{Account, Notice, NoticeAbout, StatedInvoice};

/// The header with the message's name.
pub const ID_HEADER: HeaderName = HeaderName::from_static("webhook-id");
/// The header with the time of sending, in seconds since the epoch.
pub const TIMESTAMP_HEADER: HeaderName = HeaderName::from_static("webhook-timestamp");
/// The header with the signatures: `v1,` and base64, one for each secret, blanks between them.
pub const SIGNATURE_HEADER: HeaderName = HeaderName::from_static("webhook-signature");

/// How far the time of sending may be from the receiver's.
const TOLERANCE: Duration = Duration::from_secs(300);
const INVOICE: &str = "invoice.updated";
const SUBSCRIPTION_ENDED: &str = "subscription.ended";
const METHOD_STORED: &str = "customer.method_stored";
const USAGE_REJECTED: &str = "usage.rejected";

/// A message that waits to be posted. The receiver must be given the body byte for byte: written
/// anew, be it with the same meaning, it has another signature.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Delivery {
    /// Its name: the same however often it is delivered.
    pub id: ForeignId,
    /// The headers, signature included.
    pub headers: HeaderMap,
    /// The body, byte for byte as it was signed.
    pub body: Vec<u8>,
}

impl Delivery {
    /// Writes and signs a notice as it is sent at `now`.
    pub(crate) fn new(
        notice: &Notice,
        payment_url_base: &str,
        secrets: &[Secret],
        now: Timestamp,
    ) -> Option<Self> {
        let body = body(notice, payment_url_base)?;
        let headers = sign(&notice.id, &body, secrets, now)?;
        let id = notice.id.clone();
        Some(Self { id, headers, body })
    }
}

/// What a message says, byte for byte the same each time.
pub(crate) fn body(notice: &Notice, payment_url_base: &str) -> Option<Vec<u8>> {
    let mut reason = None;
    let (kind, object, invoice) = match &notice.about {
        NoticeAbout::Invoice(stated) => {
            (INVOICE, stated.invoice.clone()?, Some((**stated).clone()))
        }
        NoticeAbout::SubscriptionEnded(subscription) => {
            (SUBSCRIPTION_ENDED, subscription.clone(), None)
        }
        NoticeAbout::MethodStored(customer) => (METHOD_STORED, customer.clone(), None),
        NoticeAbout::UsageRejected {
            identifier,
            reason: why,
        } => {
            reason = Some(why.clone());
            (USAGE_REJECTED, identifier.to_string().parse().ok()?, None)
        }
    };
    let link = invoice.as_ref().and_then(|invoice| invoice.link.as_ref());
    let message = Message {
        kind: kind.to_owned(),
        account: notice.account.clone(),
        object,
        version: notice.version,
        occurred_at: notice.occurred_at,
        payment_url: link.map(|token| format!("{payment_url_base}{token}")),
        invoice,
        reason,
    };
    serde_json::to_vec(&message).ok()
}

/// What a message says. Fields that are not known are passed over.
#[derive(Debug, Serialize, Deserialize)]
struct Message {
    #[serde(rename = "type")]
    kind: String,
    account: Account,
    object: ForeignId,
    version: u64,
    occurred_at: Timestamp,
    payment_url: Option<String>,
    invoice: Option<StatedInvoice>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Signs a message as the provider does, with each of the secrets; `None` where one is no secret.
///
/// A secret that begins with `whsec_` is the base64 of its key, any other is its key itself.
///
/// ```
/// use monetization_core::clock::Timestamp;
/// use monetization_core::secret::Secret;
/// use monetization_engine_mock::webhooks::{SIGNATURE_HEADER, sign};
///
/// let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
/// let secrets = [Secret::new("the old one"), Secret::new("the new one")];
/// let headers = sign(&"evt_1".parse().unwrap(), b"{}", &secrets, now).unwrap();
/// let signatures = headers[SIGNATURE_HEADER].to_str().unwrap();
/// assert_eq!(signatures.split(' ').count(), 2);
/// ```
#[must_use]
pub fn sign(id: &ForeignId, body: &[u8], secrets: &[Secret], now: Timestamp) -> Option<HeaderMap> {
    let seconds = now.as_micros().div_euclid(1_000_000).to_string();
    let mut signatures = Vec::with_capacity(secrets.len());
    for secret in secrets {
        let signature = mac(secret, id.as_str(), &seconds, body)?
            .finalize()
            .into_bytes();
        signatures.push(format!("v1,{}", STANDARD.encode(signature)));
    }
    let mut headers = HeaderMap::new();
    headers.insert(ID_HEADER, HeaderValue::from_str(id.as_str()).ok()?);
    headers.insert(TIMESTAMP_HEADER, HeaderValue::from_str(&seconds).ok()?);
    headers.insert(
        SIGNATURE_HEADER,
        HeaderValue::from_str(&signatures.join(" ")).ok()?,
    );
    Some(headers)
}

/// What the signature is made of; `None` where the secret is none.
fn mac(secret: &Secret, id: &str, seconds: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
    let key = match secret.reveal().strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).ok()?,
        None => secret.reveal().as_bytes().to_vec(),
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(id.as_bytes());
    mac.update(b".");
    mac.update(seconds.as_bytes());
    mac.update(b".");
    mac.update(body);
    Some(mac)
}

/// Understands the mock's messages. It holds no secret and no clock: both are handed in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MockWebhooks;

impl Webhooks for MockWebhooks {
    fn verify(
        &self,
        body: &[u8],
        headers: &HeaderMap,
        secrets: &[Secret],
        now: Timestamp,
    ) -> Result<VerifiedEvent, WebhookError> {
        let text = |name: &HeaderName| {
            let mut values = headers.get_all(name).iter();
            // A header given twice could be read differently by whoever stands before us.
            let only = values.next().filter(|_| values.next().is_none());
            only.and_then(|value| value.to_str().ok())
                .ok_or(WebhookError::Signature)
        };
        let (id, seconds, signatures) = (
            text(&ID_HEADER)?,
            text(&TIMESTAMP_HEADER)?,
            text(&SIGNATURE_HEADER)?,
        );
        let sent = signatures
            .split(' ')
            .filter_map(|signature| signature.strip_prefix("v1,"));
        let sent: Vec<Vec<u8>> = sent
            .filter_map(|signature| STANDARD.decode(signature).ok())
            .collect();
        let fits = secrets
            .iter()
            .filter_map(|secret| mac(secret, id, seconds, body))
            .any(|mac| {
                // `verify_slice` compares in constant time.
                sent.iter()
                    .any(|signature| mac.clone().verify_slice(signature).is_ok())
            });
        if !fits {
            return Err(WebhookError::Signature);
        }
        check_fresh(seconds, now)?;
        let malformed = |problem: String| WebhookError::Malformed { problem };
        Ok(VerifiedEvent {
            id: id
                .parse()
                .map_err(|_| malformed("its name is none".to_owned()))?,
            body: body.to_vec(),
        })
    }

    fn interpret(&self, event: &VerifiedEvent) -> Result<Vec<EngineEvent>, WebhookError> {
        let malformed = |problem: String| WebhookError::Malformed { problem };
        let kind: Kind =
            serde_json::from_slice(&event.body).map_err(|error| malformed(error.to_string()))?;
        let known = [INVOICE, SUBSCRIPTION_ENDED, METHOD_STORED, USAGE_REJECTED];
        if !known.contains(&kind.kind.as_str()) {
            return Ok(Vec::new());
        }
        let message: Message =
            serde_json::from_slice(&event.body).map_err(|error| malformed(error.to_string()))?;
        let (object, news) = match message.invoice {
            Some(stated) => {
                let subscription = stated.subscription.clone();
                let invoice = engine_invoice(stated, message.payment_url);
                (
                    ObjectKind::Invoice,
                    News::Invoice {
                        subscription,
                        invoice,
                    },
                )
            }
            None if message.kind == SUBSCRIPTION_ENDED => {
                (ObjectKind::Subscription, News::SubscriptionEnded)
            }
            None if message.kind == METHOD_STORED => {
                (ObjectKind::Customer, News::PaymentMethodStored)
            }
            None if message.kind == USAGE_REJECTED => {
                let batch = message.object.as_str().parse();
                let batch = batch.map_err(|error: IdError| malformed(error.to_string()))?;
                (
                    ObjectKind::Report,
                    News::ReportsRejected(RejectedReports {
                        count: 1,
                        named: vec![RejectedReport {
                            batch,
                            reason: message.reason.unwrap_or_default(),
                        }],
                    }),
                )
            }
            None => return Err(malformed("the invoice is missing".to_owned())),
        };
        Ok(vec![EngineEvent {
            account: message.account,
            object,
            external: message.object,
            version: message.version,
            occurred_at: message.occurred_at,
            news,
        }])
    }
}

/// As much of a message as says whether the rest is for us.
#[derive(Debug, Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: String,
}

/// Only digits are a time: no sign, no blank, no fraction.
fn check_fresh(seconds: &str, now: Timestamp) -> Result<(), WebhookError> {
    let digits_only = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit());
    let sent_at = seconds
        .parse()
        .ok()
        .filter(|_| digits_only)
        .and_then(exactly);
    let sent_at = sent_at.ok_or(WebhookError::Stale)?;
    let apart = now
        .saturating_since(sent_at)
        .max(sent_at.saturating_since(now));
    if apart > TOLERANCE {
        Err(WebhookError::Stale)
    } else {
        Ok(())
    }
}

/// The instant so many seconds after the epoch; nothing where no instant is so far away, for the
/// nearest one might seem fresh.
fn exactly(seconds: i64) -> Option<Timestamp> {
    let at = Timestamp::from_secs(seconds);
    (at.as_micros().div_euclid(1_000_000) == seconds).then_some(at)
}
