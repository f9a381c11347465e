//! The headers of Kong: a pair for each window, and the most constrained limit.

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue};
use monetization_core::clock::Timestamp;
use monetization_core::runtime::{Standings, WindowName};

use super::seconds_until;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

pub(super) fn write(standings: &Standings, now: Timestamp, headers: &mut HeaderMap) {
    let all = standings.as_slice();
    let count = all.len().saturating_mul(2).saturating_add(3);
    headers.reserve(count);
    let mut numbers = Numbers::with_capacity(count);
    for standing in all {
        if let Some((limit, remaining)) = names(standing.name) {
            headers.insert(limit, numbers.value(standing.max));
            headers.insert(remaining, numbers.value(standing.remaining));
        }
    }
    if let Some(tightest) = standings.most_constrained() {
        let reset = seconds_until(tightest.reset_at, now);
        headers.insert(LIMIT, numbers.value(tightest.max));
        headers.insert(REMAINING, numbers.value(tightest.remaining));
        headers.insert(RESET, numbers.value(reset));
    }
}

/// Header values that share one piece of memory.
struct Numbers(BytesMut);

impl Numbers {
    fn with_capacity(count: usize) -> Self {
        // Most numbers have fewer than eight digits.
        Self(BytesMut::with_capacity(count.saturating_mul(8)))
    }

    fn value(&mut self, number: u64) -> HeaderValue {
        let mut digits = itoa::Buffer::new();
        self.0.extend_from_slice(digits.format(number).as_bytes());
        // Digits always make a value.
        HeaderValue::from_maybe_shared(self.0.split().freeze())
            .unwrap_or_else(|_| HeaderValue::from(number))
    }
}

macro_rules! pairs {
    ($($window:ident: $limit:literal, $remaining:literal;)+) => {
        /// The names for a window; a burst has none.
        fn names(window: WindowName) -> Option<(HeaderName, HeaderName)> {
            match window {
                WindowName::Burst => None,
                $(WindowName::$window => {
                    const LIMIT: HeaderName = HeaderName::from_static($limit);
                    const REMAINING: HeaderName = HeaderName::from_static($remaining);
                    Some((LIMIT, REMAINING))
                })+
            }
        }
    };
}

pairs! {
    Second: "x-ratelimit-limit-second", "x-ratelimit-remaining-second";
    Minute: "x-ratelimit-limit-minute", "x-ratelimit-remaining-minute";
    Hour: "x-ratelimit-limit-hour", "x-ratelimit-remaining-hour";
    Day: "x-ratelimit-limit-day", "x-ratelimit-remaining-day";
    Month: "x-ratelimit-limit-month", "x-ratelimit-remaining-month";
    Year: "x-ratelimit-limit-year", "x-ratelimit-remaining-year";
    Period: "x-ratelimit-limit-period", "x-ratelimit-remaining-period";
}
