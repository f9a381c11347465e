//! Subscriptions: what a customer is charged for again and again.
//!
//! All prices of one have the same currency and interval. Licensed prices are charged at the start
//! of a period and metered ones after its end. A new subscription is in flexible billing mode
//! unless it says otherwise, as in the API version that the fake speaks.

use serde_json::{Value, json};

use super::books::{Books, found};
use super::calendar::{Every, HOUR};
use super::paging::{page, whole};
use super::params::Metadata;
use super::problem::Problem;
use crate::stripe::form::Form;

mod anchor;
mod changes;
mod charging;
mod creation;
mod ending;
mod items;
mod prorating;
mod renewal;

use anchor::Each;

/// How long the first payment is waited for.
const INCOMPLETE_FOR: i64 = 23 * HOUR;

/// A subscription.
#[derive(Debug, Clone)]
pub(super) struct Subscription {
    pub(super) id: String,
    created: i64,
    pub(super) customer: String,
    pub(super) status: Status,
    pub(super) items: Vec<Item>,
    pub(super) currency: String,
    pub(super) every: Every,
    /// Days until an invoice is due; without them, cards are charged.
    pub(super) send_days: Option<i64>,
    pub(super) metadata: Metadata,
    description: Option<String>,
    anchor: i64,
    /// Where boundaries are counted from: the anchor, or an earlier date with its day of the month.
    origin: i64,
    start_date: i64,
    pub(super) period: (i64, i64),
    pub(super) trial: Option<(i64, i64)>,
    pub(super) cancel_at_period_end: bool,
    pub(super) cancel_at: Option<i64>,
    canceled_at: Option<i64>,
    ended_at: Option<i64>,
    comment: Option<String>,
    pub(super) latest_invoice: Option<String>,
    pub(super) schedule: Option<String>,
    pub(super) fee_percent: Option<String>,
    pub(super) payment_method: Option<String>,
    is_flexible: bool,
    each: Option<Each>,
}

/// Where a subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Incomplete,
    IncompleteExpired,
    Trialing,
    Active,
    PastDue,
    Canceled,
}

/// One price of a subscription.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) id: String,
    created: i64,
    pub(super) price: String,
    /// None where use decides.
    pub(super) quantity: Option<i64>,
    metadata: Metadata,
    /// From when on its use has not been charged.
    since: i64,
    /// What was charged ahead, and for which time.
    debit: Option<Debit>,
}

#[derive(Debug, Clone)]
struct Debit {
    amount: i64,
    start: i64,
    end: i64,
}

impl Status {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Incomplete => "incomplete",
            Self::IncompleteExpired => "incomplete_expired",
            Self::Trialing => "trialing",
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Canceled => "canceled",
        }
    }
}

impl Subscription {
    /// Whether it goes on.
    pub(super) fn is_alive(&self) -> bool {
        !matches!(self.status, Status::Canceled | Status::IncompleteExpired)
    }

    /// The cycle that ends at a boundary.
    fn cycle_before(&self, boundary: i64) -> i64 {
        if self.origin < boundary {
            boundary - self.every.last(self.origin, boundary - 1)
        } else {
            boundary - self.every.before(boundary)
        }
    }

    /// When something happens to it by itself.
    pub(super) fn due_at(&self) -> Option<i64> {
        match self.status {
            Status::Incomplete => Some(self.created + INCOMPLETE_FOR),
            Status::Trialing | Status::Active | Status::PastDue => Some(
                self.cancel_at
                    .map_or(self.period.1, |it| it.min(self.period.1)),
            ),
            Status::Canceled | Status::IncompleteExpired => None,
        }
    }

