//! How a subscription begins.

use serde_json::Value;

use super::super::books::Books;
use super::super::calendar::DAY;
use super::super::invoices::{Line, NewInvoice, declined};
use super::super::problem::Problem;
use super::{Each, Status, Subscription};
use crate::stripe::form::Form;

impl Books {
    pub(in super::super) fn create_subscription(&mut self, form: &Form) -> Result<Value, Problem> {
        let mut new = self.new_subscription(form)?;
        let mut lines = self.first_lines(&mut new, form);
        lines.extend(self.one_off_lines(form, &new)?);
        let id = new.id.clone();
        let is_sent = new.send_days.is_some();
        let behavior = form.word("payment_behavior").unwrap_or("allow_incomplete");
        let amount: i64 = lines.iter().map(|it| it.amount).sum();
        if !is_sent && amount > 0 && behavior != "default_incomplete" {
            self.check_card(&new, behavior)?;
        }
        if !is_sent && amount > 0 {
            new.status = Status::Incomplete;
        }
        let customer = new.customer.clone();
        let period = new.period;
        self.subscriptions.insert(&id, new);
        self.told_of_subscription(&id, "customer.subscription.created")?;
        if !lines.is_empty() || self.has_pending(&customer, Some(&id)) {
            let invoice = self.make_invoice(NewInvoice {
                subscription: id.clone(),
                reason: "subscription_create",
                lines,
                measured: Vec::new(),
                period: (period.0, period.0),
            });
            if !is_sent {
                self.finalize(&invoice, behavior != "default_incomplete");
            }
        }
        self.retrieve_subscription(&id)
    }

    /// Whether there is a card to charge, and one that pays where that is asked for.
    fn check_card(&self, new: &Subscription, behavior: &str) -> Result<(), Problem> {
        let Some(card) = self.card_of(&new.customer, new.payment_method.as_deref()) else {
            let message = "This customer has no attached payment source or default payment method. Please consider adding a default payment method.";
            return Err(Problem::invalid(message).code("resource_missing"));
        };
        let card = self.payment_methods.get(&card);
        if behavior == "error_if_incomplete" && card.is_some_and(|it| it.is_declined) {
            return Err(declined());
        }
        Ok(())
    }

    fn new_subscription(&mut self, form: &Form) -> Result<Subscription, Problem> {
        let now = self.now;
        let customer = form.owned("customer").unwrap_or_default();
        if self.customers.get(&customer).is_none() {
            return Err(Problem::unknown("customer", "customer", &customer));
        }
        let start = form.integer("backdate_start_date").unwrap_or(now);
        if start > now {
            return Err(Problem::invalid("The start date has to be in the past.")
                .param("backdate_start_date"));
        }
        let items = self.new_items(&form.elements("items"), start)?;
        let (currency, every) = self.agreed(&items)?;
        let trial = trial_end(form, now).map(|end| (now, end));
        let anchor = form.integer("billing_cycle_anchor");
        if anchor.is_some_and(|it| it < now || it > every.boundary(now, 1)) {
            let message = "billing_cycle_anchor must be in the future and no later than the next natural billing date";
            return Err(Problem::invalid(message).param("billing_cycle_anchor"));
        }
        let each = form.member("billing_cycle_anchor_config").map(Each::read);
        let on_day = each.as_ref().map(|each| each.before(start));
        let anchor = anchor.or(on_day.map(|origin| every.next(origin, now)));
        let anchor = anchor.or(trial.map(|it| it.1)).unwrap_or(start);
        let origin = on_day.unwrap_or(anchor);
        let period = match trial {
            Some(trial) => trial,
            None if anchor > now => (start, anchor),
            None => (every.last(anchor, now), every.next(anchor, now)),
        };
        let send_days = send_days(form)?;
        let mode = form.member("billing_mode").and_then(|it| it.word("type"));
        Ok(Subscription {
            id: self.ids.make("sub"),
            created: now,
            customer,
            status: if trial.is_some() {
                Status::Trialing
            } else {
                Status::Active
            },
            items,
            currency,
            every,
            send_days,
            metadata: form.metadata(),
            description: form.owned("description"),
            anchor,
            origin,
            each,
            schedule: None,
            start_date: start,
            period,
            trial,
            cancel_at_period_end: form.flag("cancel_at_period_end") == Some(true),
            cancel_at: form.integer("cancel_at"),
            canceled_at: None,
            ended_at: None,
            comment: None,
            latest_invoice: None,
            fee_percent: form.owned("application_fee_percent"),
            payment_method: form.owned("default_payment_method"),
            is_flexible: mode != Some("classic"),
        })
    }

    /// What the licensed items cost at first: nothing in a trial, a share until an anchor, and the
    /// cycles that a date in the past has missed.
    fn first_lines(&mut self, new: &mut Subscription, form: &Form) -> Vec<Line> {
        let is_prorated = form.word("proration_behavior") != Some("none");
        let mut lines = Vec::new();
        let of = new.clone();
        for item in &mut new.items {
            if self.is_metered(item) {
                continue;
            }
            let full = self.full_amount(item);
            let missed = missed(&of).into_iter().filter(|_| is_prorated);
            for span in missed {
                lines.push(self.charge_ahead(&of, item, span, full));
            }
            let amount = if of.trial.is_some() {
                0
            } else if of.anchor <= self.now {
                full
            } else if is_prorated {
                Self::prorated(&of, full, of.period)
            } else {
                continue;
            };
            lines.push(self.charge_ahead(&of, item, of.period, amount));
        }
        lines
    }
}

/// The cycles between a start in the past and the current one.
fn missed(of: &Subscription) -> Vec<(i64, i64)> {
    let mut missed = Vec::new();
    let mut number = 0;
    while of.trial.is_none() && of.every.boundary(of.start_date, number + 1) <= of.period.0 {
        let span = of.every.boundary(of.start_date, number);
        missed.push((span, of.every.boundary(of.start_date, number + 1)));
        number += 1;
    }
    missed
}

fn trial_end(form: &Form, now: i64) -> Option<i64> {
    let days = form.integer("trial_period_days").map(|it| now + it * DAY);
    form.integer("trial_end").or(days).filter(|it| *it > now)
}

/// Days until invoices are due, where they are sent.
pub(super) fn send_days(form: &Form) -> Result<Option<i64>, Problem> {
    let days = form.integer("days_until_due");
    match form.word("collection_method") {
        Some("send_invoice") => days.map(Some).ok_or_else(|| {
            let message = "If `collection_method` is `send_invoice`, `days_until_due` is required.";
            Problem::invalid(message).param("days_until_due")
        }),
        _ if days.is_some() => {
            let message =
                "You can only set `days_until_due` if `collection_method` is `send_invoice`.";
            Err(Problem::invalid(message).param("days_until_due"))
        }
        _ => Ok(None),
    }
}
