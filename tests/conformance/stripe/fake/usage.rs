//! What was counted, by whom and when.

use std::collections::BTreeMap;

use super::memory::Memory;
use super::meters::{Formula, Meter};
use crate::stripe::exact::Exact;

/// Where an event is: the name of its meter's events and the customer; its second and number.
pub(super) type Place = ((String, String), (i64, u64));

/// What was counted, and what was wrong.
#[derive(Debug, Clone, Default)]
pub(super) struct Usage {
    /// By event name and customer, in the order of their times.
    counted: BTreeMap<(String, String), BTreeMap<(i64, u64), Counted>>,
    /// Identifiers, and where their events are.
    pub(super) seen: Memory<String, Seen>,
    made: u64,
    /// How many of the events to come are found to be wrong when they are looked at.
    pub(super) refuses: u32,
    /// What will be told to be wrong: meter, identifier, code and reason.
    pub(super) wrong: Vec<Wrong>,
}

/// An event that counts.
#[derive(Debug, Clone)]
pub(super) struct Counted {
    pub(super) identifier: String,
    pub(super) taken_at: i64,
    pub(super) value: Exact,
}

/// What an identifier was used for.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) event_name: String,
    pub(super) place: Option<Place>,
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
    /// What a meter has for a customer from `start` until before `end`, of what was taken by an instant.
    pub(super) fn of(
        &self,
        meter: &Meter,
        customer: &str,
        (start, end): (i64, i64),
        taken_by: i64,
    ) -> Exact {
        let key = (meter.event_name.clone(), customer.to_owned());
        let Some(events) = self.counted.get(&key).filter(|_| start < end) else {
            return Exact::zero();
        };
        let events = events.range((start, 0)..(end, 0)).map(|(_, it)| it);
        let mut events = events
            .filter(|it| it.taken_at <= taken_by)
            .map(|it| &it.value);
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
    pub(super) fn take_out(&mut self, identifier: &str) -> Option<String> {
        let seen = self.seen.get_mut(&identifier.to_owned())?;
        let (key, place) = seen.place.take()?;
        self.counted.get_mut(&key)?.remove(&place)?;
        Some(key.0)
    }

    /// Counts an event: `of` is the name of its meter's events and the customer.
    pub(super) fn count(&mut self, of: (String, String), at: i64, counted: Counted) -> Place {
        self.made += 1;
        let place = (at, self.made);
        let events = self.counted.entry(of.clone()).or_default();
        events.insert(place, counted);
        (of, place)
    }
}
