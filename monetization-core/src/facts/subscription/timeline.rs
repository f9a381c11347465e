//! Which plan version is in force when.

use serde::{Deserialize, Serialize};

use crate::clock::{Span, Timestamp};
use crate::ids::{PlanVersionId, SegmentId, SubscriptionId, TypedId};
use crate::invoice::Invoicing;
use crate::period::Schedule;

/// The billing periods of a subscription and the plan versions in force in them.
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
}

struct Stretch {
    version: PlanVersionId,
    period_index: u32,
    period: Span,
    span: Span,
}

impl Timeline {
    /// Plan changes a subscription may see in its life.
    pub const CHANGES_MAX: usize = 1_000;

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
    #[must_use]
    pub fn version_at(&self, at: Timestamp) -> PlanVersionId {
        let in_force = self
            .changes
            .iter()
            .take_while(|change| change.at <= at)
            .last();
        in_force.map_or(self.first, |change| change.version)
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
