//! Calls, and events that are reported.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use monetization_core::flows::{Ingested, UsageEvent};
use monetization_core::runtime::{Permit, Target};
use monetization_core::usage::{Ending, Outcome};

use crate::flaws::Flaw;
use crate::oracle::{Call, Event, Oracle};
use crate::runner::stop_once;
use crate::world::{World, text};

impl World {
    pub(crate) fn call(&mut self) {
        let Some((node, alive)) = self.any() else {
            return;
        };
        let Some(gatekeeper) = alive.gatekeeper.clone() else {
            return;
        };
        let picked = {
            let oracle = self.oracle.borrow();
            self.dice.pick(&oracle.keys).cloned()
        };
        let Some((subscription, key)) = picked else {
            return;
        };
        let mut headers = HeaderMap::new();
        headers.insert("x-api-key", HeaderValue::from_str(key.reveal()).unwrap());
        let (oracle, clock) = (Rc::clone(&self.oracle), self.nodes[node].clock.clone());
        let upstream = self.dice.below(6);
        let end = End {
            hangs_up: self.dice.once_in(5),
            is_forgotten: self.flaws.has(Flaw::CancelledAppend),
            status: if self.dice.once_in(8) { 500 } else { 200 },
        };
        let (arrived, by) = (self.now(), alive.opening);
        self.note(format!("node {node}: call of {subscription}"));
        self.spawn(&alive, async move {
            let target = Target {
                product: "weather",
                method: "GET",
                path: "/",
            };
            let Ok(permit) = gatekeeper.admit(&headers, &target, clock.now()).await else {
                return;
            };
            oracle.borrow_mut().let_in.push((subscription, arrived));
            for _ in 0..upstream {
                stop_once().await;
            }
            let call = Call {
                by,
                counts: i64::from(end.status == 200),
                answered: false,
            };
            oracle.borrow_mut().calls.insert(permit.record(), call);
            end.of(permit, &oracle).await;
        });
    }

    /// Somebody reports an event: a new one, one again, or one again with another content.
    pub(super) fn report(&mut self) {
        let Some((node, alive)) = self.any() else {
            return;
        };
        let known: Vec<String> = self.oracle.borrow().events.keys().cloned().collect();
        let name = match self.dice.pick(&known) {
            Some(name) if !self.dice.once_in(3) => name.clone(),
            _ => format!("event-{}", known.len()),
        };
        let Some(subscription) = self.any_subscription() else {
            return;
        };
        let (now, days) = (self.now(), self.dice.below(45));
        let occurred_at = now.saturating_sub(Duration::from_secs(days * 86_400));
        let quantity = i64::try_from(1 + self.dice.below(3)).unwrap();
        let mut oracle = self.oracle.borrow_mut();
        let event = oracle.events.entry(name.clone()).or_insert(Event {
            subscription,
            quantity,
            occurred_at,
            accepted: false,
        });
        let differs = self.dice.once_in(6);
        let event = UsageEvent {
            source: text("crm"),
            id: text(&name),
            subscription: event.subscription,
            meter: text("requests"),
            quantity: Some((event.quantity + i64::from(differs)).to_string()),
            key: None,
            occurred_at: Some(event.occurred_at),
        };
        drop(oracle);
        self.note(format!("node {node}: {name} is reported"));
        let (oracle, tenant) = (Rc::clone(&self.oracle), self.market.tenant.id);
        let monetizer = alive.monetizer.clone();
        self.spawn(&alive, async move {
            if let Ok(answers) = monetizer.ingest(tenant, std::slice::from_ref(&event)).await {
                oracle.borrow_mut().was_told(&event, &answers[0]);
            }
        });
    }
}

/// How a call ends.
struct End {
    hangs_up: bool,
    /// Whether a call that was hung up on is forgotten, which is a mistake.
    is_forgotten: bool,
    status: u16,
}

impl End {
    async fn of(&self, permit: Permit, oracle: &Rc<RefCell<Oracle>>) {
        let id = permit.record();
        let outcome = |ending| Outcome {
            status: Some(self.status),
            ending,
        };
        if self.hangs_up && self.is_forgotten {
            permit.abandon();
        } else if self.hangs_up {
            permit.settle_in_background(outcome(Ending::ClientGone));
        } else if permit
            .settle(outcome(Ending::Complete))
            .durable()
            .await
            .is_ok()
        {
            let mut oracle = oracle.borrow_mut();
            oracle.calls.get_mut(&id).unwrap().answered = true;
        } else {
            // Its block was taken back before its record was written: its process counts as dead.
            let mut oracle = oracle.borrow_mut();
            let by = oracle.calls[&id].by;
            if !oracle.deaths.contains(&by) {
                oracle.violation(format!("{id} was refused by the ledger"));
            }
        }
    }
}

impl Oracle {
    /// Whoever reported this event was told this.
    fn was_told(&mut self, event: &UsageEvent, answer: &Ingested) {
        let known = self.events.get_mut(event.id.as_str()).unwrap();
        let told = event.quantity.as_deref().unwrap_or_default();
        let same = told == known.quantity.to_string();
        match answer {
            Ingested::Accepted | Ingested::Duplicate if same => known.accepted = true,
            // The other content came first: it is what stands.
            Ingested::Accepted if !known.accepted => {
                known.quantity = told.parse().unwrap();
                known.accepted = true;
            }
            Ingested::Duplicate if !known.accepted => {
                known.quantity = told.parse().unwrap();
                known.accepted = true;
            }
            Ingested::Accepted | Ingested::Duplicate => {
                self.violation(format!("{} counts with two contents", event.id));
            }
            Ingested::Conflict | Ingested::Refused(_) => {}
        }
    }
}
