//! What a server tells of itself to whoever collects figures.

use std::collections::BTreeSet;

use http::{Method, StatusCode};
use serde_json::Value;

use super::world::{World, free};

const RULES: &str = include_str!("../../docs/alerts.yml");

/// The names of figures in a text, whatever they are about.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|it: char| !(it.is_ascii_lowercase() || it == '_'));
    words
        .filter(|word| word.starts_with("monetization_"))
        .collect()
}

#[tokio::test]
async fn figures_tell_what_becomes_of_calls_and_are_the_owners_alone() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let bought = world.buy(&world.plan(&product, free()).await).await;
    for _ in 0..3 {
        world.call(&bought.key, "/weather/today").await;
    }
    assert_eq!(world.call("no-key", "/weather/today").await.status, 401);
    let figures = world.owner(Method::GET, "/metrics", Value::Null).await;
    assert_eq!(figures.status, StatusCode::OK);
    let figures = figures.text();
    for line in [
        r#"monetization_decisions_total{outcome="granted",reason=""} 3"#,
        r#"monetization_decisions_total{outcome="refused",reason="invalid_key"} 1"#,
        r#"monetization_call_seconds_count{status="4xx"} 1"#,
        "monetization_ready 1",
        "monetization_usage_backlog 0",
        "monetization_batches_held 0",
        "monetization_trouble 0",
    ] {
        assert!(figures.contains(line), "{line}: {figures}");
    }
    assert!(
        !figures.contains("sub_") && !figures.contains("ten_"),
        "{figures}"
    );
    for method in [Method::GET, Method::POST] {
        let refused = world.anybody(method, "/metrics").await;
        assert!(refused.status.is_client_error());
    }
}

#[tokio::test]
async fn every_figure_that_an_alert_asks_for_is_told() {
    let world = World::start().await;
    let told = world
        .owner(Method::GET, "/metrics", Value::Null)
        .await
        .text();
    let told = names(&told);
    let asked = names(RULES);
    assert!(asked.len() > 12, "{asked:?}");
    let missing: Vec<_> = asked.difference(&told).collect();
    assert!(missing.is_empty(), "{missing:?} of {told:?}");
}
