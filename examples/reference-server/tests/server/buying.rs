use http::{Method, Request, StatusCode};
use http_body_util::Full;
use monetization_engine_mock::faults::{Fault, Injection};
use monetization_engine_mock::transport::Operation;
use serde_json::{Value, json};

use super::world::{Text, World, fixed, free, metered, order};

const SUBSCRIPTIONS: &str = "/api/v1/subscriptions";

#[tokio::test]
async fn an_order_that_is_sent_twice_buys_once_c1() {
    let world = World::billed_by_engine().await;
    let product = world.product("weather").await;
    let plan = world.plan(&product, fixed("49.00")).await;
    let send = async |key: &str| {
        let token = format!("Bearer {}", world.first.developer_token.reveal());
        let request = Request::post(world.control(SUBSCRIPTIONS))
            .header("authorization", token)
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .body(Full::from(order(&plan).to_string()))
            .unwrap();
        world.send(request).await
    };
    let first = send("order-1").await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.text());
    assert!(first.json()["key"]["key"].is_string());
    let again = send("\"order-1\"").await;
    assert_eq!(again.status, StatusCode::OK, "{}", again.text());
    assert_eq!(again.json()["id"], first.json()["id"]);
    assert!(again.json()["key"].is_null(), "the secret is told once");
    let mut in_body = order(&plan);
    in_body["request_key"] = json!("order-1");
    let same = world
        .developer(Method::POST, SUBSCRIPTIONS, in_body)
        .await
        .ok();
    assert_eq!(same["id"], first.json()["id"]);
    let (left, right) = tokio::join!(send("order-2"), send("order-2"));
    assert_eq!(left.json()["id"], right.json()["id"]);
    world.server().round().await;
    assert_eq!(world.mock().subscriptions().len(), 2);
    let other = world.plan(&product, free()).await;
    let mut reused = order(&other);
    reused["request_key"] = json!("order-1");
    let refused = world.developer(Method::POST, SUBSCRIPTIONS, reused).await;
    assert_eq!(refused.field(), "request_key");
}

/// The process dies after the engine has made the subscription and before it has heard of it.
#[tokio::test]
async fn a_crash_while_subscribing_makes_one_subscription_at_the_engine_c1() {
    let mut world = World::billed_by_engine().await;
    let product = world.product("weather").await;
    let plan = world.plan(&product, fixed("49.00")).await;
    world
        .mock()
        .inject(Injection::next(Fault::LoseReply).on(Operation::StartSubscription));
    let bought = world.buy(&plan).await;
    assert_eq!(
        bought.payment_url, None,
        "nobody has heard of the engine's subscription"
    );
    assert_eq!(world.mock().subscriptions().len(), 1);
    world.crash().await;
    world.advance(300).await;
    assert_eq!(world.mock().subscriptions().len(), 1);
    let link = world.subscription(&bought.id).await["payment_url"].text();
    assert!(world.pay(&link).await.status.is_success());
    assert_eq!(
        world.call(&bought.key, "/weather/now").await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn nothing_is_charged_before_somebody_says_yes_c2() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let path = format!("/api/v1/products/{product}/plans");
    let manual = json!({ "name": "By hand", "approval": "manual", "terms": fixed("49.00") });
    let plan = world.owner(Method::POST, &path, manual).await.ok()["id"].text();
    let wanted = world.buy(&plan).await;
    assert!(wanted.key.is_empty() && wanted.payment_url.is_none());
    assert_eq!(
        world.subscription(&wanted.id).await["status"],
        "pending_approval"
    );
    world.server().round().await;
    assert!(world.invoices(&wanted.id).await.is_empty() && world.mock().invoices().is_empty());
    let keys = format!("{SUBSCRIPTIONS}/{}/keys", wanted.id);
    let early = world.developer(Method::POST, &keys, Value::Null).await;
    assert_eq!(
        (early.status, early.code().as_str()),
        (StatusCode::CONFLICT, "illegal_state")
    );
    let approve = format!("{SUBSCRIPTIONS}/{}/approve", wanted.id);
    let approved = world
        .publisher(Method::POST, &approve, Value::Null)
        .await
        .ok();
    assert_eq!(approved["status"], "awaiting_payment");
    let key = world.developer(Method::POST, &keys, Value::Null).await.ok()["key"].text();
    assert_eq!(
        world.call(&key, "/weather/now").await.status,
        StatusCode::PAYMENT_REQUIRED
    );
    world.pay(&approved["payment_url"].text()).await;
    assert_eq!(
        world.call(&key, "/weather/now").await.status,
        StatusCode::OK
    );

    let unwanted = world.buy(&plan).await;
    let reject = format!("{SUBSCRIPTIONS}/{}/reject", unwanted.id);
    world
        .publisher(Method::POST, &reject, json!({ "reason": "Not this time." }))
        .await
        .ok();
    let seen = world
        .developer(
            Method::GET,
            &format!("{SUBSCRIPTIONS}/{}", unwanted.id),
            Value::Null,
        )
        .await
        .ok();
    assert_eq!(
        (&seen["status"], &seen["rejected_because"]),
        (&json!("rejected"), &json!("Not this time."))
    );
    world.advance(90 * 86_400).await;
    assert!(world.invoices(&unwanted.id).await.is_empty());
    let late = world
        .publisher(
            Method::POST,
            &format!("{SUBSCRIPTIONS}/{}/approve", unwanted.id),
            Value::Null,
        )
        .await;
    assert_eq!(late.code(), "illegal_state");
}

#[tokio::test]
async fn cancelled_at_once_is_refused_at_once_and_billed_to_the_end_c5() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let bought = world
        .buy(&world.plan(&product, metered("0.50")).await)
        .await;
    for _ in 0..3 {
        assert_eq!(
            world.call(&bought.key, "/weather/now").await.status,
            StatusCode::OK
        );
    }
    world.advance(86_400).await;
    let cancel = format!("{SUBSCRIPTIONS}/{}/cancel", bought.id);
    world
        .developer(Method::POST, &cancel, json!({ "mode": "now" }))
        .await
        .ok();
    let refused = world.call(&bought.key, "/weather/now").await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::FORBIDDEN, "subscription_ended")
    );
    let again = world
        .developer(Method::POST, &cancel, json!({ "mode": "now" }))
        .await
        .ok();
    assert_eq!(
        again["status"], "draining",
        "cancelling twice changes nothing"
    );
    world.advance(3_600).await;
    let invoices = world.invoices(&bought.id).await;
    assert_eq!(invoices.len(), 1);
    assert_eq!(invoices[0]["total"]["amount"], "1.50");
    assert_eq!(world.subscription(&bought.id).await["status"], "ended");
}

