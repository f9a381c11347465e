//! How limits are told to clients.
//!
//! Both styles say the same: what each limit lets through, what is left after this call, and when
//! there is more. A call that was refused has taken nothing, so the limits that did not refuse it
//! show what they would have shown before. Nothing here counts: all numbers come with the
//! [`Standings`] of the decision; only the seconds are worked out when the head is sent, because
//! an upstream may have taken its time.
//!
//! Every answer has these headers, so they are made with few allocations: names are constants, and
//! the values of one answer share one piece of memory.

use std::borrow::Cow;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use monetization_core::clock::Timestamp;
use monetization_core::runtime::{Permit, Standings, Subject};

use crate::options::HeaderStyle;
pub(crate) use ietf::Policies;

pub(crate) mod ietf;
mod kong;

/// Tells how the limits stand for a call that was let through, at `now`, in the place of whatever the
/// upstream says of limits.
pub(crate) fn write(
    style: HeaderStyle,
    policies: &Policies,
    permit: &Permit,
    now: Timestamp,
    headers: &mut HeaderMap,
) {
    let standings = permit.standings();
    let policy = || policies.of(standings.as_slice());
    write_with(style, standings, policy, now, headers);
}

/// As [`write`], for a call that was refused.
pub(crate) fn write_refused(
    style: HeaderStyle,
    standings: &Standings,
    now: Timestamp,
    headers: &mut HeaderMap,
) {
    let policy = || ietf::policy(standings.as_slice());
    write_with(style, standings, policy, now, headers);
}

fn write_with(
    style: HeaderStyle,
    standings: &Standings,
    policy: impl FnOnce() -> HeaderValue,
    now: Timestamp,
    headers: &mut HeaderMap,
) {
    if style == HeaderStyle::None {
        return;
    }
    let foreign: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_ours(name))
        .cloned()
        .collect();
    for name in foreign {
        headers.remove(name);
    }
    if matches!(style, HeaderStyle::Kong | HeaderStyle::Both) {
        kong::write(standings, now, headers);
    }
    if matches!(style, HeaderStyle::Ietf | HeaderStyle::Both) {
        ietf::write(standings, policy, now, headers);
    }
}

/// What a limit counts, for its name; `None` where it counts all calls.
pub(crate) fn counted(of: &Subject) -> Option<Cow<'static, str>> {
    Some(match of {
        Subject::Calls => return None,
        Subject::Resource => "resource".into(),
        Subject::Meter { unit, name: None } => unit.as_str().into(),
        Subject::Meter {
            unit,
            name: Some(name),
        } => format!("{}-{name}", unit.as_str()).into(),
    })
}

/// Whole seconds from `now` until `at`, rounded up so that nobody comes too early; at least 1.
pub(crate) fn seconds_until(at: Timestamp, now: Timestamp) -> u64 {
    let micros = at.as_micros().saturating_sub(now.as_micros());
    u64::try_from(micros)
        .map_or(1, |micros| micros.div_ceil(1_000_000))
        .max(1)
}

/// Seconds of a length of time, a part of one counted as a whole.
pub(crate) fn whole_seconds(length: Duration) -> u64 {
    let part = u64::from(length.subsec_nanos() > 0);
    length.as_secs().saturating_add(part)
}

/// Whether a header of this name is ours to say, so that an upstream's own does not stay.
fn is_ours(name: &HeaderName) -> bool {
    let name = name.as_str();
    let family = |family: &str| name.starts_with(family);
    name == "ratelimit"
        || family("ratelimit-")
        || family("x-ratelimit-limit-")
        || family("x-ratelimit-remaining-")
}
