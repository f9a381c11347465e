//! The headers of Kong: a pair for each window, and the most constrained limit.
//!
//! Kong itself counts a month as 30 days and a year as 365 when it says when a window resets; here
//! it is the calendar's. A limit that does not count all calls has what it counts in its names, such as
//! `X-RateLimit-Limit-Month-Tokens`, and its meter where that is not enough. Kong has no billing period, which is called `Period`, and no burst, which
//! has no window to be named after and shows in the last three headers only.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use monetization_core::clock::Timestamp;
use monetization_core::runtime::{Standing, Standings, WindowName};

use super::{counted, seconds_until};

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Two headers for each window, at most three more. Nothing for a plan without limits.
pub(super) fn write(standings: &Standings, now: Timestamp, headers: &mut HeaderMap) {
    let Some(tightest) = standings.most_constrained() else {
        return;
    };
    let all = standings.as_slice();
    let count = all.len().saturating_mul(2).saturating_add(3);
    headers.reserve(count);
    let mut numbers = Numbers::with_capacity(count);
    for standing in all {
        numbers.push(standing.max);
        numbers.push(standing.remaining);
    }
    numbers.push(tightest.max);
    numbers.push(tightest.remaining);
    numbers.push(seconds_until(tightest.reset_at, now));
    let mut values = numbers.into_values();
    let mut next = || values.next().unwrap_or(HeaderValue::from_static("0"));
    for standing in all {
        let (max, remaining) = (next(), next());
        if let Some((limit_name, remaining_name)) = names_of(standing) {
            headers.insert(limit_name, max);
            headers.insert(remaining_name, remaining);
        }
    }
    headers.insert(LIMIT, next());
    headers.insert(REMAINING, next());
    if tightest.name != WindowName::Ever {
        headers.insert(RESET, next());
    }
}

/// The names for a limit: those of its window, with what it counts where that is not all calls.
fn names_of(standing: &Standing) -> Option<(HeaderName, HeaderName)> {
    let (limit, remaining) = names(standing.name)?;
    let Some(of) = counted(&standing.of) else {
        return Some((limit, remaining));
    };
    let name = |name: &HeaderName| format!("{name}-{of}").parse().ok();
    Some((name(&limit)?, name(&remaining)?))
}

/// Numbers that become header values sharing one piece of memory.
struct Numbers {
    digits: Vec<u8>,
    ends: Vec<usize>,
}

impl Numbers {
    fn with_capacity(count: usize) -> Self {
        Self {
            // Most numbers have fewer than eight digits.
            digits: Vec::with_capacity(count.saturating_mul(8)),
            ends: Vec::with_capacity(count),
        }
    }

    /// Puts one more number in.
    fn push(&mut self, number: u64) {
        let mut digits = itoa::Buffer::new();
        self.digits
            .extend_from_slice(digits.format(number).as_bytes());
        self.ends.push(self.digits.len());
    }

    /// The numbers as values, in the order they were put in.
    fn into_values(self) -> impl Iterator<Item = HeaderValue> {
        let digits = Bytes::from(self.digits);
        let mut start = 0;
        self.ends.into_iter().filter_map(move |end| {
            let number = digits.slice(start..end);
            start = end;
            // Digits always make a value.
            HeaderValue::from_maybe_shared(number).ok()
        })
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
    Ever: "x-ratelimit-limit-ever", "x-ratelimit-remaining-ever";
}
