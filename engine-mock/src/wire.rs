//! What goes over HTTP between the client and a mock process, in JSON.
//!
//! Both ends are of this crate and use these types, so what one writes the other reads. Bodies of
//! requests are read strictly; of answers only what is needed is read, so that a newer process can
//! say more than an older client knows.

use std::time::Duration;

use monetization_core::field::FieldError;
use serde::{Deserialize, Serialize};

use crate::provider::{Account, Refusal, Reply, Rules};
use crate::transport::{Answer, Call, Request};

/// Where calls are posted.
pub(crate) const CALLS: &str = "/v1/calls";
/// Where the provider tells how it conducts itself.
pub(crate) const PROVIDER: &str = "/v1/provider";
/// Where payment links lead.
pub(crate) const PAYMENT_PAGES: &str = "/pay/";
/// Bytes of the body of a request.
pub(crate) const BODY_BYTES_MAX: usize = 1 << 20;
/// The `code` of a refusal to begin: nothing was done.
pub(crate) const NOT_DONE: &str = "not_done";
/// The `code` of a failure after which nobody knows.
pub(crate) const UNKNOWN: &str = "unknown";

/// A [`Call`] without its credentials: those go in a header that nobody writes down.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallBody {
    account: Account,
    key: String,
    timeout_milliseconds: u64,
    request: Request,
    breaks: Option<Refusal>,
}

impl CallBody {
    /// What is sent of a call. Waiting is told in whole milliseconds.
    pub(crate) fn new(call: Call) -> Self {
        Self {
            account: call.account,
            key: call.key,
            timeout_milliseconds: u64::try_from(call.timeout.as_millis()).unwrap_or(u64::MAX),
            request: call.request,
            breaks: call.breaks,
        }
    }

    /// The call, as the process carries it out.
    pub(crate) fn into_call(self, credentials: Option<monetization_core::secret::Secret>) -> Call {
        Call {
            account: self.account,
            credentials,
            key: self.key,
            timeout: Duration::from_millis(self.timeout_milliseconds),
            request: self.request,
            breaks: self.breaks,
        }
    }
}

/// An [`Answer`]: the one or the other.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AnswerBody {
    /// It was done, or told.
    Reply(Reply),
    /// It was not, in the provider's words.
    Refusal(Refusal),
}

impl From<Answer> for AnswerBody {
    fn from(answer: Answer) -> Self {
        answer.map_or_else(Self::Refusal, Self::Reply)
    }
}

impl From<AnswerBody> for Answer {
    fn from(body: AnswerBody) -> Self {
        match body {
            AnswerBody::Reply(reply) => Ok(reply),
            AnswerBody::Refusal(refusal) => Err(refusal),
        }
    }
}

/// What a client has to know of a provider before it can speak for it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ProviderBody {
    /// The process's own.
    pub(crate) version: String,
    /// What stands before the token in a payment link.
    pub(crate) payment_url_base: String,
    /// How the provider conducts itself.
    pub(crate) rules: Rules,
}

/// Why a request came to nothing, in the members of RFC 9457.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ProblemBody {
    /// The status in words.
    pub(crate) title: String,
    /// The status again.
    pub(crate) status: u16,
    /// What it is, for programs.
    pub(crate) code: String,
    /// What it is, for people.
    pub(crate) detail: String,
    /// The fields that are wrong, where fields are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) errors: Vec<FieldBody>,
}

/// What is wrong with one field.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FieldBody {
    field: String,
    problem: String,
}

impl From<&FieldError> for FieldBody {
    fn from(error: &FieldError) -> Self {
        Self {
            field: error.field().to_owned(),
            problem: error.problem().to_owned(),
        }
    }
}
