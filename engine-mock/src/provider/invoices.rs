//! Invoices: drafted at the end of a period or issued finished, and what they say.
//!
//! A draft has no amounts of its own. Each time it is looked at it is calculated from the use of
//! its period, which may still grow; only when it becomes final are lines and total written down,
//! and the period is closed to further use in the same step. So nothing can come between what was
//! counted and what is demanded.
//!
//! A period in which nothing is priced makes no invoice; one in which something is priced makes
//! one even over nothing, which is paid at once, so that every such period is seen to be billed.

use monetization_core::clock::{Span, Timestamp};
use monetization_core::invoice::InvoiceState;
use monetization_core::money::Money;
use monetization_core::text::ForeignId;
use serde::Serialize;

use super::agenda::Due;
use super::stretches::rest_of_base;
use super::subscriptions::{base_line, opening_lines};
use super::{
    Account, FinishedInvoice, GivenCredit, Gone, Provider, Refusal, Reply, StatedInvoice,
    StatedLine, Stretch, Subscription, periods, rating,
};

/// An invoice as the provider has it, of either kind: made by the provider for a subscription, or
/// issued to it finished. From the moment it is final its lines and its total never change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Invoice {
    /// Its name here.
    pub id: ForeignId,
    /// Where it lives.
    pub account: Account,
    /// Who owes it.
    pub customer: ForeignId,
    /// The subscription it bills, where the provider made it.
    pub subscription: Option<ForeignId>,
    /// What it was issued as, where somebody else made it.
    pub issued: Option<FinishedInvoice>,
    /// The period whose use it bills: the whole of it, also where the subscription ended within.
    pub period: Option<Span>,
    /// What a draft will bill; `None` once it is final.
    pub draft: Option<Draft>,
    /// Its lines once it is final.
    pub lines: Vec<StatedLine>,
    /// The sum of its lines once it is final.
    pub total: Money,
    /// How it stands.
    pub state: InvoiceState,
    /// Grows with each change of it that is told.
    pub version: u64,
    /// When it became final; for a draft, when it was begun.
    pub issued_at: Timestamp,
    /// From when on it is past due.
    pub due_at: Timestamp,
    /// When it was paid.
    pub paid_at: Option<Timestamp>,
    /// What of it was credited.
    pub credits: Vec<GivenCredit>,
    /// What of it the customer's balance has paid.
    pub from_balance: Money,
}

/// What an invoice will bill once it is final: use may still come. The plans are named and not
/// copied, which they can be because a plan that somebody has had is never deleted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Draft {
    /// The period whose use it bills.
    pub period_index: u32,
    /// The plan of that period.
    pub plan: ForeignId,
    /// The plan and the stretch of the period whose base price it bills.
    pub next: Option<(ForeignId, Span)>,
}

impl Provider {
    /// Demands what is due at the start. It bills no use, so it is final from the beginning.
    pub(super) fn demand_opening(
        &mut self,
        id: &ForeignId,
        subscription: &Subscription,
        lines: Vec<StatedLine>,
        total: Money,
    ) {
        let invoice = Invoice {
            id: id.clone(),
            account: subscription.account.clone(),
            customer: subscription.start.customer.clone(),
            subscription: Some(subscription.id.clone()),
            issued: None,
            period: None,
            draft: None,
            lines,
            total,
            state: InvoiceState::Draft,
            version: 0,
            issued_at: self.now,
            due_at: self.now.saturating_add(self.rules.payment_within),
            paid_at: None,
            credits: Vec::new(),
            from_balance: Money::zero(total.currency()),
        };
        self.invoices.insert(id.clone(), invoice);
        self.demand(id);
    }

    /// Takes an invoice that somebody else has calculated, if it adds up.
    pub(super) fn issue(
        &mut self,
        account: &Account,
        issued: FinishedInvoice,
    ) -> Result<Reply, Refusal> {
        let slot = (account.clone(), issued.invoice);
        if let Some(known) = self
            .invoices_by_ours
            .get(&slot)
            .and_then(|id| self.invoices.get(id))
        {
            return if known.issued.as_ref() == Some(&issued) {
                Ok(Reply::Started {
                    object: known.id.clone(),
                    link: self.link(known),
                })
            } else {
                Err(Refusal::conflict(
                    "the invoice was issued with other content",
                ))
            };
        }
        self.customer(account, &issued.customer)?;
        let sum = rating::total(&issued.lines, issued.total.currency());
        if sum != Some(issued.total) {
            return Err(Refusal::permanent("the lines do not add up to the total"));
        }
        if issued.total.minor() < 0 {
            return Err(Refusal::permanent("the total is negative"));
        }
        let id = self.name("inv");
        let invoice = Invoice {
            id: id.clone(),
            account: account.clone(),
            customer: issued.customer.clone(),
            subscription: None,
            period: issued.period,
            draft: None,
            lines: issued.lines.clone(),
            total: issued.total,
            state: InvoiceState::Draft,
            version: 0,
            issued_at: self.now,
            due_at: issued.due_at,
            paid_at: None,
            credits: Vec::new(),
            from_balance: Money::zero(issued.total.currency()),
            issued: Some(issued),
        };
        self.invoices_by_ours.insert(slot, id.clone());
        self.invoices.insert(id.clone(), invoice);
        self.demand(&id);
        let link = self
            .invoices
            .get(&id)
            .and_then(|invoice| self.link(invoice));
        Ok(Reply::Started { object: id, link })
    }

