//! Core makes the invoices and Stripe collects them: a plan is bought, paid, used, and paid again.

use http::Method;
use monetization_conformance::stripe::fake::{Request as FakeRequest, SECRET_KEY};
use serde_json::{Value, json};

use super::publishing::until_known_to_the_engine;
use super::shop::{Bought, KEY, Shop, text};

const START: &str = "2026-01-01T00:00:00Z";

/// 25 dollars a month with 1,000 calls, and a cent for each further one.
fn terms() -> Value {
    json!({
        "billing": "metered", "currency": "USD", "cycle": "month", "base_price": "25.00",
        "usage": [{ "meter": "requests", "included": "1000", "unit_price": "0.01" }],
    })
}

async fn status(shop: &Shop, bought: &Bought) -> Value {
    let path = format!("/api/v1/subscriptions/{}", bought.id);
    shop.server.api.get(&path).await["access"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn access_follows_what_is_paid_at_stripe_in_each_cycle_d1_d2_d8_j1_j8() {
    let shop = Shop::open(START, &["--payment-days=14"]).await;
    let publishers = shop.server.api.get("/api/v1/publishers").await;
    let publisher = text(&publishers["items"][0]["id"]);
    let (_, plans) = shop.sell(&publisher, (json!({}), &[terms()])).await;

    let bought = shop.subscribe(&plans[0]).await;
    shop.deliver().await;
    assert_eq!(shop.call(&bought).await, 402, "nothing is paid");
    shop.pay(bought.payment_url()).await;
    assert_eq!(shop.call(&bought).await, 200);

    let event = json!([{
        "source": "elsewhere", "id": "1", "subscription": bought.id, "meter": "requests",
        "quantity": "1002",
    }]);
    shop.server.api.post("/api/v1/usage", event).await;
    shop.pass("2026-02-01T01:00:00Z").await;
    let owner = &shop.server.api;
    let invoices = shop.invoices(owner, &bought).await;
    let open: Vec<&Value> = invoices
        .iter()
        .filter(|it| it["status"] == "open")
        .collect();
    assert_eq!((invoices.len(), open.len()), (2, 1), "{invoices:?}");
    assert_eq!(open[0]["total"]["amount"], "25.03", "{open:?}");
    let link = text(&open[0]["payment_url"]);
    assert_eq!(shop.call(&bought).await, 200, "it is not due yet");

    shop.pass("2026-02-15T01:00:01Z").await;
    assert_eq!(
        shop.call(&bought).await,
        402,
        "{}",
        status(&shop, &bought).await
    );
    shop.pay(&link).await;
    assert_eq!(shop.call(&bought).await, 200);
    let invoices = shop.invoices(owner, &bought).await;
    assert!(
        invoices.iter().all(|it| it["status"] == "paid"),
        "{invoices:?}"
    );

    is_credited(&shop, &invoices[0]).await;
    visits_pages(&shop, &bought).await;
    let at_stripe = shop.stripe.requests();
    let made = at_stripe
        .iter()
        .filter(|it| it.path == "/v1/invoices" && it.method == "POST");
    assert_eq!(made.count(), 2, "one for each invoice");
    assert!(
        shop.stripe.violations().is_empty(),
        "{:?}",
        shop.stripe.violations()
    );
    tells_no_secret(shop).await;
}

/// A part of what was paid is given back.
async fn is_credited(shop: &Shop, invoice: &Value) {
    let id = text(&invoice["id"]);
    let credit = json!({ "credit": "5.00", "reason": "An outage", "request_key": "outage" });
    let path = format!("/api/v1/invoices/{id}/credits");
    let api = &shop.server.api;
    let credited = api.post(&path, credit).await;
    let credits = credited["credits"].as_array().unwrap();
    assert_eq!(credits.len(), 1, "{credited}");
    assert_eq!(credits[0]["credit"]["amount"], "5.00", "{credited}");
    until_known_to_the_engine(shop.home.directory()).await;
    let shown = api.get(&format!("/api/v1/invoices/{id}")).await;
    assert_eq!(shown["credits"][0]["settled"], true, "{shown}");
    let request = FakeRequest::get("/v1/credit_notes", "").key(SECRET_KEY);
    let notes = shop.stripe.fake().answer(&request).json();
    assert_eq!(notes["data"][0]["amount"], 500, "{notes}");
}

/// Stripe's own pages: one with what was bought, and one on which a payment method is stored.
async fn visits_pages(shop: &Shop, bought: &Bought) {
    let portal = FakeRequest::post(
        "/v1/billing_portal/configurations",
        "features[invoice_history][enabled]=true",
    );
    let portal = portal.key(SECRET_KEY).idempotent("portal");
    assert_eq!(shop.stripe.fake().answer(&portal).status, 200);
    let path = format!("/api/v1/subscriptions/{}/pages", bought.id);
    for (page, below) in [("portal", "/p/session/"), ("checkout", "/c/")] {
        let visit = json!({ "page": page, "return_url": "https://example.com/account" });
        let visit = shop.server.api.post(&path, visit).await;
        let begins = format!("{}{below}", shop.stripe.base_url());
        assert!(text(&visit["url"]).starts_with(&begins), "{visit}");
    }
}

/// Neither what it says nor what it keeps.
async fn tells_no_secret(shop: Shop) {
    let engines = shop
        .server
        .api
        .ask(Method::GET, "/api/v1/engines", Value::Null)
        .await;
    let said = format!("{engines}{}", shop.server.complaints());
    shop.server.terminate().await;
    let mut secrets = vec![KEY.to_owned()];
    secrets.extend(shop.secrets.of_messages.iter().cloned());
    assert_eq!(secrets.len(), 5);
    for secret in &secrets {
        assert!(!said.contains(secret), "{said}");
        for file in std::fs::read_dir(shop.home.directory()).unwrap() {
            let path = file.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            let holds = bytes
                .windows(secret.len())
                .any(|it| it == secret.as_bytes());
            assert!(!holds, "{}", path.display());
        }
    }
}
