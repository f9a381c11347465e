//! Customers, and what they pay with.

use serde_json::{Value, json};

use super::books::{Books, deleted, found, found_mut};
use super::paging::page;
use super::params::Metadata;
use super::problem::Problem;
use crate::stripe::form::Form;

/// A customer.
#[derive(Debug, Clone)]
pub(super) struct Customer {
    pub(super) id: String,
    created: i64,
    pub(super) email: Option<String>,
    pub(super) name: Option<String>,
    description: Option<String>,
    /// What they owe beside invoices; a credit is negative.
    pub(super) balance: i64,
    pub(super) currency: Option<String>,
    pub(super) payment_method: Option<String>,
    /// Begins the numbers of their invoices.
    pub(super) prefix: String,
    pub(super) test_clock: Option<String>,
    metadata: Metadata,
}

/// A card that pays, or not.
#[derive(Debug, Clone)]
pub(super) struct PaymentMethod {
    id: String,
    created: i64,
    customer: Option<String>,
    /// Whether the next payments fail.
    pub(super) is_declined: bool,
}

impl Customer {
    pub(super) fn json(&self, books: &Books) -> Value {
        json!({
            "id": self.id, "object": "customer", "livemode": books.livemode,
            "created": self.created, "email": self.email, "name": self.name,
            "description": self.description, "balance": self.balance,
            "currency": self.currency, "metadata": self.metadata, "address": null,
            "default_source": null, "delinquent": false, "discount": null,
            "invoice_prefix": self.prefix, "phone": null, "preferred_locales": [],
            "shipping": null, "tax_exempt": "none", "test_clock": self.test_clock,
            "invoice_settings": {
                "custom_fields": null, "default_payment_method": self.payment_method,
                "footer": null, "rendering_options": null,
            },
        })
    }

    fn take(&mut self, form: &Form) {
        let fields = [
            ("email", &mut self.email),
            ("name", &mut self.name),
            ("description", &mut self.description),
        ];
        for (name, field) in fields {
            if form.member(name).is_some() {
                *field = form.owned(name);
            }
        }
        if let Some(balance) = form.integer("balance") {
            self.balance = balance;
        }
        form.note(&mut self.metadata);
    }
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
    pub(super) fn create_customer(&mut self, form: &Form) -> Result<Value, Problem> {
        let id = self.ids.make("cus");
        let test_clock = form.owned("test_clock");
        if let Some(clock) = test_clock
            .as_ref()
            .filter(|it| self.test_clocks.get(it).is_none())
        {
            return Err(Problem::unknown("test clock", "test_clock", clock));
        }
        let prefix = id
            .chars()
            .skip(4)
            .take(8)
            .collect::<String>()
            .to_uppercase();
        let mut customer = Customer {
            id: id.clone(),
            created: self.now,
            email: None,
            name: None,
            description: None,
            balance: 0,
            currency: None,
            payment_method: None,
            prefix: form.owned("invoice_prefix").unwrap_or(prefix),
            test_clock,
            metadata: Metadata::new(),
        };
        customer.take(form);
        self.customers.insert(&id, customer);
        if let Some(method) = form.owned("payment_method") {
            self.attach_to(&method, &id);
        }
        self.use_by_default(&id, form);
        self.told_of_customer(&id, "customer.created")
    }

    pub(super) fn list_customers(&self, form: &Form) -> Result<Value, Problem> {
        let is_wanted = |customer: &Customer| {
            form.asks_for("email", customer.email.as_deref().unwrap_or_default())
                && form.asks_for(
                    "test_clock",
                    customer.test_clock.as_deref().unwrap_or_default(),
                )
                && form.admits("created", customer.created)
        };
        let customers = self.customers.newest().filter(|(_, it)| is_wanted(it));
        let ids: Vec<&str> = customers.map(|(id, _)| id).collect();
        page(&ids, form, "/v1/customers", |id| {
            self.customers.get(id).map(|it| it.json(self))
        })
    }

    pub(super) fn retrieve_customer(&self, id: &str) -> Result<Value, Problem> {
        found(&self.customers, "customer", id).map(|it| it.json(self))
    }

    pub(super) fn update_customer(&mut self, id: &str, form: &Form) -> Result<Value, Problem> {
        found_mut(&mut self.customers, "customer", id)?.take(form);
        self.use_by_default(id, form);
        self.told_of_customer(id, "customer.updated")
    }

    /// What they have subscribed to ends.
    pub(super) fn delete_customer(&mut self, id: &str) -> Result<Value, Problem> {
        let before = self.retrieve_customer(id)?;
        let theirs = self
            .subscriptions
            .ids_where(|it| it.customer == id && it.is_alive());
        for subscription in theirs {
            self.cancel_subscription(&subscription, &Form::default())?;
        }
        self.customers.remove(id);
        self.tell("customer.deleted", &before);
        Ok(deleted("customer", id))
    }

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

    fn use_by_default(&mut self, id: &str, form: &Form) {
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

    fn told_of_customer(&mut self, id: &str, what: &str) -> Result<Value, Problem> {
        let answer = self.retrieve_customer(id)?;
        self.tell(what, &answer);
        Ok(answer)
    }
}