    /// Takes an invoice back unless it is paid. One that is void already is gone.
    pub(super) fn void(&mut self, account: &Account, id: &ForeignId) -> Result<Gone, Refusal> {
        let known = self
            .invoices
            .get(id)
            .filter(|invoice| invoice.account == *account);
        match known.map(|invoice| invoice.state) {
            None | Some(InvoiceState::Void) => Ok(Gone::AlreadyGone),
            Some(InvoiceState::Paid) => Err(Refusal::permanent(format!("{id} is paid"))),
            Some(_) => {
                self.take_back(id);
                Ok(Gone::Archived)
            }
        }
    }

    /// Drafts the invoice of a subscription's current period: at its end with the base price of
    /// `next`, or final at once where the subscription ends in the middle of it. What would bill
    /// nothing at all is not made.
    pub(super) fn draft_period(
        &mut self,
        id: &ForeignId,
        next: Option<(ForeignId, Span)>,
    ) -> Result<(), Refusal> {
        let Some(subscription) = self.subscriptions.get(id).cloned() else {
            return Ok(());
        };
        let at_end = subscription.period.end <= self.now;
        let draft = Draft {
            period_index: subscription.period_index,
            plan: subscription.plan.clone(),
            next,
        };
        let lines = self.lines_of(&subscription, &draft)?;
        let currency = self.plan_named(&draft.plan)?.version.terms.currency();
        let nothing = lines.iter().all(|line| line.amount.is_zero());
        if lines.is_empty() {
            return Ok(());
        }
        if nothing && !at_end {
            self.close(id, draft.period_index);
            return Ok(());
        }
        let invoice = Invoice {
            id: self.name("inv"),
            account: subscription.account.clone(),
            customer: subscription.start.customer.clone(),
            subscription: Some(id.clone()),
            issued: None,
            period: Some(subscription.period),
            draft: Some(draft),
            lines: Vec::new(),
            total: Money::zero(currency),
            state: InvoiceState::Draft,
            version: 0,
            issued_at: self.now,
            due_at: self
                .now
                .saturating_add(self.rules.grace)
                .saturating_add(self.rules.payment_within),
            paid_at: None,
            credits: Vec::new(),
            from_balance: Money::zero(currency),
        };
        let made = invoice.id.clone();
        self.invoices.insert(made.clone(), invoice);
        if at_end {
            let at = subscription.period.end.saturating_add(self.rules.grace);
            self.agenda.insert((at, Due::Finalise(made)));
        } else {
            self.finalise(&made);
        }
        Ok(())
    }

    /// Makes a draft final and demands it. One that cannot be calculated stays a draft.
    pub(super) fn finalise(&mut self, id: &ForeignId) {
        let Some(mut invoice) = self.invoices.get(id).cloned() else {
            return;
        };
        let Some((draft, lines, total)) = self.calculated(&invoice) else {
            return;
        };
        if let Some(subscription) = &invoice.subscription {
            self.close(subscription, draft.period_index);
        }
        invoice.draft = None;
        invoice.lines = lines;
        invoice.total = total;
        invoice.issued_at = self.now;
        invoice.due_at = self.now.saturating_add(self.rules.payment_within);
        self.invoices.insert(id.clone(), invoice);
        self.demand(id);
    }

    /// What a draft bills as of now; `None` for a final invoice, and where it does not fit.
    fn calculated(&self, invoice: &Invoice) -> Option<(Draft, Vec<StatedLine>, Money)> {
        let draft = invoice.draft.clone()?;
        let subscription = self.subscriptions.get(invoice.subscription.as_ref()?)?;
        let lines = self.lines_of(subscription, &draft).ok()?;
        let total = rating::total(&lines, invoice.total.currency())?;
        Some((draft, lines, total))
    }

