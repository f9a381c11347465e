//! Ends billing periods: closes their segments, rates what they hold, makes their invoices.
//!
//! A period is closed in two changes. The first closes its segments: from then on their own sums do
//! not change, and what still arrives is summed under the segment that follows. The second writes
//! what those sums cost: the invoice, the operation that has it collected, and the subscription
//! with one more closed period. A crash between the two leaves closed segments; whoever closes
//! next reads the same sums and makes the same invoice, whose id derives from subscription and
//! period.
//!
//! | | by core | by engine |
//! |---|---|---|
//! | a period in between | invoice: its use, what changes of plan within it bill, the next period's base price | counted as closed; the engine invoices |
//! | a trial that converts | invoice: the setup fee and the first base price, and none of its use | the same |
//! | the last period | invoice; the subscription has ended | waits until the engine has all of its use, then it is cancelled there, and has ended |
//! | a trial that expires | no invoice; the subscription has ended | the same |
//! | never paid to begin with | the start is taken back; it has ended | the same |

use std::collections::BTreeMap;

use super::invoicing::Draft;
use super::statements::PeriodBill;
use super::{ATTEMPTS_MAX, FlowError, Monetizer};
use crate::clock::Timestamp;
use crate::ids::{MeterId, SubscriptionId, TenantId};
use crate::intent::{Intent, IntentState, Operation};
use crate::invoice::{InvoiceState, Invoicing, Occasion};
use crate::money::MoneyError;
use crate::product::Product;
use crate::store::{BatchState, Closing, Kind, Listing, Stored, Write};
use crate::subscription::{Segment, Subscription, SubscriptionEvent, SubscriptionState};

/// What a run of closing has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closed {
    /// Billing periods that were closed.
    pub periods: usize,
    /// Invoices that were made.
    pub invoices: usize,
    /// Subscriptions that are over.
    pub ended: usize,
    /// Subscriptions that could not be closed, and why: an operator has to look at them. One reason is that
    /// the cancellation at the engine was given up.
    pub parked: Vec<(SubscriptionId, String)>,
}

/// How far closing came with one subscription.
enum Step {
    /// A period was closed, with an invoice or without.
    Closed { invoiced: bool, ended: bool },
    /// It waits for something else.
    Waiting,
    /// It waits for an operation that was given up, for this reason.
    Parked { reason: String },
}

impl Monetizer {
    /// Closes every billing period that ended longer ago than the grace time. It may be run by
    /// several processes at once and stopped anywhere: what is closed stays closed, and the next
    /// run goes on.
    ///
    /// A period is due for closing once `closing_grace` has passed since its end, so that calls under
    /// way and records that wait are in it. What comes later is late use, and billed too.
    ///
    /// # Errors
    /// [`FlowError::Store`]; what is wrong with one subscription is in the report and does not
    /// keep the others from being closed.
    pub async fn close_due(&self) -> Result<Closed, FlowError> {
        let before = self.now().saturating_sub(self.settings.closing_grace);
        let mut closed = Closed::default();
        let mut after = None;
        loop {
            let limit = Listing::LIMIT_MAX;
            let rows = self
                .store
                .due(Kind::Subscription, before, after, limit)
                .await?;
            for row in &rows {
                let subscription = Stored::<Subscription>::read(row)?.fact;
                self.close_all(&subscription, before, &mut closed).await?;
                after = row.due_at.map(|due_at| (due_at, row.id));
            }
            if rows.len() < limit {
                return Ok(closed);
            }
        }
    }

    /// Closes the periods of one subscription that ended before this instant.
    async fn close_all(
        &self,
        of: &Subscription,
        before: Timestamp,
        closed: &mut Closed,
    ) -> Result<(), FlowError> {
        loop {
            match self.close_next(of.tenant, of.id, before).await {
                Ok(Step::Closed { invoiced, ended }) => {
                    closed.periods = closed.periods.saturating_add(1);
                    closed.invoices = closed.invoices.saturating_add(usize::from(invoiced));
                    closed.ended = closed.ended.saturating_add(usize::from(ended));
                }
                Ok(Step::Waiting) => return Ok(()),
                Ok(Step::Parked { reason }) => {
                    closed.parked.push((of.id, reason));
                    return Ok(());
                }
                Err(FlowError::Store(error)) => return Err(error.into()),
                Err(error) => {
                    let reason = super::operations::chain(&error);
                    closed.parked.push((of.id, reason));
                    return Ok(());
                }
            }
        }
    }

