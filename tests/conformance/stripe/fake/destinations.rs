//! Event destinations: who is told thinly.

use serde_json::{Value, json};

use super::books::{Books, found, found_mut};
use super::calendar::written;
use super::meter_errors::{METER_ERRORS, NO_METER};
use super::params::Metadata;
use super::problem::Problem;
use crate::stripe::form::Form;

/// Destinations of a page, where nothing else is asked for.
const USUAL: usize = 20;
/// What is told only to who asks for it, and what only to who makes it.
const URL: &str = "webhook_endpoint.url";
const SECRET: &str = "webhook_endpoint.signing_secret";

/// A destination that thin events are posted to.
#[derive(Debug, Clone)]
pub(super) struct Destination {
    pub(super) id: String,
    created: i64,
    updated: i64,
    name: String,
    description: String,
    pub(super) url: String,
    enabled_events: Vec<String>,
    /// `@self` and `@accounts`.
    events_from: Vec<String>,
    is_disabled: bool,
    pub(super) secret: String,
    metadata: Metadata,
}

impl Destination {
    /// Whether it wants to hear of events of this kind, of its own account or of connected ones.
    pub(super) fn hears(&self, kind: &str, is_own: bool) -> bool {
        let from = if is_own { "@self" } else { "@accounts" };
        let is_named = |it: &String| it == kind || it == "*";
        !self.is_disabled
            && self.events_from.iter().any(|it| it == from)
            && self.enabled_events.iter().any(is_named)
    }

    fn json(&self, books: &Books, form: &Form) -> Value {
        let asked = form.words("include");
        let told = |name: &str, value: &String| asked.contains(&name).then(|| value.clone());
        let disabled = self.is_disabled.then(|| json!({ "reason": "user" }));
        json!({
            "id": self.id, "object": "v2.core.event_destination", "livemode": books.livemode,
            "created": written(self.created), "updated": written(self.updated),
            "name": self.name, "description": self.description, "metadata": self.metadata,
            "type": "webhook_endpoint", "event_payload": "thin", "snapshot_api_version": null,
            "enabled_events": self.enabled_events, "events_from": self.events_from,
            "status": if self.is_disabled { "disabled" } else { "enabled" },
            "status_details": disabled.map(|disabled| json!({ "disabled": disabled })),
            "webhook_endpoint": { "url": told(URL, &self.url), "signing_secret": null },
            "amazon_eventbridge": null, "azure_event_grid": null,
        })
    }

    fn take(&mut self, form: &Form) {
        let named = form.words("enabled_events");
        if !named.is_empty() {
            self.enabled_events = named.into_iter().map(str::to_owned).collect();
        }
        let url = form
            .member("webhook_endpoint")
            .and_then(|it| it.owned("url"));
        let texts = [
            (&mut self.name, form.owned("name")),
            (&mut self.description, form.owned("description")),
            (&mut self.url, url),
        ];
        for (own, said) in texts {
            *own = said.unwrap_or_else(|| own.clone());
        }
        form.note(&mut self.metadata);
    }
}

impl Books {
    /// The secret is told here and never again, and only where it is asked for.
    pub(super) fn create_destination(&mut self, form: &Form) -> Result<Value, Problem> {
        check_kind(form)?;
        check_events(form)?;
        let made = self.make_destination(form);
        let mut answer = made.json(self, form);
        if form.words("include").contains(&SECRET) {
            answer["webhook_endpoint"]["signing_secret"] = json!(made.secret);
        }
        Ok(answer)
    }

    /// A destination for whatever is named.
    pub(super) fn make_destination(&mut self, form: &Form) -> Destination {
        let from = form.words("events_from").into_iter().map(str::to_owned);
        let mut events_from: Vec<String> = from.collect();
        if events_from.is_empty() {
            events_from.push("@self".to_owned());
        }
        let mut made = Destination {
            id: self.ids.make("ed_test"),
            created: self.now,
            updated: self.now,
            name: String::new(),
            description: String::new(),
            url: String::new(),
            enabled_events: Vec::new(),
            events_from,
            is_disabled: false,
            secret: self.ids.make("whsec"),
            metadata: Metadata::new(),
        };
        made.take(form);
        self.destinations.insert(&made.id, made.clone());
        made
    }

