//! One request: what befalls it, and what is answered.

use std::future;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use http::Response;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use serde_json::json;
use tokio::time::sleep;

use super::connection::Sent;
use super::{Seen, Shared, locked};
use crate::stripe::fake::{Answer, Befalls, Request};
use crate::stripe::faults::{Fault, When};
use crate::stripe::form::Form;

/// Answers a request, as the faults will have it.
pub(super) async fn answer(shared: &Arc<Shared>, request: Request) -> io::Result<Sent> {
    let header = |name: &str| {
        let found = request.headers.iter().find(|(own, _)| own == name);
        found.map(|(_, value)| value.clone())
    };
    let (key, account) = (header("idempotency-key"), header("stripe-account"));
    let fault = locked(&shared.faults).befall(&request.method, &request.path);
    locked(&shared.seen).push(Seen {
        method: request.method.clone(),
        path: request.path.clone(),
        query: request.query.clone(),
        body: String::from_utf8_lossy(&request.body).into_owned(),
        key: key.clone(),
        account: account.clone(),
        fault,
    });
    let under_way = key.map(|key| (account.unwrap_or_default(), key));
    let Some(_used) = Used::take(shared, under_way) else {
        let message = "There is currently another in-progress request using this Idempotent Key.";
        return sent(&spoken(
            409,
            "idempotency_error",
            Some("idempotency_key_in_use"),
            message,
        ));
    };
    let Some(_counted) = Used::take(shared, meter_of(&request)) else {
        let message = "Another meter event of this customer and meter is being taken.";
        return sent(&spoken(
            429,
            "invalid_request_error",
            Some("lock_timeout"),
            message,
        ));
    };
    let carried_out = |befalls| locked(&shared.fake).answer_with(&request, befalls);
    match fault {
        None => sent(&carried_out(Befalls::Nothing)),
        Some((Fault::StoredFailure, when)) => {
            let is_done = when == When::After;
            sent(&carried_out(Befalls::StoredFailure { is_done }))
        }
        Some((Fault::Slow(takes), When::Before)) => {
            sleep(takes).await;
            sent(&carried_out(Befalls::Nothing))
        }
        Some((fault, When::Before)) => spoilt(fault, None).await,
        Some((fault, When::After)) => {
            let answer = carried_out(Befalls::Nothing);
            spoilt(fault, Some(answer)).await
        }
    }
}

/// The meter and the customer of a meter event: one of them is taken at a time.
fn meter_of(request: &Request) -> Option<(String, String)> {
    if request.path != "/v1/billing/meter_events" {
        return None;
    }
    let (form, _) = Form::read(&String::from_utf8_lossy(&request.body));
    let payload = form.member("payload")?;
    let customer = payload.text_of("stripe_customer_id")?.to_owned();
    Some((customer, form.text_of("event_name")?.to_owned()))
}

/// What comes of an answer, where there is one.
async fn spoilt(fault: Fault, answer: Option<Answer>) -> io::Result<Sent> {
    let failure = "An unknown error occurred";
    match fault {
        Fault::Drop => Err(io::ErrorKind::ConnectionReset.into()),
        Fault::Hang => future::pending().await,
        Fault::TooMany { retry_after } => {
            let message = "Request rate limit exceeded.";
            let mut answer = spoken(429, "invalid_request_error", Some("rate_limit"), message);
            let seconds = retry_after.to_string();
            answer.headers.push(("Retry-After".to_owned(), seconds));
            sent(&answer)
        }
        Fault::Lock => {
            let message = "This object cannot be accessed right now because another API request or Stripe process is currently accessing it.";
            sent(&spoken(
                409,
                "invalid_request_error",
                Some("lock_timeout"),
                message,
            ))
        }
        Fault::Failure | Fault::StoredFailure => sent(&spoken(500, "api_error", None, failure)),
        Fault::Unavailable => sent(&spoken(503, "api_error", None, "Service unavailable")),
        Fault::ShouldRetry(should) => {
            let mut answer = spoken(500, "api_error", None, failure);
            answer
                .headers
                .push(("Stripe-Should-Retry".to_owned(), should.to_string()));
            sent(&answer)
        }
        Fault::Garbage => {
            let mut answer = Answer::ok(&json!({}));
            answer.body = "<html><body>Bad gateway</body></html>".to_owned();
            sent(&answer)
        }
        Fault::Truncated => truncated(&answer.unwrap_or_else(|| Answer::ok(&json!({ "id": "" })))),
        Fault::Slow(takes) => {
            sleep(takes).await;
            sent(&answer.unwrap_or_else(Answer::failed))
        }
    }
}

/// An answer that no state machine gave.
fn spoken(status: u16, kind: &str, code: Option<&str>, message: &str) -> Answer {
    let mut error = json!({ "type": kind, "message": message });
    if let Some(code) = code {
        error["code"] = json!(code);
    }
    let body = json!({ "error": error });
    Answer {
        status,
        ..Answer::ok(&body)
    }
}

/// An answer as it is sent.
pub(super) fn sent(answer: &Answer) -> io::Result<Sent> {
    let body = Full::new(Bytes::from(answer.body.clone()));
    let body = body.map_err(|never| match never {}).boxed();
    head(answer).body(body).map_err(io::Error::other)
}

/// Half of an answer that says it is whole.
fn truncated(answer: &Answer) -> io::Result<Sent> {
    let half = Bytes::copy_from_slice(&answer.body.as_bytes()[..answer.body.len() / 2]);
    let frames = [
        Ok(Frame::data(half)),
        Err(io::ErrorKind::UnexpectedEof.into()),
    ];
    let body = BodyExt::boxed(StreamBody::new(stream::iter(frames)));
    let head = head(answer).header(CONTENT_LENGTH, answer.body.len());
    head.body(body).map_err(io::Error::other)
}

fn head(answer: &Answer) -> http::response::Builder {
    let mut head = Response::builder().status(answer.status);
    head = head.header(CONTENT_TYPE, "application/json");
    for (name, value) in &answer.headers {
        head = head.header(name, value);
    }
    head
}

/// What only one request may use at a time, until this is dropped.
struct Used {
    shared: Arc<Shared>,
    slot: Option<(String, String)>,
}

impl Used {
    /// None where somebody else uses it.
    fn take(shared: &Arc<Shared>, slot: Option<(String, String)>) -> Option<Self> {
        if let Some(slot) = &slot
            && !locked(&shared.under_way).insert(slot.clone())
        {
            return None;
        }
        let shared = Arc::clone(shared);
        Some(Self { shared, slot })
    }
}

impl Drop for Used {
    fn drop(&mut self) {
        if let Some(slot) = &self.slot {
            locked(&self.shared.under_way).remove(slot);
        }
    }
}
