//! What a subscription has used and owes so far: the same calculation that closing bills.
//!
//! Nothing is written. Use that arrives between two statements is in the second.

use std::collections::BTreeMap;

use super::closing::{continues, open_segments};
use super::{FlowError, Monetizer};
use crate::clock::{Span, Timestamp};
use crate::ids::{MeterId, PlanVersionId, SegmentId, SubscriptionId, TenantId};
use crate::invoice::Line;
use crate::money::{Money, MoneyError, Quantity};
use crate::plan::{EnforcedQuota, PlanTerms, PlanVersion};
use crate::rating::{
    LateUse, SegmentUse, Used, base_line, change_lines, late_lines, period_use, start_lines, total,
    usage_lines,
};
use crate::store::{StoreError, StoreErrorKind};
use crate::subscription::{PlanChange, Segment, Subscription, Timeline};
use crate::usage::Sum;

/// What a subscription has used in its earliest open period, and the invoice that closing it now
/// would make.
///
/// `total` is in the currency of the plan, `period` in UTC. Use that is in the committer's queue is
/// not in it yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The period.
    pub period: Span,
    /// The instant it speaks of.
    pub as_of: Timestamp,
    /// What was used in the period, of each meter that was used or has a price. What came late for an
    /// earlier period is in the lines alone.
    pub used: Vec<MeterUse>,
    /// How much of each quota is used.
    pub limits: Vec<LimitUse>,
    /// The lines of the invoice so far.
    pub lines: Vec<Line>,
    /// What they add up to.
    pub total: Money,
}

/// What was used of one meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeterUse {
    /// The meter.
    pub meter: MeterId,
    /// How much, in the meter's scale.
    pub used: Quantity,
    /// How much the base price pays for in the whole period, by the terms in force now.
    pub included: Quantity,
}

/// How much of a quota is used in the window that is running.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitUse {
    /// The quota.
    pub quota: EnforcedQuota,
    /// The window; when it ends the quota starts anew.
    pub window: Span,
    /// Units of it that are recorded.
    pub used: u64,
}

/// What closing a period bills, and whether another period follows.
pub(super) struct PeriodBill {
    pub(super) lines: Vec<Line>,
    /// What the period has used; what came late for earlier ones is in the lines alone.
    pub(super) used: Used,
    /// The terms in force at the end.
    pub(super) terms: PlanTerms,
    pub(super) continues: bool,
}

impl Monetizer {
    /// What a subscription has used and would be invoiced now.
    ///
    /// # Errors
    /// [`FlowError::NotFound`], [`FlowError::Money`] for amounts that do not fit,
    /// [`FlowError::Store`].
    pub async fn statement(
        &self,
        tenant: TenantId,
        id: SubscriptionId,
    ) -> Result<Statement, FlowError> {
        let subscription = self.must::<Subscription>(tenant, id).await?.fact;
        let index = subscription.closed_periods;
        let period = subscription
            .timeline
            .schedule
            .period(index)
            .ok_or(MoneyError::Overflow)?;
        let end = subscription
            .timeline
            .ends_at
            .map_or(period.end, |end| end.min(period.end));
        let segments = open_segments(&subscription, end);
        let mut versions = BTreeMap::new();
        let bill = self
            .period_bill(&mut versions, &subscription, end, &segments)
            .await?;
        let now = self.now();
        let last = Timestamp::from_micros(end.as_micros().saturating_sub(1));
        let in_force = subscription
            .timeline
            .version_at(now.min(last).max(period.start));
        let in_force = self.terms_of(&mut versions, tenant, in_force).await?;
        let mut used = bill.used;
        let mut included = Used::new();
        for price in in_force.usage() {
            used.entry(price.meter.id).or_default();
            included.insert(price.meter.id, price.included);
        }
        let used = used.into_iter().map(|(meter, used)| MeterUse {
            meter,
            used,
            included: included.get(&meter).copied().unwrap_or_default(),
        });
        let used = used.collect();
        Ok(Statement {
            period,
            as_of: now,
            used,
            limits: self.limits(&subscription, &in_force, period).await?,
            total: total(&bill.terms, &bill.lines)?,
            lines: bill.lines,
        })
    }