#[tokio::test]
async fn cancelled_with_its_period_it_opens_to_the_last_instant_c5() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let bought = world
        .buy(&world.plan(&product, metered("0.50")).await)
        .await;
    let cancel = format!("{SUBSCRIPTIONS}/{}/cancel", bought.id);
    let ending = world
        .developer(Method::POST, &cancel, json!({ "mode": "period_end" }))
        .await
        .ok();
    assert_eq!(ending["ends_at"], "2026-04-01T00:00:00Z");
    world.travel("2026-03-31T23:59:59.999999Z").await;
    assert_eq!(
        world.call(&bought.key, "/weather/now").await.status,
        StatusCode::OK
    );
    world.travel("2026-04-01T00:00:00Z").await;
    assert_eq!(
        world.call(&bought.key, "/weather/now").await.code(),
        "subscription_ended"
    );
    world.advance(3_600).await;
    assert_eq!(
        world.invoices(&bought.id).await[0]["total"]["amount"],
        "0.50"
    );
    let again = world
        .developer(Method::POST, &cancel, json!({ "mode": "period_end" }))
        .await
        .ok();
    assert_eq!(again["status"], "ended");
}

#[tokio::test]
async fn the_owners_block_outlives_a_payment_c9() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let bought = world.buy(&world.plan(&product, fixed("49.00")).await).await;
    let act = async |what: &str| {
        let path = format!("{SUBSCRIPTIONS}/{}/{what}", bought.id);
        world.publisher(Method::POST, &path, Value::Null).await.ok()
    };
    assert_eq!(act("block").await["blocks"], json!(["admin"]));
    assert_eq!(
        world.pay(bought.payment_url.as_ref().unwrap()).await.status,
        StatusCode::OK
    );
    let refused = world.call(&bought.key, "/weather/now").await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::FORBIDDEN, "blocked")
    );
    assert_eq!(act("unblock").await["blocks"], json!([]));
    assert_eq!(
        world.call(&bought.key, "/weather/now").await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn access_begins_with_the_first_payment_and_not_before_d1() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let bought = world.buy(&world.plan(&product, fixed("49.00")).await).await;
    let unpaid = world.call(&bought.key, "/weather/now").await;
    assert_eq!(
        (unpaid.status, unpaid.code().as_str()),
        (StatusCode::PAYMENT_REQUIRED, "payment_required")
    );
    assert!(world.upstream.asked().is_empty());
    let link = bought.payment_url.unwrap();
    let page = world
        .anybody(Method::GET, &link[link.find("/mock").unwrap()..])
        .await;
    assert!(
        page.status.is_success() && page.text().contains("<button>Pay"),
        "{}",
        page.text()
    );
    assert_eq!(
        world.call(&bought.key, "/weather/now").await.status,
        StatusCode::PAYMENT_REQUIRED
    );
    assert!(world.pay(&link).await.status.is_success());
    assert_eq!(
        world.call(&bought.key, "/weather/now").await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn an_unpaid_month_closes_access_and_a_payment_opens_it_again_d2() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let bought = world.buy(&world.plan(&product, fixed("49.00")).await).await;
    world.pay(bought.payment_url.as_ref().unwrap()).await;
    world.travel("2026-04-01T01:00:00Z").await;
    let invoices = world.invoices(&bought.id).await;
    assert_eq!(
        (invoices.len(), &invoices[1]["status"]),
        (2, &json!("open"))
    );
    world.travel("2026-04-14T23:00:00Z").await;
    assert_eq!(
        world.call(&bought.key, "/weather/now").await.status,
        StatusCode::OK
    );
    world.travel("2026-04-15T02:00:00Z").await;
    assert_eq!(
        world.call(&bought.key, "/weather/now").await.status,
        StatusCode::PAYMENT_REQUIRED
    );
    assert_eq!(
        world.subscription(&bought.id).await["blocks"],
        json!(["payment"])
    );
    let link = world.invoices(&bought.id).await[1]["payment_url"].text();
    let paid = world.pay(&link).await;
    assert!(paid.status.is_success(), "{}", paid.text());
    assert_eq!(
        world.call(&bought.key, "/weather/now").await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn what_is_cancelled_before_it_was_paid_cannot_be_paid_d6() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let bought = world.buy(&world.plan(&product, fixed("49.00")).await).await;
    let cancel = format!("{SUBSCRIPTIONS}/{}/cancel", bought.id);
    let ended = world
        .developer(Method::POST, &cancel, json!({ "mode": "now" }))
        .await
        .ok();
    assert_eq!(ended["status"], "ended");
    world.server().round().await;
    assert_eq!(world.invoices(&bought.id).await[0]["status"], "void");
    let at_engine = world.mock().invoices();
    assert!(
        at_engine
            .iter()
            .all(|invoice| format!("{:?}", invoice.state) == "Void")
    );
    let late = world.pay(&bought.payment_url.unwrap()).await;
    assert!(!late.status.is_success(), "{}", late.text());
    assert_eq!(
        world.call(&bought.key, "/weather/now").await.code(),
        "subscription_ended"
    );
}

#[tokio::test]
async fn a_new_version_holds_for_those_who_are_moved_to_it() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let plan = world.plan(&product, metered("0.01")).await;
    let bought = world.buy(&plan).await;
    let mut dearer = metered("0.02");
    dearer["rates"] = json!([{ "kind": "calendar", "window": "minute", "max": 1 }]);
    let versions = format!("/api/v1/plans/{plan}/versions");
    let made = world
        .owner(Method::POST, &versions, json!({ "terms": dearer }))
        .await
        .ok();
    assert_eq!(made["number"], 2);
    world.call(&bought.key, "/weather/now").await;
    let after = world.call(&bought.key, "/weather/now").await;
    assert_eq!(
        (after.status, after.header("x-ratelimit-limit-minute")),
        (StatusCode::OK, "")
    );
    let migrate = format!("{SUBSCRIPTIONS}/{}/migrate", bought.id);
    let body = json!({ "version": made["version"] });
    world.owner(Method::POST, &migrate, body).await.ok();
    world.advance(10).await;
    assert_eq!(
        world.subscription(&bought.id).await["version"],
        made["version"]
    );
    assert_eq!(
        world
            .call(&bought.key, "/weather/now")
            .await
            .header("x-ratelimit-limit-minute"),
        "1"
    );
    assert_eq!(
        world.call(&bought.key, "/weather/now").await.status,
        StatusCode::TOO_MANY_REQUESTS
    );
    let usage = format!("{SUBSCRIPTIONS}/{}/usage", bought.id);
    let statement = world.developer(Method::GET, &usage, Value::Null).await.ok();
    assert_eq!(
        statement["total"]["amount"], "0.04",
        "two at a cent, one at two"
    );
}
