//! A server whose database goes away and comes back.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use monetization_conformance::store::FaultyStore;
use monetization_gateway_tower::CommitMode;
use reference_server::settings::Settings;
use serde_json::{Value, json};

use crate::server::world::{Bought, Text, World, free};

/// A world whose store can be stopped, somebody without and somebody with a strict quota.
async fn world(change: impl FnOnce(&mut Settings)) -> (World, Arc<FaultyStore>, [Bought; 2]) {
    let mut faulty = None;
    let wrap = |store| {
        let store = Arc::new(FaultyStore::new(store));
        faulty = Some(Arc::clone(&store));
        store as _
    };
    let world = World::wrapped(wrap, change).await;
    let store = faulty.unwrap();
    let product = world.product("weather").await;
    let mut strict = free();
    strict["quotas"] = json!([{ "window": "month", "max": 100, "overage": "strict" }]);
    let mut bought = Vec::new();
    for terms in [free(), strict] {
        bought.push(world.buy(&world.plan(&product, terms).await).await);
    }
    for bought in &bought {
        let served = world.call(&bought.key, "/weather/now").await;
        assert_eq!(served.status, StatusCode::OK);
    }
    (world, store, bought.try_into().unwrap())
}

/// Stops the store and waits until the gates have missed its news for longer than a second.
async fn stop(world: &World, store: &FaultyStore) {
    store.set_away(true);
    until(world, |told| {
        told["checks"]["news_age_ms"].as_u64() > Some(1_100)
    })
    .await;
}

/// Brings the store back and waits until every record is written.
async fn bring_back(world: &World, store: &FaultyStore) {
    store.set_away(false);
    until(world, |told| {
        told["ready"] == true && told["checks"]["store"] == true && told["checks"]["backlog"] == 0
    })
    .await;
}

async fn until(world: &World, holds: impl Fn(&Value) -> bool + Send + Sync) {
    let waiting = async {
        while !holds(&world.anybody(Method::GET, "/readyz").await.json()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let patience = Duration::from_secs(20);
    tokio::time::timeout(patience, waiting).await.unwrap();
}

async fn used(world: &World, of: &Bought) -> String {
    let path = format!("/api/v1/subscriptions/{}/usage", of.id);
    let statement = world.developer(Method::GET, &path, Value::Null).await.ok();
    statement["used"][0]["used"].text()
}

async fn is_refused(world: &World, of: &Bought) {
    let refused = world.call(&of.key, "/weather/now").await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.header("retry-after"), "1");
}

#[tokio::test]
async fn without_its_database_the_gateway_refuses_calls_until_it_is_back_f4() {
    let (world, store, [open, strict]) = world(|_| {}).await;
    stop(&world, &store).await;
    for bought in [&open, &strict] {
        is_refused(&world, bought).await;
    }
    let ready = world.anybody(Method::GET, "/readyz").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    bring_back(&world, &store).await;
    for bought in [&open, &strict] {
        let served = world.call(&bought.key, "/weather/now").await;
        assert_eq!(served.status, StatusCode::OK);
        assert_eq!(used(&world, bought).await, "2");
    }
}

#[tokio::test]
async fn told_to_serve_without_its_database_the_gateway_records_later_f4() {
    let (world, store, [open, strict]) = world(|settings| {
        settings.commit = CommitMode::Background;
        settings.without_store = Some(Duration::from_secs(60));
    })
    .await;
    stop(&world, &store).await;
    for _ in 0..3 {
        let served = world.call(&open.key, "/weather/now").await;
        assert_eq!(served.status, StatusCode::OK);
    }
    is_refused(&world, &strict).await;
    let ready = world.anybody(Method::GET, "/readyz").await;
    assert_eq!(ready.status, StatusCode::OK, "{}", ready.text());
    bring_back(&world, &store).await;
    assert_eq!(used(&world, &open).await, "4");
    assert_eq!(used(&world, &strict).await, "1");
}
