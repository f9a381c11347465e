//! Events: what happened, as snapshots and as thin ones.

use serde_json::{Value, json};

use super::books::{Books, found};
use super::calendar::{DAY, written};
use super::paging::page;
use super::problem::Problem;
use crate::stripe::API_VERSION;
use crate::stripe::form::Form;

/// How long an event can be read.
const KEPT: i64 = 30 * DAY;

/// An event.
#[derive(Debug, Clone)]
pub(super) struct Event {
    pub(super) kind: String,
    created: i64,
    pub(super) is_thin: bool,
    /// What is delivered.
    pub(super) told: Value,
    /// What a thin event tells only to who reads it.
    data: Value,
}

impl Books {
    /// Notes that something happened to an object, and tells of it.
    pub(super) fn tell(&mut self, kind: &str, object: &Value) {
        let id = self.ids.make("evt");
        let (request, key) = &self.request;
        let told = json!({
            "id": id, "object": "event", "livemode": self.livemode, "created": self.now,
            "api_version": API_VERSION, "type": kind, "data": { "object": object },
            "pending_webhooks": 0, "request": { "id": request, "idempotency_key": key },
        });
        self.keep(
            &id,
            Event {
                kind: kind.to_owned(),
                created: self.now,
                is_thin: false,
                told,
                data: Value::Null,
            },
        );
    }

    /// Tells that something happened, without what.
    pub(super) fn tell_thinly(&mut self, kind: &str, related: &Value, data: &Value) {
        let id = self.ids.make("evt_test");
        let told = json!({
            "id": id, "object": "v2.core.event", "livemode": self.livemode, "type": kind,
            "created": written(self.now), "reason": null, "related_object": related,
            "context": self.account,
        });
        self.keep(
            &id,
            Event {
                kind: kind.to_owned(),
                created: self.now,
                is_thin: true,
                told,
                data: data.clone(),
            },
        );
    }

    fn keep(&mut self, id: &str, event: Event) {
        self.events.insert(id, event);
        self.news.push_back(id.to_owned());
    }

    pub(super) fn list_events(&self, form: &Form) -> Result<Value, Problem> {
        let types = form.words("types");
        let is_wanted = |it: &Event| {
            let fits = |named: &&str| {
                let group = named.strip_suffix(".*");
                **named == it.kind || group.is_some_and(|group| it.kind.starts_with(group))
            };
            !it.is_thin
                && it.created > self.now - KEPT
                && (types.is_empty() || types.iter().any(fits))
                && form.word("type").is_none_or(|named| fits(&named))
                && form.admits("created", it.created)
        };
        let events = self.events.newest().filter(|(_, it)| is_wanted(it));
        let ids: Vec<&str> = events.map(|(id, _)| id).collect();
        page(&ids, form, "/v1/events", |id| {
            self.events.get(id).map(|it| it.told.clone())
        })
    }

    pub(super) fn retrieve_event(&self, id: &str) -> Result<Value, Problem> {
        let event = found(&self.events, "event", id)?;
        let is_there = !event.is_thin && event.created > self.now - KEPT;
        is_there
            .then(|| event.told.clone())
            .ok_or_else(|| Problem::no_such("event", id))
    }

    /// A thin event with what it is about.
    pub(super) fn retrieve_thin_event(&self, id: &str) -> Result<Value, Problem> {
        let event = found(&self.events, "event", id)?;
        if !event.is_thin {
            return Err(Problem::no_such("event", id));
        }
        let mut told = event.told.clone();
        told["data"] = event.data.clone();
        Ok(told)
    }
}
