//! Stripe's own description of its API, and what does not fit it.
//!
//! `spec.json` is made by `make_spec.py` from Stripe's Python SDK, whose sources are generated from
//! Stripe's description of its API; it is trimmed to what an engine here uses. The rules that Stripe
//! documents in words stand in `rules.rs`.
//!
//! ```
//! use monetization_conformance::stripe::spec::{Call, Spec};
//!
//! let headers = [
//!     ("authorization", "Bearer sk_test_1"),
//!     ("content-type", "application/x-www-form-urlencoded"),
//!     ("idempotency-key", "1"),
//!     ("stripe-version", "2026-09-30.endive"),
//! ];
//! let call = Call { method: "POST", path: "/v1/products", query: "", body: b"nam=API", headers: &headers };
//! let found: Vec<String> = Spec::official().request(&call, 0).iter().map(ToString::to_string).collect();
//! assert_eq!(found, ["POST /v1/products: nam: unknown parameter", "POST /v1/products: name: missing"]);
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use serde_json::Value;

use super::form::Form;

use schema::{Hash, Schema};

mod answer;
mod body;
mod headers;
mod parameters;
mod rules;
mod schema;

/// The operations of an API, and what goes in and out.
#[derive(Debug)]
pub struct Spec {
    version: String,
    operations: Vec<Operation>,
    hashes: BTreeMap<String, Hash>,
}

#[derive(Debug)]
struct Operation {
    method: String,
    /// `{name}` stands for any id.
    path: String,
    parameters: Option<String>,
    answer: Schema,
}

/// A request as it came.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// In capitals.
    pub method: &'a str,
    /// Without the query.
    pub path: &'a str,
    /// What stands after `?`.
    pub query: &'a str,
    /// The body.
    pub body: &'a [u8],
    /// Names in small letters, with their values.
    pub headers: &'a [(&'a str, &'a str)],
}

impl<'a> Call<'a> {
    /// The value of a header; its name in small letters.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let mut found = self.headers.iter().filter(|(own, _)| *own == name);
        found.next().map(|(_, value)| *value)
    }

    /// Its parameters, wherever they stand, and what cannot be read of them.
    #[must_use]
    pub fn parameters(&self) -> (Form, Vec<String>) {
        if self.is_of_the_second_version() && !self.body.is_empty() {
            return match serde_json::from_slice(self.body) {
                Ok(body) => (Form::of(&body), Vec::new()),
                Err(error) => (Form::default(), vec![error.to_string()]),
            };
        }
        let body = String::from_utf8_lossy(self.body);
        match (self.query.is_empty(), body.is_empty()) {
            (_, true) => Form::read(self.query),
            (true, false) => Form::read(&body),
            (false, false) => Form::read(&format!("{}&{body}", self.query)),
        }
    }

    /// Whether its body is JSON rather than a form, and its account stands in another header.
    #[must_use]
    pub fn is_of_the_second_version(&self) -> bool {
        self.path.starts_with("/v2/")
    }
}

/// Something that does not fit the specification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Method and path of the request.
    pub request: String,
    /// Which rule.
    pub kind: ViolationKind,
    /// The parameter, header or member.
    pub at: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Which rule was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ViolationKind {
    /// There is no such operation.
    UnknownOperation,
    /// There is no such parameter.
    UnknownParameter,
    /// A parameter is missing.
    MissingParameter,
    /// A parameter stands twice, or its name cannot be read.
    MalformedParameter,
    /// A parameter's value is none of its type.
    WrongParameter,
    /// A header is missing or wrong.
    Header,
    /// What Stripe documents in words.
    DocumentedRule,
    /// An answer does not have the schema of its operation.
    Answer,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.request, self.at, self.reason)
    }
}

