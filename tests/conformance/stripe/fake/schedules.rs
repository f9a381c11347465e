//! Subscription schedules: what a subscription will have later.
//!
//! The fake changes phases where billing periods end, and nowhere else. What a phase does not say of the
//! platform's fee is none, and one that does not say of a trial that it goes on is refused. After the last phase the
//! subscription goes on by itself, or ends, as `end_behavior` says.

use serde_json::{Value, json};

use super::books::{Books, found, found_mut};
use super::calendar::{Every, Unit};
use super::paging::page;
use super::params::Metadata;
use super::problem::Problem;
use super::subscriptions::Subscription;
use crate::stripe::form::Form;

mod phases;

/// A schedule.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    id: String,
    created: i64,
    customer: String,
    pub(super) subscription: String,
    currency: String,
    status: &'static str,
    ends: bool,
    phases: Vec<Phase>,
    /// Whether phases that do not say how they are collected are charged.
    is_charged: bool,
    released_at: Option<i64>,
    canceled_at: Option<i64>,
    metadata: Metadata,
}

/// What a subscription has for a time.
#[derive(Debug, Clone)]
struct Phase {
    start: i64,
    end: i64,
    /// Prices, with a quantity where they are licensed.
    items: Vec<(String, Option<i64>)>,
    behavior: String,
    fee_percent: Option<String>,
    trial_end: Option<i64>,
    collection_method: Option<String>,
}

impl Schedule {
    pub(super) fn json(&self, books: &Books) -> Value {
        let phases: Vec<Value> = self
            .phases
            .iter()
            .map(|it| it.json(&self.currency))
            .collect();
        let is_active = self.status == "active";
        let current = self
            .phases
            .iter()
            .find(|it| it.start <= books.now && books.now < it.end);
        let current = current.filter(|_| is_active);
        json!({
            "id": self.id, "object": "subscription_schedule", "livemode": books.livemode,
            "created": self.created, "customer": self.customer, "status": self.status,
            "application": null, "billing_mode": { "type": "flexible" },
            "canceled_at": self.canceled_at, "completed_at": null,
            "current_phase": current.map(|it| json!({ "start_date": it.start, "end_date": it.end })),
            "default_settings": {
                "application_fee_percent": null, "billing_cycle_anchor": "automatic",
                "collection_method": method(self.is_charged), "default_payment_method": null, "description": null,
                "invoice_settings": { "issuer": { "type": "self" } }, "on_behalf_of": null,
                "transfer_data": null,
            },
            "end_behavior": if self.ends { "cancel" } else { "release" },
            "metadata": self.metadata, "phases": phases, "released_at": self.released_at,
            "released_subscription": self.released_at.map(|_| self.subscription.clone()),
            "subscription": is_active.then(|| self.subscription.clone()), "test_clock": null,
        })
    }
}

impl Phase {
    fn json(&self, currency: &str) -> Value {
        let items = self.items.iter().map(|(price, quantity)| {
            json!({ "price": price, "plan": price, "quantity": quantity, "discounts": [], "metadata": {} })
        });
        json!({
            "start_date": self.start, "end_date": self.end, "currency": currency,
            "items": items.collect::<Vec<Value>>(), "proration_behavior": self.behavior,
            "add_invoice_items": [], "discounts": [], "metadata": {}, "trial_end": self.trial_end,
            "application_fee_percent": self.fee(), "collection_method": self.collection_method,
        })
    }

    fn of(subscription: &Subscription) -> Self {
        let items = subscription.items.iter();
        Self {
            start: subscription.period.0,
            end: subscription.period.1,
            items: items.map(|it| (it.price.clone(), it.quantity)).collect(),
            behavior: "create_prorations".to_owned(),
            fee_percent: subscription.fee_percent.clone(),
            trial_end: subscription.trial.map(|it| it.1),
            collection_method: None,
        }
    }

    fn fee(&self) -> Option<f64> {
        self.fee_percent.as_ref().and_then(|it| it.parse().ok())
    }
}

impl Books {
    pub(super) fn create_schedule(&mut self, form: &Form) -> Result<Value, Problem> {
        let Some(id) = form.word("from_subscription") else {
            let message = "This fake makes schedules of subscriptions that there are.";
            return Err(Problem::invalid(message).param("from_subscription"));
        };
        let of = self
            .subscriptions
            .get(id)
            .filter(|it| it.is_alive())
            .cloned();
        let of = of.ok_or_else(|| Problem::unknown("subscription", "from_subscription", id))?;
        if let Some(schedule) = &of.schedule {
            let message = format!(
                "The subscription is managed by the subscription schedule `{schedule}` already."
            );
            return Err(Problem::invalid(message).param("from_subscription"));
        }
        let schedule = Schedule {
            id: self.ids.make("sub_sched"),
            created: self.now,
            customer: of.customer.clone(),
            subscription: of.id.clone(),
            currency: of.currency.clone(),
            status: "active",
            ends: false,
            phases: vec![Phase::of(&of)],
            is_charged: of.send_days.is_none(),
            released_at: None,
            canceled_at: None,
            metadata: form.metadata(),
        };
        let made = schedule.id.clone();
        self.schedules.insert(&made, schedule);
        found_mut(&mut self.subscriptions, "subscription", id)?.schedule = Some(made.clone());
        self.told_of_schedule(&made, "subscription_schedule.created")
    }