    async fn limits(
        &self,
        subscription: &Subscription,
        terms: &PlanTerms,
        open: Span,
    ) -> Result<Vec<LimitUse>, FlowError> {
        let now = self.now();
        let period = subscription
            .timeline
            .schedule
            .period_at(now)
            .unwrap_or(open);
        let mut limits = Vec::new();
        for quota in subscription.enforced_quotas(terms) {
            let window = quota.name.window.containing(now, period);
            let counter = self
                .store
                .quota(subscription.tenant, subscription.id, quota.name, window)
                .await?;
            limits.push(LimitUse {
                quota,
                window,
                used: counter.committed,
            });
        }
        Ok(limits)
    }

    /// The lines of a period: the use of its segments, what came late for earlier ones, and the
    /// next period's base price where there is a next one.
    pub(super) async fn period_bill(
        &self,
        versions: &mut BTreeMap<PlanVersionId, PlanTerms>,
        subscription: &Subscription,
        end: Timestamp,
        segments: &[Segment],
    ) -> Result<PeriodBill, FlowError> {
        let tenant = subscription.tenant;
        let mut uses = Vec::with_capacity(segments.len());
        let mut late = Vec::new();
        for segment in segments {
            let terms = self.terms_of(versions, tenant, segment.version).await?;
            let sums = self.store.sums(tenant, segment.id).await?;
            if segment.span.start >= end && sums.is_empty() {
                // Beyond the end there is a line only where somebody's clock was ahead.
                continue;
            }
            let (own, others): (Vec<Sum>, Vec<Sum>) = sums
                .into_iter()
                .partition(|sum| sum.key.origin == segment.id);
            let used = own
                .into_iter()
                .map(|sum| (sum.key.meter, sum.total))
                .collect();
            uses.push((segment.until(end), terms, used));
            late.extend(others);
        }
        let uses: Vec<SegmentUse<'_>> = uses
            .iter()
            .map(
                |(segment, terms, used): &(Segment, PlanTerms, Used)| SegmentUse {
                    segment: *segment,
                    schedule: &subscription.timeline.schedule,
                    terms,
                    used: used.clone(),
                },
            )
            .collect();
        let mut lines = usage_lines(&uses)?;
        lines.extend(
            self.late_lines(versions, subscription, (segments, &late))
                .await?,
        );
        let changes = self.changes_of_period(versions, subscription, end);
        lines.extend(changes.await?);
        let continues = continues(subscription, end);
        let last = subscription.timeline.version_at(end);
        let last = self.terms_of(versions, tenant, last).await?;
        if continues {
            let next = subscription.closed_periods.checked_add(1);
            let next = next.ok_or(MoneyError::Overflow)?;
            let schedule = &subscription.timeline.schedule;
            if schedule.is_trial(subscription.closed_periods) {
                lines.extend(start_lines(&last, schedule)?);
            } else {
                lines.extend(base_line(&last, schedule, next)?);
            }
        }
        Ok(PeriodBill {
            lines,
            used: period_use(&uses)?,
            terms: last,
            continues,
        })
    }

    /// What changes of plan within the earliest open period bill, as far as they lie before `end`.
    async fn changes_of_period(
        &self,
        versions: &mut BTreeMap<PlanVersionId, PlanTerms>,
        subscription: &Subscription,
        end: Timestamp,
    ) -> Result<Vec<Line>, FlowError> {
        let Timeline {
            schedule, changes, ..
        } = &subscription.timeline;
        let index = subscription.closed_periods;
        let period = schedule.period(index).ok_or(MoneyError::Overflow)?;
        let mut lines = Vec::new();
        let mut before = subscription.timeline.first;
        for change in changes.iter().take_while(|change| change.at < end) {
            let PlanChange {
                at,
                version,
                prorated,
            } = *change;
            let before = std::mem::replace(&mut before, version);
            if prorated && period.start < at && before != version {
                let tenant = subscription.tenant;
                let before = self.terms_of(versions, tenant, before).await?;
                let after = self.terms_of(versions, tenant, version).await?;
                lines.extend(change_lines((&before, &after), schedule, (index, at))?);
            }
        }
        Ok(lines)
    }

