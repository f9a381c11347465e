use std::net::SocketAddr;

use http::Method;
use serde_json::{Value, json};

use super::client::Api;
use super::load::RESOURCES;

/// One product on one plan, with everybody who has subscribed to it.
#[derive(Debug)]
pub(crate) struct Market {
    pub(crate) subscriptions: Vec<Subscription>,
    product: String,
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
        let plan = plan(api, &product, terms).await;
        let monetize = format!("/api/v1/products/{product}/monetize");
        api.post(&monetize, json!({ "enabled": true })).await;
        let activate = json!({ "status": "active" });
        let path = format!("/api/v1/products/{product}");
        api.ask(Method::PATCH, &path, activate).await;
        let mut market = Self {
            subscriptions: Vec::new(),
            product,
        };
        market.subscribe(api, &plan, subscribers).await;
        market
    }

    /// Sells the same on other terms, too; answers the plan.
    pub(crate) async fn sell(&self, api: &Api, terms: Value) -> String {
        plan(api, &self.product, terms).await
    }

    /// So many more subscribers, of this plan.
    pub(crate) async fn subscribe(&mut self, api: &Api, plan: &str, subscribers: usize) {
        for _ in 0..subscribers {
            let number = self.subscriptions.len();
            let subscription = subscription(api, plan, number).await;
            self.subscriptions.push(subscription);
        }
    }
}

async fn plan(api: &Api, product: &str, terms: Value) -> String {
    let plans = format!("/api/v1/products/{product}/plans");
    let plan = json!({ "name": "Plan", "terms": terms });
    text(&api.post(&plans, plan).await, "/id")
}

/// Somebody new subscribes.
pub(crate) async fn subscription(api: &Api, plan: &str, number: usize) -> Subscription {
    let consumer = json!({ "name": format!("Consumer {number}") });
    let consumer = api.post("/api/v1/consumers", consumer).await;
    let order = json!({
        "plan": plan,
        "consumer": consumer["id"],
        "buyer": { "user_id": format!("user-{number}"), "name": "Somebody" },
    });
    let ordered = api.post("/api/v1/subscriptions", order).await;
    Subscription {
        id: text(&ordered, "/id"),
        key: text(&ordered, "/key/key"),
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
