use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

use super::world::{World, fixed, free, order};

/// What callers would like to set, and is not theirs to set.
const FORBIDDEN: [&str; 12] = [
    "id",
    "tenant",
    "tenant_id",
    "created_at",
    "price",
    "amount",
    "state",
    "blocks",
    "digest",
    "role_id",
    "closed_periods",
    "nonsense",
];

/// R-A9: every field of an entity, put into every body: refused by its name, and nothing done.
#[tokio::test]
async fn fields_that_are_nobodys_to_set_are_refused_by_name() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let plan = world.plan(&product, free()).await;
    let bought = world.buy(&plan).await;
    let subscription = format!("/api/v1/subscriptions/{}", bought.id);
    let event = json!({
        "source": "s", "id": "1", "subscription": bought.id, "meter": "requests", "quantity": "1",
    });
    let bodies = [
        (
            Method::POST,
            "/api/v1/products".to_owned(),
            json!({
                "publisher": world.first.publisher, "slug": "maps", "name": "n", "description": "",
                "gateway_endpoint": "http://127.0.0.1:1",
            }),
        ),
        (
            Method::PATCH,
            format!("/api/v1/products/{product}"),
            json!({ "name": "other" }),
        ),
        (
            Method::POST,
            format!("/api/v1/products/{product}/plans"),
            json!({ "name": "n", "terms": free() }),
        ),
        (
            Method::PATCH,
            format!("/api/v1/plans/{plan}"),
            json!({ "status": "deprecated" }),
        ),
        (
            Method::POST,
            format!("/api/v1/plans/{plan}/versions"),
            json!({ "terms": free() }),
        ),
        (
            Method::POST,
            format!("/api/v1/products/{product}/monetize"),
            json!({ "enabled": true }),
        ),
        (
            Method::POST,
            "/api/v1/consumers".to_owned(),
            json!({ "name": "n" }),
        ),
        (
            Method::POST,
            "/api/v1/publishers".to_owned(),
            json!({ "name": "n" }),
        ),
        (
            Method::POST,
            "/api/v1/tokens".to_owned(),
            json!({ "role": "platform_owner" }),
        ),
        (
            Method::POST,
            "/api/v1/subscriptions".to_owned(),
            with(order(&plan), "consumer", json!(world.first.consumer)),
        ),
        (
            Method::POST,
            format!("{subscription}/reject"),
            json!({ "reason": "no" }),
        ),
        (
            Method::POST,
            format!("{subscription}/cancel"),
            json!({ "mode": "now" }),
        ),
        (
            Method::POST,
            format!("{subscription}/migrate"),
            json!({ "version": "plv_00000000000000000000000000000000" }),
        ),
        (
            Method::POST,
            "/mock/clock".to_owned(),
            json!({ "advance_seconds": 0 }),
        ),
        (Method::POST, "/api/v1/usage".to_owned(), json!([event])),
    ];
    let before = world.now();
    for (method, path, body) in bodies {
        for field in FORBIDDEN {
            if body.get(0).unwrap_or(&body).get(field).is_some() {
                continue;
            }
            let mut injected = body.clone();
            let object = match &mut injected {
                Value::Array(events) => &mut events[0],
                object => object,
            };
            object[field] = json!("x");
            let reply = world.owner(method.clone(), &path, injected).await;
            let named = reply.field();
            assert!(named.ends_with(field), "{method} {path} {field}: {named}");
        }
    }
    assert_eq!(world.now(), before);
    assert_eq!(world.subscription(&bought.id).await["status"], "active");
    let products = world
        .owner(Method::GET, "/api/v1/products", Value::Null)
        .await
        .ok();
    assert_eq!(products["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_field_that_makes_no_sense_is_named_with_what_is_allowed() {
    let world = World::start().await;
    let product = world.draft("weather").await;
    let plans = format!("/api/v1/products/{product}/plans");
    let terms = |change: fn(&mut Value)| {
        let mut terms = fixed("49.00");
        change(&mut terms);
        json!({ "name": "n", "terms": terms })
    };
    let table = [
        (
            terms(|terms| terms["cycle"] = json!("fortnight")),
            "terms.cycle",
            "day, week, month and year",
        ),
        (
            terms(|terms| terms["base_price"] = json!("49.001")),
            "terms.base_price",
            "allowed",
        ),
        (
            terms(|terms| terms["currency"] = json!("XXX")),
            "terms.currency",
            "ISO 4217",
        ),
        (
            terms(|terms| terms["nonsense"] = json!(1)),
            "terms.nonsense",
            "unknown field",
        ),
        (json!({ "terms": free() }), "name", "missing field"),
        (
            json!({ "name": " n", "terms": free() }),
            "name",
            "white space",
        ),
    ];
    for (body, field, said) in table {
        let reply = world.owner(Method::POST, &plans, body.clone()).await;
        assert_eq!(reply.field(), field, "{body}");
        assert!(reply.text().contains(said), "{body}: {}", reply.text());
    }
}

#[tokio::test]
async fn bodies_that_are_no_json_or_too_long_are_refused() {
    let world = World::start().await;
    let send = async |kind: &'static str, body: Vec<u8>| {
        let token = format!("Bearer {}", world.first.owner_token.reveal());
        let request = Request::post(world.control("/api/v1/consumers"))
            .header("authorization", token)
            .header("content-type", kind)
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        world.send(request).await
    };
    let json = "application/json";
    let broken = send(json, b"{\"name\": \"n\"".to_vec()).await;
    assert_eq!(
        (broken.status, broken.code().as_str()),
        (StatusCode::BAD_REQUEST, "malformed_json")
    );
    let more = send(json, b"{\"name\": \"n\"} {}".to_vec()).await;
    assert_eq!(more.code(), "malformed_json");
    let twice = send(json, b"{\"name\": \"n\", \"name\": \"m\"}".to_vec()).await;
    assert_eq!(twice.field(), "name");
    let plain = send("text/plain", b"{\"name\": \"n\"}".to_vec()).await;
    assert_eq!(plain.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let long = send(json, vec![b' '; (1 << 20) + 1]).await;
    assert_eq!(long.status, StatusCode::PAYLOAD_TOO_LARGE);
    let unknown = world
        .owner(Method::GET, "/api/v1/products?sort=name", Value::Null)
        .await;
    assert_eq!(unknown.field(), "query");
    let many = world
        .owner(Method::GET, "/api/v1/products?limit=101", Value::Null)
        .await;
    assert_eq!(many.field(), "limit");
}

#[tokio::test]
async fn lists_come_page_by_page_and_lose_nothing() {
    let world = World::start().await;
    for number in 0..7 {
        let new = json!({ "name": format!("Consumer {number}") });
        world
            .owner(Method::POST, "/api/v1/consumers", new)
            .await
            .ok();
        world.advance(1).await;
    }
    let mut seen = Vec::new();
    let mut path = "/api/v1/consumers?limit=3".to_owned();
    loop {
        let page = world.owner(Method::GET, &path, Value::Null).await.ok();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 3);
        seen.extend(
            items
                .iter()
                .map(|item| item["name"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else {
            assert_eq!(page["has_more"], false);
            break;
        };
        assert_eq!(page["has_more"], true);
        path = format!("/api/v1/consumers?limit=3&cursor={cursor}");
    }
    let expected: Vec<String> = (0..7).map(|number| format!("Consumer {number}")).collect();
    assert_eq!(seen[1..], expected, "the first consumer was there before");
}

#[tokio::test]
async fn what_does_not_exist_is_told_as_a_problem() {
    let world = World::start().await;
    for path in [
        "/",
        "/api/v1/nothing",
        "/api/v1/products/prd_1",
        "/api/v1/products/x",
    ] {
        let reply = world.owner(Method::GET, path, Value::Null).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (StatusCode::NOT_FOUND, "not_found"),
            "{path}"
        );
    }
    let reply = world
        .owner(Method::PUT, "/api/v1/products", Value::Null)
        .await;
    assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(reply.code(), "method_not_allowed");
}

fn with(mut body: Value, field: &str, value: Value) -> Value {
    body[field] = value;
    body
}
