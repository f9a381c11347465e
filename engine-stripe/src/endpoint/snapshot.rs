//! Webhook endpoints, of the first version of Stripe's interface.

use std::collections::{BTreeMap, BTreeSet};

use monetization_core::engine::IdempotencyKey;
use monetization_core::secret::Secret;
use serde::{Deserialize, Serialize};
use stripe_client_core::{RequestBuilder, StripeMethod, StripeRequest};

use super::{EVENTS, Endpoint, Made, Payload, Scope};
use crate::answer::Named;
use crate::error::Failure;
use crate::session::{Done, PAGE, Session};
use crate::transport::{API_VERSION, Outbound};

impl Session<'_> {
    /// Every webhook endpoint of the account, newest first.
    ///
    /// # Errors
    /// That of a request.
    pub(super) async fn webhook_endpoints(&self) -> Result<Vec<Endpoint>, Failure> {
        let told: Vec<Told> = self
            .all(|after| List {
                starting_after: after.map(str::to_owned),
            })
            .await?;
        Ok(told.into_iter().map(Endpoint::from).collect())
    }

    /// Has one made under this key.
    ///
    /// # Errors
    /// That of the request.
    pub(super) async fn make_webhook_endpoint(
        &self,
        (url, scope): (&str, Scope),
        key: &IdempotencyKey,
    ) -> Result<Made, Failure> {
        let form = Create {
            api_version: API_VERSION,
            connect: scope == Scope::Connected,
            description: "monetization",
            enabled_events: EVENTS,
            metadata: BTreeMap::from([(LISTENS_TO, scope.as_str())]),
            url,
        };
        let request = RequestBuilder::new(StripeMethod::Post, "/webhook_endpoints").form(&form);
        let mut done: Done<Told> = self.order_under(key, Outbound::from(request)).await?;
        Ok(Made {
            secret: done.object.secret.take(),
            endpoint: done.object.into(),
            is_replayed: done.is_replayed,
        })
    }

    /// The endpoint with our events, and switched on.
    ///
    /// # Errors
    /// That of the request.
    pub(super) async fn mended_webhook_endpoint(
        &self,
        found: &Endpoint,
    ) -> Result<Endpoint, Failure> {
        let form = Update {
            disabled: false,
            enabled_events: EVENTS,
        };
        let path = format!("/webhook_endpoints/{}", found.id);
        let request = RequestBuilder::new(StripeMethod::Post, path).form(&form);
        // What it is to become is always the same: an earlier answer would be out of date.
        let done: Done<Told> = self
            .order_under(&self.fresh_key(), Outbound::from(request))
            .await?;
        Ok(done.object.into())
    }
}

/// Under this key of its metadata an endpoint says whose news it is sent.
const LISTENS_TO: &str = "monetization_listens_to";

/// An endpoint as Stripe tells it.
#[derive(Debug, Deserialize)]
pub(super) struct Told {
    id: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    status: String,
    #[serde(default)]
    enabled_events: BTreeSet<String>,
    api_version: Option<String>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    /// Only in the answer to its making.
    secret: Option<Secret>,
}

impl Named for Told {
    fn id(&self) -> &str {
        &self.id
    }
}

impl From<Told> for Endpoint {
    fn from(told: Told) -> Self {
        let named = told.metadata.get(LISTENS_TO);
        let is_named = |scope: &Scope| named.is_some_and(|named| named == scope.as_str());
        Self {
            payload: Payload::Snapshot,
            scope: [Scope::Own, Scope::Connected].into_iter().find(is_named),
            is_enabled: told.status == "enabled",
            events: told.enabled_events,
            api_version: told.api_version,
            id: told.id,
            url: told.url,
        }
    }
}

/// A page of the list. The generated crates have endpoints among much else that is not built for two requests.
#[derive(Debug)]
struct List {
    starting_after: Option<String>,
}

impl StripeRequest for List {
    type Output = ();

    fn build(&self) -> RequestBuilder {
        let after = self.starting_after.as_deref();
        let query = ListQuery {
            limit: PAGE,
            starting_after: after,
        };
        RequestBuilder::new(StripeMethod::Get, "/webhook_endpoints").query(&query)
    }
}

#[derive(Debug, Serialize)]
struct ListQuery<'a> {
    limit: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    starting_after: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Create<'a> {
    api_version: &'static str,
    connect: bool,
    description: &'static str,
    enabled_events: [&'static str; EVENTS.len()],
    metadata: BTreeMap<&'static str, &'static str>,
    url: &'a str,
}

#[derive(Debug, Serialize)]
struct Update {
    disabled: bool,
    enabled_events: [&'static str; EVENTS.len()],
}
