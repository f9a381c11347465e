//! What a plan lets through: rates in a short time, quotas in a long one.
//!
//! | | rate | quota |
//! |---|---|---|
//! | windows | calendar second, minute, hour; GCRA | calendar day, month, year; billing period |
//! | kept | in the memory of each process, or in one that they share | durably, in the store |
//! | after a restart | begins afresh, or goes on where it is shared | goes on |
//! | beyond it | refused | refused (strict) or let through and recorded (loose) |
//! | of several processes | each lets its number through, or all together where they share it | all together let theirs through |
//!
//! All windows are of UTC. A call takes one unit of every limit of its plan that counts calls, or none
//! of any. What a meter counts of a call, such as bytes or tokens, is known at its end only: a call is
//! let through while anything is left, and may use more than that.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use chrono::Datelike;
use monetization_rate_limiter::{Gcra, GcraError, Limit, Window};
use serde::{Deserialize, Serialize};

use crate::clock::{Span, Timestamp};
use crate::field::FieldError;
use crate::ids::{MeterId, ProductId, ResourceId};
use crate::period::TimeZone;
use crate::product::{Meter, Resource, Unit};
use crate::text::Slug;

/// A limit of calls in a short time. It lives in memory and is lost at a restart, unless gateways
/// [share](crate::rates) it.
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
    /// A [`FieldError`] where the limiter cannot keep so long a stretch, or so long a time for a burst to come
    /// back.
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
                gcra.map(Limit::gcra).map_err(|error| match error {
                    GcraError::BurstTooLarge => {
                        let interval = per.as_nanos().div_ceil(count.get().into());
                        let most = Gcra::REFILL_MAX.as_nanos().checked_div(interval);
                        let most = most.unwrap_or_default();
                        FieldError::new("burst", format!("{error}: allowed are 1 to {most}"))
                    }
                    _ => {
                        let most = Gcra::PERIOD_MAX.as_secs();
                        FieldError::new("seconds", format!("{error}: allowed are 1 to {most}"))
                    }
                })
            }
        }
    }
}

/// What becomes of a plan's calls while the rates that several gateways share cannot be counted together.
///
/// It concerns rates alone: strict quotas are spent from blocks of the store and stay exact.
///
/// ```
/// use monetization_core::plan::WhenAway;
///
/// let closed: WhenAway = serde_json::from_str(r#""refuse""#)?;
/// assert_eq!(closed, WhenAway::Refuse);
/// assert_eq!(WhenAway::default(), WhenAway::Share);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum WhenAway {
    /// Each gateway lets its share through: the rate divided by the number of gateways, rounded up.
    #[default]
    Share,
    /// They are refused until the rates can be counted again: nothing passes beyond them.
    Refuse,
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

/// A limit in a long time, with a durable counter.
///
/// In JSON: `{"window": "month", "max": 100000, "overage": "strict"}`, of one operation with
/// `"resource": "search"`, of what a meter counts with `"meter": "tokens"`. A strict one with `max` 0
/// lets nothing through, ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// What it counts.
    pub counts: QuotaCounts,
    /// The stretch of time; a plan has at most one quota of the same thing for each.
    pub window: QuotaWindow,
    /// Calls it lets through, or units of its meter.
    pub max: u64,
    /// What happens beyond them.
    pub overage: Overage,
}

impl Quota {
    /// As the request path enforces it for subscriptions to this product.
    #[must_use]
    pub fn enforced(&self, product: ProductId) -> EnforcedQuota {
        let (of, unit, is_reported) = match &self.counts {
            QuotaCounts::Calls => (QuotaOf::Calls, Unit::Requests, false),
            QuotaCounts::Resource(identifier) => {
                let id = Resource::id(product, identifier);
                (QuotaOf::Resource(id), Unit::Requests, false)
            }
            QuotaCounts::Meter(meter) => {
                let is_reported = !meter.source.is_of_calls();
                (QuotaOf::Meter(meter.id), meter.unit, is_reported)
            }
        };
        EnforcedQuota {
            name: QuotaName {
                of,
                window: self.window,
            },
            max: self.max,
            overage: self.overage,
            unit,
            is_reported,
        }
    }
}

/// What a quota counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum QuotaCounts {
    /// All calls.
    Calls,
    /// Calls of one operation of the product.
    Resource(Slug),
    /// What this meter counts. Its units are whole and are added up.
    Meter(Meter),
}

/// A quota as somebody writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuotaDraft {
    /// The stretch of time.
    pub window: QuotaWindow,
    /// Calls it lets through, or units of its meter.
    pub max: u64,
    /// What happens beyond them.
    pub overage: Overage,
    /// The operation whose calls it counts, by its identifier; all of them if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Slug>,
    /// The meter it limits; calls if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meter: Option<Slug>,
}

impl QuotaDraft {
    /// A quota of all calls.
    #[must_use]
    pub fn calls(window: QuotaWindow, max: u64, overage: Overage) -> Self {
        Self {
            window,
            max,
            overage,
            resource: None,
            meter: None,
        }
    }
}

impl From<&Quota> for QuotaDraft {
    fn from(quota: &Quota) -> Self {
        let (resource, meter) = match &quota.counts {
            QuotaCounts::Calls => (None, None),
            QuotaCounts::Resource(identifier) => (Some(identifier.clone()), None),
            QuotaCounts::Meter(meter) => (None, Some(meter.name.clone())),
        };
        Self {
            window: quota.window,
            max: quota.max,
            overage: quota.overage,
            resource,
            meter,
        }
    }
}