    /// Closes the earliest open period of a subscription, or brings its end about.
    async fn close_next(
        &self,
        tenant: TenantId,
        id: SubscriptionId,
        before: Timestamp,
    ) -> Result<Step, FlowError> {
        for _ in 0..ATTEMPTS_MAX {
            let mut stored = self.must::<Subscription>(tenant, id).await?;
            let Some(end) = stored.fact.due_at().filter(|end| *end <= before) else {
                return Ok(Step::Waiting);
            };
            if stored.fact.state == SubscriptionState::AwaitingPayment {
                let mut change = self.change();
                stored.fact.on(SubscriptionEvent::PaymentLapsed)?;
                stored.fact.timeline.ends_at = Some(self.now());
                let taken_back = self.take_back_start(&stored.fact, &mut change).await?;
                change.writes.push(stored.write()?);
                if taken_back && self.apply(&change).await? {
                    return Ok(Step::Closed {
                        invoiced: false,
                        ended: true,
                    });
                }
                continue;
            }
            if let Some(step) = self.cancelled_there(&stored.fact).await? {
                return Ok(step);
            }
            let segments = self.close_segments(&stored.fact, end).await?;
            let step = match stored.fact.invoicing {
                Invoicing::ByCore => self.bill(stored, end, &segments).await?,
                Invoicing::ByEngine => self.drain(stored, end, &segments).await?,
            };
            if let Some(step) = step {
                return Ok(step);
            }
        }
        Err(FlowError::Contended)
    }

    /// Closes the segments of the earliest open period up to `end`. What they hold does not
    /// change any more after this.
    async fn close_segments(
        &self,
        subscription: &Subscription,
        end: Timestamp,
    ) -> Result<Vec<Segment>, FlowError> {
        let mut change = self.change();
        change.closings = closings(subscription, end)?;
        let segments = change
            .closings
            .iter()
            .map(|closing| closing.segment)
            .collect();
        self.apply(&change).await?;
        Ok(segments)
    }

    /// Makes the invoice of a closed period. `None` where somebody else was quicker.
    async fn bill(
        &self,
        mut stored: Stored<Subscription>,
        end: Timestamp,
        segments: &[Segment],
    ) -> Result<Option<Step>, FlowError> {
        let subscription = &mut stored.fact;
        let tenant = self
            .must(subscription.tenant, subscription.tenant)
            .await?
            .fact;
        let PeriodBill {
            lines,
            terms,
            continues,
            used: _,
        } = self
            .period_bill(&mut BTreeMap::new(), subscription, end, segments)
            .await?;
        let mut change = self.change();
        let mut invoiced = false;
        if !lines.is_empty() {
            let index = subscription.closed_periods;
            let period = subscription
                .timeline
                .schedule
                .period(index)
                .ok_or(MoneyError::Overflow)?;
            let invoice = self.invoice(
                subscription,
                &tenant,
                Draft {
                    occasion: Occasion::Period { index, period },
                    lines,
                    terms: &terms,
                },
            )?;
            if invoice.state == InvoiceState::Draft {
                let operation = Operation::IssueInvoice {
                    invoice: invoice.id,
                };
                change
                    .intents
                    .push(Intent::new(subscription.tenant, operation, self.now()));
            }
            change.writes.push(Write::insert(&invoice)?);
            invoiced = true;
        }
        subscription.closed_periods = subscription.closed_periods.saturating_add(1);
        if !continues {
            if subscription.state == SubscriptionState::Ending {
                subscription.on(SubscriptionEvent::EndReached)?;
                self.take_back_bundles(subscription, &mut change).await?;
            }
            subscription.on(SubscriptionEvent::Drained)?;
        }
        change.writes.push(stored.write()?);
        let step = Step::Closed {
            invoiced,
            ended: !continues,
        };
        Ok(self.apply(&change).await?.then_some(step))
    }

