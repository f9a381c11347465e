//! Use that Stripe had taken and finds not to count, which it tells in a thin event.

use http::Method;
use monetization_conformance::stripe::fake::CONNECTED;
use serde_json::{Value, json};

use super::shop::{Shop, text};

const START: &str = "2026-01-01T00:00:00Z";

/// A publisher who sells for ten cents a call: the plan.
async fn on_sale(shop: &Shop, account: Option<&str>) -> String {
    let publisher = json!({ "name": "Publisher", "account": account });
    let publisher = shop.server.api.post("/api/v1/publishers", publisher).await;
    let terms = json!({
        "billing": "metered", "currency": "USD", "cycle": "month",
        "usage": [{ "meter": "requests", "unit_price": "0.10" }],
    });
    let properties = match account {
        Some(account) => json!({ "ConnectedAccountKey": account }),
        None => json!({}),
    };
    let publisher = text(&publisher["id"]);
    let (_, mut plans) = shop.sell(&publisher, (properties, &[terms])).await;
    plans.remove(0)
}

/// Before the destination of thin events was set up, the server did not hear of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn use_that_stripe_refuses_later_is_held_with_its_words_r_p7() {
    for account in [None, Some(CONNECTED)] {
        let shop = Shop::open(START, &["--invoicing=by_engine"]).await;
        let api = &shop.server.api;
        let plan = on_sale(&shop, account).await;
        let (good, bad) = (shop.subscribe(&plan).await, shop.subscribe(&plan).await);
        shop.deliver().await;
        for (by, calls) in [(&good, 2), (&bad, 3)] {
            for _ in 0..calls {
                assert_eq!(shop.call(by).await, 200);
            }
        }
        shop.publish().await;
        let counted = shop.stripe.counted();
        let wrong = counted
            .iter()
            .find(|it| it.value.to_string() == "3")
            .unwrap();
        assert_eq!(counted.len(), 2, "{counted:?}");
        assert!(shop.stripe.fake().reject_meter_event(&wrong.identifier));
        assert_eq!(held(&shop).await, [Value::Null; 0], "nobody has told it");

        shop.stripe.fake().report_meter_errors();
        shop.deliver().await;
        let batches = held(&shop).await;
        assert_eq!(batches.len(), 1, "{batches:?}");
        assert_eq!(batches[0]["state"], "rejected");
        assert_eq!(
            batches[0]["reason"],
            "meter_event_invalid_value: Invalid value."
        );
        let batch = text(&batches[0]["id"]);
        assert!(wrong.identifier.ends_with(&batch), "{batches:?} {wrong:?}");

        shop.publish().await;
        assert_eq!(shop.stripe.counted().len(), 1, "nobody has decided yet");
        let decision = json!({ "fate": "written_off", "because": "The customer was deleted." });
        let path = format!("/api/v1/batches/{batch}/decision");
        api.ask(Method::POST, &path, decision).await;
        assert_eq!(held(&shop).await, [Value::Null; 0]);
        assert_eq!(shop.stripe.violations(), []);
        shop.server.terminate().await;
    }
}

async fn held(shop: &Shop) -> Vec<Value> {
    let held = shop.server.api.get("/api/v1/batches").await;
    held["items"].as_array().unwrap().clone()
}
