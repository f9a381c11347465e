//! Calls of engines.
//!
//! They go the way that the engine in this process goes too, so they are seen, and faults that were
//! added on this side befall them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use monetization_core::field::FieldError;
use monetization_core::secret::Secret;
use serde::Serialize;

use super::Desk;
use super::input::{Json, Params};
use super::objects::{Listed, Page};
use super::problem::Problem;
use crate::provider::{Account, RefusalKind};
use crate::transport::{Answer, Operation, TransportError};
use crate::wire::{AnswerBody, CallBody, UNKNOWN};

/// A call as it is shown. Of its credentials only that there were some.
#[derive(Debug, Serialize)]
pub(super) struct SeenCallView {
    operation: Operation,
    key: String,
    account: Account,
    has_credentials: bool,
}

/// Carries one call out. Its answer has the status that large providers give it, and is told from
/// a problem by its body.
pub(super) async fn carry_out(
    State(desk): State<Desk>,
    headers: HeaderMap,
    Json(body): Json<CallBody>,
) -> Result<Response, Problem> {
    let call = body.into_call(credentials(&headers)?);
    let transport = Arc::clone(&desk.transport);
    // Whoever hangs up has sent the call all the same.
    let carried = tokio::spawn(async move { transport.send(call).await }).await;
    let unknown = |detail: String| {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Problem::new(status, UNKNOWN, detail)
    };
    match carried {
        Ok(Ok(answer)) => Ok(respond(answer)),
        Ok(Err(error @ TransportError::NotSent { .. })) => Err(Problem::unavailable(told(&error))),
        Ok(Err(error @ TransportError::NoAnswer { .. })) => Err(unknown(told(&error))),
        Err(panic) => Err(unknown(panic.to_string())),
    }
}

/// The newest calls. Their credentials are for tests in this process alone.
pub(super) async fn seen(
    State(desk): State<Desk>,
    Params(page): Params<Page>,
) -> Result<axum::Json<Listed<SeenCallView>>, Problem> {
    let seen = desk.control.calls().into_iter().map(|call| SeenCallView {
        operation: call.operation,
        key: call.key,
        account: call.account,
        has_credentials: call.credentials.is_some(),
    });
    page.newest(seen.collect()).map(axum::Json)
}

/// What the call signs in with.
fn credentials(headers: &HeaderMap) -> Result<Option<Secret>, FieldError> {
    let Some(value) = headers.get(AUTHORIZATION) else {
        return Ok(None);
    };
    let token = value.to_str().ok();
    let token = token.and_then(|value| value.strip_prefix("Bearer "));
    token
        .map(|token| Some(Secret::new(token)))
        .ok_or_else(|| FieldError::new("authorization", "allowed is Bearer and visible ASCII"))
}

/// A refusal has the status that large providers give it.
fn respond(answer: Answer) -> Response {
    let (status, wait) = match &answer {
        Ok(_) => (StatusCode::OK, None),
        Err(refusal) => match &refusal.kind {
            RefusalKind::Throttled { retry_after } => (StatusCode::TOO_MANY_REQUESTS, *retry_after),
            RefusalKind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, None),
            RefusalKind::Broken => (StatusCode::INTERNAL_SERVER_ERROR, None),
            RefusalKind::Permanent => (StatusCode::UNPROCESSABLE_ENTITY, None),
            RefusalKind::InProgress | RefusalKind::Conflict => (StatusCode::CONFLICT, None),
            RefusalKind::NotFound => (StatusCode::NOT_FOUND, None),
            RefusalKind::Unauthorized => (StatusCode::UNAUTHORIZED, None),
        },
    };
    let mut response = (status, axum::Json(AnswerBody::from(answer))).into_response();
    if let Some(wait) = wait {
        let seconds = HeaderValue::from(wait.as_secs().max(1));
        response.headers_mut().insert(RETRY_AFTER, seconds);
    }
    response
}

/// The error with what it says of its cause.
fn told(error: &TransportError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
