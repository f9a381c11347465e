//! The headers of `draft-ietf-httpapi-ratelimit-headers`, revision 11.

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue};
use monetization_core::clock::Timestamp;
use monetization_core::runtime::{Standings, WindowName};

use super::{seconds_until, whole_seconds};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// `"minute";q=20;w=60` for each limit, and `"minute";r=12;t=30`. A burst has no window.
pub(super) fn write(standings: &Standings, now: Timestamp, headers: &mut HeaderMap) {
    let all = standings.as_slice();
    if all.is_empty() {
        return;
    }
    let mut line = Line::with_capacity(all.len());
    for standing in all {
        line.item(standing.name);
        line.parameter(";q=", standing.max);
        if standing.name != WindowName::Burst {
            line.parameter(";w=", whole_seconds(standing.length));
        }
    }
    line.end(headers, POLICY);
    for standing in all {
        line.item(standing.name);
        line.parameter(";r=", standing.remaining);
        line.parameter(";t=", seconds_until(standing.reset_at, now));
    }
    line.end(headers, LIMIT);
}

/// The name of a limit in these headers and in problems.
pub(crate) fn name(window: WindowName) -> &'static str {
    match window {
        WindowName::Burst => "burst",
        WindowName::Second => "second",
        WindowName::Minute => "minute",
        WindowName::Hour => "hour",
        WindowName::Day => "day",
        WindowName::Month => "month",
        WindowName::Year => "year",
        WindowName::Period => "period",
    }
}

struct Line(BytesMut);

impl Line {
    fn with_capacity(limits: usize) -> Self {
        // An item of either line seldom has more than 32 bytes.
        Self(BytesMut::with_capacity(limits.saturating_mul(64)))
    }

    fn item(&mut self, window: WindowName) {
        let before = if self.0.is_empty() { "\"" } else { ", \"" };
        self.0.extend_from_slice(before.as_bytes());
        self.0.extend_from_slice(name(window).as_bytes());
        self.0.extend_from_slice(b"\"");
    }

    fn parameter(&mut self, key: &str, number: u64) {
        self.0.extend_from_slice(key.as_bytes());
        let mut digits = itoa::Buffer::new();
        self.0.extend_from_slice(digits.format(number).as_bytes());
    }

    fn end(&mut self, headers: &mut HeaderMap, header: HeaderName) {
        // Names, digits and punctuation always make a value.
        if let Ok(value) = HeaderValue::from_maybe_shared(self.0.split().freeze()) {
            headers.insert(header, value);
        }
    }
}