/// A quota as the request path enforces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnforcedQuota {
    /// What its counter is found by.
    pub name: QuotaName,
    /// Units it lets through.
    pub max: u64,
    /// What happens beyond them.
    pub overage: Overage,
    /// What one of it is.
    pub unit: Unit,
    /// Whether what it counts is reported, so that its counter grows unseen by the request path.
    pub is_reported: bool,
}

impl EnforcedQuota {
    /// Whether it is known only at the end of a call how much that uses.
    #[must_use]
    pub fn is_counted_after(&self) -> bool {
        matches!(self.name.of, QuotaOf::Meter(_))
    }

    /// Whether its units are taken from blocks that the store hands out, so that it is never exceeded.
    #[must_use]
    pub fn is_leased(&self) -> bool {
        self.overage == Overage::Strict && !self.is_counted_after()
    }
}

/// What the counter of a quota is found by: so a counter outlives any change of plan that keeps what
/// it counts.
///
/// ```
/// use monetization_core::ids::{MeterId, TypedId};
/// use monetization_core::plan::{QuotaName, QuotaOf, QuotaWindow};
///
/// let calls = QuotaName::calls(QuotaWindow::Month);
/// assert_eq!(calls.to_string(), "month");
/// let tokens = QuotaName { of: QuotaOf::Meter(MeterId::derived(&[b"tokens"])), ..calls };
/// assert_eq!(tokens.to_string().parse(), Ok(tokens));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct QuotaName {
    /// What it counts.
    pub of: QuotaOf,
    /// Over which stretch of time.
    pub window: QuotaWindow,
}

/// What a quota counts, by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum QuotaOf {
    /// All calls.
    Calls,
    /// Calls of one operation.
    Resource(ResourceId),
    /// What a meter counts.
    Meter(MeterId),
}

impl QuotaName {
    /// All calls, over this stretch of time.
    #[must_use]
    pub const fn calls(window: QuotaWindow) -> Self {
        Self {
            of: QuotaOf::Calls,
            window,
        }
    }
}

impl From<QuotaWindow> for QuotaName {
    fn from(window: QuotaWindow) -> Self {
        Self::calls(window)
    }
}

impl fmt::Display for QuotaName {
    /// The window, and after a `/` the id of what is counted where that is not all calls.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.window.as_str())?;
        match self.of {
            QuotaOf::Calls => Ok(()),
            QuotaOf::Resource(id) => write!(out, "/{id}"),
            QuotaOf::Meter(id) => write!(out, "/{id}"),
        }
    }
}

impl FromStr for QuotaName {
    type Err = String;

    /// # Errors
    /// A text for what [`Display`](fmt::Display) does not write.
    fn from_str(text: &str) -> Result<Self, String> {
        let (window, of) = text
            .split_once('/')
            .map_or((text, None), |(window, of)| (window, Some(of)));
        let mut windows = QuotaWindow::ALL.into_iter();
        let window = windows.find(|known| known.as_str() == window);
        let of = match of {
            None => Some(QuotaOf::Calls),
            Some(id) => (id.parse().map(QuotaOf::Meter).ok())
                .or_else(|| id.parse().map(QuotaOf::Resource).ok()),
        };
        let name = window.zip(of).map(|(window, of)| Self { of, window });
        name.ok_or_else(|| format!("{text:?} is the name of no quota"))
    }
}

impl TryFrom<String> for QuotaName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<QuotaName> for String {
    fn from(name: QuotaName) -> Self {
        name.to_string()
    }
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
    /// For ever: calls of bundles are there until they are used.
    Ever,
}

impl QuotaWindow {
    /// Every window, shortest first.
    pub const ALL: [Self; 5] = [Self::Day, Self::Month, Self::Year, Self::Period, Self::Ever];

    /// Its name in keys, headers and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
            Self::Year => "year",
            Self::Period => "period",
            Self::Ever => "ever",
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
            Self::Ever => Span {
                start: Timestamp::from_micros(0),
                end: Timestamp::MAX,
            },
        }
    }

    /// How many of its stretches a span touches that is not empty and lies within one billing period.
    ///
    /// ```
    /// use monetization_core::clock::Span;
    /// use monetization_core::plan::QuotaWindow;
    ///
    /// let span = Span { start: "2026-01-31T10:00:00Z".parse()?, end: "2026-02-28T00:00:00Z".parse()? };
    /// let touched = QuotaWindow::ALL.map(|window| window.touched_by(span));
    /// assert_eq!(touched, [28, 2, 1, 1, 1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn touched_by(self, span: Span) -> u32 {
        let last = span.end.saturating_sub(Duration::from_micros(1));
        let number = |at: Timestamp| {
            let date = TimeZone::UTC.date(at);
            match self {
                Self::Day => date.num_days_from_ce(),
                Self::Month => date
                    .year()
                    .saturating_mul(12)
                    .saturating_add(i32::try_from(date.month0()).unwrap_or_default()),
                Self::Year => date.year(),
                Self::Period | Self::Ever => 0,
            }
        };
        let between = number(last).saturating_sub(number(span.start));
        u32::try_from(between).unwrap_or_default().saturating_add(1)
    }
}
