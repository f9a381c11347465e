//! Meters: what is counted, and how.

use serde_json::{Value, json};

use super::books::{Books, found, found_mut};
use super::paging::page;
use super::problem::Problem;
use crate::stripe::form::Form;

/// A meter.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    pub(super) id: String,
    created: i64,
    updated: i64,
    display_name: String,
    pub(super) event_name: String,
    pub(super) formula: Formula,
    /// Where the payload of an event says whose it is.
    pub(super) customer_key: String,
    /// Where it says how much.
    pub(super) value_key: String,
    window: Option<String>,
    pub(super) deactivated_at: Option<i64>,
}

/// How the events of a period become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Formula {
    Sum,
    Count,
    Last,
}

impl Meter {
    pub(super) fn json(&self, books: &Books) -> Value {
        let formula = match self.formula {
            Formula::Sum => "sum",
            Formula::Count => "count",
            Formula::Last => "last",
        };
        json!({
            "id": self.id, "object": "billing.meter", "livemode": books.livemode,
            "created": self.created, "updated": self.updated,
            "display_name": self.display_name, "event_name": self.event_name,
            "event_time_window": self.window,
            "customer_mapping": { "type": "by_id", "event_payload_key": self.customer_key },
            "default_aggregation": { "formula": formula },
            "value_settings": { "event_payload_key": self.value_key },
            "status": if self.deactivated_at.is_none() { "active" } else { "inactive" },
            "status_transitions": { "deactivated_at": self.deactivated_at },
        })
    }
}

impl Books {
    pub(super) fn create_meter(&mut self, form: &Form) -> Result<Value, Problem> {
        let event_name = form.owned("event_name").unwrap_or_default();
        if self.meter_of(&event_name).is_some() {
            let message = format!("An active meter with event name {event_name} already exists.");
            return Err(Problem::invalid(message)
                .code("resource_already_exists")
                .param("event_name"));
        }
        let formula = form
            .member("default_aggregation")
            .and_then(|it| it.word("formula"));
        let key = |hash: &str, usual: &str| {
            let own = form
                .member(hash)
                .and_then(|it| it.owned("event_payload_key"));
            own.unwrap_or_else(|| usual.to_owned())
        };
        let meter = Meter {
            id: self.ids.make("mtr_test"),
            created: self.now,
            updated: self.now,
            display_name: form.owned("display_name").unwrap_or_default(),
            event_name,
            formula: match formula {
                Some("count") => Formula::Count,
                Some("last") => Formula::Last,
                _ => Formula::Sum,
            },
            customer_key: key("customer_mapping", "stripe_customer_id"),
            value_key: key("value_settings", "value"),
            window: form.owned("event_time_window"),
            deactivated_at: None,
        };
        let answer = meter.json(self);
        self.meters.insert(&meter.id.clone(), meter);
        self.tell("billing.meter.created", &answer);
        Ok(answer)
    }

    pub(super) fn list_meters(&self, form: &Form) -> Result<Value, Problem> {
        let is_wanted = |meter: &Meter| match form.word("status") {
            Some(status) => (status == "active") == meter.deactivated_at.is_none(),
            None => true,
        };
        let meters = self.meters.newest().filter(|(_, it)| is_wanted(it));
        let ids: Vec<&str> = meters.map(|(id, _)| id).collect();
        let make = |id: &str| self.meters.get(id).map(|it| it.json(self));
        page(&ids, form, "/v1/billing/meters", make)
    }

    pub(super) fn retrieve_meter(&self, id: &str) -> Result<Value, Problem> {
        found(&self.meters, "meter", id).map(|it| it.json(self))
    }

    pub(super) fn update_meter(&mut self, id: &str, form: &Form) -> Result<Value, Problem> {
        let now = self.now;
        let meter = found_mut(&mut self.meters, "meter", id)?;
        if let Some(name) = form.owned("display_name") {
            meter.display_name = name;
            meter.updated = now;
        }
        self.told_of_meter(id, "billing.meter.updated")
    }

    pub(super) fn switch_meter(&mut self, id: &str, is_active: bool) -> Result<Value, Problem> {
        let now = self.now;
        let meter = found_mut(&mut self.meters, "meter", id)?;
        if meter.deactivated_at.is_none() == is_active {
            let state = if is_active { "active" } else { "inactive" };
            return Err(Problem::invalid(format!(
                "The meter {id} is already {state}."
            )));
        }
        meter.deactivated_at = (!is_active).then_some(now);
        meter.updated = now;
        self.told_of_meter(
            id,
            if is_active {
                "billing.meter.reactivated"
            } else {
                "billing.meter.deactivated"
            },
        )
    }

    /// The active meter that counts events of this name.
    pub(super) fn meter_of(&self, event_name: &str) -> Option<&Meter> {
        let mut meters = self.meters.oldest().map(|(_, it)| it);
        meters.find(|it| it.event_name == event_name && it.deactivated_at.is_none())
    }

    fn told_of_meter(&mut self, id: &str, what: &str) -> Result<Value, Problem> {
        let answer = self.retrieve_meter(id)?;
        self.tell(what, &answer);
        Ok(answer)
    }
}
