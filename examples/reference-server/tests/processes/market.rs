use std::net::SocketAddr;

use http::Method;
use serde_json::{Value, json};

use super::client::Api;
use super::load::RESOURCES;

/// One product on one plan, with everybody who has subscribed to it.
#[derive(Debug)]
pub(crate) struct Market {
    pub(crate) subscriptions: Vec<Subscription>,
}

#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    pub(crate) key: String,
}

/// The product's name in paths.
pub(crate) const PRODUCT: &str = "weather";

impl Market {
    /// Puts the upstream on sale on these terms, to so many subscribers.
    pub(crate) async fn open(
        api: &Api,
        upstream: SocketAddr,
        terms: Value,
        subscribers: usize,
    ) -> Self {
        let product = product(api, upstream).await;
        let plans = format!("/api/v1/products/{product}/plans");
        let plan = api
            .post(&plans, json!({ "name": "Plan", "terms": terms }))
            .await;
        let monetize = format!("/api/v1/products/{product}/monetize");
        api.post(&monetize, json!({ "enabled": true })).await;
        let activate = json!({ "status": "active" });
        let path = format!("/api/v1/products/{product}");
        api.ask(Method::PATCH, &path, activate).await;
        let mut subscriptions = Vec::new();
        for number in 0..subscribers {
            let consumer = json!({ "name": format!("Consumer {number}") });
            let consumer = api.post("/api/v1/consumers", consumer).await;
            let order = json!({
                "plan": plan["id"],
                "consumer": consumer["id"],
                "buyer": { "user_id": format!("user-{number}"), "name": "Somebody" },
            });
            let ordered = api.post("/api/v1/subscriptions", order).await;
            subscriptions.push(Subscription {
                id: text(&ordered, "/id"),
                key: text(&ordered, "/key/key"),
            });
        }
        Self { subscriptions }
    }
}

/// With a resource for each number, so that records tell which call they are of.
async fn product(api: &Api, upstream: SocketAddr) -> String {
    let publishers = api.get("/api/v1/publishers").await;
    let resources: Vec<Value> = (0..RESOURCES)
        .map(|number| {
            json!({
                "identifier": format!("r{number}"),
                "method": "POST",
                "path": format!("/r{number}"),
                "name": format!("Resource {number}"),
            })
        })
        .collect();
    let product = json!({
        "publisher": publishers["items"][0]["id"],
        "slug": PRODUCT,
        "name": "Weather",
        "description": "What is sold in this test.",
        "gateway_endpoint": format!("http://{upstream}"),
        "resources": resources,
    });
    text(&api.post("/api/v1/products", product).await, "/id")
}

fn text(value: &Value, pointer: &str) -> String {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found
        .unwrap_or_else(|| panic!("no {pointer} in {value}"))
        .to_owned()
}
