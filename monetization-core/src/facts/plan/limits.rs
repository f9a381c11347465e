//! What a plan lets through: rates in a short time, quotas in a long one.
//!
//! | | rate | quota |
//! |---|---|---|
//! | windows | calendar second, minute, hour; GCRA | calendar day, month, year; billing period |
//! | kept | in the memory of each process | durably, in the store |
//! | after a restart | begins afresh | goes on |
//! | beyond it | refused | refused (strict) or let through and recorded (loose) |
//! | of several processes | each lets its number through | all together let theirs through |
//!
//! All windows are of UTC. A call takes one unit of every limit of its plan, or none of any.

use std::num::NonZeroU32;
use std::time::Duration;

use monetization_rate_limiter::{Gcra, Limit, Window};
use serde::{Deserialize, Serialize};

use crate::clock::{Span, Timestamp};
use crate::field::FieldError;

/// A limit of calls in a short time. It lives in memory and is lost at a restart.
///
/// In JSON by its `kind`: `{"kind": "calendar", "window": "minute", "max": 60}` or
/// `{"kind": "gcra", "count": 100, "seconds": 10, "burst": 20}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind", deny_unknown_fields)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new kind changes every match on purpose"
)]
pub enum Rate {
    /// At most `max` calls in each calendar second, minute or hour (UTC).
    Calendar {
        /// The window.
        window: RateWindow,
        /// Calls it lets through.
        max: u64,
    },
    /// `count` calls in `seconds`, evenly spread, with a `burst` let through at once.
    Gcra {
        /// Calls in each stretch of time.
        count: NonZeroU32,
        /// The stretch of time.
        seconds: NonZeroU32,
        /// Calls let through at once after a rest.
        burst: NonZeroU32,
    },
}

impl Rate {
    /// The limiter's form of it.
    ///
    /// # Errors
    /// A [`FieldError`] naming `seconds` where the limiter cannot keep so long a stretch.
    pub fn limit(&self) -> Result<Limit, FieldError> {
        match *self {
            Self::Calendar { window, max } => Ok(Limit::calendar(window.window(), max)),
            Self::Gcra {
                count,
                seconds,
                burst,
            } => {
                let per = Duration::from_secs(u64::from(seconds.get()));
                let gcra = Gcra::new(count, per, burst);
                gcra.map(Limit::gcra)
                    .map_err(|error| FieldError::new("seconds", error))
            }
        }
    }
}

/// The calendar windows a rate may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "complete by definition: longer windows are quotas"
)]
pub enum RateWindow {
    /// A calendar second.
    Second,
    /// A calendar minute.
    Minute,
    /// A calendar hour, UTC.
    Hour,
}

impl RateWindow {
    fn window(self) -> Window {
        match self {
            Self::Second => Window::Second,
            Self::Minute => Window::Minute,
            Self::Hour => Window::Hour,
        }
    }
}

/// A limit of calls in a long time, with a durable counter.
///
/// In JSON: `{"window": "month", "max": 100000, "overage": "strict"}`. A strict one with `max` 0
/// lets nothing through, ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// The stretch of time; a plan has at most one quota for each.
    pub window: QuotaWindow,
    /// Calls it lets through.
    pub max: u64,
    /// What happens beyond them.
    pub overage: Overage,
}

/// What happens beyond a quota or the included units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Overage {
    /// Calls are refused (WSO2: `stopOnQuotaReach`). Never exceeded, also across crashes.
    Strict,
    /// Calls pass; what they cost is the usage price's business.
    Loose,
}

/// The stretch of time of a quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::exhaustive_enums,
    reason = "a new window changes every match on purpose"
)]
pub enum QuotaWindow {
    /// A calendar day, UTC.
    Day,
    /// A calendar month, UTC.
    Month,
    /// A calendar year, UTC.
    Year,
    /// The subscription's billing period.
    Period,
}

impl QuotaWindow {
    /// Its name in keys, headers and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
            Self::Year => "year",
            Self::Period => "period",
        }
    }

    /// The stretch that `at` lies in, where `period` is the billing period of that instant.
    ///
    /// ```
    /// use monetization_core::clock::Span;
    /// use monetization_core::plan::QuotaWindow;
    ///
    /// let period = Span { start: "2026-01-31T10:00:00Z".parse()?, end: "2026-02-28T10:00:00Z".parse()? };
    /// let at = "2026-02-14T12:00:00Z".parse()?;
    /// assert_eq!(QuotaWindow::Period.containing(at, period), period);
    /// let month = QuotaWindow::Month.containing(at, period);
    /// assert_eq!(month.start.to_string(), "2026-02-01T00:00:00Z");
    /// assert_eq!(month.end.to_string(), "2026-03-01T00:00:00Z");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn containing(self, at: Timestamp, period: Span) -> Span {
        match self {
            Self::Day => Window::Day.containing(at),
            Self::Month => Window::Month.containing(at),
            Self::Year => Window::Year.containing(at),
            Self::Period => period,
        }
    }
}
