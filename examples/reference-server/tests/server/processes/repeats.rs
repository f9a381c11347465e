//! One report of use that comes again and again, and at once.

use std::collections::BTreeMap;

use futures::StreamExt;
use futures::stream;
use http::{Method, StatusCode};
use monetization_conformance::size;
use serde_json::{Value, json};

use crate::server::world::{Bought, Text, World, metered};

async fn bought() -> (World, Bought) {
    let world = World::start().await;
    let product = world.product("weather").await;
    let plan = world.plan(&product, metered("0.10")).await;
    let bought = world.buy(&plan).await;
    (world, bought)
}

/// Reports these at once, each by a request of its own; how often each answer was given.
async fn answers(world: &World, events: Vec<Value>) -> BTreeMap<String, usize> {
    let mut answers = BTreeMap::new();
    let count = events.len();
    let mut replies = stream::iter(events)
        .map(|event| world.publisher(Method::POST, "/api/v1/usage", json!([event])))
        .buffer_unordered(count.min(1_000));
    while let Some(reply) = replies.next().await {
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text());
        *answers.entry(reply.json().to_string()).or_default() += 1;
    }
    answers
}

fn event(of: &Bought, quantity: usize) -> Value {
    json!({
        "source": "elsewhere", "id": "one", "subscription": of.id,
        "meter": "requests", "quantity": quantity.to_string(),
    })
}

fn answer(result: &str) -> String {
    json!([{ "source": "elsewhere", "id": "one", "result": result }]).to_string()
}

async fn used(world: &World, of: &Bought) -> String {
    let path = format!("/api/v1/subscriptions/{}/usage", of.id);
    let statement = world.developer(Method::GET, &path, Value::Null).await.ok();
    statement["used"][0]["used"].text()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_posted_a_thousand_times_at_once_counts_once_r_m3() {
    let (world, bought) = bought().await;
    let first = answers(&world, vec![event(&bought, 5); 1_000]).await;
    let expected = [(answer("accepted"), 1), (answer("duplicate"), 999)];
    assert_eq!(first, BTreeMap::from(expected));
    let again = answers(&world, vec![event(&bought, 5); 1_000]).await;
    assert_eq!(again, BTreeMap::from([(answer("duplicate"), 1_000)]));
    assert_eq!(used(&world, &bought).await, "5");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_report_under_a_known_id_that_says_something_else_is_a_conflict_r_m3() {
    let (world, bought) = bought().await;
    answers(&world, vec![event(&bought, 5)]).await;
    let count = size(200, 10_000);
    let others = (0..count).map(|number| event(&bought, 6 + number));
    let told = answers(&world, others.collect()).await;
    assert_eq!(told, BTreeMap::from([(answer("conflict"), count)]));
    assert_eq!(used(&world, &bought).await, "5");
}
