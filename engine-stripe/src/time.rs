//! Stripe's time: whole seconds since the epoch.

use monetization_core::clock::{Span, Timestamp};

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