    pub(super) fn json(&self, books: &Books) -> Value {
        let items: Vec<Value> = self.items.iter().map(|it| it.json(self, books)).collect();
        let url = format!("/v1/subscription_items?subscription={}", self.id);
        let mode = if self.is_flexible {
            "flexible"
        } else {
            "classic"
        };
        let percent = self
            .fee_percent
            .as_ref()
            .and_then(|it| it.parse::<serde_json::Number>().ok());
        let is_sent = self.send_days.is_some();
        let mut object = json!({
            "id": self.id, "object": "subscription", "livemode": books.livemode,
            "created": self.created, "customer": self.customer, "status": self.status.name(),
            "currency": self.currency, "description": self.description,
            "collection_method": if is_sent { "send_invoice" } else { "charge_automatically" },
            "days_until_due": self.send_days, "metadata": self.metadata,
            "billing_cycle_anchor": self.anchor, "start_date": self.start_date,
            "trial_start": self.trial.map(|it| it.0), "trial_end": self.trial.map(|it| it.1),
            "cancel_at_period_end": self.cancel_at_period_end, "canceled_at": self.canceled_at,
            "cancel_at": self.cancel_at.or_else(|| self.cancel_at_period_end.then_some(self.period.1)),
            "ended_at": self.ended_at, "latest_invoice": self.latest_invoice,
            "application_fee_percent": percent, "default_payment_method": self.payment_method,
            "items": whole(&items, &url),
        });
        let rest = json!({
            "application": null, "automatic_tax": { "enabled": false, "liability": null },
            "billing_cycle_anchor_config": self.each.as_ref().map(Each::json), "billing_mode": { "type": mode },
            "billing_schedules": [], "billing_thresholds": null,
            "cancellation_details": {
                "comment": self.comment, "feedback": null,
                "reason": self.canceled_at.map(|_| "cancellation_requested"),
            },
            "default_source": null, "default_tax_rates": [], "discounts": [],
            "invoice_settings": { "account_tax_ids": null, "issuer": { "type": "self" } },
            "next_pending_invoice_item_invoice": null, "on_behalf_of": null,
            "pause_collection": null, "pending_invoice_item_interval": null,
            "pending_setup_intent": null, "pending_update": null, "schedule": self.schedule,
            "payment_settings": {
                "payment_method_options": null, "payment_method_types": null,
                "save_default_payment_method": "off",
            },
            "test_clock": books.customers.get(&self.customer).and_then(|it| it.test_clock.clone()),
            "transfer_data": null,
            "trial_settings": { "end_behavior": { "missing_payment_method": "create_invoice" } },
        });
        merge(&mut object, rest);
        object
    }
}

impl Item {
    /// One of this price, charged from now on.
    pub(super) fn new(id: String, price: &str, now: i64) -> Self {
        Self {
            id,
            created: now,
            price: price.to_owned(),
            quantity: None,
            metadata: Metadata::new(),
            since: now,
            debit: None,
        }
    }

    fn json(&self, of: &Subscription, books: &Books) -> Value {
        let price = books.prices.get(&self.price);
        json!({
            "id": self.id, "object": "subscription_item", "created": self.created,
            "price": price.map(|it| it.json(books)), "plan": price.map(|it| it.plan(books)),
            "quantity": self.quantity, "subscription": of.id, "metadata": self.metadata,
            "current_period_start": of.period.0, "current_period_end": of.period.1,
            "billing_thresholds": null, "discounts": [], "tax_rates": [],
        })
    }
}

impl Books {
    pub(super) fn list_subscriptions(&self, form: &Form) -> Result<Value, Problem> {
        let is_wanted = |it: &Subscription| {
            let fits = match form.word("status") {
                Some("all") => true,
                Some("ended") => !it.is_alive(),
                Some(status) => status == it.status.name(),
                None => it.status != Status::Canceled,
            };
            let prices = || {
                it.items
                    .iter()
                    .any(|item| form.asks_for("price", &item.price))
            };
            fits && form.asks_for("customer", &it.customer)
                && prices()
                && form.admits("created", it.created)
                && form.admits("current_period_start", it.period.0)
                && form.admits("current_period_end", it.period.1)
        };
        let subscriptions = self.subscriptions.newest().filter(|(_, it)| is_wanted(it));
        let ids: Vec<&str> = subscriptions.map(|(id, _)| id).collect();
        let make = |id: &str| self.subscriptions.get(id).map(|it| it.json(self));
        page(&ids, form, "/v1/subscriptions", make)
    }

    pub(super) fn retrieve_subscription(&self, id: &str) -> Result<Value, Problem> {
        found(&self.subscriptions, "subscription", id).map(|it| it.json(self))
    }

    pub(super) fn list_subscription_items(&self, form: &Form) -> Result<Value, Problem> {
        let id = form.word("subscription").unwrap_or_default();
        let of = self.subscriptions.get(id);
        let of = of.ok_or_else(|| Problem::unknown("subscription", "subscription", id))?;
        let ids: Vec<&str> = of.items.iter().map(|it| it.id.as_str()).collect();
        page(&ids, form, "/v1/subscription_items", |id| {
            let item = of.items.iter().find(|it| it.id == id);
            item.map(|it| it.json(of, self))
        })
    }

    /// Tells of a subscription, and answers it.
    pub(super) fn told_of_subscription(&mut self, id: &str, what: &str) -> Result<Value, Problem> {
        let answer = self.retrieve_subscription(id)?;
        self.tell(what, &answer);
        Ok(answer)
    }

    /// Sets where a subscription stands, and tells of it where that is news.
    pub(super) fn set_status(&mut self, id: &str, status: Status) {
        let Some(subscription) = self.subscriptions.get_mut(id) else {
            return;
        };
        if subscription.status == status || !subscription.is_alive() {
            return;
        }
        subscription.status = status;
        let told = subscription.clone().json(self);
        self.tell("customer.subscription.updated", &told);
    }
}

/// Adds members to an object.
pub(super) fn merge(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
}
