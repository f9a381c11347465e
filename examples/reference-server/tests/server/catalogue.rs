use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::upstream::Upstream;
use super::world::{Text, World, fixed, free, metered, order};

#[tokio::test]
async fn a_product_reads_back_as_it_was_made_a1() {
    let world = World::start().await;
    let new = json!({
        "slug": "weather", "name": "Weather", "description": "What the sky does.",
        "gateway_endpoint": "https://api.example.com/v1",
        "resources": [{ "identifier": "now", "method": "GET", "path": "/now", "name": "Now", "description": null }],
        "meters": [{ "name": "tokens", "decimals": 2 }],
    });
    let made = world
        .publisher(Method::POST, "/api/v1/products", new.clone())
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let path = format!("/api/v1/products/{}", made.json()["id"].text());
    let read = world.publisher(Method::GET, &path, Value::Null).await.ok();
    assert_eq!(read, made.json());
    for field in [
        "slug",
        "name",
        "description",
        "gateway_endpoint",
        "resources",
    ] {
        assert_eq!(read[field], new[field], "{field}");
    }
    assert_eq!(read["status"], "draft");
    assert_eq!(read["meters"][1]["name"], "tokens");
    for endpoint in [
        "/v1",
        "ftp://example.com",
        "api.example.com",
        "http://me@example.com",
    ] {
        let mut wrong = new.clone();
        wrong["gateway_endpoint"] = json!(endpoint);
        let reply = world
            .publisher(Method::POST, "/api/v1/products", wrong)
            .await;
        assert_eq!(reply.field(), "gateway_endpoint", "{endpoint}");
    }
    let again = world.publisher(Method::POST, "/api/v1/products", new).await;
    assert_eq!(
        (again.status, again.code().as_str()),
        (StatusCode::CONFLICT, "taken")
    );
    assert_eq!(again.json()["errors"][0]["field"], "slug");
}

#[tokio::test]
async fn a_draft_is_seen_by_its_owners_only_a2() {
    let world = World::start().await;
    let product = world.draft("weather").await;
    let plan = world.plan(&product, free()).await;
    let list = world.anybody(Method::GET, "/api/v1/catalogue").await.ok();
    assert_eq!(list["items"], json!([]));
    let offer = format!("/api/v1/catalogue/{product}");
    assert_eq!(
        world.anybody(Method::GET, &offer).await.status,
        StatusCode::NOT_FOUND
    );
    let refused = world
        .developer(Method::POST, "/api/v1/subscriptions", order(&plan))
        .await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    let seen = world
        .owner(
            Method::GET,
            &format!("/api/v1/products/{product}"),
            Value::Null,
        )
        .await
        .ok();
    assert_eq!(seen["status"], "draft");
}

#[tokio::test]
async fn a_product_that_goes_back_to_draft_keeps_its_plans_and_subscribers_a3() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let mut plans = vec![world.plan(&product, free()).await];
    plans.push(world.plan(&product, fixed("49.00")).await);
    plans.push(world.plan(&product, metered("0.01")).await);
    let bought = world.buy(&plans[0]).await;
    let offer = format!("/api/v1/catalogue/{product}");
    let before = world.anybody(Method::GET, &offer).await.ok();
    let set = async |status: &str| {
        let path = format!("/api/v1/products/{product}");
        world
            .owner(Method::PATCH, &path, json!({ "status": status }))
            .await
            .ok()
    };
    set("draft").await;
    assert_eq!(
        world.anybody(Method::GET, &offer).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        world.call(&bought.key, "/weather/now").await.status,
        StatusCode::OK
    );
    set("active").await;
    let after = world.anybody(Method::GET, &offer).await.ok();
    assert_eq!(after, before);
    assert_eq!(after["plans"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn the_next_call_goes_to_the_new_endpoint_a4() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let plan = world.plan(&product, free()).await;
    let bought = world.buy(&plan).await;
    assert_eq!(
        world.call(&bought.key, "/weather/now").await.text(),
        "upstream"
    );
    let other = Upstream::start("the other one").await;
    let change =
        json!({ "name": "New name", "gateway_endpoint": format!("{}/below/", other.url()) });
    world
        .owner(
            Method::PATCH,
            &format!("/api/v1/products/{product}"),
            change,
        )
        .await
        .ok();
    assert_eq!(
        world.call(&bought.key, "/weather/now?x=1").await.text(),
        "the other one"
    );
    assert_eq!(other.asked()[0].target, "/below/now?x=1");
    let offer = world
        .anybody(Method::GET, &format!("/api/v1/catalogue/{product}"))
        .await
        .ok();
    assert_eq!(offer["name"], "New name");
    assert_eq!(offer["plans"][0]["id"], plan);
}

#[tokio::test]
async fn a_product_goes_only_when_that_is_said_twice_over_a5() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let bought = world
        .buy(&world.plan(&product, metered("0.01")).await)
        .await;
    world.call(&bought.key, "/weather/now").await;
    world.advance(86_400).await;
    let path = format!("/api/v1/products/{product}");
    let remove = async |query: &str| {
        world
            .owner(Method::DELETE, &format!("{path}{query}"), Value::Null)
            .await
    };
    let unconfirmed = remove("").await;
    assert_eq!(
        (unconfirmed.status, unconfirmed.code().as_str()),
        (StatusCode::CONFLICT, "not_confirmed")
    );
    let in_use = remove("?confirm=true").await;
    assert_eq!(
        (in_use.status, in_use.code().as_str()),
        (StatusCode::CONFLICT, "in_use")
    );
    assert!(
        in_use.text().contains("1 subscriptions are live"),
        "{}",
        in_use.text()
    );
    assert_eq!(
        world.call(&bought.key, "/weather/now").await.status,
        StatusCode::OK
    );
    let gone = remove("?confirm=true&cancel_subscriptions=true").await.ok();
    assert_eq!(gone["status"], "archived");
    assert!(
        !world
            .call(&bought.key, "/weather/now")
            .await
            .status
            .is_success()
    );
    assert_eq!(
        world
            .anybody(Method::GET, &format!("/api/v1/catalogue/{product}"))
            .await
            .status,
        StatusCode::NOT_FOUND
    );
    world.advance(3_600).await;
    let invoices = world.invoices(&bought.id).await;
    assert_eq!(
        invoices[0]["total"]["amount"], "0.02",
        "what was used is billed and stays on record"
    );
}

