//! Which plan version is in force when.
//!
//! Two things cut time into segments: the boundaries of billing periods and changes of plan. A
//! segment is what use is summed under, so every instant lies in exactly one, and which one it is
//! can be computed from the timeline alone.
//!
//! ```text
//! anchor                    boundary 1                boundary 2           ends_at
//!   |------- period 0 -------|------- period 1 --------|---- period 2 ------|
//!   |------ version A -------|-- A --|--- version B ---|---- version B -----|  aftermath
//!   |------ segment 1 -------|- s. 2-|--- segment 3 ---|---- segment 4 -----|---- ...
//! ```
//!
//! ```
//! use monetization_core::ids::{PlanVersionId, SubscriptionId, TypedId};
//! use monetization_core::invoice::Invoicing;
//! use monetization_core::period::{Cycle, Schedule};
//! use monetization_core::subscription::{PlanChange, Timeline};
//!
//! let [first, second] = [b"1", b"2"].map(|name| PlanVersionId::derived(&[name]));
//! let schedule = Schedule::new("2026-03-01T00:00:00Z".parse()?, Cycle::MONTH);
//! let mut timeline = Timeline::starting(schedule, first);
//! let at = "2026-03-11T00:00:00Z".parse()?;
//! timeline.changes.push(PlanChange { at, version: second, prorated: false });
//!
//! let of = SubscriptionId::derived(&[b"s"]);
//! let segment = |at: &str| timeline.segment_at(of, Invoicing::ByCore, at.parse().ok()?);
//! let before = segment("2026-03-10T23:59:59Z").ok_or("no segment")?;
//! let after = segment("2026-03-11T00:00:00Z").ok_or("no segment")?;
//! assert_eq!((before.version, after.version), (first, second));
//! assert_eq!(before.span.end, after.span.start);
//! assert_eq!((before.period_index, before.period), (after.period_index, after.period));
//! assert_eq!(segment("2026-02-28T23:59:59Z"), None);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::{Span, Timestamp};
use crate::ids::{PlanVersionId, SegmentId, SubscriptionId, TypedId};
use crate::invoice::Invoicing;
use crate::period::Schedule;

/// The billing periods of a subscription and the plan versions in force in them.
///
/// What is past is settled: flows add changes only for instants that every gateway can know of in
/// time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// The billing periods.
    pub schedule: Schedule,
    /// The version it began with.
    pub first: PlanVersionId,
    /// Later versions, by the instant from which on they hold, ascending.
    pub changes: Vec<PlanChange>,
    /// The instant at which it ends, once that is fixed.
    pub ends_at: Option<Timestamp>,
}

/// Another plan version comes into force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanChange {
    /// From when on.
    pub at: Timestamp,
    /// Which version.
    pub version: PlanVersionId,
    /// Whether the base price of what is left of its period is that of this version, too.
    #[serde(default)]
    pub prorated: bool,
}

/// One uninterrupted stretch of one plan version within one billing period of a subscription:
/// what use is summed under and rated by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Derived from the subscription and the start, so that it stays the same when the end moves.
    pub id: SegmentId,
    /// Whose use.
    pub subscription: SubscriptionId,
    /// The version that rates it.
    pub version: PlanVersionId,
    /// Who invoices it.
    pub invoicing: Invoicing,
    /// The number of the billing period; `u32::MAX` for the aftermath of an ended subscription.
    pub period_index: u32,
    /// The billing period.
    pub period: Span,
    /// Its own stretch of that period.
    pub span: Span,
}

impl Segment {
    fn new(subscription: SubscriptionId, invoicing: Invoicing, of: &Stretch) -> Self {
        let start = of.span.start.as_micros().to_be_bytes();
        Self {
            id: SegmentId::derived(&[subscription.uuid().as_bytes(), &start]),
            subscription,
            version: of.version,
            invoicing,
            period_index: of.period_index,
            period: of.period,
            span: of.span,
        }
    }

    /// What of it lies before the end of its subscription; nothing is a stretch, too.
    pub(crate) fn until(mut self, end: Timestamp) -> Self {
        self.span.start = self.span.start.min(end);
        self.span.end = self.span.end.min(end);
        self
    }
}

/// A segment before it has an identity.
struct Stretch {
    version: PlanVersionId,
    period_index: u32,
    period: Span,
    span: Span,
}

impl Timeline {
    /// Plan changes a subscription may see in its life.
    pub const CHANGES_MAX: usize = 1_000;

    /// The clocks of a marketplace's processes are never further apart than this. What lies within
    /// it, seen from one of them, may be past for another: a day.
    pub const CLOCKS_APART_MAX: Duration = Duration::from_secs(86_400);

    /// A subscription that begins with this version and has no end yet.
    #[must_use]
    pub fn starting(schedule: Schedule, first: PlanVersionId) -> Self {
        Self {
            schedule,
            first,
            changes: Vec::new(),
            ends_at: None,
        }
    }

