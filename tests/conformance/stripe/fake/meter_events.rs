//! Meter events: taken at once, looked at later.
//!
//! An identifier is remembered for 24 hours and then forgotten; the same one counts again after
//! that. Whose an event is and what it is worth is looked at later: what is wrong is told in a thin
//! event, as `meter_errors` has it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::books::Books;
use super::meters::Formula;
use super::problem::Problem;
use super::usage::{Counted, Seen, Wrong};
use crate::stripe::exact::Exact;
use crate::stripe::form::Form;

/// The code of an event whose value cannot be counted.
const INVALID: &str = "meter_event_invalid_value";

impl Books {
    pub(super) fn take_meter_event(&mut self, form: &Form) -> Result<Value, Problem> {
        let now = self.now;
        let identifier = form.owned("identifier");
        let identifier = identifier.unwrap_or_else(|| self.ids.make("identifier"));
        self.usage.seen.forget(now);
        if self.usage.seen.get(&identifier).is_some() {
            let message = format!("An event already exists with identifier {identifier}.");
            return Err(Problem::invalid(message).should_retry(false));
        }
        let event_name = form.owned("event_name").unwrap_or_default();
        let at = form.integer("timestamp").unwrap_or(now);
        let payload: BTreeMap<String, String> = form
            .member("payload")
            .into_iter()
            .flat_map(Form::members)
            .filter_map(|(name, it)| Some((name.to_owned(), it.text()?.to_owned())))
            .collect();
        let place = match self.found(&event_name, &payload) {
            Ok((customer, value)) => {
                let counted = Counted {
                    identifier: identifier.clone(),
                    taken_at: now,
                    value,
                };
                let place = (event_name.clone(), customer);
                Some(self.usage.count(place, at, counted))
            }
            Err((meter, code, reason)) => {
                let identifier = identifier.clone();
                self.usage.wrong.push(Wrong {
                    meter,
                    identifier,
                    code,
                    reason,
                });
                None
            }
        };
        let seen = Seen {
            event_name: event_name.clone(),
            place,
        };
        self.usage.seen.keep(identifier.clone(), seen, now);
        Ok(json!({
            "object": "billing.meter_event", "livemode": self.livemode, "created": now,
            "event_name": event_name, "identifier": identifier, "payload": payload,
            "timestamp": at,
        }))
    }

    pub(super) fn adjust_meter_event(&mut self, form: &Form) -> Result<Value, Problem> {
        let now = self.now;
        let cancel = form.member("cancel").and_then(|it| it.owned("identifier"));
        let identifier = cancel.unwrap_or_default();
        let event_name = form.owned("event_name").unwrap_or_default();
        self.usage.seen.forget(now);
        let seen = self.usage.seen.get(&identifier);
        if seen.is_none_or(|it| it.event_name != event_name) {
            let message = format!(
                "No event of {event_name} with identifier {identifier} within the last 24 hours."
            );
            return Err(Problem::invalid(message).param("cancel[identifier]"));
        }
        self.usage.take_out(&identifier);
        Ok(json!({
            "object": "billing.meter_event_adjustment", "livemode": self.livemode,
            "event_name": event_name, "status": "pending", "type": "cancel",
            "cancel": { "identifier": identifier },
        }))
    }

    /// Says later that an event which was taken does not count after all.
    pub(super) fn reject_meter_event(&mut self, identifier: &str) -> bool {
        let Some(event_name) = self.usage.take_out(identifier) else {
            return false;
        };
        self.usage.wrong.push(Wrong {
            meter: self.meter_of(&event_name).map(|it| it.id.clone()),
            identifier: identifier.to_owned(),
            code: INVALID,
            reason: "Invalid value.".to_owned(),
        });
        true
    }

    /// What is found when an event is looked at; also of one that a test wants to be wrong.
    fn found(
        &mut self,
        event_name: &str,
        payload: &BTreeMap<String, String>,
    ) -> Result<(String, Exact), (Option<String>, &'static str, String)> {
        let looked_at = self.looked_at(event_name, payload)?;
        if self.usage.refuses == 0 {
            return Ok(looked_at);
        }
        self.usage.refuses -= 1;
        let meter = self.meter_of(event_name).map(|it| it.id.clone());
        Err((meter, INVALID, "Invalid value.".to_owned()))
    }

    /// Whose an event is and what it is worth, or the meter, the code and the reason why not.
    fn looked_at(
        &self,
        event_name: &str,
        payload: &BTreeMap<String, String>,
    ) -> Result<(String, Exact), (Option<String>, &'static str, String)> {
        let Some(meter) = self.meter_of(event_name) else {
            let archived = self
                .meters
                .oldest()
                .find(|(_, it)| it.event_name == event_name);
            return Err(match archived {
                Some((id, _)) => (
                    Some(id.to_owned()),
                    "archived_meter",
                    "The meter is archived.".to_owned(),
                ),
                None => (
                    None,
                    "no_meter",
                    format!("No meter has the event name {event_name}."),
                ),
            });
        };
        let wrong = |code, reason: String| Err((Some(meter.id.clone()), code, reason));
        let Some(customer) = payload.get(&meter.customer_key) else {
            let reason = format!(
                "Customer mapping key {} not found in payload.",
                meter.customer_key
            );
            return wrong("meter_event_no_customer_defined", reason);
        };
        if self.customers.get(customer).is_none() {
            let reason = format!("The customer {customer} does not exist.");
            return wrong("meter_event_customer_not_found", reason);
        }
        if meter.formula == Formula::Count {
            return Ok((customer.clone(), Exact::whole(1)));
        }
        let Some(value) = payload.get(&meter.value_key) else {
            let reason = format!("Value key {} not found in payload.", meter.value_key);
            return wrong("meter_event_value_not_found", reason);
        };
        match Exact::read(value) {
            Some(value) => Ok((customer.clone(), value)),
            None => wrong(INVALID, format!("{value} is no number.")),
        }
    }
}
