//! What the server asks Stripe by itself: for messages that never arrived, and for what was counted.

use std::time::Duration;

use monetization_conformance::stripe::fake::{PLATFORM, Request, SECRET_KEY};
use serde_json::{Value, json};

use super::shop::{Shop, text};

const METERED: &str = r#"{"billing":"metered","currency":"USD","cycle":"month","base_price":"25.00",
    "usage":[{"meter":"requests","unit_price":"0.10"}]}"#;

/// The first that the platform's account has under a path.
fn first(shop: &Shop, path: &str) -> Value {
    let request = Request::get(path, "limit=1").key(SECRET_KEY);
    shop.stripe.fake().answer(&request).json()["data"][0].clone()
}

/// Waits until the operator is told this, and answers the line.
async fn told(shop: &Shop, said: &str) -> String {
    loop {
        let complaints = shop.server.complaints();
        if let Some(line) = complaints.lines().find(|line| line.contains(said)) {
            return line.to_owned();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn move_on(shop: &Shop, seconds: i64) {
    let now = shop.stripe.now();
    shop.stripe.advance_to(now + seconds);
    let on = json!({ "advance_seconds": seconds });
    shop.server.api.post("/mock/clock", on).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_never_arrived_and_what_is_counted_otherwise_is_asked_for_e12_r_w6_r_p13() {
    let start = "2026-01-01T00:00:00Z";
    let shop = Shop::open(start, &["--invoicing=by_engine"]).await;
    let publisher = json!({ "name": "Publisher" });
    let publisher = shop.server.api.post("/api/v1/publishers", publisher).await;
    let terms: Value = serde_json::from_str(METERED).unwrap();
    let (_, plans) = shop
        .sell(&text(&publisher["id"]), (json!({}), &[terms]))
        .await;
    let bought = shop.subscribe(&plans[0]).await;
    shop.pay_untold(bought.payment_url()).await;
    assert!(!shop.stripe.deliveries().is_empty(), "they are lost");
    assert_eq!(shop.call(&bought).await, 402);
    move_on(&shop, 300).await;
    told(&shop, "taken in by asking for them").await;
    while shop.call(&bought).await != 200 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    move_on(&shop, 3_600).await;
    shop.publish().await;
    let meter = text(&first(&shop, "/v1/billing/meters")["event_name"]);
    let customer = text(&first(&shop, "/v1/customers")["id"]);
    let event = format!(
        "event_name={meter}&identifier=foreign&payload[stripe_customer_id]={customer}&payload[value]=1"
    );
    let foreign = Request::post("/v1/billing/meter_events", &event).key(SECRET_KEY);
    let foreign = shop.stripe.fake().answer(&foreign);
    assert_eq!(foreign.status, 200, "{}", foreign.body);
    move_on(&shop, 86_400).await;
    let line = told(&shop, "the engine has counted").await;
    assert!(
        line.contains("the engine has counted 2, and 1 was confirmed by it"),
        "{line}"
    );
    assert!(line.contains(&bought.id), "{line}");
    assert_eq!(shop.stripe.counted()[0].account, PLATFORM);
    shop.server.terminate().await;
}
