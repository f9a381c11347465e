//! Operations of a product, and bundles of calls of them: B4.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::world::{Text, World};

fn resource(identifier: &str) -> Value {
    json!({ "identifier": identifier, "method": "GET", "path": format!("/{identifier}"), "name": identifier })
}

#[tokio::test]
async fn resources_are_made_changed_and_removed_and_keep_their_identifiers_b4() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let all = format!("/api/v1/products/{product}/resources");
    for name in ["now", "tomorrow"] {
        let made = world.publisher(Method::POST, &all, resource(name)).await;
        assert_eq!(made.status, StatusCode::CREATED);
    }
    let mut again = resource("now");
    again["path"] = json!("/elsewhere");
    let again = world.publisher(Method::POST, &all, again).await;
    assert_eq!(again.status, StatusCode::CONFLICT);

    let now = format!("{all}/now");
    let renamed = json!({ "identifier": "later" });
    let renamed = world.publisher(Method::PATCH, &now, renamed).await;
    assert_eq!(renamed.field(), "identifier");
    let moved = json!({ "identifier": "now", "path": "/v2/now" });
    let moved = world.publisher(Method::PATCH, &now, moved).await.ok();
    assert_eq!(moved["resources"][0]["path"], "/v2/now");

    let terms = json!({
        "billing": "fixed", "currency": "EUR", "cycle": "month",
        "bundles": [{ "name": "two", "resource": "now", "calls": 2, "price": "1.00" }],
    });
    world.plan(&product, terms).await;
    let removed = world.publisher(Method::DELETE, &now, Value::Null).await;
    assert_eq!(removed.status, StatusCode::CONFLICT);
    assert!(removed.text().contains("counts calls of now"));
    let other = format!("{all}/tomorrow");
    let left = world
        .publisher(Method::DELETE, &other, Value::Null)
        .await
        .ok();
    assert_eq!(left["resources"].as_array().unwrap().len(), 1);
    let gone = world.publisher(Method::DELETE, &other, Value::Null).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_plan_that_sells_what_it_does_not_cover_is_refused_by_field_a7_b4() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let all = format!("/api/v1/products/{product}/resources");
    for name in ["now", "tomorrow"] {
        let made = world.publisher(Method::POST, &all, resource(name)).await;
        assert_eq!(made.status, StatusCode::CREATED);
    }
    let plans = format!("/api/v1/products/{product}/plans");
    let quota =
        |of: &str| json!([{ "window": "day", "max": 9, "overage": "strict", "resource": of }]);
    let bundle = |of: &str| json!([{ "name": "ten", "resource": of, "calls": 10, "price": "5" }]);
    for (quotas, bundles, field) in [
        (quota("tomorrow"), bundle("now"), "terms.quotas[0].resource"),
        (
            quota("now"),
            bundle("tomorrow"),
            "terms.bundles[0].resource",
        ),
    ] {
        let terms = json!({
            "billing": "fixed", "currency": "EUR", "cycle": "month", "resources": ["now"],
            "quotas": quotas, "bundles": bundles,
        });
        let new = json!({ "name": "Half", "terms": terms });
        let refused = world.owner(Method::POST, &plans, new).await;
        assert_eq!(refused.field(), field);
    }
}

#[tokio::test]
async fn calls_in_advance_are_ordered_paid_and_used_b4() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let all = format!("/api/v1/products/{product}/resources");
    world
        .publisher(Method::POST, &all, resource("now"))
        .await
        .ok();
    let terms = json!({
        "billing": "fixed", "currency": "EUR", "cycle": "month",
        "bundles": [{ "name": "two", "resource": "now", "calls": 2, "price": "1.00" }],
    });
    let bought = world.buy(&world.plan(&product, terms).await).await;
    let bundles = format!("/api/v1/subscriptions/{}/bundles", bought.id);
    let refused = world.call(&bought.key, "/weather/now").await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);

    let order = json!({ "bundle": "two", "request_key": "order-1" });
    let invoice = world.developer(Method::POST, &bundles, order.clone()).await;
    assert_eq!(invoice.status, StatusCode::CREATED);
    let invoice = invoice.ok();
    assert_eq!(
        invoice["lines"][0]["description"],
        "bundle of 2 calls of now"
    );
    let again = world.developer(Method::POST, &bundles, order).await;
    assert_eq!(again.status, StatusCode::OK);
    assert_eq!(again.ok()["id"], invoice["id"]);
    world.pay(&invoice["payment_url"].text()).await;
    for expected in [200, 200, 429] {
        let called = world.call(&bought.key, "/weather/now").await;
        assert_eq!(called.status.as_u16(), expected);
    }
    let view = world.subscription(&bought.id).await;
    assert_eq!(view["prepaid"], json!({ "now": 2 }));
    let usage = format!("/api/v1/subscriptions/{}/usage", bought.id);
    let usage = world.developer(Method::GET, &usage, Value::Null).await.ok();
    assert_eq!(
        usage["limits"],
        json!([{
            "window": "ever", "unit": "requests", "resource": "now", "overage": "strict",
            "max": 2, "used": 2, "remaining": 0,
        }])
    );
    let unknown = world.developer(Method::POST, &bundles, json!({ "bundle": "ten" }));
    assert_eq!(unknown.await.field(), "bundle");
}
