//! Checkout sessions: a page on which a customer subscribes.

use serde_json::{Value, json};

use super::books::{Books, found};
use super::calendar::{DAY, MINUTE};
use super::paging::{page, whole};
use super::params::Metadata;
use super::problem::Problem;
use crate::stripe::form::Form;

mod completion;

/// A session.
#[derive(Debug, Clone)]
pub(super) struct Session {
    id: String,
    created: i64,
    mode: String,
    pub(super) status: &'static str,
    customer: Option<String>,
    email: Option<String>,
    subscription: Option<String>,
    invoice: Option<String>,
    currency: Option<String>,
    amount: i64,
    expires_at: i64,
    reference: Option<String>,
    urls: (Option<String>, Option<String>),
    /// What is subscribed to when it is completed.
    wanted: Form,
    metadata: Metadata,
}

impl Session {
    pub(super) fn due_at(&self) -> Option<i64> {
        (self.status == "open").then_some(self.expires_at)
    }

    pub(super) fn json(&self, books: &Books) -> Value {
        let is_open = self.status == "open";
        let paid = match (self.status, self.mode.as_str()) {
            ("complete", "setup") => "no_payment_required",
            ("complete", _) => "paid",
            _ => "unpaid",
        };
        json!({
            "id": self.id, "object": "checkout.session", "livemode": books.livemode,
            "created": self.created, "mode": self.mode, "status": self.status,
            "payment_status": paid, "customer": self.customer, "customer_email": self.email,
            "subscription": self.subscription, "invoice": self.invoice,
            "currency": self.currency, "amount_subtotal": self.amount, "amount_total": self.amount,
            "expires_at": self.expires_at, "client_reference_id": self.reference,
            "success_url": self.urls.0, "cancel_url": self.urls.1, "metadata": self.metadata,
            "url": is_open.then(|| format!("{}/c/{}", books.pages, self.id)),
            "automatic_tax": { "enabled": false, "liability": null, "status": null },
            "custom_fields": [], "custom_text": { "after_submit": null },
            "payment_intent": null, "payment_method_types": ["card"], "setup_intent": null,
            "shipping_options": [], "locale": null, "consent": null, "total_details": null,
        })
    }

    pub(super) fn line_items(&self, books: &Books) -> Value {
        let items = self.wanted.elements("line_items").into_iter().enumerate();
        let items = items.map(|(index, item)| {
            let price = item.word("price").unwrap_or_default();
            json!({
                "id": format!("li_{index}"), "object": "item", "quantity": item.integer("quantity"),
                "price": books.prices.get(price).map(|it| it.json(books)),
            })
        });
        whole(
            &items.collect::<Vec<Value>>(),
            &format!("/v1/checkout/sessions/{}/line_items", self.id),
        )
    }
}

impl Books {
    pub(super) fn create_session(&mut self, form: &Form) -> Result<Value, Problem> {
        let mode = form.word("mode").unwrap_or("payment").to_owned();
        let customer = form.owned("customer");
        if let Some(id) = customer
            .as_ref()
            .filter(|it| self.customers.get(it).is_none())
        {
            return Err(Problem::unknown("customer", "customer", id));
        }
        let (currency, amount) = self.checked_items(form, &mode)?;
        let expires_at = form.integer("expires_at").unwrap_or(self.now + DAY);
        if !(self.now + 30 * MINUTE..=self.now + DAY).contains(&expires_at) {
            let message =
                "The `expires_at` timestamp has to be from 30 minutes to 24 hours from now.";
            return Err(Problem::invalid(message).param("expires_at"));
        }
        let prefix = if self.livemode { "cs_live" } else { "cs_test" };
        let session = Session {
            id: self.ids.make(prefix),
            created: self.now,
            mode,
            status: "open",
            customer,
            email: form.owned("customer_email"),
            subscription: None,
            invoice: None,
            currency: currency.or_else(|| form.owned("currency")),
            amount,
            expires_at,
            reference: form.owned("client_reference_id"),
            urls: (form.owned("success_url"), form.owned("cancel_url")),
            wanted: form.clone(),
            metadata: form.metadata(),
        };
        let answer = session.json(self);
        self.sessions.insert(&session.id.clone(), session);
        Ok(answer)
    }

    /// The currency of the items and what the licensed ones come to.
    fn checked_items(&self, form: &Form, mode: &str) -> Result<(Option<String>, i64), Problem> {
        let items = form.elements("line_items");
        if items.is_empty() && mode != "setup" {
            let message = "You must pass at least one line item.";
            return Err(Problem::invalid(message)
                .code("parameter_missing")
                .param("line_items"));
        }
        let (mut currency, mut amount) = (None, 0);
        for (index, item) in items.into_iter().enumerate() {
            let param = format!("line_items[{index}][price]");
            let id = item.word("price").unwrap_or_default();
            let price = self.prices.get(id);
            let price = price.ok_or_else(|| Problem::unknown("price", &param, id))?;
            let quantity = item.integer("quantity");
            if quantity.is_some() == price.meter().is_some() {
                let message = "line_items need a quantity where the price is licensed, and none where it is metered.";
                return Err(
                    Problem::invalid(message).param(&format!("line_items[{index}][quantity]"))
                );
            }
            if price.recurring.is_some() && mode != "subscription" {
                let message = "You specified `payment` mode but passed a recurring price.";
                return Err(Problem::invalid(message).param(&param));
            }
            currency = Some(price.currency.clone());
            let unit = price.scheme.unit().map_or(0, |it| it.half_up());
            amount += quantity.map_or(0, |quantity| unit * quantity);
        }
        Ok((currency, amount))
    }

    pub(super) fn list_sessions(&self, form: &Form) -> Result<Value, Problem> {
        let is_wanted = |it: &Session| {
            form.asks_for("customer", it.customer.as_deref().unwrap_or_default())
                && form.asks_for(
                    "subscription",
                    it.subscription.as_deref().unwrap_or_default(),
                )
                && form.asks_for("status", it.status)
                && form.admits("created", it.created)
        };
        let sessions = self.sessions.newest().filter(|(_, it)| is_wanted(it));
        let ids: Vec<&str> = sessions.map(|(id, _)| id).collect();
        let make = |id: &str| self.sessions.get(id).map(|it| it.json(self));
        page(&ids, form, "/v1/checkout/sessions", make)
    }

    pub(super) fn retrieve_session(&self, id: &str) -> Result<Value, Problem> {
        found(&self.sessions, "checkout.session", id).map(|it| it.json(self))
    }

    pub(super) fn expire_session(&mut self, id: &str) -> Result<Value, Problem> {
        if found(&self.sessions, "checkout.session", id)?.status != "open" {
            return Err(Problem::invalid(
                "Only Checkout Sessions with a status in [\"open\"] can be expired.",
            ));
        }
        self.expire(id);
        self.retrieve_session(id)
    }

    pub(super) fn expire(&mut self, id: &str) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.status = "expired";
            let told = session.clone().json(self);
            self.tell("checkout.session.expired", &told);
        }
    }
}
