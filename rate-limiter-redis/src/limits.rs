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
    /// Five for each limit, as the script wants them.
    numbers: Box<[u64]>,
}

impl SharedLimits {
    /// The largest maximum of a calendar window: the server's script counts in numbers that are exact up to here.
    pub const WINDOW_MAX: u64 = (1 << 53) - 2;

    /// Limits to be shared.
    ///
    /// # Errors
    /// When the maximum of a calendar window is larger than [`WINDOW_MAX`](Self::WINDOW_MAX).
    pub fn new(limits: Limits) -> Result<Self, TooLarge> {
        let mut numbers = Vec::with_capacity(limits.len().saturating_mul(5));
        for limit in &limits {
            numbers.extend(numbers_of(limit)?);
        }
        let numbers = numbers.into_boxed_slice();
        Ok(Self(Arc::new(Both { limits, numbers })))
    }

    /// The limits themselves.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub(crate) fn numbers(&self) -> &[u64] {
        &self.0.numbers
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

fn numbers_of(limit: &Limit) -> Result<[u64; 5], TooLarge> {
    let (kind, max) = (limit.kind(), limit.max());
    let code = u64::from(kind.code());
    let Some(rate) = limit.rate() else {
        return if max > SharedLimits::WINDOW_MAX {
            Err(TooLarge { kind, max })
        } else {
            Ok([code, max, 0, 0, 0])
        };
    };
    let whole = |number: u128| u64::try_from(number).unwrap_or(u64::MAX);
    let (interval, refill) = (rate.interval(), refill(rate));
    let below = u64::from(refill.subsec_nanos() % 1_000);
    Ok([
        code,
        max,
        whole(interval.as_nanos()),
        whole(refill.as_micros()),
        below,
    ])
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
