//! What happens at the end of a period.

use super::super::books::Books;
use super::super::invoices::NewInvoice;
use super::{Status, Subscription};

/// Of invoices that are sent where nothing is said of when they are due.
const DAYS_UNTIL_DUE: i64 = 30;

impl Books {
    pub(in super::super) fn subscription_falls_due(&mut self, id: &str) {
        let Some(of) = self.subscriptions.get(id).cloned() else {
            return;
        };
        let ends = of.cancel_at.is_some_and(|it| it <= self.now)
            || of.cancel_at_period_end
            || self.after_last_phase(&of);
        match of.status {
            Status::Incomplete => self.expire_incomplete(&of),
            _ if ends => {
                let measured = self.owed_for_use(&of, self.now);
                self.end(id, measured, "subscription_cycle");
            }
            _ => {
                // It may have been released from its schedule by now.
                let of = self.subscriptions.get(id).cloned().unwrap_or(of);
                self.renew(&of);
            }
        }
    }

    /// Enters the next period, with an invoice of what was used and of what comes.
    pub(super) fn renew(&mut self, of: &Subscription) -> String {
        let mut next = of.clone();
        let was_trial = of.status == Status::Trialing;
        let start = of.period.1;
        next.period = (start, of.every.next(of.origin, start));
        let mut measured = self.owed_for_use(of, start);
        if let Some(phase) = self.next_phase(of) {
            next.items = phase.items;
            next.fee_percent = phase.fee_percent;
            next.send_days = match phase.is_charged {
                true => None,
                false => next.send_days.or(Some(DAYS_UNTIL_DUE)),
            };
            let stays = |id: &str| next.items.iter().any(|it| it.id == id);
            measured.retain(|it| phase.bills_what_goes || stays(&it.item));
        }
        let mut lines = Vec::new();
        for item in &mut next.items {
            if self.is_metered(item) {
                item.since = start;
            } else {
                let full = self.full_amount(item);
                lines.push(self.charge_ahead(of, item, next.period, full));
            }
        }
        if was_trial {
            next.status = Status::Active;
        }
        let id = of.id.clone();
        self.subscriptions.insert(&id, next);
        let invoice = self.make_invoice(NewInvoice {
            subscription: id.clone(),
            reason: "subscription_cycle",
            lines,
            measured,
            period: of.period,
        });
        let told = self.retrieve_subscription(&id);
        if let Ok(told) = told {
            self.tell("customer.subscription.updated", &told);
        }
        invoice
    }

    fn expire_incomplete(&mut self, of: &Subscription) {
        if let Some(invoice) = &of.latest_invoice {
            self.make_void(invoice);
        }
        if let Some(own) = self.subscriptions.get_mut(&of.id) {
            own.status = Status::IncompleteExpired;
            own.ended_at = Some(self.now);
            let told = own.clone().json(self);
            self.tell("customer.subscription.updated", &told);
        }
    }
}
