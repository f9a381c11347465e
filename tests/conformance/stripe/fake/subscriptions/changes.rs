//! Changes of a subscription: its items, its end, its trial.

use serde_json::Value;

use super::super::books::{Books, found, found_mut};
use super::super::invoices::NewInvoice;
use super::super::problem::Problem;
use super::creation::send_days;
use super::items::{quantity, twice};
use super::{Item, Status, Subscription};
use crate::stripe::form::Form;

impl Books {
    pub(in super::super) fn update_subscription(
        &mut self,
        id: &str,
        form: &Form,
    ) -> Result<Value, Problem> {
        let before = found(&self.subscriptions, "subscription", id)?.clone();
        if !before.is_alive() {
            let message =
                "A canceled subscription can only update its cancellation_details and metadata.";
            return Err(Problem::invalid(message));
        }
        let mut after = before.clone();
        self.take_settings(&mut after, form)?;
        if form.member("items").is_some() {
            after.items = self.changed_items(&before, form)?;
            let (currency, every) = self.agreed(&after.items)?;
            if currency != after.currency {
                return Err(
                    Problem::invalid("The currency of a subscription cannot change.")
                        .param("items"),
                );
            }
            after.every = every;
        }
        let one_off = self.one_off_lines(form, &after)?;
        let begins_anew =
            after.every != before.every || form.word("billing_cycle_anchor") == Some("now");
        let behavior = form
            .word("proration_behavior")
            .unwrap_or("create_prorations");
        if behavior != "none" && before.status != Status::Trialing {
            let at = form.integer("proration_date").unwrap_or(self.now);
            self.prorate(&before, &mut after, at, begins_anew);
        }
        let mut lines = one_off;
        if begins_anew {
            after.anchor = self.now;
            after.origin = self.now;
            after.period = (self.now, after.every.next(self.now, self.now));
            for item in &mut after.items.clone() {
                if !self.is_metered(item) {
                    let full = self.full_amount(item);
                    lines.push(self.charge_ahead(&before, item, after.period, full));
                }
                after
                    .items
                    .iter_mut()
                    .filter(|it| it.id == item.id)
                    .for_each(|it| *it = item.clone());
            }
        }
        self.subscriptions.insert(id, after);
        self.end_trial_if_told(id, form);
        let is_invoiced = begins_anew || behavior == "always_invoice";
        if !lines.is_empty() || is_invoiced && self.has_pending(&before.customer, Some(id)) {
            self.invoice_change(id, lines);
        }
        self.told_of_subscription(id, "customer.subscription.updated")
    }

    fn invoice_change(&mut self, id: &str, lines: Vec<super::super::invoices::Line>) {
        let invoice = self.make_invoice(NewInvoice {
            subscription: id.to_owned(),
            reason: "subscription_update",
            lines,
            measured: Vec::new(),
            period: (self.now, self.now),
        });
        self.finalize(&invoice, true);
    }

    fn take_settings(&self, after: &mut Subscription, form: &Form) -> Result<(), Problem> {
        if let Some(schedule) = &after.schedule
            && (form.member("cancel_at_period_end").is_some() || form.member("cancel_at").is_some())
        {
            let message = format!(
                "The subscription is managed by the subscription schedule `{schedule}`, and updating any cancelation behavior directly is not allowed. Please update the schedule instead."
            );
            return Err(Problem::invalid(message));
        }
        form.note(&mut after.metadata);
        if let Some(ends) = form.flag("cancel_at_period_end") {
            after.cancel_at_period_end = ends;
            after.canceled_at = ends.then_some(self.now);
        }
        if form.member("cancel_at").is_some() {
            after.cancel_at = form.integer("cancel_at");
            after.canceled_at = after.cancel_at.map(|_| self.now);
        }
        if form.member("collection_method").is_some() {
            after.send_days = send_days(form)?;
        } else if let Some(days) = form
            .integer("days_until_due")
            .filter(|_| after.send_days.is_some())
        {
            after.send_days = Some(days);
        }
        if form.member("description").is_some() {
            after.description = form.owned("description");
        }
        if form.member("application_fee_percent").is_some() {
            after.fee_percent = form.owned("application_fee_percent");
        }
        if form.member("default_payment_method").is_some() {
            after.payment_method = form.owned("default_payment_method");
        }
        if let Some(end) = form.integer("trial_end").filter(|it| *it > self.now) {
            after.trial = Some((self.now, end));
            after.status = Status::Trialing;
            after.period = (self.now, end);
            after.anchor = end;
            after.origin = end;
        }
        Ok(())
    }

    fn end_trial_if_told(&mut self, id: &str, form: &Form) {
        let now = self.now;
        let is_told = form.word("trial_end") == Some("now");
        let Ok(own) = found_mut(&mut self.subscriptions, "subscription", id) else {
            return;
        };
        if is_told && own.status == Status::Trialing {
            own.trial = own.trial.map(|it| (it.0, now));
            own.anchor = now;
            own.origin = now;
            own.period.1 = now;
            let of = own.clone();
            let invoice = self.renew(&of);
            self.finalize(&invoice, true);
        }
    }

    fn changed_items(&mut self, before: &Subscription, form: &Form) -> Result<Vec<Item>, Problem> {
        let mut items = before.items.clone();
        for (index, change) in form.elements("items").into_iter().enumerate() {
            let Some(id) = change.word("id") else {
                let item = self.new_item(change, index, self.now)?;
                items.push(item);
                continue;
            };
            let Some(at) = items.iter().position(|it| it.id == id) else {
                let param = format!("items[{index}][id]");
                return Err(Problem::unknown("subscription_item", &param, id));
            };
            if change.flag("deleted") == Some(true) {
                items.remove(at);
                continue;
            }
            let own = items[at].clone();
            items[at] = self.changed_item(own, change, index)?;
        }
        for (at, item) in items.iter().enumerate() {
            if items[..at].iter().any(|it| it.price == item.price) {
                return Err(twice(&item.price));
            }
        }
        Ok(items)
    }

    fn changed_item(&mut self, own: Item, change: &Form, index: usize) -> Result<Item, Problem> {
        let mut item = match change.word("price") {
            Some(price) if price != own.price => {
                let new = self.new_item(change, index, self.now)?;
                Item {
                    id: own.id,
                    created: own.created,
                    debit: own.debit,
                    ..new
                }
            }
            _ => {
                let price = self.prices.get(&own.price);
                let wanted = price
                    .map(|it| quantity(change, it, index))
                    .transpose()?
                    .flatten();
                let quantity = change.member("quantity").and(wanted).or(own.quantity);
                Item { quantity, ..own }
            }
        };
        change.note(&mut item.metadata);
        Ok(item)
    }
}
