//! Time zones.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone as _, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock::{Span, Timestamp};

/// A time zone of the IANA database, by its name.
///
/// A local time that a change of clocks skips means the first instant after it; one that comes twice
/// means the first time. In JSON its name, `Europe/Berlin`.
///
/// ```
/// use monetization_core::clock::Span;
/// use monetization_core::period::TimeZone;
///
/// let zone: TimeZone = "America/New_York".parse()?;
/// let span = Span {
///     start: "2024-03-09T00:00:00Z".parse()?,
///     end: "2024-03-11T00:00:00Z".parse()?,
/// };
/// assert_eq!(zone.days(span), 2);
/// assert!("New York".parse::<TimeZone>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TimeZone(Tz);

impl TimeZone {
    /// Where no other is named.
    pub const UTC: Self = Self(Tz::UTC);

    /// Its name in the IANA database.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// Whether it is the default, which is not written.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes it so")]
    pub(super) fn is_utc(&self) -> bool {
        *self == Self::UTC
    }

    /// The local date.
    #[must_use]
    pub fn date(self, at: Timestamp) -> NaiveDate {
        self.local(at).date()
    }

    /// How many times the local date changes between the two ends.
    #[must_use]
    pub fn days(self, span: Span) -> i64 {
        let (start, end) = (self.date(span.start), self.date(span.end));
        end.signed_duration_since(start).num_days()
    }

    /// The local day that `at` lies in: from its first instant to that of the next. `None` beyond the
    /// calendar.
    #[must_use]
    pub fn day(self, at: Timestamp) -> Option<Span> {
        let date = self.date(at);
        let midnight = |date: NaiveDate| self.instant(date.and_time(NaiveTime::MIN));
        let (start, end) = (midnight(date)?, midnight(date.succ_opt()?)?);
        Some(Span { start, end })
    }

    /// What clocks show there.
    pub(super) fn local(self, at: Timestamp) -> NaiveDateTime {
        let utc = DateTime::<Utc>::from(at).naive_utc();
        let offset = self.0.offset_from_utc_datetime(&utc).fix();
        utc.checked_add_offset(offset).unwrap_or(utc)
    }

    /// When clocks show this, for the first time.
    pub(super) fn instant(self, local: NaiveDateTime) -> Option<Timestamp> {
        let at = self.0.from_local_datetime(&local).earliest();
        match at {
            Some(at) => Timestamp::try_from(at.to_utc()).ok(),
            None => self.after_gap(local),
        }
    }

    /// The first instant at which clocks show more than this, which they never show. Clocks are changed
    /// at whole seconds, and nowhere are they further from UTC than 16 hours.
    fn after_gap(self, local: NaiveDateTime) -> Option<Timestamp> {
        let middle = local.and_utc().timestamp();
        let mut before = middle.checked_sub(57_600)?;
        let mut after = middle.checked_add(57_600)?;
        while before.checked_add(1)? < after {
            let between = before.midpoint(after);
            if self.local(Timestamp::from_secs(between)) < local {
                before = between;
            } else {
                after = between;
            }
        }
        Some(Timestamp::from_secs(after))
    }
}

impl Default for TimeZone {
    fn default() -> Self {
        Self::UTC
    }
}

impl fmt::Debug for TimeZone {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "TimeZone({self})")
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl FromStr for TimeZone {
    type Err = TimeZoneError;

    /// Reads a name as the IANA database writes it.
    ///
    /// # Errors
    /// [`TimeZoneError`] for any other text.
    fn from_str(text: &str) -> Result<Self, TimeZoneError> {
        text.parse().map(Self).map_err(|_| TimeZoneError {
            value: text.chars().take(64).collect(),
        })
    }
}

impl Serialize for TimeZone {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeZone {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The text names no time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{value:?} is no time zone: allowed are the names of the IANA database as they are written there, such as Europe/Berlin or UTC"
)]
pub struct TimeZoneError {
    value: String,
}
