//! Requests that come to nothing, as Stripe says it.

use serde_json::{Value, json};

/// Why a request came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Of the HTTP answer.
    pub status: u16,
    /// `invalid_request_error` and its like.
    pub kind: &'static str,
    /// `resource_missing` and its like.
    pub code: Option<&'static str>,
    /// The parameter that is to blame.
    pub param: Option<String>,
    /// For people.
    pub message: String,
    /// What `Stripe-Should-Retry` says.
    pub should_retry: Option<bool>,
}

impl Problem {
    /// A request that is wrong in itself.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self {
            status: 400,
            kind: "invalid_request_error",
            code: None,
            param: None,
            message: message.into(),
            should_retry: None,
        }
    }

    /// The object that the path names is not there.
    pub(super) fn no_such(what: &str, id: &str) -> Self {
        let param = if what == "subscription" { "id" } else { what };
        Self::invalid(format!("No such {what}: '{id}'"))
            .status(404)
            .code("resource_missing")
            .param(param)
    }

    /// An object that a parameter names is not there.
    pub(super) fn unknown(what: &str, param: &str, id: &str) -> Self {
        Self::invalid(format!("No such {what}: '{id}'"))
            .code("resource_missing")
            .param(param)
    }

    pub(super) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(super) fn kind(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }

    pub(super) fn code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    pub(super) fn param(mut self, param: &str) -> Self {
        self.param = Some(param.to_owned());
        self
    }

    pub(super) fn should_retry(mut self, should: bool) -> Self {
        self.should_retry = Some(should);
        self
    }

    /// The body of the answer.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut error = json!({ "type": self.kind, "message": self.message });
        if let Some(code) = self.code {
            error["code"] = json!(code);
            error["doc_url"] = json!(format!(
                "https://stripe.com/docs/error-codes/{}",
                code.replace('_', "-")
            ));
        }
        if let Some(param) = &self.param {
            error["param"] = json!(param);
        }
        json!({ "error": error })
    }
}
