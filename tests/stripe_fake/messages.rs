//! What Stripe tells: events and webhooks.

use monetization_conformance::stripe::fake::CONNECTED;
use monetization_conformance::stripe::signature::signed;
use serde_json::Value;

use super::shop::{DAY, START, Shop};

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
