//! Meter events: taken at once, looked at later.
//!
//! An identifier is remembered for 24 hours and then forgotten; the same one counts again after
//! that. Whose an event is and what it is worth is looked at later: what is wrong is told in a thin
//! event, as `meter_errors` has it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::books::Books;
use super::memory::Memory;
use super::meters::{Formula, Meter};
use super::problem::Problem;
use crate::stripe::exact::Exact;
use crate::stripe::form::Form;

/// What was counted, and what was wrong.
#[derive(Debug, Clone, Default)]
pub(super) struct Usage {
    /// By event name and customer, in the order of their times.
    counted: BTreeMap<(String, String), BTreeMap<(i64, u64), Counted>>,
    /// Identifiers, and where their events are.
    seen: Memory<String, Seen>,
    made: u64,
    /// What will be told to be wrong: meter, identifier, code and reason.
    pub(super) wrong: Vec<Wrong>,
}

#[derive(Debug, Clone)]
struct Counted {
    identifier: String,
    value: Exact,
}

#[derive(Debug, Clone)]
struct Seen {
    event_name: String,
    place: Option<((String, String), (i64, u64))>,
}

/// An event that was taken and does not count.
#[derive(Debug, Clone)]
pub(super) struct Wrong {
    pub(super) meter: Option<String>,
    pub(super) identifier: String,
    pub(super) code: &'static str,
    pub(super) reason: String,
}

impl Usage {
    /// What a meter has for a customer from `start` until before `end`.
    pub(super) fn of(&self, meter: &Meter, customer: &str, start: i64, end: i64) -> Exact {
        let key = (meter.event_name.clone(), customer.to_owned());
        let Some(events) = self.counted.get(&key).filter(|_| start < end) else {
            return Exact::zero();
        };
        let mut events = events.range((start, 0)..(end, 0)).map(|(_, it)| &it.value);
        match meter.formula {
            Formula::Sum => events.fold(Exact::zero(), |sum, it| sum.plus(it)),
            Formula::Count => Exact::whole(events.count()),
            Formula::Last => events.next_back().cloned().unwrap_or_default(),
        }
    }

    /// Every event that counts: event name, customer, second, identifier and value.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str, i64, &str, &Exact)> {
        self.counted.iter().flat_map(|((name, customer), events)| {
            let own = events.iter();
            own.map(|((at, _), it)| {
                (
                    name.as_str(),
                    customer.as_str(),
                    *at,
                    it.identifier.as_str(),
                    &it.value,
                )
            })
        })
    }

    /// Takes an event out again; the name of its events where it counted.
    fn take_out(&mut self, identifier: &str) -> Option<String> {
        let seen = self.seen.get_mut(&identifier.to_owned())?;
        let (key, place) = seen.place.take()?;
        self.counted.get_mut(&key)?.remove(&place)?;
        Some(key.0)
    }
}

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
        let place = match self.looked_at(&event_name, &payload) {
            Ok((customer, value)) => {
                Some(self.count(&event_name, customer, at, &identifier, value))
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
            code: "meter_event_invalid_value",
            reason: "Invalid value.".to_owned(),
        });
        true
    }

    fn count(
        &mut self,
        event_name: &str,
        customer: String,
        at: i64,
        identifier: &str,
        value: Exact,
    ) -> ((String, String), (i64, u64)) {
        self.usage.made += 1;
        let key = (event_name.to_owned(), customer);
        let place = (at, self.usage.made);
        let counted = Counted {
            identifier: identifier.to_owned(),
            value,
        };
        self.usage
            .counted
            .entry(key.clone())
            .or_default()
            .insert(place, counted);
        (key, place)
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
            None => wrong(
                "meter_event_invalid_value",
                format!("{value} is no number."),
            ),
        }
    }
}
