//! Stripe's time: whole seconds since the epoch, in UTC.
//!
//! Core's instants are microseconds. What lies within a second is told as the second's beginning.

use std::time::Duration;

use monetization_core::clock::{Span, Timestamp};

/// By how much our clock may be ahead of Stripe's.
pub(crate) const CLOCKS_APART: Duration = Duration::from_secs(86_400);
/// Of a second.
const MICROS: i64 = 1_000_000;

/// The second in which an instant lies.
pub(crate) fn seconds(at: Timestamp) -> i64 {
    at.as_micros().div_euclid(MICROS)
}

/// The stretch between two of Stripe's instants.
pub(crate) fn span((start, end): (i64, i64)) -> Span {
    Span {
        start: Timestamp::from_secs(start),
        end: Timestamp::from_secs(end),
    }
}