impl Spec {
    /// The one that `spec.json` holds.
    ///
    /// # Panics
    /// Where `spec.json` is not what `make_spec.py` writes.
    #[must_use]
    pub fn official() -> &'static Self {
        static OFFICIAL: OnceLock<Spec> = OnceLock::new();
        OFFICIAL.get_or_init(|| {
            let read = serde_json::from_str(include_str!("spec.json"));
            let document: Value = read.unwrap_or(Value::Null);
            let spec = Self::read(&document);
            assert!(spec.is_some(), "spec.json: make it anew");
            spec.unwrap_or(Self {
                version: String::new(),
                operations: Vec::new(),
                hashes: BTreeMap::new(),
            })
        })
    }

    /// The version of the API.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The operations, as `POST /v1/prices/{price}`.
    pub fn operations(&self) -> impl Iterator<Item = String> {
        let operations = self.operations.iter();
        operations.map(|it| format!("{} {}", it.method, it.path))
    }

    /// What is wrong with a request, at this second since 1970.
    #[must_use]
    pub fn request(&self, call: &Call<'_>, now: i64) -> Vec<Violation> {
        let mut found = Found::of(call.method, call.path);
        let Some(operation) = self.find(call.method, call.path) else {
            found.push(ViolationKind::UnknownOperation, "", "no such operation");
            return found.all;
        };
        headers::check(call, &self.version, &mut found);
        let name = operation.parameters.as_deref();
        if call.is_of_the_second_version() && call.method == "POST" {
            body::check(self, name, call.body, &mut found);
            return found.all;
        }
        let (mut form, wrong) = call.parameters();
        if let (Schema::Linked(_), Form::Hash(members)) = (&operation.answer, &mut form) {
            // The address of a page is Stripe's own.
            members.remove("page");
        }
        for reason in wrong {
            let (at, reason) = reason.rsplit_once(": ").unwrap_or(("", &reason));
            found.push(ViolationKind::MalformedParameter, at, reason);
        }
        let hash = name.and_then(|it| self.hashes.get(it));
        let before = found.all.len();
        parameters::check(self, hash, &form, &mut found);
        if found.all.len() == before {
            rules::check(operation, &form, now, &mut found);
        }
        found.all
    }

    /// What is wrong with an answer: of a success against the schema of its operation, of a
    /// failure against the shape that Stripe's errors have.
    #[must_use]
    pub fn answer(&self, method: &str, path: &str, status: u16, body: &Value) -> Vec<Violation> {
        let mut found = Found::of(method, path);
        match self.find(method, path) {
            Some(operation) if status == 200 => {
                answer::check(self, &operation.answer, body, "", &mut found);
            }
            _ => answer::check_error(status, body, &mut found),
        }
        found.all
    }

    /// Holds an object against the hash of this name: `invoice`, `customer`.
    #[must_use]
    pub fn object(&self, name: &str, object: &Value) -> Vec<Violation> {
        let mut found = Found::of("object", name);
        answer::check(self, &Schema::Hash(name.to_owned()), object, "", &mut found);
        found.all
    }

    /// The operation as its path is written: `POST /v1/prices/{price}`.
    #[must_use]
    pub fn operation(&self, method: &str, path: &str) -> Option<String> {
        let found = self.find(method, path)?;
        Some(format!("{} {}", found.method, found.path))
    }

    fn find(&self, method: &str, path: &str) -> Option<&Operation> {
        let of = |it: &&Operation| it.method == method;
        let mut exact = self.operations.iter().filter(of);
        let mut matching = self.operations.iter().filter(of);
        exact
            .find(|it| it.path == path)
            .or_else(|| matching.find(|it| matches(&it.path, path)))
    }

    fn read(document: &Value) -> Option<Self> {
        let operations = document.get("operations")?.as_object()?.iter();
        let operations = operations.map(|(name, operation)| {
            let (method, path) = name.split_once(' ')?;
            let parameters = operation.get("parameters").and_then(Value::as_str);
            Some(Operation {
                method: method.to_owned(),
                path: path.to_owned(),
                parameters: parameters.map(str::to_owned),
                answer: Schema::read(operation.get("answer")?)?,
            })
        });
        let hashes = document.get("hashes")?.as_object()?.iter();
        let hashes = hashes.map(|(name, hash)| Some((name.clone(), Hash::read(hash)?)));
        Some(Self {
            version: document.get("api_version")?.as_str()?.to_owned(),
            operations: operations.collect::<Option<_>>()?,
            hashes: hashes.collect::<Option<_>>()?,
        })
    }
}

/// What was found so far about one request.
#[derive(Debug)]
struct Found {
    request: String,
    all: Vec<Violation>,
}

impl Found {
    fn of(method: &str, path: &str) -> Self {
        let request = format!("{method} {path}");
        let all = Vec::new();
        Self { request, all }
    }

    /// What was found about the same, apart: an alternative may fit all the same.
    fn aside(&self) -> Self {
        let request = self.request.clone();
        let all = Vec::new();
        Self { request, all }
    }

    fn push(&mut self, kind: ViolationKind, at: &str, reason: impl Into<String>) {
        self.all.push(Violation {
            request: self.request.clone(),
            kind,
            at: at.to_owned(),
            reason: reason.into(),
        });
    }
}

fn matches(template: &str, path: &str) -> bool {
    let mut path = path.split('/');
    let fits = template.split('/').all(|step| {
        let own = path.next();
        own.is_some_and(|own| own == step || step.starts_with('{') && !own.is_empty())
    });
    fits && path.next().is_none()
}
