use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use reference_server::control::routes::table;
use serde_json::{Value, json};

use super::world::{Text, World, fixed, free};

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

/// A good body for every route that takes one.
const BODIES: &str = r#"
POST /api/v1/products {"publisher": "PUBLISHER", "slug": "maps", "name": "n", "description": "", "gateway_endpoint": "http://127.0.0.1:1"}
PATCH /api/v1/products/PRODUCT {"name": "other"}
POST /api/v1/products/PRODUCT/plans {"name": "n", "terms": {"billing": "free", "currency": "USD", "cycle": "month"}}
PATCH /api/v1/plans/PLAN {"status": "deprecated"}
POST /api/v1/plans/PLAN/versions {"terms": {"billing": "free", "currency": "USD", "cycle": "month"}}
POST /api/v1/products/PRODUCT/monetize {"enabled": true}
POST /api/v1/products/PRODUCT/resources {"identifier": "r", "method": "GET", "path": "/r", "name": "n"}
PATCH /api/v1/products/PRODUCT/resources/RESOURCE {"name": "n"}
POST /api/v1/consumers {"name": "n"}
PATCH /api/v1/consumers/CONSUMER {"grace_days": 3}
POST /api/v1/publishers {"name": "n"}
POST /api/v1/tokens {"role": "platform_owner"}
POST /api/v1/subscriptions {"plan": "PLAN", "consumer": "CONSUMER", "buyer": {"user_id": "u", "name": "b"}}
POST /api/v1/subscriptions/SUBSCRIPTION/reject {"reason": "no"}
POST /api/v1/subscriptions/SUBSCRIPTION/cancel {"mode": "now"}
POST /api/v1/subscriptions/SUBSCRIPTION/bundles {"bundle": "b"}
POST /api/v1/subscriptions/SUBSCRIPTION/time-zone {"time_zone": "UTC"}
POST /api/v1/subscriptions/SUBSCRIPTION/plan {"plan": "PLAN"}
POST /api/v1/subscriptions/SUBSCRIPTION/migrate {"version": "plv_00000000000000000000000000000000"}
POST /api/v1/subscriptions/SUBSCRIPTION/pages {"page": "portal", "return_url": "http://127.0.0.1:1/"}
POST /api/v1/invoices/INVOICE/credits {"credit": "1.00", "reason": "r"}
POST /api/v1/keys/KEY/rotate {"overlap_seconds": 1}
POST /api/v1/usage [{"source": "s", "id": "1", "subscription": "SUBSCRIPTION", "meter": "requests", "quantity": "1"}]
POST /api/v1/batches/BATCH/decision {"fate": "written_off", "because": "b"}
POST /api/v1/batches/BATCH/withdrawal {"because": "b"}
POST /api/v1/monetization/reconcile {}
POST /api/v1/estimates {"plan": "PLAN", "usage": {"requests": "1"}}
POST /mock/clock {"advance_seconds": 0}
"#;

/// R-A9: every field of an entity, put into every body: refused by its name, and nothing done.
#[tokio::test]
async fn fields_that_are_nobodys_to_set_are_refused_by_name() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let plan = world.plan(&product, free()).await;
    let bought = world.buy(&plan).await;
    let keys = format!("/api/v1/subscriptions/{}/keys", bought.id);
    let key = world.owner(Method::GET, &keys, Value::Null).await.ok()[0]["id"].text();
    let bodies = BODIES
        .replace("PUBLISHER", &world.first.publisher.to_string())
        .replace("CONSUMER", &world.first.consumer.to_string())
        .replace("PRODUCT", &product)
        .replace("PLAN", &plan)
        .replace("SUBSCRIPTION", &bought.id)
        .replace("KEY", &key)
        .replace("INVOICE", "inv_00000000000000000000000000000000")
        .replace("BATCH", "bat_00000000000000000000000000000000");
    for line in bodies.lines().filter(|line| !line.is_empty()) {
        let mut parts = line.splitn(3, ' ');
        let method: Method = parts.next().unwrap().parse().unwrap();
        let path = parts.next().unwrap();
        let body: Value = serde_json::from_str(parts.next().unwrap()).unwrap();
        for field in FORBIDDEN {
            let mut injected = body.clone();
            let object = match &mut injected {
                Value::Array(events) => &mut events[0],
                object => object,
            };
            if object.get(field).is_some() {
                continue;
            }
            object[field] = json!("x");
            let reply = world.owner(method.clone(), path, injected).await;
            let named = reply.field();
            assert!(named.ends_with(field), "{method} {path} {field}: {named}");
        }
    }
    assert_eq!(world.subscription(&bought.id).await["status"], "active");
    let products = world
        .owner(Method::GET, "/api/v1/products", Value::Null)
        .await
        .ok();
    assert_eq!(products["items"].as_array().unwrap().len(), 1);
}

/// Every route that reads a body is in the table above.
#[test]
fn no_route_that_takes_a_body_is_left_out() {
    let without_body = [
        "approve",
        "block",
        "unblock",
        "keys",
        "payment-url",
        "publish-usage",
        "reload",
        "resumption",
        "{endpoint}",
        "{token}",
    ];
    let routes = table().into_iter().filter(|route| {
        let last = route.path.rsplit('/').next().unwrap();
        [Method::POST, Method::PATCH].contains(&route.method) && !without_body.contains(&last)
    });
    let expected: Vec<String> = routes
        .map(|route| shape(&route.method, route.path))
        .collect();
    let listed = BODIES.lines().filter_map(|line| {
        let (method, rest) = line.split_once(' ')?;
        Some(shape(&method.parse().unwrap(), rest.split(' ').next()?))
    });
    let listed: Vec<String> = listed.collect();
    for route in &expected {
        assert!(listed.contains(route), "{route} is in no line of BODIES");
    }
    assert_eq!(listed.len(), expected.len());
}

/// A route with a star for whatever names a thing.
fn shape(method: &Method, path: &str) -> String {
    let segments = path.split('/').map(|segment| {
        let names =
            segment.starts_with('{') || segment.starts_with(|letter: char| letter.is_uppercase());
        if names { "*" } else { segment }
    });
    format!("{method} {}", segments.collect::<Vec<_>>().join("/"))
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
            terms(|terms| terms["alignment"] = json!("day 32")),
            "terms.alignment",
            "day 1 to day 31",
        ),
        (
            terms(|terms| terms["alignment"] = json!("monday")),
            "terms.alignment",
            "start, calendar and day 1 to day 31",
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
        // What is made within one millisecond is in no order.
        world.advance(1).await;
        let new = json!({ "name": format!("Consumer {number}") });
        world
            .owner(Method::POST, "/api/v1/consumers", new)
            .await
            .ok();
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
