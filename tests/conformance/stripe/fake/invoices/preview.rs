//! What the next invoice would be.

use serde_json::Value;

use super::super::books::Books;
use super::super::problem::Problem;
use super::Invoice;
use crate::stripe::form::Form;

impl Books {
    /// The next invoice of a subscription as of now, with changes as if they were made: these
    /// happen to a copy. Without a subscription, the pending items of a customer.
    pub(in super::super) fn preview(&mut self, form: &Form) -> Result<Value, Problem> {
        let mut books = self.clone();
        let Some(id) = form.word("subscription") else {
            return books.preview_pending(form);
        };
        if books.subscriptions.get(id).is_none() {
            return Err(Problem::unknown("subscription", "subscription", id));
        }
        if let Some(details) = form.member("subscription_details") {
            books.update_subscription(id, details)?;
        }
        let of = books.subscriptions.get(id).cloned();
        let of = of.ok_or_else(|| Problem::no_such("subscription", id))?;
        if !of.is_alive() {
            return Err(Problem::invalid("No upcoming invoices for customer")
                .code("invoice_upcoming_none")
                .status(404));
        }
        books.now = of.cancel_at.unwrap_or(of.period.1).min(of.period.1);
        books.subscription_falls_due(id);
        let next = books
            .subscriptions
            .get(id)
            .and_then(|it| it.latest_invoice.clone());
        let next = next.filter(|it| of.latest_invoice.as_ref() != Some(it));
        let mut invoice = next.and_then(|it| books.invoices.get(&it).cloned());
        if let Some(invoice) = &mut invoice {
            invoice.id = format!("upcoming_{}", invoice.id);
            invoice.reason = "upcoming";
            return Ok(invoice.json(&books));
        }
        Err(Problem::invalid("No upcoming invoices for customer")
            .code("invoice_upcoming_none")
            .status(404))
    }

    fn preview_pending(&mut self, form: &Form) -> Result<Value, Problem> {
        let customer = form.word("customer").unwrap_or_default();
        if self.customers.get(customer).is_none() {
            return Err(Problem::unknown("customer", "customer", customer));
        }
        let currency = form.word("currency").unwrap_or("usd");
        let id = self.ids.make("upcoming_in");
        let mut invoice = Invoice {
            id: id.clone(),
            ..self.empty_invoice(customer, currency)
        };
        invoice.reason = "upcoming";
        invoice.lines = self.take_pending(customer, None, currency, &id);
        Ok(invoice.json(self))
    }
}
