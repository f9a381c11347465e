//! Requests that come to nothing, as RFC 9457 has them.

use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use monetization_core::field::FieldError;

use crate::control::ControlError;
use crate::wire::{FieldBody, NOT_DONE, ProblemBody};

/// Why a request came to nothing.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    errors: Vec<FieldBody>,
}

impl Problem {
    /// With this status and code; `detail` is for people.
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
        }
    }

    /// What is asked about does not exist.
    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is no such thing")
    }

    /// Nothing was done, and it may work later.
    pub(super) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, NOT_DONE, detail)
    }
}

impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Self {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Self {
            errors: vec![FieldBody::from(&error)],
            ..Self::new(status, "invalid_field", error.to_string())
        }
    }
}

impl From<ControlError> for Problem {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Missing { .. } => {
                Self::new(StatusCode::NOT_FOUND, "not_found", error.to_string())
            }
            ControlError::Journal(journal) => Self::unavailable(journal.to_string()),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = ProblemBody {
            title: self
                .status
                .canonical_reason()
                .unwrap_or_default()
                .to_owned(),
            status: self.status.as_u16(),
            code: self.code.to_owned(),
            detail: self.detail,
            errors: self.errors,
        };
        let mut response = (self.status, axum::Json(body)).into_response();
        let problem = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, problem);
        response
    }
}