    /// Newest first; a page says where the next one is.
    pub(super) fn list_destinations(&self, form: &Form) -> Result<Value, Problem> {
        let limit = form
            .integer("limit")
            .and_then(|it| usize::try_from(it).ok());
        let all: Vec<&Destination> = self.destinations.newest().map(|(_, it)| it).collect();
        let before = form.word("page");
        let first = before.map(|page| all.iter().position(|it| it.id == page));
        let first = match first {
            Some(None) => return Err(Problem::invalid("There is no such page.").param("page")),
            Some(Some(place)) => place,
            None => 0,
        };
        let (page, rest) = all[first..].split_at(limit.unwrap_or(USUAL).min(all.len() - first));
        let next = rest.first().map(|next| {
            let include = form.words("include").into_iter().enumerate();
            let include: String = include
                .map(|(place, name)| format!("&include[{place}]={name}"))
                .collect();
            let limit = limit.map_or_else(String::new, |limit| format!("&limit={limit}"));
            format!(
                "/v2/core/event_destinations?page={}{limit}{include}",
                next.id
            )
        });
        let data: Vec<Value> = page.iter().map(|it| it.json(self, form)).collect();
        Ok(json!({ "data": data, "next_page_url": next, "previous_page_url": null }))
    }

    pub(super) fn retrieve_destination(&self, id: &str, form: &Form) -> Result<Value, Problem> {
        found(&self.destinations, "event_destination", id).map(|it| it.json(self, form))
    }

    pub(super) fn update_destination(&mut self, id: &str, form: &Form) -> Result<Value, Problem> {
        check_events(form)?;
        self.change_destination(id, |it| it.take(form))?;
        self.retrieve_destination(id, form)
    }

    pub(super) fn switch_destination(&mut self, id: &str, on: bool) -> Result<Value, Problem> {
        self.change_destination(id, |it| it.is_disabled = !on)?;
        self.retrieve_destination(id, &Form::default())
    }

    fn change_destination(
        &mut self,
        id: &str,
        change: impl FnOnce(&mut Destination),
    ) -> Result<(), Problem> {
        let now = self.now;
        let destination = found_mut(&mut self.destinations, "event_destination", id)?;
        destination.updated = now;
        change(destination);
        Ok(())
    }
}

/// There are others at Stripe, of which nothing is known here.
fn check_kind(form: &Form) -> Result<(), Problem> {
    for (name, known) in [("type", "webhook_endpoint"), ("event_payload", "thin")] {
        if !form.asks_for(name, known) {
            let message = format!("This fake knows no {name} but {known}.");
            return Err(Problem::invalid(message).param(name));
        }
    }
    let webhook = form.member("webhook_endpoint");
    if webhook.and_then(|it| it.word("url")).is_none() {
        let message = "webhook_endpoint is required for this type.";
        return Err(Problem::invalid(message).param("webhook_endpoint"));
    }
    let sources = form.words("events_from");
    match sources
        .iter()
        .find(|it| !["@self", "@accounts"].contains(it))
    {
        Some(other) => {
            let message = format!("There are no events from {other}.");
            Err(Problem::invalid(message).param("events_from"))
        }
        None => Ok(()),
    }
}

/// Snapshot events are of no use to a destination of thin ones, nor what there is not.
fn check_events(form: &Form) -> Result<(), Problem> {
    let mut named = form.words("enabled_events").into_iter();
    match named.find(|it| ![METER_ERRORS, NO_METER].contains(it)) {
        Some(other) => {
            let message = format!("{other} is no thin event.");
            Err(Problem::invalid(message).param("enabled_events"))
        }
        None => Ok(()),
    }
}
