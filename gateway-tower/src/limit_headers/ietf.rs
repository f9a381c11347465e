//! The headers of `draft-ietf-httpapi-ratelimit-headers`, revision 11.
//!
//! | parameter | of | says |
//! |---|---|---|
//! | `q` | `RateLimit-Policy` | what the limit lets through in its window, or at once for a burst |
//! | `w` | `RateLimit-Policy` | the length of the window in seconds: of this month, not of a month |
//! | `r` | `RateLimit` | what is left after this call |
//! | `t` | `RateLimit` | seconds until there is more |
//!
//! Every limit stands in both headers, under the same name, in the order of the plan: that of its
//! window, such as `"month"`, with what it counts where that is not all calls, such as `"month-tokens"`, and with
//! the meter's name where that is not enough: `"month-tokens-input"`.
//! Requests are what the draft takes where `qu` is left out; a partition key (`pk`) would only repeat
//! the caller's own key. What was bought for ever has no window, so neither `w` nor `t`.

use std::borrow::Cow;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use foldhash::fast::FixedState;
use http::{HeaderMap, HeaderName, HeaderValue};
use monetization_core::clock::Timestamp;
use monetization_core::runtime::{Standing, Standings, Subject, WindowName};

use super::{counted, seconds_until, whole_seconds};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// What [`POLICY`] says of limits, so that it need not be put together for each answer.
///
/// A text is found by the limits alone: those of one plan differ by what was bought, by operation and by
/// month. Where more of them are in use than there are places, two may take turns in one, and nobody else
/// waits for them.
pub(crate) struct Policies(Box<[RwLock<Policy>]>);

/// A policy, and the limits that it speaks of.
#[derive(Debug, Default)]
struct Policy {
    limits: Vec<PolicyLimit>,
    text: Option<HeaderValue>,
}

type PolicyLimit = (WindowName, Subject, u64, Duration);

/// How many bits of a hash are a place.
const PLACE_BITS: u32 = 10;

impl Default for Policies {
    fn default() -> Self {
        let places = (0..1_u32 << PLACE_BITS).map(|_| RwLock::default());
        Self(places.collect())
    }
}

impl Policies {
    /// `"minute";q=20;w=60` for each limit, of which there is one. A burst has no window.
    pub(crate) fn of(&self, all: &[Standing]) -> HeaderValue {
        let Some(place) = self.place(all) else {
            return policy(all);
        };
        let known = place.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = known.text.as_ref().filter(|_| known.speaks_of(all)) {
            return text.clone();
        }
        drop(known);
        let text = policy(all);
        *place.write().unwrap_or_else(PoisonError::into_inner) = Policy {
            limits: all.iter().map(policy_limit).collect(),
            text: Some(text.clone()),
        };
        text
    }

    fn place(&self, all: &[Standing]) -> Option<&RwLock<Policy>> {
        let mut hasher = FixedState::default().build_hasher();
        for standing in all {
            let Standing { name, of, max, .. } = standing;
            (name, of, max, standing.length).hash(&mut hasher);
        }
        let place = hasher.finish() >> (u64::BITS - PLACE_BITS);
        self.0.get(usize::try_from(place).ok()?)
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Policies")
    }
}

impl Policy {
    fn speaks_of(&self, all: &[Standing]) -> bool {
        let mut limits = self.limits.iter();
        all.len() == limits.len()
            && all.iter().all(|standing| {
                limits.next().is_some_and(|(name, of, max, length)| {
                    *name == standing.name
                        && *max == standing.max
                        && *length == standing.length
                        && *of == standing.of
                })
            })
    }
}

fn policy_limit(standing: &Standing) -> PolicyLimit {
    let of = standing.of.clone();
    (standing.name, of, standing.max, standing.length)
}

/// Both headers: the policy, and `"minute";r=12;t=30` for each limit. Nothing for a plan without
/// limits.
pub(super) fn write(
    standings: &Standings,
    policy: impl FnOnce() -> HeaderValue,
    now: Timestamp,
    headers: &mut HeaderMap,
) {
    let all = standings.as_slice();
    if all.is_empty() {
        return;
    }
    headers.insert(POLICY, policy());
    let mut line = Line::with_capacity(all.len());
    for (place, standing) in all.iter().enumerate() {
        line.item(place, standing);
        line.parameter(";r=", standing.remaining);
        if standing.name != WindowName::Ever {
            line.parameter(";t=", seconds_until(standing.reset_at, now));
        }
    }
    headers.insert(LIMIT, line.into_value());
}

/// The policy of these limits.
pub(super) fn policy(all: &[Standing]) -> HeaderValue {
    let mut line = Line::with_capacity(all.len());
    for (place, standing) in all.iter().enumerate() {
        line.item(place, standing);
        line.parameter(";q=", standing.max);
        if let Subject::Meter { unit, .. } = &standing.of {
            line.text(&[";qu=\"", unit.as_str(), "\""]);
        }
        if !matches!(standing.name, WindowName::Burst | WindowName::Ever) {
            line.parameter(";w=", whole_seconds(standing.length));
        }
    }
    line.into_value()
}

/// The name of a limit in these headers and in problems, with its quotation marks: its window, and what
/// it counts where that is not all calls.
pub(crate) fn quoted(standing: &Standing) -> Cow<'static, str> {
    let window = window(standing.name);
    match counted(&standing.of) {
        None => window.into(),
        Some(of) => format!("{}-{of}\"", window.trim_end_matches('"')).into(),
    }
}

fn window(name: WindowName) -> &'static str {
    match name {
        WindowName::Burst => "\"burst\"",
        WindowName::Second => "\"second\"",
        WindowName::Minute => "\"minute\"",
        WindowName::Hour => "\"hour\"",
        WindowName::Day => "\"day\"",
        WindowName::Month => "\"month\"",
        WindowName::Year => "\"year\"",
        WindowName::Period => "\"period\"",
        WindowName::Ever => "\"ever\"",
    }
}

/// A header as it is being written.
struct Line(Vec<u8>);

impl Line {
    fn with_capacity(limits: usize) -> Self {
        // An item seldom has more than 32 bytes.
        Self(Vec::with_capacity(limits.saturating_mul(32)))
    }

    fn into_value(self) -> HeaderValue {
        // Names, digits and punctuation always make a value.
        HeaderValue::try_from(self.0).unwrap_or(HeaderValue::from_static(""))
    }

    /// Begins an item of a list.
    #[inline]
    fn item(&mut self, place: usize, standing: &Standing) {
        if place > 0 {
            self.0.extend_from_slice(b", ");
        }
        self.0.extend_from_slice(quoted(standing).as_bytes());
    }

    /// Adds texts as they are.
    fn text(&mut self, texts: &[&str]) {
        for text in texts {
            self.0.extend_from_slice(text.as_bytes());
        }
    }

    /// Adds an integer parameter to the item.
    #[inline]
    fn parameter(&mut self, key: &str, number: u64) {
        self.0.extend_from_slice(key.as_bytes());
        let mut digits = itoa::Buffer::new();
        self.0.extend_from_slice(digits.format(number).as_bytes());
    }
}

#[cfg(test)]
mod tests;
