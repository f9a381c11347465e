//! Pages for customers: checkout and portal; and clocks of tests.

use monetization_conformance::stripe::fake::Request;

use super::shop::{DAY, HOUR, START, Shop};

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

/// As Stripe's, which says so: a list knows at once.
#[test]
fn a_search_knows_a_minute_later_who_was_made() {
    let mut shop = Shop::open();
    let made = shop.make("/v1/customers", "name=A&metadata[ours]=con_1");
    shop.make("/v1/customers", "name=B&metadata[ours]=con_2");
    let query = "query=metadata%5B%27ours%27%5D%3A%27con_1%27";
    let found = shop.get("/v1/customers/search", query);
    assert_eq!(found["data"].as_array().unwrap().len(), 0);
    shop.fake.advance_to(START + 60);
    let found = shop.get("/v1/customers/search", query);
    assert_eq!(found["object"], "search_result");
    assert_eq!(found["data"].as_array().unwrap().len(), 1);
    assert_eq!(found["data"][0]["id"], made.as_str());
    let other = shop.ask(Request::get("/v1/customers/search", "query=name%3A%27A%27"));
    assert_eq!(other.status, 400, "what the fake does not know is refused");
}
