//! Answers of the gateway itself.
//!
//! They say what the caller can do about it and nothing of what is behind the gateway: no address,
//! no error of the upstream, not even whether a product exists that the caller has not bought.
//! Bodies are constants wherever they can be, since refusals are what comes in floods.
//!
//! A refusal is an answer like any other to tower: the service's own error type is never made here,
//! so a server around the layer needs no error handler for it.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use monetization_core::access::Closed;
use monetization_core::clock::Timestamp;
use monetization_core::runtime::{Denial, Limited, Unauthenticated, WindowName};

use crate::limit_headers::{self, ietf, seconds_until};
use crate::options::{LayerOptions, LimitedBody};
use crate::path::PathError;
use problem::Problem;

mod problem;

const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// What clients of Kong have always seen; byte for byte.
const LIMITED: &str = r#"{"message":"API rate limit exceeded"}"#;

/// Why the gateway itself has answered a call: in the extensions of such an answer, for whoever counts or logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused(&'static str);

impl Refused {
    /// The `code` of the problem, such as `no_key` or `quota_exceeded`; clients see it too, except in the body of a
    /// 429 that is not a problem.
    #[must_use]
    pub const fn code(self) -> &'static str {
        self.0
    }
}

/// An answer whose body is all there.
pub(crate) type Answer = Response<Bytes>;

/// To a path that is not read.
pub(crate) fn unreadable(error: PathError) -> Answer {
    answer(&match error {
        PathError::TooLong => problem::TOO_LONG,
        PathError::ProductName => problem::PRODUCT_NAME,
        PathError::Host => problem::HOST,
        PathError::NotCanonical => problem::NOT_CANONICAL,
        PathError::NotAbsolute
        | PathError::EmptySegment
        | PathError::DotSegment
        | PathError::ForeignSeparator
        | PathError::NotAscii
        | PathError::Control
        | PathError::BadEscape
        | PathError::EncodedDelimiter
        | PathError::NotUtf8 => problem::AMBIGUOUS_PATH,
    })
}

/// To a request that announces a longer body than can be counted.
pub(crate) fn body_too_long() -> Answer {
    answer(&problem::BODY_TOO_LONG)
}

/// To a call that is refused. `accept` are the request's headers, which choose between the bodies
/// of a 429; every other refusal is a problem for everybody.
pub(crate) fn denied(
    denial: &Denial,
    accept: &HeaderMap,
    now: Timestamp,
    options: &LayerOptions,
) -> Answer {
    match denial {
        Denial::Unauthenticated(why) => {
            let mut answer = answer(match why {
                Unauthenticated::Missing => &problem::NO_KEY,
                Unauthenticated::Several => &problem::SEVERAL_KEYS,
                _ => &problem::INVALID_KEY,
            });
            let bearer = HeaderValue::from_static("Bearer");
            answer.headers_mut().insert(WWW_AUTHENTICATE, bearer);
            answer
        }
        Denial::NoSuchResource => answer(&problem::NO_SUCH_RESOURCE),
        Denial::NotCovered => answer(&problem::NOT_COVERED),
        Denial::Closed(Closed::PaymentRequired) => answer(&problem::PAYMENT_REQUIRED),
        Denial::Closed(Closed::NotApproved) => answer(&problem::NOT_APPROVED),
        Denial::Closed(Closed::Blocked) => answer(&problem::BLOCKED),
        Denial::Closed(Closed::Ended) => answer(&problem::ENDED),
        Denial::Closed(Closed::NotServed) => answer(&problem::NOT_SERVED),
        Denial::Limited(limited) => self::limited(limited, accept, now, options),
        Denial::Busy { retry_after } => {
            let mut answer = answer(&problem::BUSY);
            let seconds = limit_headers::whole_seconds(*retry_after).max(1);
            answer.headers_mut().insert(RETRY_AFTER, seconds.into());
            answer
        }
        // Also what a later core may refuse for: nothing is opened by not knowing why.
        _ => answer(&problem::NO_SUBSCRIPTION),
    }
}

/// In place of an answer that the upstream did not give.
pub(crate) fn unreachable() -> Answer {
    answer(&problem::UNREACHABLE)
}

/// In place of an answer that the inner service panicked over.
pub(crate) fn panicked() -> Answer {
    answer(&problem::PANICKED)
}

/// In place of an answer whose record is not durable.
pub(crate) fn not_recorded() -> Answer {
    answer(&problem::NOT_RECORDED)
}

/// A 429. `Retry-After` never says less than when the call could pass.
fn limited(
    limited: &Limited,
    accept: &HeaderMap,
    now: Timestamp,
    options: &LayerOptions,
) -> Answer {
    let problem = options.limited == LimitedBody::Problem || accepts_problem(accept);
    let (kind, body) = if problem {
        (PROBLEM_JSON, Bytes::from(limited_problem(limited)))
    } else {
        (JSON, Bytes::from_static(LIMITED.as_bytes()))
    };
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    let code = if limited.quota {
        "quota_exceeded"
    } else {
        "rate_exceeded"
    };
    answer.extensions_mut().insert(Refused(code));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, kind);
    limit_headers::write_refused(options.headers, &limited.standings, now, headers);
    // Where it can never pass, the window's end is still when anything changes.
    let tightest = limited.standings.most_constrained();
    let resets = tightest.filter(|standing| standing.name != WindowName::Ever);
    let resets_at = resets.map(|standing| standing.reset_at);
    if let Some(at) = limited.retry_at.or(resets_at) {
        headers.insert(RETRY_AFTER, seconds_until(at, now).into());
    }
    answer
}

/// The problem of a 429: a rate is over in a moment, a quota may be a matter of buying more.
fn limited_problem(limited: &Limited) -> String {
    let mut body = String::from(if limited.quota {
        problem::QUOTA_EXCEEDED
    } else {
        problem::RATE_EXCEEDED
    });
    let exceeded = limited
        .standings
        .as_slice()
        .iter()
        .filter(|standing| standing.exceeded);
    let names: Vec<_> = exceeded.map(ietf::quoted).collect();
    body.push_str(&names.join(","));
    body.push_str("]}");
    body
}

/// Whether the client names `application/problem+json` among what it accepts, and does not refuse
/// it by `q=0`. A range such as `*/*` names nothing.
fn accepts_problem(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT).into_iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let named = parts
                .next()
                .is_some_and(|kind| kind.eq_ignore_ascii_case("application/problem+json"));
            let refused = |parameter: &str| {
                let value = parameter
                    .strip_prefix("q=")
                    .or(parameter.strip_prefix("Q="));
                value.is_some_and(|value| value.bytes().all(|byte| byte == b'0' || byte == b'.'))
            };
            named && !parts.any(refused)
        })
}

fn answer(problem: &Problem) -> Answer {
    let mut answer = Response::new(Bytes::from_static(problem.body.as_bytes()));
    *answer.status_mut() = problem.status;
    answer.headers_mut().insert(CONTENT_TYPE, PROBLEM_JSON);
    answer.extensions_mut().insert(Refused(problem.code));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_given_to_those_who_accept_them_by_name() {
        let table = [
            ("application/problem+json", true),
            ("text/html, Application/Problem+JSON;q=0.5", true),
            ("application/problem+json;q=0", false),
            ("application/problem+json; q=0.000", false),
            ("application/json", false),
            ("*/*", false),
        ];
        for (accept, expected) in table {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(accepts_problem(&headers), expected, "{accept}");
        }
        assert!(!accepts_problem(&HeaderMap::new()));
    }
}
