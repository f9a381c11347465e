//! Limits as they are sent.

use std::sync::Arc;
use std::time::Duration;

use monetization_rate_limiter::{Gcra, Limit, LimitKind, Limits};
use thiserror::Error;

/// Limits that several machines share: the [`Limits`] of the limiter in process, and the same as they are sent. Made once
/// for each plan or subscription; cheap to clone.
///
/// A counter belongs to a kind of limit, not to its number: nodes that already know a newer plan and nodes that do not yet
/// may alternate, and nothing is lost or counted twice.
///
/// ```
/// use monetization_rate_limiter::{Limit, Limits, Window};
/// use monetization_rate_limiter_redis::SharedLimits;
///
/// let shared = SharedLimits::new(Limits::new([Limit::calendar(Window::Minute, 20)])?)?;
/// assert_eq!(shared.limits().len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct SharedLimits(Arc<Both>);

#[derive(Debug)]
struct Both {
    limits: Limits,
    encoded: Box<[u8]>,
}

impl SharedLimits {
    /// The largest maximum of a calendar window: the server's script counts in numbers that are exact up to here.
    pub const WINDOW_MAX: u64 = (1 << 53) - 2;

    /// Limits to be shared.
    ///
    /// # Errors
    /// When the maximum of a calendar window is larger than [`WINDOW_MAX`](Self::WINDOW_MAX).
    pub fn new(limits: Limits) -> Result<Self, TooLarge> {
        let mut encoded = Vec::new();
        for limit in &limits {
            for number in numbers(limit)? {
                encoded.extend_from_slice(&number.to_be_bytes());
            }
        }
        Ok(Self(Arc::new(Both {
            limits,
            encoded: encoded.into_boxed_slice(),
        })))
    }

    /// The limits themselves.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub(crate) fn encoded(&self) -> &[u8] {
        &self.0.encoded
    }
}

/// The same limits are the same, wherever they were made.
impl PartialEq for SharedLimits {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.limits == other.0.limits
    }
}

impl Eq for SharedLimits {}

/// The maximum of a calendar window is too large to be shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "maximum of the {kind} is {max}, at most {} can be shared",
    SharedLimits::WINDOW_MAX
)]
pub struct TooLarge {
    kind: LimitKind,
    max: u64,
}

/// A length of time as the script keeps it: whole microseconds, and the nanoseconds below.
pub(crate) fn micros_and_nanos(length: Duration) -> (u64, u64) {
    let micros = u64::try_from(length.as_micros()).unwrap_or(u64::MAX);
    (micros, u64::from(length.subsec_nanos() % 1_000))
}

fn numbers(limit: &Limit) -> Result<[u64; 6], TooLarge> {
    let kind = u64::from(limit.kind().code());
    let Some(rate) = limit.rate() else {
        return if limit.max() > SharedLimits::WINDOW_MAX {
            Err(TooLarge {
                kind: limit.kind(),
                max: limit.max(),
            })
        } else {
            Ok([kind, limit.max(), 0, 0, 0, 0])
        };
    };
    let (micros, nanos) = micros_and_nanos(rate.interval());
    let (room_micros, room_nanos) = micros_and_nanos(refill(rate));
    Ok([kind, limit.max(), micros, nanos, room_micros, room_nanos])
}

/// The time in which a whole burst comes back.
fn refill(rate: Gcra) -> Duration {
    rate.interval().saturating_mul(rate.burst().get())
}

#[cfg(test)]
mod tests {
    use super::*;
    use monetization_rate_limiter::Window;

    #[test]
    fn what_the_script_cannot_count_is_refused() {
        let limits = |max| Limits::new([Limit::calendar(Window::Year, max)]).unwrap();
        assert!(SharedLimits::new(limits(SharedLimits::WINDOW_MAX)).is_ok());
        let error = SharedLimits::new(limits(u64::MAX)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "maximum of the year is 18446744073709551615, at most 9007199254740990 can be shared"
        );
    }
}
