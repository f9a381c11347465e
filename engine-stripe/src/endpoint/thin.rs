//! Event destinations, of the second version of Stripe's interface, that are sent thin events.

use std::collections::BTreeSet;

use monetization_core::engine::IdempotencyKey;
use monetization_core::secret::Secret;
use serde::Deserialize;
use serde_json::json;

use super::{Endpoint, Made, Payload, Scope, THIN_EVENTS};
use crate::error::Failure;
use crate::session::{Done, Session};
use crate::transport::Outbound;

const PATH: &str = "/core/event_destinations";
/// Stripe tells the address only where it is asked for.
const URL: &str = "webhook_endpoint.url";
/// What it signs with, only to who makes it.
const SECRET: &str = "webhook_endpoint.signing_secret";

impl Session<'_> {
    /// Every event destination of the account that posts thin events to an address.
    ///
    /// # Errors
    /// That of a request.
    pub(super) async fn event_destinations(&self) -> Result<Vec<Endpoint>, Failure> {
        let list = format!("{PATH}?include[0]={URL}");
        let told: Vec<Told> = self.all_linked(&list).await?;
        let thin = told.into_iter().filter(Told::is_thin_webhook);
        Ok(thin.map(Endpoint::from).collect())
    }

    /// Has one made under this key.
    ///
    /// # Errors
    /// That of the request.
    pub(super) async fn make_event_destination(
        &self,
        (url, scope): (&str, Scope),
        key: &IdempotencyKey,
    ) -> Result<Made, Failure> {
        let source = match scope {
            Scope::Own => OWN[0],
            Scope::Connected => CONNECTED[0],
        };
        let body = json!({
            "name": "monetization",
            "description": "reports that are refused after they were taken",
            "type": WEBHOOK,
            "event_payload": THIN,
            "enabled_events": THIN_EVENTS,
            "events_from": [source],
            "webhook_endpoint": { "url": url },
            "include": [URL, SECRET],
        });
        let done = self.order_under(key, Outbound::post_v2(PATH, &body)).await;
        let mut done: Done<Told> = done?;
        let webhook = done.object.webhook_endpoint.as_mut();
        Ok(Made {
            secret: webhook.and_then(|webhook| webhook.signing_secret.take()),
            endpoint: done.object.into(),
            is_replayed: done.is_replayed,
        })
    }

    /// The destination with our events, and switched on.
    ///
    /// # Errors
    /// That of a request.
    pub(super) async fn mended_event_destination(
        &self,
        found: &Endpoint,
    ) -> Result<Endpoint, Failure> {
        let path = format!("{PATH}/{}", found.id);
        let mut mended = found.clone();
        // What it is to become is always the same: an earlier answer would be out of date.
        if !found.has_wanted_events() {
            let body = json!({ "enabled_events": THIN_EVENTS });
            let update = Outbound::post_v2(&path, &body);
            let done: Done<Told> = self.order_under(&self.fresh_key(), update).await?;
            mended.events = done.object.enabled_events;
        }
        if !found.is_enabled {
            let enable = Outbound::post_v2(&format!("{path}/enable"), &json!({}));
            let done: Done<Told> = self.order_under(&self.fresh_key(), enable).await?;
            mended.is_enabled = done.object.is_enabled();
        }
        Ok(mended)
    }
}

const WEBHOOK: &str = "webhook_endpoint";
const THIN: &str = "thin";
/// Whose events are sent, as it is written now and as earlier versions had it.
const OWN: [&str; 2] = ["@self", "self"];
const CONNECTED: [&str; 2] = ["@accounts", "other_accounts"];

/// A destination as Stripe tells it.
#[derive(Debug, Deserialize)]
struct Told {
    id: String,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    event_payload: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    enabled_events: BTreeSet<String>,
    events_from: Option<Vec<String>>,
    webhook_endpoint: Option<Webhook>,
}

#[derive(Debug, Deserialize)]
struct Webhook {
    url: Option<String>,
    /// Only in the answer to its making.
    signing_secret: Option<Secret>,
}

impl Told {
    fn is_thin_webhook(&self) -> bool {
        self.kind == WEBHOOK && self.event_payload == THIN
    }

    fn is_enabled(&self) -> bool {
        self.status == "enabled"
    }

    /// Whose events it is sent, where it is only one of the two.
    fn scope(&self) -> Option<Scope> {
        let sources = self.events_from.iter().flatten();
        let sources: Vec<&str> = sources.map(String::as_str).collect();
        match sources.as_slice() {
            // Where nothing is said, it is the account's own.
            [] => Some(Scope::Own),
            [only] if OWN.contains(only) => Some(Scope::Own),
            [only] if CONNECTED.contains(only) => Some(Scope::Connected),
            _ => None,
        }
    }
}

impl From<Told> for Endpoint {
    fn from(told: Told) -> Self {
        Self {
            payload: Payload::Thin,
            scope: told.scope(),
            is_enabled: told.is_enabled(),
            api_version: None,
            url: told
                .webhook_endpoint
                .and_then(|it| it.url)
                .unwrap_or_default(),
            events: told.enabled_events,
            id: told.id,
        }
    }
}
