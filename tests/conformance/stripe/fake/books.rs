//! What one account has in one mode, and what happens to it by itself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};

use super::checkout::Session;
use super::credit_notes::CreditNote;
use super::customers::Customer;
use super::destinations::Destination;
use super::endpoints::Endpoint;
use super::events::Event;
use super::ids::Ids;
use super::invoice_items::InvoiceItem;
use super::invoices::Invoice;
use super::meters::Meter;
use super::payment_methods::PaymentMethod;
use super::portal::Configuration;
use super::prices::Price;
use super::problem::Problem;
use super::products::Product;
use super::schedules::Schedule;
use super::subscriptions::Subscription;
use super::table::Table;
use super::test_clocks::TestClock;
use super::usage::Usage;

/// An account in one mode. Nothing is seen from another.
#[derive(Debug, Clone)]
pub(super) struct Books {
    pub(super) account: String,
    pub(super) livemode: bool,
    pub(super) now: i64,
    pub(super) ids: Ids,
    /// Where pages for customers are.
    pub(super) pages: String,
    pub(super) meters: Table<Meter>,
    pub(super) usage: Usage,
    pub(super) products: Table<Product>,
    pub(super) prices: Table<Price>,
    pub(super) customers: Table<Customer>,
    pub(super) deleted_customers: BTreeSet<String>,
    pub(super) payment_methods: Table<PaymentMethod>,
    pub(super) subscriptions: Table<Subscription>,
    pub(super) schedules: Table<Schedule>,
    pub(super) invoices: Table<Invoice>,
    pub(super) invoice_items: Table<InvoiceItem>,
    pub(super) credit_notes: Table<CreditNote>,
    pub(super) sessions: Table<Session>,
    pub(super) configurations: Table<Configuration>,
    pub(super) endpoints: Table<Endpoint>,
    pub(super) destinations: Table<Destination>,
    pub(super) test_clocks: Table<TestClock>,
    pub(super) events: Table<Event>,
    /// What nobody has been told yet.
    pub(super) news: VecDeque<String>,
    /// How many invoices of a customer have a number.
    pub(super) numbered: BTreeMap<String, u32>,
    /// Where a test clock was told to move to.
    pub(super) advances_to: Option<i64>,
    /// Whose request is answered: its id and its idempotency key.
    pub(super) request: (Option<String>, Option<String>),
}

impl Books {
    pub(super) fn new(account: &str, livemode: bool, now: i64, seed: u64, pages: &str) -> Self {
        Self {
            account: account.to_owned(),
            livemode,
            now,
            ids: Ids::seeded(format!("{seed}/{account}/{livemode}")),
            pages: pages.to_owned(),
            meters: Table::default(),
            usage: Usage::default(),
            products: Table::default(),
            prices: Table::default(),
            customers: Table::default(),
            deleted_customers: BTreeSet::new(),
            payment_methods: Table::default(),
            subscriptions: Table::default(),
            schedules: Table::default(),
            invoices: Table::default(),
            invoice_items: Table::default(),
            credit_notes: Table::default(),
            sessions: Table::default(),
            configurations: Table::default(),
            endpoints: Table::default(),
            destinations: Table::default(),
            test_clocks: Table::default(),
            events: Table::default(),
            news: VecDeque::new(),
            numbered: BTreeMap::new(),
            advances_to: None,
            request: (None, None),
        }
    }

    /// Lets time pass: what falls due on the way happens in its order.
    pub(super) fn advance(&mut self, until: i64) {
        while let Some((at, due)) = self.next_due().filter(|(at, _)| *at <= until) {
            self.now = self.now.max(at);
            self.fall_due(due);
        }
        self.now = self.now.max(until);
        self.report_meter_errors();
    }

    fn next_due(&self) -> Option<(i64, Due)> {
        let subscriptions = self.subscriptions.oldest();
        let subscriptions = subscriptions
            .filter_map(|(id, it)| Some((it.due_at()?, Due::Subscription(id.to_owned()))));
        let invoices = self.invoices.oldest();
        let invoices =
            invoices.filter_map(|(id, it)| Some((it.due_at()?, Due::Invoice(id.to_owned()))));
        let sessions = self.sessions.oldest();
        let sessions =
            sessions.filter_map(|(id, it)| Some((it.due_at()?, Due::Session(id.to_owned()))));
        // What is settled comes before what it leads to.
        invoices
            .chain(sessions)
            .chain(subscriptions)
            .min_by_key(|(at, _)| *at)
    }

    fn fall_due(&mut self, due: Due) {
        match due {
            Due::Subscription(id) => self.subscription_falls_due(&id),
            Due::Invoice(id) => self.invoice_falls_due(&id),
            Due::Session(id) => self.expire(&id),
        }
    }

    /// Every object of a kind, oldest first.
    pub(super) fn objects(&self, kind: &str) -> Vec<Value> {
        match kind {
            "customer" => self
                .customers
                .oldest()
                .map(|(_, it)| it.json(self))
                .collect(),
            "product" => self
                .products
                .oldest()
                .map(|(_, it)| it.json(self))
                .collect(),
            "price" => self.prices.oldest().map(|(_, it)| it.json(self)).collect(),
            "subscription" => self
                .subscriptions
                .oldest()
                .map(|(_, it)| it.json(self))
                .collect(),
            "invoice" => self
                .invoices
                .oldest()
                .map(|(_, it)| it.json(self))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// An object by its id, of whichever kind: what an expansion puts in its place.
    pub(super) fn object(&self, id: &str) -> Option<Value> {
        let (prefix, _) = id.split_once('_')?;
        match prefix {
            "prod" => self.products.get(id).map(|it| it.json(self)),
            "price" => self.prices.get(id).map(|it| it.json(self)),
            "cus" => self.customers.get(id).map(|it| it.json(self)),
            "pm" => self.payment_methods.get(id).map(|it| it.json(self)),
            "sub" if id.starts_with("sub_sched_") => self.schedules.get(id).map(|it| it.json(self)),
            "sub" => self.subscriptions.get(id).map(|it| it.json(self)),
            "in" => self.invoices.get(id).map(|it| it.json(self)),
            "ii" => self.invoice_items.get(id).map(|it| it.json(self)),
            "cn" => self.credit_notes.get(id).map(|it| it.json(self)),
            "bpc" => self.configurations.get(id).map(|it| it.json(self)),
            _ => self.sessions.get(id).map(|it| it.json(self)),
        }
        .or_else(|| self.products.get(id).map(|it| it.json(self)))
    }
}

enum Due {
    Subscription(String),
    Invoice(String),
    Session(String),
}

/// What is answered where an object was deleted.
pub(super) fn deleted(object: &str, id: &str) -> Value {
    json!({ "id": id, "object": object, "deleted": true })
}

/// The row of this id, or the problem that it is not there.
pub(super) fn found<'a, T>(table: &'a Table<T>, what: &str, id: &str) -> Result<&'a T, Problem> {
    table.get(id).ok_or_else(|| Problem::no_such(what, id))
}

/// As [`found`], to change it.
pub(super) fn found_mut<'a, T>(
    table: &'a mut Table<T>,
    what: &str,
    id: &str,
) -> Result<&'a mut T, Problem> {
    table.get_mut(id).ok_or_else(|| Problem::no_such(what, id))
}