    /// The version in force at `at`.
    ///
    /// Of changes at one instant the last counts; before the anchor the answer is the first version.
    #[must_use]
    pub fn version_at(&self, at: Timestamp) -> PlanVersionId {
        let in_force = self
            .changes
            .iter()
            .take_while(|change| change.at <= at)
            .last();
        in_force.map_or(self.first, |change| change.version)
    }

    /// The version in force at `at`, and those that are to follow it.
    pub fn versions_from(&self, at: Timestamp) -> impl Iterator<Item = PlanVersionId> {
        let later = self.changes.iter().filter(move |change| change.at > at);
        std::iter::once(self.version_at(at)).chain(later.map(|change| change.version))
    }

    /// Lets another version hold from the change's instant on, in the place of all that was to hold
    /// later.
    ///
    /// Somebody whose clock is ahead may have written use down after a later change already. So what
    /// was to change within [`CLOCKS_APART_MAX`](Self::CLOCKS_APART_MAX) of `now` still cuts time
    /// into segments, although nothing changes there any more; only what lies further ahead is gone.
    ///
    /// ```
    /// use monetization_core::ids::{PlanVersionId, TypedId};
    /// use monetization_core::period::{Cycle, Schedule};
    /// use monetization_core::subscription::{PlanChange, Timeline};
    ///
    /// let [first, second] = [b"1", b"2"].map(|name| PlanVersionId::derived(&[name]));
    /// let now = "2026-03-01T00:00:00Z".parse()?;
    /// let mut timeline = Timeline::starting(Schedule::new(now, Cycle::MONTH), first);
    /// let at = "2026-04-01T00:00:00Z".parse()?;
    /// timeline.change(now, PlanChange { at, version: second, prorated: false });
    /// assert_eq!(timeline.version_at(at), second);
    /// // The last word counts, and one that changes nothing takes the one before back.
    /// let soon = "2026-03-01T00:00:05Z".parse()?;
    /// timeline.change(now, PlanChange { at: soon, version: first, prorated: false });
    /// assert_eq!(timeline.version_at(at), first);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn change(&mut self, now: Timestamp, change: PlanChange) {
        let PlanChange { at, version, .. } = change;
        let near = now.saturating_add(Self::CLOCKS_APART_MAX);
        self.changes
            .retain(|change| change.at < at || change.at <= near);
        for later in self.changes.iter_mut().filter(|change| change.at > at) {
            later.version = version;
        }
        let place = self.changes.partition_point(|change| change.at < at);
        match self.changes.get_mut(place) {
            Some(known) if known.at == at => *known = change,
            _ => self.changes.insert(place, change),
        }
    }

    /// Segments that would begin after the end if there were none, in which somebody whose clock is
    /// ahead may have written use down before the end was fixed.
    #[must_use]
    pub fn segments_beyond_end(
        &self,
        subscription: SubscriptionId,
        invoicing: Invoicing,
    ) -> Vec<Segment> {
        let Some(end) = self.ends_at else {
            return Vec::new();
        };
        let endless = Self {
            ends_at: None,
            ..self.clone()
        };
        let near = end.saturating_add(Self::CLOCKS_APART_MAX);
        let next = |before: &Segment| {
            let segment = endless.segment_at(subscription, invoicing, before.span.end)?;
            (segment.span.start <= near).then_some(segment)
        };
        let last = endless.segment_at(subscription, invoicing, end);
        let all = std::iter::successors(last, next);
        all.filter(|segment| segment.span.start > end).collect()
    }

    /// The segment that `at` lies in; `None` before the anchor. From the end on it is the
    /// aftermath: a segment without use of its own that takes what comes too late for the last
    /// invoice, for an operator to bill or write off.
    #[must_use]
    pub fn segment_at(
        &self,
        subscription: SubscriptionId,
        invoicing: Invoicing,
        at: Timestamp,
    ) -> Option<Segment> {
        let stretch = match self.ends_at {
            Some(end) if end <= at => {
                let span = Span {
                    start: end,
                    end: Timestamp::MAX,
                };
                let version = self.version_at(end);
                Stretch {
                    version,
                    period_index: u32::MAX,
                    period: span,
                    span,
                }
            }
            ends_at => {
                let period_index = self.schedule.index_at(at)?;
                let period = self.schedule.period(period_index)?;
                let start = self
                    .changes
                    .iter()
                    .take_while(|change| change.at <= at)
                    .last();
                let next = self.changes.iter().find(|change| change.at > at);
                let ends = [Some(period.end), next.map(|change| change.at), ends_at];
                let span = Span {
                    start: start.map_or(period.start, |change| change.at.max(period.start)),
                    end: ends.into_iter().flatten().min()?,
                };
                Stretch {
                    version: self.version_at(at),
                    period_index,
                    period,
                    span,
                }
            }
        };
        Some(Segment::new(subscription, invoicing, &stretch))
    }
}
