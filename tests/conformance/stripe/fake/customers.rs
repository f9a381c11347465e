//! Customers.

use serde_json::{Value, json};

use super::books::{Books, deleted, found, found_mut};
use super::paging::page;
use super::params::Metadata;
use super::problem::Problem;
use crate::stripe::form::Form;

/// Seconds after which a search knows of a customer.
const SEARCH_LAGS: i64 = 60;

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

    /// Finds by one key of metadata, and nobody who was made within the last minute.
    pub(super) fn search_customers(&self, form: &Form) -> Result<Value, Problem> {
        let query = form.word("query").unwrap_or_default();
        let asked = query.strip_prefix("metadata['");
        let asked = asked.and_then(|it| it.strip_suffix('\'')?.split_once("']:'"));
        let (key, value) = asked.ok_or_else(|| {
            let message = "This fake searches for one key of metadata alone.";
            Problem::invalid(message).param("query")
        })?;
        let is_it = |it: &Customer| {
            it.created + SEARCH_LAGS <= self.now
                && it.metadata.get(key).is_some_and(|it| it == value)
        };
        let found = self.customers.newest().filter(|(_, it)| is_it(it));
        let ids: Vec<&str> = found.map(|(id, _)| id).collect();
        let make = |id: &str| self.customers.get(id).map(|it| it.json(self));
        let mut answer = page(&ids, form, "/v1/customers/search", make)?;
        answer["object"] = json!("search_result");
        Ok(answer)
    }

    pub(super) fn retrieve_customer(&self, id: &str) -> Result<Value, Problem> {
        if self.deleted_customers.contains(id) {
            return Ok(deleted("customer", id));
        }
        found(&self.customers, "customer", id).map(|it| it.json(self))
    }

    pub(super) fn update_customer(&mut self, id: &str, form: &Form) -> Result<Value, Problem> {
        found_mut(&mut self.customers, "customer", id)?.take(form);
        self.use_by_default(id, form);
        self.told_of_customer(id, "customer.updated")
    }

    /// What they have subscribed to ends.
    pub(super) fn delete_customer(&mut self, id: &str) -> Result<Value, Problem> {
        let before = found(&self.customers, "customer", id)?.json(self);
        let theirs = self
            .subscriptions
            .ids_where(|it| it.customer == id && it.is_alive());
        for subscription in theirs {
            self.cancel_subscription(&subscription, &Form::default())?;
        }
        self.customers.remove(id);
        self.deleted_customers.insert(id.to_owned());
        self.tell("customer.deleted", &before);
        Ok(deleted("customer", id))
    }

    fn told_of_customer(&mut self, id: &str, what: &str) -> Result<Value, Problem> {
        let answer = self.retrieve_customer(id)?;
        self.tell(what, &answer);
        Ok(answer)
    }
}
