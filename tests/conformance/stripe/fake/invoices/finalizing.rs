//! How a draft becomes a bill.

use serde_json::Value;

use super::super::books::{Books, found};
use super::super::problem::Problem;
use super::{Invoice, Stage};
use crate::stripe::form::Form;

impl Books {
    pub(in super::super) fn finalize_invoice(
        &mut self,
        id: &str,
        form: &Form,
    ) -> Result<Value, Problem> {
        let invoice = found(&self.invoices, "invoice", id)?;
        if invoice.stage != Stage::Draft {
            return Err(Problem::invalid(
                "This invoice is already finalized, you can't re-finalize a non-draft invoice.",
            )
            .code("invoice_not_editable"));
        }
        let advances = form.flag("auto_advance").unwrap_or(invoice.auto_advance);
        self.finalize(id, advances);
        self.retrieve_invoice(id)
    }

    /// Freezes a draft. With `charges` a card is asked for what is due at once.
    pub(in super::super) fn finalize(&mut self, id: &str, charges: bool) {
        let Some(mut invoice) = self.invoices.get(id).cloned() else {
            return;
        };
        if invoice.stage != Stage::Draft {
            return;
        }
        invoice.lines = self.lines_of(&invoice);
        invoice.measured.clear();
        let total: i64 = invoice.lines.iter().map(|it| it.amount).sum();
        let sum = total + self.settle_balance(&mut invoice, total);
        invoice.amount_due = sum.max(0);
        invoice.stage = Stage::Open;
        invoice.finalized_at = Some(self.now);
        invoice.due_date = invoice.due_date_from(self.now);
        invoice.number = Some(self.next_number(&invoice.customer));
        let is_sent = invoice.send_days.is_some();
        let due = invoice.amount_due;
        self.invoices.insert(id, invoice);
        self.told_of_invoice(id, "invoice.finalized");
        if due == 0 {
            self.settle(id, 0);
        } else if is_sent {
            self.told_of_invoice(id, "invoice.sent");
        } else if charges {
            self.charge(id);
        }
    }

    /// Uses a customer's credit for an invoice, or gives them some; what it changes the sum by.
    fn settle_balance(&mut self, invoice: &mut Invoice, total: i64) -> i64 {
        let Some(customer) = self.customers.get_mut(&invoice.customer) else {
            return 0;
        };
        let before = customer.balance;
        customer.balance = (total + before).min(0);
        customer.currency = Some(invoice.currency.clone());
        invoice.starting_balance = before;
        invoice.ending_balance = Some(customer.balance);
        before
    }

    fn next_number(&mut self, customer: &str) -> String {
        let number = self.numbered.entry(customer.to_owned()).or_default();
        *number += 1;
        let prefix = self
            .customers
            .get(customer)
            .map_or("", |it| it.prefix.as_str());
        format!("{prefix}-{number:04}")
    }
}
