//! Webhook endpoints: who is told.

use serde_json::{Value, json};

use super::books::{Books, deleted, found, found_mut};
use super::paging::page;
use super::params::Metadata;
use super::problem::Problem;
use crate::stripe::form::Form;

/// An endpoint.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    pub(super) id: String,
    created: i64,
    pub(super) url: String,
    pub(super) enabled_events: Vec<String>,
    /// Whether it is told what happens in connected accounts, rather than in its own.
    pub(super) is_connect: bool,
    pub(super) is_disabled: bool,
    /// The newest first; older ones sign beside it while a secret is being exchanged.
    pub(super) secrets: Vec<String>,
    api_version: Option<String>,
    description: Option<String>,
    metadata: Metadata,
}

impl Endpoint {
    /// Whether it wants to hear of events of this kind.
    pub(super) fn hears(&self, kind: &str) -> bool {
        let is_named = |it: &String| it == kind || it == "*";
        !self.is_disabled && self.enabled_events.iter().any(is_named)
    }

    fn json(&self, books: &Books) -> Value {
        json!({
            "id": self.id, "object": "webhook_endpoint", "livemode": books.livemode,
            "created": self.created, "url": self.url, "enabled_events": self.enabled_events,
            "status": if self.is_disabled { "disabled" } else { "enabled" },
            "api_version": self.api_version, "application": null,
            "description": self.description, "metadata": self.metadata,
        })
    }

    fn take(&mut self, form: &Form) {
        if let Some(url) = form.owned("url") {
            self.url = url;
        }
        if form.member("enabled_events").is_some() {
            let named = form.words("enabled_events").into_iter();
            self.enabled_events = named.map(str::to_owned).collect();
        }
        if let Some(disabled) = form.flag("disabled") {
            self.is_disabled = disabled;
        }
        if form.member("description").is_some() {
            self.description = form.owned("description");
        }
        form.note(&mut self.metadata);
    }
}

impl Books {
    /// The secret is told here and never again.
    pub(super) fn create_endpoint(&mut self, form: &Form) -> Result<Value, Problem> {
        let secret = self.ids.make("whsec");
        let mut endpoint = Endpoint {
            id: self.ids.make("we"),
            created: self.now,
            url: String::new(),
            enabled_events: Vec::new(),
            is_connect: form.flag("connect") == Some(true),
            is_disabled: false,
            secrets: vec![secret.clone()],
            api_version: form.owned("api_version"),
            description: None,
            metadata: Metadata::new(),
        };
        endpoint.take(form);
        let mut answer = endpoint.json(self);
        answer["secret"] = json!(secret);
        self.endpoints.insert(&endpoint.id.clone(), endpoint);
        Ok(answer)
    }

    pub(super) fn list_endpoints(&self, form: &Form) -> Result<Value, Problem> {
        let ids: Vec<&str> = self.endpoints.newest().map(|(id, _)| id).collect();
        let make = |id: &str| self.endpoints.get(id).map(|it| it.json(self));
        page(&ids, form, "/v1/webhook_endpoints", make)
    }

    pub(super) fn retrieve_endpoint(&self, id: &str) -> Result<Value, Problem> {
        found(&self.endpoints, "webhook_endpoint", id).map(|it| it.json(self))
    }

    pub(super) fn update_endpoint(&mut self, id: &str, form: &Form) -> Result<Value, Problem> {
        found_mut(&mut self.endpoints, "webhook_endpoint", id)?.take(form);
        self.retrieve_endpoint(id)
    }

    pub(super) fn delete_endpoint(&mut self, id: &str) -> Result<Value, Problem> {
        found(&self.endpoints, "webhook_endpoint", id)?;
        self.endpoints.remove(id);
        Ok(deleted("webhook_endpoint", id))
    }

    /// Gives an endpoint a new secret; the ones before go on to sign beside it for the fake's life.
    pub(super) fn roll_secret(&mut self, id: &str) -> Option<String> {
        let secret = self.ids.make("whsec");
        let endpoint = self.endpoints.get_mut(id)?;
        endpoint.secrets.insert(0, secret.clone());
        Some(secret)
    }
}
