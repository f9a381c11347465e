//! Subscriptions that the provider invoices.
//!
//! A subscription has the schedule it was started with and stands in one of its periods. Which
//! plan holds is decided stretch by stretch: a change waits for the next period, or cuts the current
//! one in two, each rated by itself by its own plan. What was reported belongs to the period and the
//! stretch of its time of use, not to those in which it came.
//!
//! A schedule whose first periods are over already is caught up with at once: their invoices are
//! drafted by the start, and become final with the next move of the clock past their grace.

use std::collections::{BTreeMap, BTreeSet};

use monetization_core::clock::{Span, Timestamp};
use monetization_core::ids::{MeterId, SubscriptionId};
use monetization_core::invoice::InvoiceState;
use monetization_core::money::Quantity;
use monetization_core::period::Schedule;
use monetization_core::plan::PlanVersion;
use monetization_core::text::ForeignId;
use serde::Serialize;

use super::agenda::Due;
use super::{
    Account, Plan, Provider, Record, Refusal, Reply, StartSubscription, StatedLine,
    StatedSubscription, Stretch, When, periods, rating,
};

/// A subscription as the provider has it. What was reported for it is kept record by record, so
/// that any stretch of time can be summed, and summed by period, so that rating need not look at
/// the records. Neither is part of its serialised form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Subscription {
    /// Its name here.
    pub id: ForeignId,
    /// Where it lives.
    pub account: Account,
    /// What it is at the caller's, and how it was started.
    pub start: StartSubscription,
    /// The plan of its current period.
    pub plan: ForeignId,
    /// The plans of its periods so far, in the order of time.
    pub stretches: Vec<Stretch>,
    /// The plan of its next period, where that is another.
    pub next_plan: Option<ForeignId>,
    /// The number of its current period, from 0.
    pub period_index: u32,
    /// Its current period.
    pub period: Span,
    /// The invoice of what was due at the start; `None` where nothing was.
    pub first_invoice: Option<ForeignId>,
    /// Whether it lives.
    pub live: bool,
    /// When it ended or will.
    pub ends_at: Option<Timestamp>,
    /// Grows with each change of it that is told.
    pub version: u64,
    /// Periods whose invoice is final: no more use of them is taken.
    pub closed: BTreeSet<u32>,
    /// What was counted for it, in the order in which it came.
    #[serde(skip)]
    pub records: Vec<Record>,
    /// The sum of the records for each period and meter.
    #[serde(skip)]
    pub totals: BTreeMap<(u32, MeterId), Quantity>,
}

impl Subscription {
    /// What it is at the caller's.
    #[must_use]
    pub fn ours(&self) -> SubscriptionId {
        self.start.subscription
    }

    /// Its billing periods.
    #[must_use]
    pub fn schedule(&self) -> &Schedule {
        &self.start.schedule
    }

    /// How much of a meter was counted in a stretch of time.
    ///
    /// # Errors
    /// [`Refusal`] where the sum does not fit.
    pub fn counted(&self, meter: MeterId, span: Span) -> Result<Quantity, Refusal> {
        let mut total = 0_i64;
        for record in &self.records {
            if record.meter.id == meter && span.contains(record.used_at) {
                let sum = total.checked_add(record.quantity.scaled());
                total = sum.ok_or_else(|| Refusal::permanent("the use does not fit 64 bits"))?;
            }
        }
        Ok(Quantity::from_scaled(total))
    }

    /// How much of a meter was counted in the period of this number.
    #[must_use]
    pub fn used_in(&self, index: u32, meter: MeterId) -> Quantity {
        self.totals
            .get(&(index, meter))
            .copied()
            .unwrap_or(Quantity::ZERO)
    }
}

impl Provider {
    /// The subscription of this name, if it lives in this account.
    pub(super) fn subscription(
        &self,
        account: &Account,
        id: &ForeignId,
    ) -> Result<&Subscription, Refusal> {
        let subscription = self.subscriptions.get(id);
        subscription
            .filter(|subscription| subscription.account == *account)
            .ok_or_else(|| Refusal::missing(id))
    }

