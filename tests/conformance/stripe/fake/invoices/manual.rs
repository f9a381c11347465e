//! Invoices that a caller makes, reads and changes.

use serde_json::Value;

use super::super::books::{Books, deleted, found, found_mut};
use super::super::calendar::HOUR;
use super::super::paging::page;
use super::super::problem::Problem;
use super::{Invoice, Stage};
use crate::stripe::form::Form;

impl Books {
    pub(in super::super) fn create_invoice(&mut self, form: &Form) -> Result<Value, Problem> {
        let id = form.word("customer").unwrap_or_default().to_owned();
        let customer = self.customers.get(&id);
        let customer = customer.ok_or_else(|| Problem::unknown("customer", "customer", &id))?;
        let currency = form.owned("currency").or_else(|| customer.currency.clone());
        let currency = currency.unwrap_or_else(|| "usd".to_owned());
        let send_days = match (
            form.word("collection_method"),
            form.integer("days_until_due"),
        ) {
            (Some("send_invoice"), None) if form.member("due_date").is_none() => {
                let message = "If invoice's `collection_method` is `send_invoice`, one of `days_until_due` or `due_date` has to be set.";
                return Err(Problem::invalid(message).param("days_until_due"));
            }
            (Some("send_invoice"), days) => Some(days.unwrap_or_default()),
            _ => None,
        };
        let subscription = form.owned("subscription");
        if let Some(of) = subscription
            .as_ref()
            .filter(|it| self.subscriptions.get(it).is_none())
        {
            return Err(Problem::unknown("subscription", "subscription", of));
        }
        let auto_advance = form.flag("auto_advance") == Some(true);
        let mut invoice = Invoice {
            id: self.ids.make("in"),
            subscription: subscription.clone(),
            send_days,
            metadata: form.metadata(),
            description: form.owned("description"),
            footer: form.owned("footer"),
            due_date: form.integer("due_date"),
            auto_advance,
            finalizes_at: auto_advance.then_some(self.now + HOUR),
            payment_method: form.owned("default_payment_method"),
            ..self.empty_invoice(&id, &currency)
        };
        let made = invoice.id.clone();
        let takes = form.word("pending_invoice_items_behavior") == Some("include");
        if takes || subscription.is_some() {
            invoice.lines = self.take_pending(&id, subscription.as_deref(), &currency, &made);
        }
        self.invoices.insert(&made, invoice);
        Ok(self.told_of_invoice(&made, "invoice.created"))
    }

    pub(in super::super) fn list_invoices(&self, form: &Form) -> Result<Value, Problem> {
        let is_wanted = |it: &Invoice| {
            form.asks_for("customer", &it.customer)
                && form.asks_for(
                    "subscription",
                    it.subscription.as_deref().unwrap_or_default(),
                )
                && form.asks_for("status", it.stage.name())
                && form.admits("created", it.created)
        };
        let invoices = self.invoices.newest().filter(|(_, it)| is_wanted(it));
        let ids: Vec<&str> = invoices.map(|(id, _)| id).collect();
        page(&ids, form, "/v1/invoices", |id| {
            self.invoices.get(id).map(|it| it.json(self))
        })
    }

    pub(in super::super) fn retrieve_invoice(&self, id: &str) -> Result<Value, Problem> {
        found(&self.invoices, "invoice", id).map(|it| it.json(self))
    }

    pub(in super::super) fn list_lines(&self, id: &str, form: &Form) -> Result<Value, Problem> {
        let invoice = found(&self.invoices, "invoice", id)?;
        let lines = self.lines_of(invoice);
        let ids: Vec<&str> = lines.iter().map(|it| it.id.as_str()).collect();
        page(&ids, form, &format!("/v1/invoices/{id}/lines"), |wanted| {
            let line = lines.iter().find(|it| it.id == wanted);
            line.map(|it| it.json(invoice, self))
        })
    }

    pub(in super::super) fn update_invoice(
        &mut self,
        id: &str,
        form: &Form,
    ) -> Result<Value, Problem> {
        let now = self.now;
        let invoice = found_mut(&mut self.invoices, "invoice", id)?;
        let settled = [
            "days_until_due",
            "due_date",
            "collection_method",
            "description",
        ];
        let is_draft = invoice.stage == Stage::Draft;
        if let Some(name) = settled
            .iter()
            .find(|it| !is_draft && form.member(it).is_some())
        {
            return Err(not_editable().param(name));
        }
        form.note(&mut invoice.metadata);
        if let Some(days) = form.integer("days_until_due") {
            invoice.send_days = Some(days);
        }
        if form.member("due_date").is_some() {
            invoice.due_date = form.integer("due_date");
        }
        if form.member("description").is_some() {
            invoice.description = form.owned("description");
        }
        if let Some(advances) = form.flag("auto_advance") {
            invoice.auto_advance = advances;
            invoice.finalizes_at = invoice
                .finalizes_at
                .or_else(|| advances.then_some(now + HOUR));
        }
        Ok(self.told_of_invoice(id, "invoice.updated"))
    }

    pub(in super::super) fn delete_invoice(&mut self, id: &str) -> Result<Value, Problem> {
        let invoice = found(&self.invoices, "invoice", id)?;
        if invoice.stage != Stage::Draft || invoice.subscription.is_some() {
            return Err(Problem::invalid(
                "You can only delete draft invoices that belong to no subscription.",
            ));
        }
        self.invoices.remove(id);
        let items = self
            .invoice_items
            .ids_where(|it| it.invoice.as_deref() == Some(id));
        for item in items {
            self.invoice_items.remove(&item);
        }
        Ok(deleted("invoice", id))
    }
}

/// What is said where a draft was needed.
pub(in super::super) fn not_editable() -> Problem {
    Problem::invalid("This invoice can no longer be edited.").code("invoice_not_editable")
}
