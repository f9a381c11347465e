//! What Stripe tells: events, webhooks, and the pages for customers.

use monetization_conformance::stripe::fake::CONNECTED;
use monetization_conformance::stripe::signature::signed;
use serde_json::Value;

use super::shop::{DAY, HOUR, START, Shop};

#[test]
fn messages_are_signed_with_every_secret_of_their_endpoint() {
    let mut shop = Shop::open();
    let endpoint = shop.post(
        "/v1/webhook_endpoints",
        "url=http%3A%2F%2F127.0.0.1%2Fhook&enabled_events[]=customer.created",
    );
    let (id, old) = (
        endpoint["id"].as_str().unwrap().to_owned(),
        endpoint["secret"].as_str().unwrap().to_owned(),
    );
    assert!(
        shop.get(&format!("/v1/webhook_endpoints/{id}"), "")
            .get("secret")
            .is_none()
    );
    let new = shop.fake.roll_secret(&id).unwrap();
    shop.customer();
    shop.product("unheard");
    let deliveries = shop.fake.take_deliveries();
    assert_eq!(deliveries.len(), 1);
    let header = deliveries[0].signature(START);
    let body = deliveries[0].body.as_bytes();
    let expected = format!(
        "t={START},v1={},v1={}",
        signed(&new, START, body),
        signed(&old, START, body)
    );
    assert_eq!(header, expected);
    // RFC 2104's HMAC-SHA256 of "1.{}" under "key", as openssl computes it.
    assert_eq!(
        signed("key", 1, b"{}"),
        "1ba6b8171186efc613e8bcc0cbdab2748f24984d7c5a84faa2637afa0e40d224"
    );
}

#[test]
fn the_platform_hears_of_connected_accounts_where_it_wants_to() {
    let mut shop = Shop::open();
    let url = |path: &str, more: &str| {
        format!("url=http%3A%2F%2F127.0.0.1%2F{path}&enabled_events[]=*{more}")
    };
    shop.post("/v1/webhook_endpoints", &url("own", ""));
    shop.post("/v1/webhook_endpoints", &url("connect", "&connect=true"));
    shop.turn_to(Some(CONNECTED));
    shop.customer();
    let told = shop.fake.take_deliveries();
    assert_eq!(
        told.iter().map(|it| it.url.as_str()).collect::<Vec<_>>(),
        ["http://127.0.0.1/connect"]
    );
    let body: Value = serde_json::from_str(&told[0].body).unwrap();
    assert_eq!(
        (body["account"].as_str(), body["type"].as_str()),
        (Some(CONNECTED), Some("customer.created"))
    );
    shop.turn_to(None);
    shop.customer();
    let told = shop.fake.take_deliveries();
    assert_eq!(
        told.iter().map(|it| it.url.as_str()).collect::<Vec<_>>(),
        ["http://127.0.0.1/own"]
    );
}

