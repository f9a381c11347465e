//! What an answer that is none, or says no, leaves open.
//!
//! | what happened | kind |
//! |---|---|
//! | no connection, or nothing of the request has left | `Retryable` |
//! | a read that got no whole answer, or an answer of nonsense | `Retryable` |
//! | a write that got no whole answer, or an answer of nonsense | `Ambiguous` |
//! | 5xx to a read | `Retryable` |
//! | 5xx to a write: Stripe keeps it under the key and tells it again for a day | `Ambiguous` |
//! | 429, and 409 for a lock | `Retryable`, with `Retry-After` |
//! | 409 because the same key is under way | `Ambiguous` |
//! | 401, 403 | `Unauthorized` |
//! | `idempotency_error` | `Conflict` |
//! | `resource_missing` | `NotFound` |
//! | any other 4xx of Stripe's | `Permanent`; `Retryable` with `Stripe-Should-Retry: true` |
//!
//! What is not in Stripe's own words is not believed to be its refusal: somebody on the way may have
//! said it.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, Response, StatusCode};
use monetization_core::engine::{EngineError, EngineErrorKind};
use monetization_core::secret::Secret;
use serde::Deserialize;

use crate::transport::is_replayed;

/// Characters of what Stripe says that are passed on.
const MESSAGE_CHARACTERS_MAX: usize = 300;
/// The longest wait that is believed.
const WAIT_MAX: Duration = Duration::from_secs(3_600);

/// That a request came to nothing, in more detail than core needs.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What core is told.
    pub(crate) error: EngineError,
    /// Stripe's words for it.
    said: Option<Box<Refusal>>,
    /// Whether Stripe itself said no to what was asked: then it was not done.
    pub(crate) is_refusal: bool,
    /// Whether Stripe said that who was to be charged does not pay.
    pub(crate) is_decline: bool,
    /// Whether it was said before to the same key, and told again.
    pub(crate) is_replayed: bool,
    /// What Stripe said, where it knows the key, and the key may not do what was asked.
    pub(crate) forbidden: Option<String>,
}

/// Whether a request changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intent {
    Read,
    Write,
}

impl Intent {
    /// What it leaves open that nobody knows what became of it.
    fn unknown(self) -> EngineErrorKind {
        match self {
            Self::Read => EngineErrorKind::Retryable,
            Self::Write => EngineErrorKind::Ambiguous,
        }
    }
}

impl Failure {
    /// Of this kind, where Stripe has said nothing.
    pub(crate) fn new(kind: EngineErrorKind, message: impl Into<String>) -> Self {
        Self::from(EngineError::new(kind, message))
    }

    /// No answer came; `left` is whether the request may have arrived.
    pub(crate) fn silent(intent: Intent, left: bool, cause: Box<dyn Error + Send + Sync>) -> Self {
        let kind = if left {
            intent.unknown()
        } else {
            EngineErrorKind::Retryable
        };
        Self::from(EngineError::new(kind, "Stripe cannot be reached").because(cause))
    }

    /// An answer of success that makes no sense.
    pub(crate) fn nonsense(intent: Intent, cause: serde_json::Error) -> Self {
        let message = "Stripe's answer makes no sense";
        Self::from(EngineError::new(intent.unknown(), message).because(cause))
    }

    /// Passes an answer that is a success, and says what any other is.
    ///
    /// # Errors
    /// The [`Failure`] that the answer is.
    pub(crate) fn check(
        intent: Intent,
        answer: &Response<Bytes>,
        secret: &Secret,
    ) -> Result<(), Self> {
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let told = serde_json::from_slice::<Told>(answer.body()).ok();
        let told = told.map(|told| told.error);
        let should_retry = should_retry(answer.headers());
        let kind = kind(intent, status, told.as_ref(), should_retry);
        let message = message(status, told.as_ref(), answer.headers());
        let message = redacted(&message, Some(secret));
        let forbidden = (status == StatusCode::FORBIDDEN).then(|| message.clone());
        let mut error = EngineError::new(kind, message);
        if let Some(wait) = wait(answer.headers()) {
            error = error.retry_after(wait);
        }
        let is_refusal = told.is_some() && status.is_client_error() && !error.is_temporary();
        Err(Self {
            error,
            said: told.map(Box::new),
            is_refusal,
            is_decline: is_refusal && status == StatusCode::PAYMENT_REQUIRED,
            is_replayed: is_replayed(answer.headers()),
            forbidden,
        })
    }

