//! Credit notes: what is taken off a bill that does not change any more.

use serde_json::{Value, json};

use super::books::{Books, found};
use super::ids::derived;
use super::invoices::Stage;
use super::paging::{page, whole};
use super::params::Metadata;
use super::problem::Problem;
use crate::stripe::form::Form;

/// A credit note.
#[derive(Debug, Clone)]
pub(super) struct CreditNote {
    id: String,
    created: i64,
    number: String,
    customer: String,
    invoice: String,
    currency: String,
    amount: i64,
    /// Of it, what was taken off before the invoice was paid.
    before: i64,
    /// Of it, what went back to where it was paid from.
    refunded: i64,
    reason: Option<String>,
    memo: Option<String>,
    lines: Vec<(String, String, i64)>,
    metadata: Metadata,
}

impl CreditNote {
    pub(super) fn json(&self, books: &Books) -> Value {
        let lines = self.lines.iter().map(|(id, description, amount)| {
            json!({
                "id": id, "object": "credit_note_line_item", "livemode": books.livemode,
                "amount": amount, "description": description, "discount_amount": 0,
                "discount_amounts": [], "invoice_line_item": null, "pretax_credit_amounts": [],
                "quantity": 1, "tax_rates": [], "taxes": [], "type": "custom_line_item",
                "unit_amount": amount, "unit_amount_decimal": amount.to_string(),
            })
        });
        let url = format!("/v1/credit_notes/{}/lines", self.id);
        let after = self.amount - self.before;
        let refund = json!({
            "amount_refunded": self.refunded, "refund": derived("re", &[&self.id]), "type": "refund",
            "payment_record_refund": null,
        });
        let refunds = (self.refunded > 0).then_some(refund);
        json!({
            "id": self.id, "object": "credit_note", "livemode": books.livemode,
            "created": self.created, "number": self.number, "customer": self.customer,
            "invoice": self.invoice, "currency": self.currency, "amount": self.amount,
            "subtotal": self.amount, "total": self.amount, "memo": self.memo,
            "reason": self.reason, "status": "issued", "metadata": self.metadata,
            "type": if after == 0 { "pre_payment" } else { "post_payment" },
            "pre_payment_amount": self.before, "post_payment_amount": after,
            "lines": whole(&lines.collect::<Vec<Value>>(), &url), "pdf": format!("{}/cn/{}", books.pages, self.id),
            "amount_shipping": 0, "discount_amount": 0, "discount_amounts": [],
            "refunds": refunds.into_iter().collect::<Vec<Value>>(),
            "pretax_credit_amounts": [], "total_taxes": [], "voided_at": null,
        })
    }
}

impl Books {
    /// Takes off what is left to be paid; of what was paid already, the rest is to be given back:
    /// as a credit to the customer, or outside.
    pub(super) fn create_credit_note(&mut self, form: &Form) -> Result<Value, Problem> {
        let id = form.owned("invoice").unwrap_or_default();
        let invoice = self.invoices.get(&id);
        let invoice = invoice
            .ok_or_else(|| Problem::unknown("invoice", "invoice", &id))?
            .clone();
        if matches!(invoice.stage, Stage::Draft | Stage::Void) {
            let message =
                "Credit notes can only be made for open, paid and uncollectible invoices.";
            return Err(Problem::invalid(message).param("invoice"));
        }
        let lines = self.credited_lines(form);
        let amount = form
            .integer("amount")
            .unwrap_or_else(|| lines.iter().map(|it| it.2).sum());
        let billed = self.lines_of(&invoice);
        let total: i64 = billed.iter().map(|it| it.amount).sum();
        let left = total - invoice.credited.0 - invoice.credited.1;
        if amount <= 0 || amount > left {
            let message =
                format!("The amount has to be from 1 to {left}, what is left of the invoice.");
            return Err(Problem::invalid(message).param("amount"));
        }
        let before = amount.min(invoice.remaining());
        let after = amount - before;
        let given = ["credit_amount", "refund_amount", "out_of_band_amount"];
        let given: i64 = given.iter().filter_map(|it| form.integer(it)).sum();
        if given != after {
            let message = format!(
                "The sum of credit_amount, refund_amount and out_of_band_amount has to be {after}."
            );
            return Err(Problem::invalid(message).param("credit_amount"));
        }
        let refunded = form.integer("refund_amount").unwrap_or_default();
        let earlier = self.credit_notes.newest().map(|(_, it)| it);
        let earlier = earlier.filter(|it| it.invoice == id).map(|it| it.refunded);
        let refundable = invoice.amount_paid - earlier.sum::<i64>();
        if refunded > refundable {
            let message = format!("At most {refundable} of what was paid can be refunded.");
            return Err(Problem::invalid(message).param("refund_amount"));
        }
        let note = CreditNote {
            id: self.ids.make("cn"),
            created: self.now,
            number: format!("{}-CN-{:02}", invoice.id, self.credit_notes.len() + 1),
            customer: invoice.customer.clone(),
            invoice: id.clone(),
            currency: invoice.currency.clone(),
            amount,
            before,
            refunded,
            reason: form.owned("reason"),
            memo: form.owned("memo"),
            lines,
            metadata: form.metadata(),
        };
        let told = note.json(self);
        self.credit_notes.insert(&note.id.clone(), note);
        self.tell("credit_note.created", &told);
        if let Some(customer) = self.customers.get_mut(&invoice.customer) {
            customer.balance -= form.integer("credit_amount").unwrap_or_default();
        }
        self.take_off(&id, before, after);
        Ok(told)
    }

    pub(super) fn list_credit_notes(&self, form: &Form) -> Result<Value, Problem> {
        let is_wanted = |it: &CreditNote| {
            form.asks_for("invoice", &it.invoice) && form.asks_for("customer", &it.customer)
        };
        let notes = self.credit_notes.newest().filter(|(_, it)| is_wanted(it));
        let ids: Vec<&str> = notes.map(|(id, _)| id).collect();
        let make = |id: &str| self.credit_notes.get(id).map(|it| it.json(self));
        page(&ids, form, "/v1/credit_notes", make)
    }

    pub(super) fn retrieve_credit_note(&self, id: &str) -> Result<Value, Problem> {
        found(&self.credit_notes, "credit_note", id).map(|it| it.json(self))
    }

    fn credited_lines(&mut self, form: &Form) -> Vec<(String, String, i64)> {
        let mut lines = Vec::new();
        for line in form.elements("lines") {
            let quantity = line.integer("quantity").unwrap_or(1);
            let unit = line.integer("unit_amount").map(|it| it * quantity);
            let amount = line.integer("amount").or(unit).unwrap_or_default();
            let description = line.owned("description").unwrap_or_default();
            lines.push((self.ids.make("cnli"), description, amount));
        }
        if let Some(amount) = form.integer("amount").filter(|_| lines.is_empty()) {
            lines.push((self.ids.make("cnli"), "Credit".to_owned(), amount));
        }
        lines
    }

    fn take_off(&mut self, id: &str, before: i64, after: i64) {
        let Some(invoice) = self.invoices.get_mut(id) else {
            return;
        };
        invoice.credited.0 += before;
        invoice.credited.1 += after;
        let is_paid = invoice.stage == Stage::Open && invoice.remaining() == 0;
        self.told_of_invoice(id, "invoice.updated");
        if is_paid {
            self.settle(id, 0);
        }
    }
}
