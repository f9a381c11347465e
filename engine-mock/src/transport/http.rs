//! The provider in another process.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode, Uri};
use monetization_core::field::FieldError;
use monetization_core::secret::Secret;

use super::{Answer, Call, Cause, Transport, TransportError};
use crate::pool::{Pool, Silence, plain_address};
use crate::provider::Refusal;
use crate::wire::{
    AnswerBody, BODY_BYTES_MAX, CALLS, CallBody, NOT_DONE, PROVIDER, ProblemBody, ProviderBody,
};

/// Carries calls to a mock process: one `POST` each, over connections that are kept.
///
/// | what happens | what it is |
/// |---|---|
/// | no connection can be made, or the call's time is over before the call has left | [`TransportError::NotSent`] |
/// | the process says that it has not begun: its journal has failed before | [`TransportError::NotSent`] |
/// | the call has left, and no whole answer comes within its time | [`TransportError::NoAnswer`] |
/// | what comes back is no answer of a mock | [`TransportError::NoAnswer`] |
/// | the provider answers or refuses | `Ok` |
/// | the process cannot read the call, or the call is larger than 1 MiB | `Ok`, a refusal for good |
///
/// Credentials go in the header `Authorization: Bearer`, marked as not to be shown. It needs a
/// tokio runtime. It can be wrapped as any other transport, so faults befall it just the same:
///
/// ```
/// use std::sync::Arc;
///
/// use monetization_engine_mock::faults::{Fault, Faults, FaultyTransport, Injection};
/// use monetization_engine_mock::transport::Http;
///
/// let faults = Arc::new(Faults::default());
/// faults.inject(Injection::next(Fault::LoseReply));
/// let transport = FaultyTransport::new(Http::new("http://127.0.0.1:8082")?, faults);
/// # drop(transport);
/// let error = Http::new("https://127.0.0.1:8082").unwrap_err();
/// assert_eq!(error.field(), "address");
/// # Ok::<(), monetization_core::field::FieldError>(())
/// ```
#[derive(Debug)]
pub struct Http {
    pool: Pool,
    calls: Uri,
    provider: Uri,
}

impl Http {
    /// A way to the mock process at this address, such as `http://127.0.0.1:8082`. Nothing is
    /// contacted until a call is sent.
    ///
    /// # Errors
    /// [`FieldError`] of `address` where it is not of the form `http://host:port`.
    pub fn new(address: &str) -> Result<Self, FieldError> {
        let at = |path: &str| {
            let base = address.trim_end_matches('/');
            plain_address("address", &format!("{base}{path}"))
        };
        Ok(Self {
            pool: Pool::new(),
            calls: at(CALLS)?,
            provider: at(PROVIDER)?,
        })
    }

    /// Asks the process how it conducts itself.
    pub(crate) async fn provider(&self, within: Duration) -> Result<ProviderBody, Cause> {
        let mut request = http::Request::new(Bytes::new());
        *request.uri_mut() = self.provider.clone();
        let answer = self.pool.exchange(request, within).await;
        let answer = answer.map_err(|silence| silence.cause)?;
        if answer.status() != StatusCode::OK {
            return Err(format!("it was answered {}", answer.status()).into());
        }
        Ok(serde_json::from_slice(answer.body())?)
    }

    /// The request that a call becomes; a refusal where it can become none.
    fn request(&self, mut call: Call) -> Result<http::Request<Bytes>, Refusal> {
        let credentials = call.credentials.take();
        let refuse = |problem: &str| Refusal::permanent(format!("the call {problem}"));
        let body = serde_json::to_vec(&CallBody::new(call))
            .map_err(|_| refuse("cannot be written as JSON"))?;
        if body.len() > BODY_BYTES_MAX {
            return Err(refuse(&format!(
                "has {} bytes: allowed are {BODY_BYTES_MAX}",
                body.len()
            )));
        }
        let mut request = http::Request::new(Bytes::from(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.calls.clone();
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(credentials) = credentials {
            let value = bearer(&credentials)
                .ok_or_else(|| refuse("has credentials that no header can carry"))?;
            headers.insert(AUTHORIZATION, value);
        }
        Ok(request)
    }
}

#[async_trait]
impl Transport for Http {
    async fn send(&self, call: Call) -> Result<Answer, TransportError> {
        let within = call.timeout;
        if within.is_zero() {
            let source: Option<Cause> = Some("the call was given no time".into());
            return Err(TransportError::NotSent { source });
        }
        let request = match self.request(call) {
            Ok(request) => request,
            Err(refusal) => return Ok(Err(refusal)),
        };
        match self.pool.exchange(request, within).await {
            Ok(answer) => understand(&answer),
            Err(Silence { left: false, cause }) => Err(TransportError::NotSent {
                source: Some(cause),
            }),
            Err(Silence { left: true, cause }) => Err(no_answer(cause)),
        }
    }
}

fn bearer(credentials: &Secret) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", credentials.reveal())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// An answer of the provider comes with the status that fits it, so the body is what tells it
/// from what somebody on the way may say.
fn understand(answer: &Response<Bytes>) -> Result<Answer, TransportError> {
    let status = answer.status();
    match serde_json::from_slice::<AnswerBody>(answer.body()) {
        Ok(body) => return Ok(body.into()),
        Err(error) if status.is_success() => return Err(no_answer(error.into())),
        Err(_) => {}
    }
    let problem = serde_json::from_slice::<ProblemBody>(answer.body()).ok();
    let detail = problem.as_ref().map_or("", |problem| &problem.detail);
    let said = format!("the process answered {status} {detail}");
    if status.is_client_error() {
        return Ok(Err(Refusal::permanent(said)));
    }
    let is_undone = problem.is_some_and(|problem| problem.code == NOT_DONE);
    let source: Option<Cause> = Some(said.into());
    Err(if is_undone {
        TransportError::NotSent { source }
    } else {
        TransportError::NoAnswer { source }
    })
}

fn no_answer(cause: Cause) -> TransportError {
    TransportError::NoAnswer {
        source: Some(cause),
    }
}
