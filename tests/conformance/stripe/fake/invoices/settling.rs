//! How a bill is paid, or not.

use serde_json::Value;

use super::super::books::{Books, found};
use super::super::problem::Problem;
use super::super::subscriptions::Status;
use super::manual::not_editable;
use super::{Invoice, Stage};
use crate::stripe::form::Form;

impl Books {
    pub(in super::super) fn pay_invoice(
        &mut self,
        id: &str,
        form: &Form,
    ) -> Result<Value, Problem> {
        if found(&self.invoices, "invoice", id)?.stage == Stage::Draft {
            self.finalize(id, false);
        }
        let invoice = found(&self.invoices, "invoice", id)?;
        match invoice.stage {
            Stage::Open | Stage::Uncollectible => {}
            Stage::Paid => return Err(Problem::invalid("Invoice is already paid")),
            Stage::Void | Stage::Draft => return Err(not_editable()),
        }
        let remaining = invoice.remaining();
        let is_outside = form.flag("paid_out_of_band") == Some(true);
        let named = invoice.payment_method.as_deref();
        if !is_outside && self.card_of(&invoice.customer, named).is_none() {
            let message = "There is no default_payment_method set on this Customer or Invoice.";
            return Err(Problem::invalid(message));
        }
        if is_outside {
            self.settle(id, remaining);
        } else if !self.charge(id) {
            return Err(declined());
        }
        self.retrieve_invoice(id)
    }

    pub(in super::super) fn void_invoice(&mut self, id: &str) -> Result<Value, Problem> {
        let stage = found(&self.invoices, "invoice", id)?.stage;
        if !matches!(stage, Stage::Open | Stage::Uncollectible) {
            let message = format!(
                "You can only void open or uncollectible invoices; this one is {}.",
                stage.name()
            );
            return Err(Problem::invalid(message));
        }
        self.make_void(id);
        self.retrieve_invoice(id)
    }

    pub(in super::super) fn give_up_invoice(&mut self, id: &str) -> Result<Value, Problem> {
        let stage = found(&self.invoices, "invoice", id)?.stage;
        if stage != Stage::Open {
            let message = format!(
                "You can only mark open invoices as uncollectible; this one is {}.",
                stage.name()
            );
            return Err(Problem::invalid(message));
        }
        if let Some(invoice) = self.invoices.get_mut(id) {
            invoice.stage = Stage::Uncollectible;
            invoice.given_up_at = Some(self.now);
        }
        Ok(self.told_of_invoice(id, "invoice.marked_uncollectible"))
    }

    pub(in super::super) fn make_void(&mut self, id: &str) {
        let now = self.now;
        let Some(invoice) = self
            .invoices
            .get_mut(id)
            .filter(|it| it.stage != Stage::Paid)
        else {
            return;
        };
        invoice.stage = Stage::Void;
        invoice.voided_at = Some(now);
        self.told_of_invoice(id, "invoice.voided");
    }

    /// What falls due: drafts are finalised, bills are late.
    pub(in super::super) fn invoice_falls_due(&mut self, id: &str) {
        let Some(invoice) = self.invoices.get_mut(id) else {
            return;
        };
        if invoice.stage == Stage::Draft {
            self.finalize(id, true);
            return;
        }
        invoice.is_overdue = true;
        let of = invoice.subscription.clone();
        self.told_of_invoice(id, "invoice.overdue");
        if let Some(of) = of {
            self.set_status(&of, Status::PastDue);
        }
    }

    /// Asks the card of an invoice for what is left; whether it paid.
    pub(in super::super) fn charge(&mut self, id: &str) -> bool {
        let Some(invoice) = self.invoices.get(id).cloned() else {
            return false;
        };
        let card = self.card_of(&invoice.customer, invoice.payment_method.as_deref());
        let pays = card.is_some_and(|it| {
            self.payment_methods
                .get(&it)
                .is_some_and(|it| !it.is_declined)
        });
        if pays {
            self.settle(id, invoice.remaining());
        } else {
            self.fail(id);
        }
        pays
    }

    /// Notes that somebody tried to pay and could not.
    pub(in super::super) fn fail(&mut self, id: &str) {
        let Some(invoice) = self.invoices.get_mut(id) else {
            return;
        };
        invoice.attempts += 1;
        let of = invoice.subscription.clone();
        self.told_of_invoice(id, "invoice.payment_failed");
        let of = of
            .and_then(|it| self.subscriptions.get(&it))
            .map(|it| (it.id.clone(), it.status));
        if let Some((of, status)) = of
            && status != Status::Incomplete
        {
            self.set_status(&of, Status::PastDue);
        }
    }

    /// Takes a payment: with what is left, the invoice is paid.
    pub(in super::super) fn settle(&mut self, id: &str, amount: i64) {
        let now = self.now;
        let Some(invoice) = self.invoices.get_mut(id) else {
            return;
        };
        invoice.amount_paid += amount;
        invoice.stage = Stage::Paid;
        invoice.paid_at = Some(now);
        invoice.attempts += u32::from(amount > 0);
        let of = invoice.subscription.clone();
        self.told_of_invoice(id, "invoice.paid");
        self.told_of_invoice(id, "invoice.payment_succeeded");
        let Some(of) = of else { return };
        let owes = |it: &Invoice| {
            it.subscription.as_ref() == Some(&of)
                && it.stage == Stage::Open
                && (it.is_overdue || it.attempts > 0)
        };
        let still_owes = !self.invoices.ids_where(owes).is_empty();
        let status = self.subscriptions.get(&of).map(|it| it.status);
        if matches!(status, Some(Status::Incomplete | Status::PastDue)) && !still_owes {
            self.set_status(&of, Status::Active);
        }
    }

    /// The card that is asked: the one named, or the customer's own.
    pub(in super::super) fn card_of(&self, customer: &str, named: Option<&str>) -> Option<String> {
        let own = self
            .customers
            .get(customer)
            .and_then(|it| it.payment_method.clone());
        named.map(str::to_owned).or(own)
    }
}

/// What is said where a card does not pay.
pub(in super::super) fn declined() -> Problem {
    Problem::invalid("Your card was declined.")
        .status(402)
        .kind("card_error")
        .code("card_declined")
}
