//! How a subscription ends.

use serde_json::Value;

use super::super::books::{Books, found};
use super::super::invoice_items::Proration;
use super::super::invoices::{Measured, NewInvoice};
use super::super::problem::Problem;
use super::Status;
use crate::stripe::form::Form;

impl Books {
    /// Ends a subscription at once. One that is over already is not there any more.
    pub(in super::super) fn cancel_subscription(
        &mut self,
        id: &str,
        form: &Form,
    ) -> Result<Value, Problem> {
        let of = found(&self.subscriptions, "subscription", id)?.clone();
        if !of.is_alive() {
            return Err(Problem::no_such("subscription", id));
        }
        if form.flag("prorate") == Some(true) {
            for item in &of.items {
                let unused = Self::unused(item, self.now);
                if unused != 0 {
                    self.make_proration(
                        &of,
                        Proration {
                            price: item.price.clone(),
                            item: item.id.clone(),
                            amount: -unused,
                            period: (self.now, of.period.1),
                            what: "Unused time",
                        },
                    );
                }
            }
        }
        if let Some(own) = self.subscriptions.get_mut(id) {
            let details = form.member("cancellation_details");
            own.comment = details.and_then(|it| it.owned("comment"));
        }
        if form.flag("invoice_now") == Some(true) {
            // What was used in this very second counts, too.
            let measured = self.owed_for_use(&of, self.now + 1);
            self.end(id, measured, "subscription_update");
        } else {
            self.close(id);
        }
        self.retrieve_subscription(id)
    }

    /// Ends it, with an invoice of what is left where anything is.
    pub(super) fn end(&mut self, id: &str, measured: Vec<Measured>, reason: &'static str) {
        let Some(of) = self.subscriptions.get(id).cloned() else {
            return;
        };
        if !measured.is_empty() || self.has_pending(&of.customer, Some(id)) {
            self.make_invoice(NewInvoice {
                subscription: id.to_owned(),
                reason,
                lines: Vec::new(),
                measured,
                period: (of.period.0, self.now),
            });
        }
        self.close(id);
    }

    fn close(&mut self, id: &str) {
        let now = self.now;
        self.end_schedule_of(id);
        let Some(own) = self.subscriptions.get_mut(id) else {
            return;
        };
        own.status = Status::Canceled;
        own.ended_at = Some(now);
        own.canceled_at = own.canceled_at.or(Some(now));
        let told = own.clone().json(self);
        self.tell("customer.subscription.deleted", &told);
    }
}
