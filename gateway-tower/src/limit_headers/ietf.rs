//! The headers of `draft-ietf-httpapi-ratelimit-headers`, revision 11.
//!
//! | parameter | of | says |
//! |---|---|---|
//! | `q` | `RateLimit-Policy` | what the limit lets through in its window, or at once for a burst |
//! | `w` | `RateLimit-Policy` | the length of the window in seconds: of this month, not of a month |
//! | `r` | `RateLimit` | what is left after this call |
//! | `t` | `RateLimit` | seconds until there is more |
//!
//! Every limit stands in both headers, under the same name, in the order of the plan. The unit is
//! requests, which is what the draft takes where `qu` is left out; a partition key (`pk`) would only
//! repeat the caller's own key.

use bytes::Bytes;
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
    for (place, standing) in all.iter().enumerate() {
        line.item(place, standing.name);
        line.parameter(";q=", standing.max);
        if standing.name != WindowName::Burst {
            line.parameter(";w=", whole_seconds(standing.length));
        }
    }
    let policy_end = line.0.len();
    for (place, standing) in all.iter().enumerate() {
        line.item(place, standing.name);
        line.parameter(";r=", standing.remaining);
        line.parameter(";t=", seconds_until(standing.reset_at, now));
    }
    let line = Bytes::from(line.0);
    let parts = [
        (POLICY, line.slice(..policy_end)),
        (LIMIT, line.slice(policy_end..)),
    ];
    for (name, value) in parts {
        // Names, digits and punctuation always make a value.
        if let Ok(value) = HeaderValue::from_maybe_shared(value) {
            headers.insert(name, value);
        }
    }
}

/// The name of a limit in these headers and in problems, with its quotation marks.
pub(crate) fn quoted(window: WindowName) -> &'static str {
    match window {
        WindowName::Burst => "\"burst\"",
        WindowName::Second => "\"second\"",
        WindowName::Minute => "\"minute\"",
        WindowName::Hour => "\"hour\"",
        WindowName::Day => "\"day\"",
        WindowName::Month => "\"month\"",
        WindowName::Year => "\"year\"",
        WindowName::Period => "\"period\"",
    }
}

/// Both headers, one after the other, as they are being written.
struct Line(Vec<u8>);

impl Line {
    fn with_capacity(limits: usize) -> Self {
        // An item of either line seldom has more than 32 bytes.
        Self(Vec::with_capacity(limits.saturating_mul(64)))
    }

    /// Begins an item of a list.
    #[inline]
    fn item(&mut self, place: usize, window: WindowName) {
        if place > 0 {
            self.0.extend_from_slice(b", ");
        }
        self.0.extend_from_slice(quoted(window).as_bytes());
    }

    /// Adds an integer parameter to the item.
    #[inline]
    fn parameter(&mut self, key: &str, number: u64) {
        self.0.extend_from_slice(key.as_bytes());
        let mut digits = itoa::Buffer::new();
        self.0.extend_from_slice(digits.format(number).as_bytes());
    }
}
