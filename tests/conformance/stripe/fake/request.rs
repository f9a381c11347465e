//! Requests and answers without a network.

use serde_json::Value;

use super::problem::Problem;
use crate::stripe::API_VERSION;
use crate::stripe::spec::Call;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// In capitals.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// What stands after `?`.
    pub query: String,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A write, with a form as its body.
    #[must_use]
    pub fn post(path: &str, body: &str) -> Self {
        let form = "application/x-www-form-urlencoded";
        let mut request = Self::bare("POST", path, "").with("content-type", form);
        request.body = body.as_bytes().to_vec();
        request
    }

    /// A write to the second version, with this body.
    #[must_use]
    pub fn post_v2(path: &str, body: &Value) -> Self {
        let mut request = Self::bare("POST", path, "").with("content-type", "application/json");
        request.body = body.to_string().into_bytes();
        request
    }

    /// A question.
    #[must_use]
    pub fn get(path: &str, query: &str) -> Self {
        Self::bare("GET", path, query)
    }

    /// A deletion.
    #[must_use]
    pub fn delete(path: &str, query: &str) -> Self {
        Self::bare("DELETE", path, query)
    }

    fn bare(method: &str, path: &str, query: &str) -> Self {
        let request = Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        };
        request.with("stripe-version", API_VERSION)
    }

    /// With an API key.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        self.with("authorization", &format!("Bearer {key}"))
    }

    /// With an idempotency key.
    #[must_use]
    pub fn idempotent(self, key: &str) -> Self {
        self.with("idempotency-key", key)
    }

    /// For a connected account.
    #[must_use]
    pub fn account(self, account: &str) -> Self {
        self.with("stripe-account", account)
    }

    /// With a header; its name in small letters.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(in super::super) fn header_pairs(&self) -> Vec<(&str, &str)> {
        let headers = self.headers.iter();
        headers
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect()
    }

    pub(in super::super) fn call<'a>(&'a self, headers: &'a [(&'a str, &'a str)]) -> Call<'a> {
        Call {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            body: &self.body,
            headers,
        }
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Of HTTP.
    pub status: u16,
    /// Beside the content type.
    pub headers: Vec<(String, String)>,
    /// JSON.
    pub body: String,
}

impl Answer {
    /// A success.
    #[must_use]
    pub fn ok(body: &Value) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: body.to_string(),
        }
    }

    /// Why it came to nothing.
    #[must_use]
    pub fn of(problem: &Problem) -> Self {
        let should = problem
            .should_retry
            .map(|it| ("Stripe-Should-Retry".to_owned(), it.to_string()));
        Self {
            status: problem.status,
            headers: should.into_iter().collect(),
            body: problem.body().to_string(),
        }
    }

    /// A failure within.
    #[must_use]
    pub fn failed() -> Self {
        let message = "An unknown error occurred";
        Self::of(&Problem::invalid(message).status(500).kind("api_error"))
    }

    /// The body, read.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The value of a header, whatever its letters.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}
