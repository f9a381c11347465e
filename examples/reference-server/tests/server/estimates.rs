//! What use would cost, asked over REST.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::world::{Reply, World, metered};

const PATH: &str = "/api/v1/estimates";

async fn asked_by_anybody(world: &World, body: Value) -> Reply {
    world.ask(None, Method::POST, PATH, body).await
}

#[tokio::test]
async fn anybody_may_ask_what_a_plan_on_sale_would_cost() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let plan = world.plan(&product, metered("0.01")).await;
    let body = json!({ "plan": plan, "usage": { "requests": "250" }, "currency": "usd" });
    let estimate = asked_by_anybody(&world, body).await.ok();
    assert_eq!(
        estimate["total"],
        json!({ "amount": "2.50", "currency": "USD" })
    );
    let line = &estimate["periods"][0]["lines"][0];
    assert_eq!(line["what"], "requests");
    assert_eq!(line["reasons"][0]["text"], "250 x 0.01 = 2.5");
    assert_eq!(estimate["periods"][0]["from"], Value::Null);
}

/// The estimate is what the statement says after the same use, line by line.
#[tokio::test]
async fn an_estimate_is_what_is_owed_after_the_same_use() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let terms = json!({
        "billing": "metered", "currency": "USD", "cycle": "month",
        "usage": [{ "meter": "requests", "included": "2",
            "graduated": [{ "up_to": "3", "unit_price": "0.333", "flat": "1" }, { "unit_price": "0.25" }] }],
        "commitment": { "minimum": "4" },
    });
    let plan = world.plan(&product, terms).await;
    let bought = world.buy(&plan).await;
    for _ in 0..7 {
        assert_eq!(
            world.call(&bought.key, "/weather/now").await.status,
            StatusCode::OK
        );
    }
    let path = format!("/api/v1/subscriptions/{}/usage", bought.id);
    let statement = world.owner(Method::GET, &path, Value::Null).await.ok();
    let body = json!({ "plan": plan, "usage": { "requests": "7" } });
    let estimate = asked_by_anybody(&world, body).await.ok();
    let amounts = |lines: &Value| -> Vec<Value> {
        let lines = lines.as_array().unwrap().iter();
        lines.map(|line| line["amount"].clone()).collect()
    };
    assert_eq!(
        amounts(&estimate["periods"][0]["lines"]),
        amounts(&statement["lines"])
    );
    assert_eq!(estimate["total"], statement["total"]);
    assert_eq!(estimate["total"]["amount"], "4.00");
}

#[tokio::test]
async fn a_plan_that_is_not_on_sale_is_estimated_for_its_owners_only() {
    let world = World::start().await;
    let product = world.draft("weather").await;
    let plan = world.plan(&product, metered("0.01")).await;
    let body = json!({ "plan": plan, "usage": { "requests": "1" } });
    assert_eq!(
        asked_by_anybody(&world, body.clone()).await.status,
        StatusCode::NOT_FOUND
    );
    let developer = world.developer(Method::POST, PATH, body.clone()).await;
    assert_eq!(developer.status, StatusCode::NOT_FOUND);
    let (_, stranger) = world.stranger().await;
    let stranger = world
        .ask(Some(&stranger), Method::POST, PATH, body.clone())
        .await;
    assert_eq!(stranger.status, StatusCode::NOT_FOUND);
    world.publisher(Method::POST, PATH, body.clone()).await.ok();
    world.owner(Method::POST, PATH, body).await.ok();
}

#[tokio::test]
async fn terms_that_are_written_out_are_estimated_over_a_span() {
    let world = World::start().await;
    let body = json!({
        "terms": {
            "billing": "metered", "currency": "JPY", "cycle": "month", "base_price": "500",
            "usage": [{ "meter": "tokens", "package": { "size": "1000", "price": "3" } }],
        },
        "meters": [{ "name": "tokens" }],
        "usage": { "tokens": "1500", "requests": "9" },
        "from": "2026-01-01", "to": "2026-02-15T00:00:00Z",
    });
    let estimate = asked_by_anybody(&world, body).await.ok();
    assert_eq!(
        estimate["total"],
        json!({ "amount": "1012", "currency": "JPY" })
    );
    assert_eq!(estimate["periods"][1]["to"], "2026-02-15T00:00:00Z");
    assert_eq!(
        estimate["unpriced"],
        json!([{ "meter": "requests", "quantity": "9" }])
    );
}

