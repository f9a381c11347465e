//! How invoices come to be.

use super::super::books::Books;
use super::super::calendar::HOUR;
use super::super::params::Metadata;
use super::{Invoice, Line, Measured, Stage};

/// An invoice of a subscription.
#[derive(Debug)]
pub(in super::super) struct NewInvoice {
    pub(in super::super) subscription: String,
    pub(in super::super) reason: &'static str,
    pub(in super::super) lines: Vec<Line>,
    pub(in super::super) measured: Vec<Measured>,
    pub(in super::super) period: (i64, i64),
}

impl Books {
    /// Drafts an invoice of a subscription, with what is pending for its customer. It finalises
    /// itself an hour later.
    pub(in super::super) fn make_invoice(&mut self, new: NewInvoice) -> String {
        let Some(of) = self.subscriptions.get(&new.subscription).cloned() else {
            return String::new();
        };
        let mut invoice = Invoice {
            id: self.ids.make("in"),
            reason: new.reason,
            subscription: Some(of.id.clone()),
            send_days: of.send_days,
            lines: new.lines,
            measured: new.measured,
            period: new.period,
            auto_advance: true,
            finalizes_at: Some(self.now + HOUR),
            payment_method: of.payment_method.clone(),
            ..self.empty_invoice(&of.customer, &of.currency)
        };
        let id = invoice.id.clone();
        invoice
            .lines
            .extend(self.take_pending(&of.customer, Some(&of.id), &of.currency, &id));
        self.invoices.insert(&id, invoice);
        if let Some(own) = self.subscriptions.get_mut(&of.id) {
            own.latest_invoice = Some(id.clone());
        }
        self.told_of_invoice(&id, "invoice.created");
        id
    }

    /// A draft without anything.
    pub(in super::super) fn empty_invoice(&self, customer: &str, currency: &str) -> Invoice {
        Invoice {
            id: String::new(),
            created: self.now,
            customer: customer.to_owned(),
            subscription: None,
            stage: Stage::Draft,
            reason: "manual",
            send_days: None,
            currency: currency.to_owned(),
            metadata: Metadata::new(),
            description: None,
            footer: None,
            lines: Vec::new(),
            measured: Vec::new(),
            period: (self.now, self.now),
            number: None,
            auto_advance: false,
            finalizes_at: None,
            due_date: None,
            is_overdue: false,
            finalized_at: None,
            paid_at: None,
            voided_at: None,
            given_up_at: None,
            starting_balance: 0,
            ending_balance: None,
            amount_due: 0,
            amount_paid: 0,
            credited: (0, 0),
            attempts: 0,
            payment_method: None,
        }
    }
}