    /// Goes on after a closed period that the engine invoices. At the end of the subscription it
    /// waits until the engine has all of its use.
    async fn drain(
        &self,
        mut stored: Stored<Subscription>,
        end: Timestamp,
        segments: &[Segment],
    ) -> Result<Option<Step>, FlowError> {
        let subscription = &mut stored.fact;
        let mut change = self.change();
        if !continues(subscription, end) {
            if subscription.state == SubscriptionState::Ending {
                subscription.on(SubscriptionEvent::EndReached)?;
                self.take_back_bundles(subscription, &mut change).await?;
                change.writes.push(stored.write()?);
                let moved = self.apply(&change).await?;
                return Ok(moved.then_some(Step::Closed {
                    invoiced: false,
                    ended: false,
                }));
            }
            if !self.is_published(subscription, segments).await? {
                return Ok(Some(Step::Waiting));
            }
            change.intents.push(cancellation(subscription, self.now()));
            let asked = self.apply(&change).await?;
            return Ok(asked.then_some(Step::Waiting));
        }
        subscription.closed_periods = subscription.closed_periods.saturating_add(1);
        change.writes.push(stored.write()?);
        let step = Step::Closed {
            invoiced: false,
            ended: false,
        };
        Ok(self.apply(&change).await?.then_some(step))
    }

    /// How far the cancellation at an engine has come that has all use of a subscription; `None` where it was
    /// not asked for yet.
    async fn cancelled_there(&self, of: &Subscription) -> Result<Option<Step>, FlowError> {
        if of.invoicing == Invoicing::ByCore || of.state != SubscriptionState::Draining {
            return Ok(None);
        }
        let asked = cancellation(of, self.now());
        let state = self.store.intent_state(of.tenant, asked.id).await?;
        Ok(state.map(|state| match state {
            IntentState::Parked(parking) => Step::Parked {
                reason: format!("{} was given up: {}", asked.id, parking.reason),
            },
            IntentState::Open | IntentState::Done => Step::Waiting,
        }))
    }

    /// Whether the engine has answered for all use of these segments: only then can it invoice them.
    async fn is_published(
        &self,
        of: &Subscription,
        segments: &[Segment],
    ) -> Result<bool, FlowError> {
        let product = self.must::<Product>(of.tenant, of.product).await?.fact;
        let meters = product.meters.iter();
        let untold: Vec<MeterId> = meters
            .filter(|meter| meter.keeps_last())
            .map(|meter| meter.id)
            .collect();
        for segment in segments {
            let sums = self.store.sums(of.tenant, segment.id).await?;
            let is_sealed = sums
                .iter()
                .all(|sum| sum.sealed == sum.total || untold.contains(&sum.key.meter));
            let batches = self.store.batches(of.tenant, segment.id).await?;
            let answered = batches
                .iter()
                .all(|batch| batch.state != BatchState::Sealed);
            if !is_sealed || !answered {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// That the engine shall cancel a subscription now.
fn cancellation(of: &Subscription, now: Timestamp) -> Intent {
    let operation = Operation::CancelSubscription {
        subscription: of.id,
        at_period_end: false,
    };
    Intent::new(of.tenant, operation, now)
}

/// Whether the subscription goes on after its earliest open period, which ends at `end`.
pub(super) fn continues(subscription: &Subscription, end: Timestamp) -> bool {
    let ends_at = subscription.timeline.ends_at;
    ends_at.is_none_or(|ends_at| ends_at > end)
}

/// Closes the segments of the earliest open period up to `end`.
pub(super) fn closings(
    subscription: &Subscription,
    end: Timestamp,
) -> Result<Vec<Closing>, FlowError> {
    let tenant = subscription.tenant;
    let closing = |segment: Segment| {
        let successor = subscription.segment_at(segment.span.end);
        let successor = successor.ok_or(MoneyError::Overflow)?;
        Ok(Closing {
            tenant,
            segment,
            successor,
        })
    };
    open_segments(subscription, end)
        .into_iter()
        .map(closing)
        .collect()
}

/// The segments of the earliest open period that begin before `end`, in the order of time, and at
/// the end of the subscription those that somebody whose clock is ahead may have used.
pub(super) fn open_segments(subscription: &Subscription, end: Timestamp) -> Vec<Segment> {
    let Some(period) = subscription
        .timeline
        .schedule
        .period(subscription.closed_periods)
    else {
        return Vec::new();
    };
    let next = |segment: &Segment| {
        let at = segment.span.end;
        (at < end).then(|| subscription.segment_at(at)).flatten()
    };
    let first = subscription
        .segment_at(period.start)
        .filter(|_| period.start < end);
    let mut segments: Vec<Segment> = std::iter::successors(first, next).collect();
    if !continues(subscription, end) {
        let Subscription {
            id,
            invoicing,
            timeline,
            ..
        } = subscription;
        segments.extend(timeline.segments_beyond_end(*id, *invoicing));
    }
    segments
}
