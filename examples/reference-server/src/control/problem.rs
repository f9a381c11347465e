//! Refusals of the control plane, as RFC 9457 has them.

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use monetization_core::engine::WebhookError;
use monetization_core::field::FieldError;
use monetization_core::flows::FlowError;
use monetization_core::store::{Conflict, Index, StoreError};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::report;
use crate::set_aside::SetAsideError;

/// Why a request came to nothing: `application/problem+json` with a `code` for programs and
/// `errors` that name the fields.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    errors: Vec<FieldProblem>,
    more: Map<String, Value>,
}

/// What is wrong with one field.
#[derive(Debug, Serialize)]
struct FieldProblem {
    field: String,
    problem: String,
}

#[derive(Serialize)]
struct Document {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    code: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldProblem>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

impl Problem {
    /// With this status and code; `detail` is for people.
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
            more: Map::new(),
        }
    }

    /// There is no such thing, or it is somebody else's: nobody learns which.
    pub(crate) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is no such thing")
    }

    /// A field of the request makes no sense.
    pub(crate) fn field(error: &FieldError) -> Self {
        let mut problem = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_field",
            error.to_string(),
        );
        problem.errors.push(FieldProblem {
            field: error.field().to_owned(),
            problem: error.problem().to_owned(),
        });
        problem
    }

    /// A failure in which fields are those of the terms in the request.
    pub(crate) fn within_terms(error: FlowError) -> Self {
        match error {
            FlowError::Field(field) => {
                let name = format!("terms.{}", field.field());
                Self::field(&FieldError::new(name, field.problem()))
            }
            error => error.into(),
        }
    }

    /// It cannot happen as things stand.
    pub(crate) fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, detail)
    }

    /// With another member in the document.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// Something of ours failed: the client learns that, and the operator learns why.
    fn failed(
        status: StatusCode,
        code: &'static str,
        error: &(dyn std::error::Error + 'static),
    ) -> Self {
        report::failure("answer a request of the control plane", error);
        let detail = match status {
            StatusCode::BAD_GATEWAY => "the billing engine did not do it",
            StatusCode::SERVICE_UNAVAILABLE => "it cannot be done at the moment: try again",
            _ => "something went wrong",
        };
        Self::new(status, code, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = Document {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or_default(),
            status: self.status.as_u16(),
            detail: self.detail,
            code: self.code,
            errors: self.errors,
            more: self.more,
        };
        let mut response = (self.status, axum::Json(document)).into_response();
        let headers = response.headers_mut();
        let problem = HeaderValue::from_static("application/problem+json");
        headers.insert(CONTENT_TYPE, problem);
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}

impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Self {
        Self::field(&error)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        FlowError::from(error).into()
    }
}

impl From<SetAsideError> for Problem {
    fn from(error: SetAsideError) -> Self {
        Self::failed(
            StatusCode::INTERNAL_SERVER_ERROR,
            "set_aside_unreadable",
            &error,
        )
    }
}

impl From<FlowError> for Problem {
    fn from(error: FlowError) -> Self {
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        match &error {
            FlowError::Field(field) => Self::field(field),
            FlowError::NotFound { .. } => Self::not_found(),
            FlowError::Illegal(illegal) => Self::conflict("illegal_state", illegal.to_string()),
            FlowError::InUse { problem } => Self::conflict("in_use", problem.clone()),
            FlowError::Conflict(conflict) => taken(conflict),
            FlowError::Unable { .. } => Self::conflict("engine_unable", error.to_string()),
            FlowError::Money(_) | FlowError::Invoice(_) => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "impossible_amount",
                report::chain(&error),
            ),
            FlowError::Webhook(refused) => webhook(refused),
            FlowError::TooEarly { .. } => Self::conflict("too_early", error.to_string()),
            FlowError::Unmatched { .. } => Self::conflict("unmatched", error.to_string()),
            FlowError::Contended => Self::failed(unavailable, "contended", &error),
            FlowError::Store(_) => Self::failed(unavailable, "store_unavailable", &error),
            FlowError::Engine(_) => Self::failed(StatusCode::BAD_GATEWAY, "engine_failed", &error),
            _ => Self::failed(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", &error),
        }
    }
}

fn taken(conflict: &Conflict) -> Problem {
    let mut problem = Problem::conflict("conflict", conflict.to_string());
    if let Conflict::Taken { index, value, .. } = conflict {
        problem.code = "taken";
        let field = match index {
            Index::ProductSlug => "slug",
            other => other.as_str(),
        };
        problem.errors.push(FieldProblem {
            field: field.to_owned(),
            problem: format!("{value:?} is taken: choose another one"),
        });
    }
    problem
}

fn webhook(refused: &WebhookError) -> Problem {
    let status = match refused {
        WebhookError::Malformed { .. } => StatusCode::BAD_REQUEST,
        _ => StatusCode::UNAUTHORIZED,
    };
    Problem::new(status, "message_refused", refused.to_string())
}
