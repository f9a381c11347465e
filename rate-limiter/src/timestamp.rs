//! Instants.

use std::time::Duration;

use chrono::{DateTime, Utc};
use thiserror::Error;

mod rfc3339;
#[cfg(feature = "serde")]
mod serialised;

pub use rfc3339::ParseTimestampError;

/// An instant: whole microseconds since 1970-01-01T00:00:00Z, in UTC, leap seconds not counted.
///
/// Eight bytes, ordered and hashed as the integer it is. It always lies between [`Timestamp::MIN`] and
/// [`Timestamp::MAX`], the years 0000 to 9999, so that it can always be written as RFC 3339 and turned into a
/// [`DateTime<Utc>`] without an error. The type never asks for the time itself: whoever owns a clock makes one.
///
/// Text form, both ways: RFC 3339 with `Z`, a fraction of at most six digits, and only when it is not zero.
///
/// ```
/// use std::time::Duration;
/// use monetization_rate_limiter::Timestamp;
///
/// let noon: Timestamp = "2026-03-01T12:00:00Z".parse()?;
/// let later = noon.saturating_add(Duration::from_millis(250));
/// assert_eq!(later.to_string(), "2026-03-01T12:00:00.25Z");
/// assert_eq!(later.saturating_since(noon), Duration::from_millis(250));
/// # Ok::<(), monetization_rate_limiter::ParseTimestampError>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The first instant of the year 0000.
    pub const MIN: Self = Self(-62_167_219_200_000_000);

    /// The last microsecond of the year 9999.
    pub const MAX: Self = Self(253_402_300_799_999_999);

    /// 1970-01-01T00:00:00Z, which is also the default.
    pub const EPOCH: Self = Self(0);

    /// The instant so many microseconds after the epoch (before it when negative), held within
    /// [`MIN`](Self::MIN) and [`MAX`](Self::MAX).
    ///
    /// ```
    /// use monetization_rate_limiter::Timestamp;
    ///
    /// assert_eq!(Timestamp::from_micros(1_500_000).to_string(), "1970-01-01T00:00:01.5Z");
    /// assert_eq!(Timestamp::from_micros(i64::MAX), Timestamp::MAX);
    /// ```
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        if micros < Self::MIN.0 {
            Self::MIN
        } else if micros > Self::MAX.0 {
            Self::MAX
        } else {
            Self(micros)
        }
    }

    /// The instant so many seconds after the epoch (before it when negative), held within [`MIN`](Self::MIN) and
    /// [`MAX`](Self::MAX).
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self::from_micros(secs.saturating_mul(1_000_000))
    }

    /// Microseconds since the epoch, negative before it.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The instant `duration` later, or `None` past [`MAX`](Self::MAX). What `duration` has below a microsecond is
    /// dropped.
    #[must_use]
    pub fn checked_add(self, duration: Duration) -> Option<Self> {
        let micros = i64::try_from(duration.as_micros()).ok()?;
        self.0
            .checked_add(micros)
            .filter(|micros| *micros <= Self::MAX.0)
            .map(Self)
    }

    /// The instant `duration` later, at most [`MAX`](Self::MAX). What `duration` has below a microsecond is dropped.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        self.checked_add(duration).unwrap_or(Self::MAX)
    }

    /// The instant `duration` earlier, at least [`MIN`](Self::MIN). What `duration` has below a microsecond is
    /// dropped.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_sub(micros))
    }

    /// The time since `earlier`; zero when `earlier` is not earlier.
    ///
    /// ```
    /// use std::time::Duration;
    /// use monetization_rate_limiter::Timestamp;
    ///
    /// let (early, late) = (Timestamp::from_secs(5), Timestamp::from_secs(8));
    /// assert_eq!(late.saturating_since(early), Duration::from_secs(3));
    /// assert_eq!(early.saturating_since(late), Duration::ZERO);
    /// ```
    #[must_use]
    pub fn saturating_since(self, earlier: Self) -> Duration {
        let micros = self.0.saturating_sub(earlier.0);
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }
}

impl From<Timestamp> for DateTime<Utc> {
    fn from(timestamp: Timestamp) -> Self {
        Self::from_timestamp_micros(timestamp.0)
            .expect("chrono reaches far beyond the years 0000 to 9999")
    }
}

/// What lies below a microsecond is cut off towards the past.
impl TryFrom<DateTime<Utc>> for Timestamp {
    type Error = OutOfRange;

    fn try_from(value: DateTime<Utc>) -> Result<Self, OutOfRange> {
        let micros = value.timestamp_micros();
        let timestamp = Self::from_micros(micros);
        if timestamp.0 == micros {
            Ok(timestamp)
        } else {
            Err(OutOfRange)
        }
    }
}

/// An instant lies outside the years 0000 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("instant is outside the years 0000 to 9999")]
pub struct OutOfRange;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_are_held_at_the_ends() {
        assert_eq!(Timestamp::from_micros(i64::MAX), Timestamp::MAX);
        assert_eq!(Timestamp::from_micros(i64::MIN), Timestamp::MIN);
        assert_eq!(Timestamp::from_secs(i64::MAX), Timestamp::MAX);
        assert_eq!(
            Timestamp::MAX.saturating_add(Duration::from_secs(1)),
            Timestamp::MAX
        );
        assert_eq!(Timestamp::MIN.saturating_sub(Duration::MAX), Timestamp::MIN);
        assert_eq!(Timestamp::MAX.checked_add(Duration::from_micros(1)), None);
        assert_eq!(Timestamp::EPOCH.checked_add(Duration::MAX), None);
    }

    #[test]
    fn a_difference_is_never_negative() {
        let later = Timestamp::from_secs(10);
        assert_eq!(
            later.saturating_since(Timestamp::EPOCH),
            Duration::from_secs(10)
        );
        assert_eq!(Timestamp::EPOCH.saturating_since(later), Duration::ZERO);
        let all = Timestamp::MAX.saturating_since(Timestamp::MIN);
        assert_eq!(Timestamp::MIN.checked_add(all), Some(Timestamp::MAX));
    }

    #[test]
    fn chrono_converts_both_ways_and_refuses_other_years() {
        for timestamp in [
            Timestamp::MIN,
            Timestamp::EPOCH,
            Timestamp::MAX,
            Timestamp::from_micros(-1),
        ] {
            assert_eq!(
                Timestamp::try_from(DateTime::<Utc>::from(timestamp)),
                Ok(timestamp)
            );
        }
        assert_eq!(
            Timestamp::try_from(DateTime::<Utc>::MAX_UTC),
            Err(OutOfRange)
        );
        assert_eq!(
            Timestamp::try_from(DateTime::<Utc>::MIN_UTC),
            Err(OutOfRange)
        );
    }

    #[test]
    fn chrono_nanoseconds_are_cut_towards_the_past() {
        let before_epoch = DateTime::<Utc>::from_timestamp_nanos(-1);
        assert_eq!(
            Timestamp::try_from(before_epoch),
            Ok(Timestamp::from_micros(-1))
        );
    }
}