#[test]
fn events_are_read_since_a_cursor_for_thirty_days() {
    let mut shop = Shop::open();
    shop.customer();
    let first = shop.get("/v1/events", "")["data"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    shop.fake.advance_to(START + DAY);
    for _ in 0..3 {
        shop.customer();
    }
    let since = shop.get(
        "/v1/events",
        &format!("ending_before={first}&types[]=customer.created"),
    );
    assert_eq!(since["data"].as_array().unwrap().len(), 3);
    let late = shop.get("/v1/events", &format!("created[gte]={}", START + DAY));
    assert_eq!(late["data"].as_array().unwrap().len(), 3);
    assert_eq!(
        shop.get(&format!("/v1/events/{first}"), "")["data"]["object"]["object"],
        "customer"
    );
    shop.fake.advance_to(START + 30 * DAY);
    assert_eq!(
        shop.get("/v1/events", "")["data"].as_array().unwrap().len(),
        3
    );
}

#[test]
fn a_checkout_session_is_completed_once_or_expires() {
    let mut shop = Shop::open();
    let (meter, product) = (shop.meter("calls"), shop.product("API"));
    let base = shop.flat(&product, 2_500);
    let calls = shop.metered(&product, &meter, "unit_amount=1");
    let items = format!(
        "line_items[0][price]={base}&line_items[0][quantity]=1&line_items[1][price]={calls}"
    );
    let body = format!(
        "mode=subscription&success_url=https%3A%2F%2Fexample.com&client_reference_id=r&subscription_data[metadata][a]=b&{items}"
    );
    let open = shop.post("/v1/checkout/sessions", &body);
    let id = open["id"].as_str().unwrap().to_owned();
    assert!(
        open["url"]
            .as_str()
            .unwrap()
            .starts_with("http://127.0.0.1/c/")
    );
    let done = shop.fake.complete_checkout(&id).unwrap();
    assert!(shop.fake.complete_checkout(&id).is_err());
    assert_eq!(
        (done["status"].as_str(), done["payment_status"].as_str()),
        (Some("complete"), Some("paid"))
    );
    let path = format!(
        "/v1/subscriptions/{}",
        done["subscription"].as_str().unwrap()
    );
    let made = shop.get(&path, "expand[]=latest_invoice");
    assert_eq!(
        (made["status"].as_str(), made["metadata"]["a"].as_str()),
        (Some("active"), Some("b"))
    );
    assert_eq!(
        (
            made["latest_invoice"]["status"].as_str(),
            made["latest_invoice"]["total"].as_i64()
        ),
        (Some("paid"), Some(2_500))
    );
    assert!(
        shop.happened()
            .contains(&"checkout.session.completed".to_owned())
    );

    let late = shop.make("/v1/checkout/sessions", &body);
    let ended = shop.make("/v1/checkout/sessions", &body);
    assert_eq!(
        shop.post(&format!("/v1/checkout/sessions/{ended}/expire"), "")["status"],
        "expired"
    );
    shop.fake.advance_to(START + DAY);
    let expired = shop.get(
        &format!("/v1/checkout/sessions/{late}"),
        "expand[]=line_items",
    );
    assert_eq!(
        (expired["status"].as_str(), expired["url"].is_null()),
        (Some("expired"), true)
    );
    assert_eq!(expired["line_items"]["data"].as_array().unwrap().len(), 2);
    let metered = body.replace("line_items[0][quantity]=1&", "");
    assert_eq!(shop.try_post("/v1/checkout/sessions", &metered).status, 400);
}

#[test]
fn a_portal_needs_a_configuration() {
    let mut shop = Shop::open();
    let customer = shop.customer();
    let body = format!("customer={customer}&return_url=https%3A%2F%2Fexample.com");
    assert_eq!(
        shop.try_post("/v1/billing_portal/sessions", &body).status,
        400
    );
    let features =
        "features[invoice_history][enabled]=true&features[subscription_cancel][enabled]=true";
    let made = shop.post("/v1/billing_portal/configurations", features);
    assert_eq!(
        (
            made["is_default"].as_bool(),
            made["features"]["invoice_history"]["enabled"].as_bool()
        ),
        (Some(true), Some(true))
    );
    let session = shop.post("/v1/billing_portal/sessions", &body);
    assert!(
        session["url"]
            .as_str()
            .unwrap()
            .starts_with("http://127.0.0.1/p/session/")
    );
    assert_eq!(session["configuration"], made["id"]);
}

#[test]
fn a_test_clock_moves_the_clock_of_the_fake() {
    let mut shop = Shop::open();
    let clock = shop.make(
        "/v1/test_helpers/test_clocks",
        &format!("frozen_time={}&name=a", START + HOUR),
    );
    assert_eq!(shop.fake.now(), START + HOUR);
    let path = format!("/v1/test_helpers/test_clocks/{clock}");
    let moving = shop.post(
        &format!("{path}/advance"),
        &format!("frozen_time={}", START + DAY),
    );
    assert_eq!(moving["status"], "advancing");
    assert_eq!(shop.get(&path, "")["status"], "ready");
    assert_eq!(shop.fake.now(), START + DAY);
}