#[tokio::test]
async fn the_price_label_is_what_the_owner_says_and_the_price_is_what_is_billed_b5() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let mut labelled = fixed("49.00");
    labelled["price_label"] = json!("Only 1 dollar!");
    world.plan(&product, labelled).await;
    world.plan(&product, metered("0.0001")).await;
    let offer = world
        .anybody(Method::GET, &format!("/api/v1/catalogue/{product}"))
        .await
        .ok();
    let labels: Vec<String> = offer["plans"]
        .as_array()
        .unwrap()
        .iter()
        .map(|plan| plan["price_label"].text())
        .collect();
    assert!(labels.contains(&"Only 1 dollar!".to_owned()), "{labels:?}");
    assert!(
        labels.iter().any(|label| label.contains("0.0001 USD per")),
        "{labels:?}"
    );
    let plan = offer["plans"]
        .as_array()
        .unwrap()
        .iter()
        .find(|plan| plan["price_label"] == "Only 1 dollar!");
    let bought = world.buy(&plan.unwrap()["id"].text()).await;
    assert_eq!(
        world.invoices(&bought.id).await[0]["total"],
        json!({ "amount": "49.00", "currency": "USD" })
    );
}

#[tokio::test]
async fn a_monthly_quota_and_a_rate_by_the_minute_hold_together_b6() {
    let world = World::start().await;
    world.travel("2026-03-10T12:00:00Z").await;
    let product = world.product("weather").await;
    let mut terms = free();
    terms["quotas"] = json!([{ "window": "month", "max": 3, "overage": "strict" }]);
    terms["rates"] = json!([{ "kind": "calendar", "window": "minute", "max": 2 }]);
    let key = world.buy(&world.plan(&product, terms).await).await.key;
    let call = async || world.call(&key, "/weather/now").await;
    assert_eq!(call().await.status, StatusCode::OK);
    let second = call().await;
    assert_eq!(second.header("x-ratelimit-remaining-minute"), "0");
    assert_eq!(second.header("x-ratelimit-remaining-month"), "1");
    let third = call().await;
    assert_eq!(third.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(third.text(), r#"{"message":"API rate limit exceeded"}"#);
    assert_eq!(third.header("retry-after"), "60");
    assert_eq!(
        third.header("x-ratelimit-remaining-month"),
        "1",
        "a refused call takes nothing"
    );
    world.advance(60).await;
    assert_eq!(call().await.status, StatusCode::OK);
    let used_up = call().await;
    assert_eq!(used_up.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(used_up.header("x-ratelimit-remaining-month"), "0");
    world.travel("2026-03-31T23:59:59.999999Z").await;
    assert_eq!(call().await.status, StatusCode::TOO_MANY_REQUESTS);
    world.travel("2026-04-01T00:00:00Z").await;
    assert_eq!(call().await.status, StatusCode::OK);
}

/// G2: what everybody sees never says where a product is served.
#[tokio::test]
async fn the_catalogue_never_tells_the_endpoint_g2() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let bought = world.buy(&world.plan(&product, free()).await).await;
    let address = world.upstream.address.to_string();
    for path in [
        "/api/v1/catalogue".to_owned(),
        format!("/api/v1/catalogue/{product}"),
    ] {
        let reply = world.anybody(Method::GET, &path).await;
        assert!(
            reply.status.is_success() && !reply.text().contains(&address),
            "{path}"
        );
    }
    for path in [
        "/api/v1/subscriptions".to_owned(),
        format!("/api/v1/subscriptions/{}", bought.id),
    ] {
        let reply = world.developer(Method::GET, &path, Value::Null).await;
        assert!(
            reply.status.is_success() && !reply.text().contains(&address),
            "{path}"
        );
    }
}