    /// Starts a subscription with its first period, and demands what is due at the start, if
    /// anything is. The plan must be on sale and billed in the cycle of the schedule.
    pub(super) fn start_subscription(
        &mut self,
        account: &Account,
        start: StartSubscription,
    ) -> Result<Reply, Refusal> {
        let slot = (account.clone(), start.subscription);
        if let Some(known) = self.subscriptions_by_ours.get(&slot) {
            let known = self.subscription(account, known)?;
            if known.start != start {
                return Err(Refusal::conflict(
                    "the subscription was started in another way",
                ));
            }
            return Ok(self.started(known));
        }
        self.customer(account, &start.customer)?;
        let version = self.sellable(account, &start.plan)?.version.clone();
        if version.terms.cycle() != start.schedule.cycle {
            return Err(Refusal::permanent("the plan is billed in another cycle"));
        }
        let beyond = || Refusal::permanent("the schedule lies beyond the calendar");
        let period = periods::period(&start.schedule, 0).ok_or_else(beyond)?;
        // What a trial ends with is due then.
        let lines = if start.schedule.trial_ends_at.is_some() {
            Vec::new()
        } else {
            opening_lines(&version, period)
        };
        let owed = rating::total(&lines, version.terms.currency())
            .ok_or_else(|| Refusal::permanent("what is due at the start does not fit 64 bits"))?;
        let id = self.name("sub");
        let first_invoice = (!owed.is_zero()).then(|| self.name("inv"));
        let subscription = Subscription {
            id: id.clone(),
            account: account.clone(),
            plan: start.plan.clone(),
            stretches: vec![Stretch {
                period_index: 0,
                start: period.start,
                plan: start.plan.clone(),
            }],
            next_plan: None,
            period_index: 0,
            period,
            first_invoice: first_invoice.clone(),
            live: true,
            ends_at: None,
            version: 0,
            closed: BTreeSet::new(),
            records: Vec::new(),
            totals: BTreeMap::new(),
            start,
        };
        self.subscribe(&subscription.plan);
        self.agenda.insert((period.end, Due::PeriodEnd(id.clone())));
        self.subscriptions_by_ours.insert(slot, id.clone());
        self.subscriptions.insert(id.clone(), subscription.clone());
        if let Some(invoice) = first_invoice {
            self.demand_opening(&invoice, &subscription, lines, owed);
        }
        // Periods that are over already are invoiced at once.
        self.advance(self.now);
        let subscription = self.subscription(account, &id)?;
        Ok(self.started(subscription))
    }

    /// The answer to a start: the link is the newest one, and gone once it is paid.
    fn started(&self, subscription: &Subscription) -> Reply {
        let invoice = subscription.first_invoice.as_ref();
        let invoice = invoice.and_then(|invoice| self.invoices.get(invoice));
        Reply::Started {
            object: subscription.id.clone(),
            link: invoice.and_then(|invoice| self.link(invoice)),
        }
    }

    /// Changes the plan now, or plans another one for the next period; the last word before the period
    /// ends holds. Going back to the plan it has takes back what was planned.
    pub(super) fn change_plan(
        &mut self,
        account: &Account,
        id: &ForeignId,
        (plan, when, at): (&ForeignId, When, Timestamp),
    ) -> Result<Reply, Refusal> {
        let current = self.subscription(account, id)?;
        if !current.live {
            return Err(Refusal::permanent(format!("{id} is over")));
        }
        let next = &self.sellable(account, plan)?.version.terms;
        if next.cycle() != current.schedule().cycle {
            return Err(Refusal::permanent("the plan is billed in another cycle"));
        }
        let before = self.plans.get(&current.plan);
        if before.is_some_and(|before| before.version.terms.currency() != next.currency()) {
            return Err(Refusal::permanent("the plan is billed in another currency"));
        }
        self.subscribe(plan);
        if let Some(subscription) = self.subscriptions.get_mut(id) {
            let is_other = subscription.plan != *plan;
            // What holds from the next period on at the caller's holds from there on here, also where this
            // is heard after that has begun.
            let holds_already = match when {
                When::Now => at < subscription.period.end,
                When::PeriodEnd => at <= subscription.period.start,
            };
            if is_other && holds_already {
                subscription.cut(at, plan);
            } else {
                subscription.next_plan = is_other.then(|| plan.clone());
            }
        }
        Ok(Reply::Done)
    }

    /// How it stands. Nothing due at the start counts as paid.
    pub(super) fn stated_subscription(&self, subscription: &Subscription) -> StatedSubscription {
        let first = subscription.first_invoice.as_ref();
        let first = first.and_then(|first| self.invoices.get(first));
        StatedSubscription {
            subscription: subscription.ours(),
            live: subscription.live,
            first_paid: first.is_none_or(|first| first.state == InvoiceState::Paid),
            period: subscription.period,
            ends_at: subscription.ends_at,
        }
    }

    /// Somebody has this plan from now on: it is never deleted, only archived.
    fn subscribe(&mut self, plan: &ForeignId) {
        if let Some(plan) = self.plans.get_mut(plan) {
            plan.subscribed = true;
        }
    }

    /// The plan of this name, on sale or not.
    pub(super) fn plan_named(&self, id: &ForeignId) -> Result<&Plan, Refusal> {
        self.plans.get(id).ok_or_else(|| Refusal::missing(id))
    }
}

/// What the first period costs that is paid, before any use: what is nothing is not written.
pub(super) fn opening_lines(version: &PlanVersion, period: Span) -> Vec<StatedLine> {
    let setup = version.terms.setup_fee();
    let mut lines = Vec::new();
    if !setup.is_zero() {
        lines.push(StatedLine {
            text: format!("{}: setup", version.name),
            amount: setup,
        });
    }
    lines.extend(base_line(version, period));
    lines
}

/// What a period costs before any use.
pub(super) fn base_line(version: &PlanVersion, period: Span) -> Option<StatedLine> {
    let amount = version.terms.base_price();
    let text = format!("{}: {} to {}", version.name, period.start, period.end);
    (!amount.is_zero()).then_some(StatedLine { text, amount })
}