    /// What use costs that came after its segment was closed and is paid by the closing of these
    /// segments: what its billing period would have cost with it, less what it was billed.
    async fn late_lines(
        &self,
        versions: &mut BTreeMap<PlanVersionId, PlanTerms>,
        subscription: &Subscription,
        (paying, late): (&[Segment], &[Sum]),
    ) -> Result<Vec<Line>, FlowError> {
        let tenant = subscription.tenant;
        let mut periods = BTreeMap::<Timestamp, BTreeMap<Timestamp, Segment>>::new();
        for sum in late {
            let origin = self.segment_row(tenant, sum.key.origin).await?;
            let period = periods.entry(origin.period.start).or_default();
            let mut at = origin.period.start;
            while at < origin.period.end {
                let Some(segment) = subscription.segment_at(at) else {
                    break;
                };
                period.insert(segment.span.start, segment);
                at = segment.span.end;
            }
            period.insert(origin.span.start, origin);
        }
        let mut lines = Vec::new();
        for segments in periods.values() {
            let mut uses = Vec::with_capacity(segments.len());
            for segment in segments.values() {
                let terms = self.terms_of(versions, tenant, segment.version).await?;
                let (billed, late) = self.billed_and_late(tenant, segment.id, paying).await?;
                uses.push((*segment, terms, billed, late));
            }
            let uses: Vec<LateUse<'_>> = uses
                .iter()
                .map(|(segment, terms, billed, late)| LateUse {
                    billed: SegmentUse {
                        segment: *segment,
                        schedule: &subscription.timeline.schedule,
                        terms,
                        used: billed.clone(),
                    },
                    late: late.clone(),
                })
                .collect();
            lines.extend(late_lines(&uses)?);
        }
        Ok(lines)
    }

    /// What was used in a segment, as far as it has been billed, and what of it the closing of the
    /// `paying` segments bills. Later segments may hold late use of the same origin already: theirs is
    /// to pay.
    async fn billed_and_late(
        &self,
        tenant: TenantId,
        origin: SegmentId,
        paying: &[Segment],
    ) -> Result<(Used, Used), FlowError> {
        let (mut billed, mut late) = (Used::new(), Used::new());
        let first = paying.iter().map(|segment| segment.span.start).min();
        for sum in self.store.sums_of_origin(tenant, origin).await? {
            let under = sum.key.segment;
            let known = if under == origin {
                &mut billed
            } else if paying.iter().any(|segment| segment.id == under) {
                &mut late
            } else {
                let start = self.segment_row(tenant, under).await?.span.start;
                if first.is_some_and(|first| start >= first) {
                    continue;
                }
                &mut billed
            };
            let quantity = known.entry(sum.key.meter).or_default();
            *quantity = quantity.checked_add(sum.total)?;
        }
        Ok((billed, late))
    }

    async fn segment_row(&self, tenant: TenantId, id: SegmentId) -> Result<Segment, FlowError> {
        let row = self.store.segment(tenant, id).await?;
        let missing = || StoreError::new(StoreErrorKind::Broken, "find the segment of a sum");
        Ok(row.ok_or_else(missing)?.segment)
    }

    /// The terms of a version, which is read once.
    async fn terms_of(
        &self,
        versions: &mut BTreeMap<PlanVersionId, PlanTerms>,
        tenant: TenantId,
        version: PlanVersionId,
    ) -> Result<PlanTerms, FlowError> {
        if let Some(terms) = versions.get(&version) {
            return Ok(terms.clone());
        }
        let stored = self.must::<PlanVersion>(tenant, version).await?;
        let terms = versions.entry(version).or_insert(stored.fact.terms);
        Ok(terms.clone())
    }
}