#[tokio::test]
async fn an_amount_is_asked_about_with_its_transactions() {
    let world = World::start().await;
    let ask = |sales: Value| {
        json!({
            "terms": {
                "billing": "metered", "currency": "USD", "cycle": "month",
                "usage": [{ "meter": "sales", "percentage": { "rate": "2.9", "fee": "0.30", "free_events": 1 } }],
            },
            "meters": [{ "name": "sales", "unit": "amount" }],
            "usage": { "sales": sales },
        })
    };
    let body = ask(json!({ "quantity": "1000000", "transactions": "10000" }));
    let estimate = asked_by_anybody(&world, body).await.ok();
    assert_eq!(estimate["total"]["amount"], "31996.80");
    let reasons = &estimate["periods"][0]["lines"][0]["reasons"];
    assert_eq!(reasons[0]["kind"], "free_transactions");
    assert_eq!(reasons[1]["transactions"], "9999");
    for (sales, field) in [
        (json!("1000000"), "usage.sales"),
        (
            json!({ "quantity": "1", "transactions": "0" }),
            "usage.sales.transactions",
        ),
        (
            json!({ "quantity": "-1", "transactions": "1" }),
            "usage.sales",
        ),
        (json!({ "quantity": "1", "count": "1" }), "usage.sales"),
    ] {
        let reply = asked_by_anybody(&world, ask(sales.clone())).await;
        assert_eq!(reply.field(), field, "{sales}");
    }
}

/// An operation, and terms that limit it.
fn search() -> (Value, Value) {
    let search =
        json!({ "identifier": "search", "method": "GET", "path": "/search", "name": "Search" });
    let quota = json!({ "window": "day", "max": 5, "overage": "strict", "resource": "search" });
    let terms = json!({
        "billing": "fixed", "currency": "USD", "cycle": "month", "base_price": "1", "quotas": [quota],
    });
    (search, terms)
}

#[tokio::test]
async fn terms_that_are_written_out_may_limit_resources_beside_them() {
    let world = World::start().await;
    let (search, terms) = search();
    let body = json!({ "terms": terms, "resources": [search] });
    let estimate = asked_by_anybody(&world, body).await.ok();
    assert_eq!(estimate["total"]["amount"], "1.00");
}

#[tokio::test]
async fn a_question_that_makes_no_sense_is_answered_by_field() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let plan = world.plan(&product, metered("0.01")).await;
    let terms =
        json!({ "billing": "fixed", "currency": "USD", "cycle": "month", "base_price": "1" });
    let free = json!({ "billing": "free", "currency": "USD", "cycle": "month", "base_price": "1" });
    let (search, of_search) = search();
    for (body, field) in [
        (json!({}), "plan"),
        (json!({ "plan": plan, "terms": terms }), "terms"),
        (
            json!({ "plan": plan, "meters": [{ "name": "m" }] }),
            "meters",
        ),
        (json!({ "plan": plan, "resources": [search] }), "resources"),
        (
            json!({ "terms": of_search, "resources": [] }),
            "terms.quotas[0].resource",
        ),
        (json!({ "terms": free }), "terms.base_price"),
        (
            json!({ "terms": terms, "meters": [{ "name": "requests" }] }),
            "meters[0].name",
        ),
        (json!({ "plan": plan, "usage": { "tokens": "1" } }), "usage"),
        (
            json!({ "plan": plan, "usage": { "requests": "-1" } }),
            "usage.requests",
        ),
        (json!({ "plan": plan, "from": "2026-01-01" }), "to"),
        (json!({ "plan": plan, "currency": "EUR" }), "currency"),
        (json!({ "plan": plan, "currency": "dollar" }), "currency"),
        (
            json!({ "terms": terms, "meters": [{ "name": "m", "filter": { "status": ["2xx"] } }] }),
            "meters[0].filter",
        ),
        (
            json!({ "terms": terms, "meters": [{ "name": "m", "source": "calls", "filter": { "resources": ["gone"] } }] }),
            "meters[0].filter.resources[0]",
        ),
        (
            json!({ "plan": plan, "from": "2026-01-01", "to": "2025-01-01" }),
            "to",
        ),
        (
            json!({ "plan": plan, "from": "soon", "to": "2025-01-01" }),
            "from",
        ),
    ] {
        let reply = asked_by_anybody(&world, body.clone()).await;
        assert_eq!(reply.field(), field, "{body}");
    }
}

#[tokio::test]
async fn a_token_that_is_none_is_not_taken_for_nobody() {
    let world = World::start().await;
    let junk = monetization_core::secret::Secret::new("mk_admin_junk");
    let reply = world.ask(Some(&junk), Method::POST, PATH, json!({})).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
}

/// Whoever asked let all gates read the news.
#[test]
fn only_an_estimate_is_asked_with_a_body_and_changes_nothing() {
    let table = reference_server::control::routes::table();
    let asking = table
        .iter()
        .filter(|route| route.method != Method::GET && !route.changes());
    let asking: Vec<&str> = asking.map(|route| route.path).collect();
    assert_eq!(asking, [PATH]);
}