    /// The lines of a draft as they are now: one for each meter the plan prices, used or not, and
    /// the next base price unless that is nothing.
    pub(super) fn lines_of(
        &self,
        subscription: &Subscription,
        draft: &Draft,
    ) -> Result<Vec<StatedLine>, Refusal> {
        let index = draft.period_index;
        if index == 0 && subscription.schedule().trial_ends_at.is_some() {
            let Some((plan, period)) = &draft.next else {
                return Ok(Vec::new());
            };
            return Ok(opening_lines(&self.plan_named(plan)?.version, *period));
        }
        let stretches = subscription.stretches_of(index);
        let is_whole = stretches.len() < 2;
        let mut lines = Vec::new();
        let mut before: Option<&ForeignId> = None;
        for (stretch, end) in stretches {
            if let Some(before) = before.replace(&stretch.plan) {
                lines.extend(self.change_lines(subscription, (before, stretch))?);
            }
            let terms = &self.plan_named(&stretch.plan)?.version.terms;
            for price in terms.usage() {
                let meter = price.meter.id;
                let used = if is_whole {
                    subscription.used_in(index, meter)
                } else {
                    subscription.used_within(index, meter, (stretch.start, end))?
                };
                let line = rating::usage_line(price, used, terms);
                let unfit = || Refusal::permanent("the amount does not fit 64 bits");
                lines.push(line.ok_or_else(unfit)?);
            }
        }
        if let Some((plan, period)) = &draft.next {
            lines.extend(base_line(&self.plan_named(plan)?.version, *period));
        }
        Ok(lines)
    }

    /// What a change of plan within a period bills: the rest of the base price before, less, and the
    /// rest of the new one.
    fn change_lines(
        &self,
        subscription: &Subscription,
        (before, stretch): (&ForeignId, &Stretch),
    ) -> Result<Vec<StatedLine>, Refusal> {
        let beyond = || Refusal::permanent("the period lies beyond the calendar");
        let period = periods::period(subscription.schedule(), stretch.period_index);
        let rest = (period.ok_or_else(beyond)?, stretch.start);
        let of = |plan: &ForeignId| -> Result<Option<StatedLine>, Refusal> {
            let version = &self.plan_named(plan)?.version;
            rest_of_base(version.name.as_str(), &version.terms, rest).transpose()
        };
        let unused = of(before)?.map(|line| StatedLine {
            amount: Money::new(line.amount.minor().saturating_neg(), line.amount.currency()),
            ..line
        });
        let both = unused.into_iter().chain(of(&stretch.plan)?);
        Ok(both.filter(|line| !line.amount.is_zero()).collect())
    }

    /// No more use of this period is taken.
    fn close(&mut self, subscription: &ForeignId, period_index: u32) {
        if let Some(subscription) = self.subscriptions.get_mut(subscription) {
            subscription.closed.insert(period_index);
        }
    }

    /// The invoices of a subscription, oldest first: names sort by age.
    pub(super) fn invoices_of(&self, subscription: &ForeignId) -> Vec<StatedInvoice> {
        let whose = |invoice: &&Invoice| invoice.subscription.as_ref() == Some(subscription);
        self.invoices
            .values()
            .filter(whose)
            .map(|invoice| self.stated(invoice))
            .collect()
    }

    /// The invoice as it is shown; a draft with what it would bill now.
    pub(super) fn stated(&self, invoice: &Invoice) -> StatedInvoice {
        let drafted = self
            .calculated(invoice)
            .map(|(_, lines, total)| (lines, total));
        let (lines, total) = drafted.unwrap_or_else(|| (invoice.lines.clone(), invoice.total));
        StatedInvoice {
            invoice: Some(invoice.id.clone()),
            subscription: invoice.subscription.clone(),
            period: invoice.period,
            lines,
            total,
            state: invoice.state,
            link: self.link(invoice),
            issued_at: invoice.issued_at,
            due_at: invoice.due_at,
        }
    }

    /// The invoice of the current period as its end would make it: the use so far, and the base
    /// price of the next period where there is one.
    pub(super) fn preview(&self, subscription: &Subscription) -> Result<StatedInvoice, Refusal> {
        if !subscription.live {
            return Err(Refusal::missing(format!("{} is over", subscription.id)));
        }
        let draft = Draft {
            period_index: subscription.period_index,
            plan: subscription.plan.clone(),
            next: self.next_of(subscription),
        };
        let lines = self.lines_of(subscription, &draft)?;
        let currency = self.plan_named(&draft.plan)?.version.terms.currency();
        let total = rating::total(&lines, currency);
        let issued_at = subscription.period.end.saturating_add(self.rules.grace);
        Ok(StatedInvoice {
            invoice: None,
            subscription: Some(subscription.id.clone()),
            period: Some(subscription.period),
            lines,
            total: total.ok_or_else(|| Refusal::permanent("the total does not fit 64 bits"))?,
            state: InvoiceState::Draft,
            link: None,
            issued_at,
            due_at: issued_at.saturating_add(self.rules.payment_within),
        })
    }

    /// The plan and the stretch of the period after the current one; `None` where there is none.
    pub(super) fn next_of(&self, subscription: &Subscription) -> Option<(ForeignId, Span)> {
        if subscription.ends_at.is_some() {
            return None;
        }
        let index = subscription.period_index.checked_add(1)?;
        let period = periods::period(subscription.schedule(), index)?;
        let plan = subscription
            .next_plan
            .as_ref()
            .unwrap_or(&subscription.plan);
        Some((plan.clone(), period))
    }
}
