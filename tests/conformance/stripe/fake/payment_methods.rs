//! What customers pay with.

use serde_json::{Value, json};

use super::books::{Books, found};
use super::paging::page;
use super::problem::Problem;
use crate::stripe::form::Form;

/// A card that pays, or not.
#[derive(Debug, Clone)]
pub(super) struct PaymentMethod {
    id: String,
    created: i64,
    customer: Option<String>,
    /// Whether the next payments fail.
    pub(super) is_declined: bool,
}

impl PaymentMethod {
    pub(super) fn json(&self, books: &Books) -> Value {
        json!({
            "id": self.id, "object": "payment_method", "livemode": books.livemode,
            "created": self.created, "customer": self.customer, "type": "card", "metadata": {},
            "allow_redisplay": "unspecified",
            "billing_details": { "address": null, "email": null, "name": null, "phone": null },
            "card": { "brand": "visa", "last4": if self.is_declined { "0341" } else { "4242" } },
        })
    }
}

impl Books {
    pub(super) fn list_payment_methods(
        &self,
        customer: Option<&str>,
        form: &Form,
    ) -> Result<Value, Problem> {
        let of =
            |method: &PaymentMethod| customer.is_none() || method.customer.as_deref() == customer;
        let methods = self.payment_methods.newest().filter(|(_, it)| of(it));
        let ids: Vec<&str> = methods.map(|(id, _)| id).collect();
        let make = |id: &str| self.payment_methods.get(id).map(|it| it.json(self));
        page(&ids, form, "/v1/payment_methods", make)
    }

    pub(super) fn retrieve_payment_method(&self, id: &str) -> Result<Value, Problem> {
        let method = found(&self.payment_methods, "payment_method", id);
        method.map(|it| it.json(self))
    }

    /// Attaches a card: `pm_card_visa` and its like make a new one, those with `Fail` in their name
    /// one that pays nothing.
    pub(super) fn attach(&mut self, id: &str, form: &Form) -> Result<Value, Problem> {
        let customer = form.owned("customer").unwrap_or_default();
        if self.customers.get(&customer).is_none() {
            return Err(Problem::unknown("customer", "customer", &customer));
        }
        if !id.starts_with("pm_card_") && self.payment_methods.get(id).is_none() {
            return Err(Problem::no_such("payment_method", id));
        }
        let attached = self.attach_to(id, &customer);
        let answer = self.retrieve_payment_method(&attached)?;
        self.tell("payment_method.attached", &answer);
        Ok(answer)
    }

    /// The id of the card.
    pub(super) fn attach_to(&mut self, id: &str, customer: &str) -> String {
        if let Some(method) = self.payment_methods.get_mut(id) {
            method.customer = Some(customer.to_owned());
            return id.to_owned();
        }
        let method = PaymentMethod {
            id: self.ids.make("pm"),
            created: self.now,
            customer: Some(customer.to_owned()),
            is_declined: id.contains("Fail"),
        };
        let made = method.id.clone();
        self.payment_methods.insert(&made, method);
        made
    }

    pub(super) fn use_by_default(&mut self, id: &str, form: &Form) {
        let settings = form.member("invoice_settings");
        let wanted = settings.and_then(|it| it.owned("default_payment_method"));
        let wanted = wanted.or_else(|| form.owned("payment_method"));
        let Some(wanted) = wanted else { return };
        let method = match self.payment_methods.get(&wanted) {
            Some(_) => wanted,
            None => self.attach_to(&wanted, id),
        };
        if let Some(customer) = self.customers.get_mut(id) {
            customer.payment_method = Some(method);
        }
    }
}