    pub(super) fn list_schedules(&self, form: &Form) -> Result<Value, Problem> {
        let is_wanted = |it: &Schedule| form.asks_for("customer", &it.customer);
        let schedules = self.schedules.newest().filter(|(_, it)| is_wanted(it));
        let ids: Vec<&str> = schedules.map(|(id, _)| id).collect();
        let make = |id: &str| self.schedules.get(id).map(|it| it.json(self));
        page(&ids, form, "/v1/subscription_schedules", make)
    }

    pub(super) fn retrieve_schedule(&self, id: &str) -> Result<Value, Problem> {
        found(&self.schedules, "subscription_schedule", id).map(|it| it.json(self))
    }

    pub(super) fn update_schedule(&mut self, id: &str, form: &Form) -> Result<Value, Problem> {
        let mut schedule = self.active_schedule(id)?;
        if form.member("phases").is_some() {
            schedule.phases = self.read_phases(&schedule, form)?;
            let fee_percent = schedule
                .phases
                .first()
                .and_then(|it| it.fee_percent.clone());
            let of = self.subscriptions.get_mut(&schedule.subscription);
            if let Some(of) = of {
                of.fee_percent = fee_percent;
            }
        }
        let default = form.member("default_settings");
        if let Some(method) = default.and_then(|it| it.word("collection_method")) {
            schedule.is_charged = method == self::method(true);
        }
        if let Some(behavior) = form.word("end_behavior") {
            schedule.ends = behavior == "cancel";
        }
        form.note(&mut schedule.metadata);
        self.schedules.insert(id, schedule);
        self.told_of_schedule(id, "subscription_schedule.updated")
    }

    /// Lets go of the subscription, which stays as it is.
    pub(super) fn release_schedule(&mut self, id: &str) -> Result<Value, Problem> {
        self.active_schedule(id)?;
        self.release(id);
        self.retrieve_schedule(id)
    }

    /// Ends the subscription, and the schedule with it.
    pub(super) fn cancel_schedule(&mut self, id: &str, form: &Form) -> Result<Value, Problem> {
        let schedule = self.active_schedule(id)?;
        self.cancel_subscription(&schedule.subscription, form)?;
        self.retrieve_schedule(id)
    }

    /// What is over is over for its schedule, too.
    pub(super) fn end_schedule_of(&mut self, subscription: &str) {
        let now = self.now;
        let of = self
            .subscriptions
            .get(subscription)
            .and_then(|it| it.schedule.clone());
        let Some(id) = of else { return };
        if let Some(schedule) = self.schedules.get_mut(&id) {
            schedule.status = "canceled";
            schedule.canceled_at = Some(now);
        }
    }

    pub(super) fn release(&mut self, id: &str) {
        let now = self.now;
        let Some(schedule) = self.schedules.get_mut(id) else {
            return;
        };
        schedule.status = "released";
        schedule.released_at = Some(now);
        let of = schedule.subscription.clone();
        if let Some(subscription) = self.subscriptions.get_mut(&of) {
            subscription.schedule = None;
        }
        // That it was told is enough: whoever asks, asks for it.
        drop(self.told_of_schedule(id, "subscription_schedule.released"));
    }

    fn active_schedule(&self, id: &str) -> Result<Schedule, Problem> {
        let schedule = found(&self.schedules, "subscription_schedule", id)?;
        if schedule.status == "active" {
            return Ok(schedule.clone());
        }
        let message = format!(
            "You cannot change a subscription schedule that is {}.",
            schedule.status
        );
        Err(Problem::invalid(message))
    }

    fn told_of_schedule(&mut self, id: &str, what: &str) -> Result<Value, Problem> {
        let answer = self.retrieve_schedule(id)?;
        self.tell(what, &answer);
        Ok(answer)
    }
}

/// What it is called that invoices are charged, or sent.
fn method(is_charged: bool) -> &'static str {
    if is_charged {
        "charge_automatically"
    } else {
        "send_invoice"
    }
}

/// How long a phase lasts, by its `duration`.
fn lasting(form: &Form) -> Option<Every> {
    let duration = form.member("duration")?;
    let count = duration
        .integer("interval_count")
        .and_then(|it| u32::try_from(it).ok());
    Some(Every {
        unit: Unit::read(duration.word("interval")?),
        count: count.unwrap_or(1),
    })
}