    /// Whether what was to be made is there already.
    pub(crate) fn is_there_already(&self) -> bool {
        let code = self.said.as_ref().and_then(|said| said.code.as_deref());
        code == Some("resource_already_exists")
    }

    /// Whether a meter event was refused because it was counted before, as far as Stripe's words tell:
    /// it has no code for that.
    pub(crate) fn is_counted_already(&self) -> bool {
        self.is_refusal
            && self
                .error
                .to_string()
                .contains("already exists with identifier")
    }

    /// Whether it is about something that was sent.
    pub(crate) fn names_a_parameter(&self) -> bool {
        let said = self.said.as_ref();
        said.is_some_and(|said| said.param.is_some())
    }

    /// Whether it is about this parameter.
    pub(crate) fn is_about(&self, param: &str) -> bool {
        let about = self.said.as_ref().and_then(|said| said.param.as_deref());
        about == Some(param)
    }

    /// Whether there is no such object.
    pub(crate) fn is_not_found(&self) -> bool {
        self.error.kind() == &EngineErrorKind::NotFound
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Self {
            error,
            said: None,
            is_refusal: false,
            is_decline: false,
            is_replayed: false,
            forbidden: None,
        }
    }
}

impl From<Failure> for EngineError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// Stripe's words for a refusal.
#[derive(Debug, Deserialize)]
struct Told {
    error: Refusal,
}

/// One refusal; whatever it lacks is left out.
#[derive(Debug, Deserialize)]
struct Refusal {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    param: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

/// The table above.
fn kind(
    intent: Intent,
    status: StatusCode,
    told: Option<&Refusal>,
    should_retry: Option<bool>,
) -> EngineErrorKind {
    let code = told.and_then(|told| told.code.as_deref());
    if status == StatusCode::TOO_MANY_REQUESTS {
        return EngineErrorKind::Retryable;
    }
    if status.is_server_error() {
        return intent.unknown();
    }
    let Some(told) = told.filter(|_| status.is_client_error()) else {
        return intent.unknown();
    };
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => EngineErrorKind::Unauthorized,
        _ if told.kind == "idempotency_error" => match code {
            Some("idempotency_key_in_use") => EngineErrorKind::Ambiguous,
            _ => EngineErrorKind::Conflict,
        },
        StatusCode::CONFLICT if code == Some("idempotency_key_in_use") => {
            EngineErrorKind::Ambiguous
        }
        StatusCode::CONFLICT => EngineErrorKind::Retryable,
        _ if code == Some("resource_missing") => EngineErrorKind::NotFound,
        StatusCode::FAILED_DEPENDENCY => intent.unknown(),
        _ if should_retry == Some(true) => EngineErrorKind::Retryable,
        _ => EngineErrorKind::Permanent,
    }
}

/// Status, type, code, parameter and message, cut short, and the name of the request.
fn message(status: StatusCode, told: Option<&Refusal>, headers: &HeaderMap) -> String {
    let mut message = status.as_u16().to_string();
    if let Some(told) = told {
        let parts = [Some(&told.kind), told.code.as_ref(), told.param.as_ref()];
        for part in parts.into_iter().flatten().filter(|part| !part.is_empty()) {
            message.push(' ');
            message.push_str(part);
        }
        if let Some(said) = &told.message {
            message.push_str(": ");
            message.extend(said.chars().take(MESSAGE_CHARACTERS_MAX));
        }
    }
    let request = headers.get("request-id").and_then(|id| id.to_str().ok());
    if let Some(request) = request {
        message.push_str(" (");
        message.extend(request.chars().take(64));
        message.push(')');
    }
    message
}

/// What Stripe advises, where it does.
fn should_retry(headers: &HeaderMap) -> Option<bool> {
    match headers.get("stripe-should-retry")?.as_bytes() {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}

/// How long to wait, where it is told in seconds.
fn wait(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse();
    Some(Duration::from_secs(seconds.ok()?).min(WAIT_MAX))
}

/// The text without the secret and without whatever else looks like a key of Stripe's.
pub(crate) fn redacted(text: &str, secret: Option<&Secret>) -> String {
    let text = match secret
        .map(Secret::reveal)
        .filter(|secret| !secret.is_empty())
    {
        Some(secret) => text.replace(secret, "…"),
        None => text.to_owned(),
    };
    let is_key = |word: &str| {
        let word = word.trim_start_matches(|letter: char| !letter.is_ascii_alphanumeric());
        ["sk_", "rk_", "whsec_"]
            .iter()
            .any(|start| word.starts_with(start))
    };
    let words = text
        .split(' ')
        .map(|word| if is_key(word) { "…" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
