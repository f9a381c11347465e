//! Stripe makes the invoices, in the account of the publisher: a product is sold, used, reported and taken
//! off sale.

use http::Method;
use monetization_conformance::stripe::fake::{CONNECTED, Request, SECRET_KEY};
use serde_json::{Value, json};

use super::client::Api;
use super::shop::{Shop, text};

const START: &str = "2026-01-01T00:00:00Z";

fn fixed() -> Value {
    json!({ "billing": "fixed", "currency": "USD", "cycle": "month", "base_price": "25.00" })
}

fn dynamic() -> Value {
    json!({
        "billing": "metered", "currency": "USD", "cycle": "month",
        "usage": [{ "meter": "requests", "unit_price": "0.10" }],
    })
}

/// A publisher with an account of its own: its id.
async fn publisher(shop: &Shop) -> String {
    let publisher = json!({ "name": "Publisher", "account": CONNECTED });
    text(&shop.server.api.post("/api/v1/publishers", publisher).await["id"])
}

/// What the publisher's account has under a path.
fn at_stripe(shop: &Shop, path: &str) -> Vec<Value> {
    let request = Request::get(path, "limit=100")
        .key(SECRET_KEY)
        .account(CONNECTED);
    let page = shop.stripe.fake().answer(&request).json();
    page["data"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_sells_through_its_own_account_until_it_is_taken_off_sale_h7_j2_j5() {
    let terms = ["--stripe-fee-percent=7.5", "--payment-days=9"];
    let shop = Shop::open(START, &[&["--invoicing=by_engine"], &terms[..]].concat()).await;
    let api = &shop.server.api;
    let publisher = publisher(&shop).await;
    is_declared(&shop).await;
    let account = json!({ "ConnectedAccountKey": CONNECTED });
    let terms = [fixed(), dynamic()];
    let (product, plans) = shop.sell(&publisher, (account, &terms)).await;
    let (fixed, dynamic) = (
        shop.subscribe(&plans[0]).await,
        shop.subscribe(&plans[1]).await,
    );
    shop.deliver().await;
    assert_eq!(shop.call(&fixed).await, 402);
    assert_eq!(shop.call(&dynamic).await, 200, "nothing is due yet");
    shop.pay(fixed.payment_url()).await;
    for _ in 0..3 {
        assert_eq!(shop.call(&fixed).await, 200);
        assert_eq!(shop.call(&dynamic).await, 200);
    }
    let subscriptions = at_stripe(&shop, "/v1/subscriptions");
    assert_eq!(subscriptions.len(), 2);
    for subscription in &subscriptions {
        assert_eq!(subscription["application_fee_percent"], 7.5);
        assert_eq!(subscription["days_until_due"], 9);
    }

    shop.publish().await;
    let counted = shop.stripe.counted();
    assert!(
        counted.iter().all(|it| it.account == CONNECTED),
        "{counted:?}"
    );
    let mut values: Vec<String> = counted.iter().map(|it| it.value.to_string()).collect();
    values.sort_unstable();
    assert_eq!(values, ["3", "4"]);
    let consumer = shop
        .signed_in("developer", ("consumer", &dynamic.consumer))
        .await;
    let seller = shop.signed_in("publisher", ("publisher", &publisher)).await;
    for by in [&consumer, &seller] {
        let path = format!("/api/v1/subscriptions/{}/usage", dynamic.id);
        let current = by.get(&path).await;
        assert_eq!(current["total"]["amount"], "0.40", "{current}");
    }

    shop.pass("2026-02-01T02:00:00Z").await;
    for by in [&consumer, &seller] {
        let invoices = shop.invoices(by, &dynamic).await;
        let open = invoices.iter().find(|it| it["status"] == "open").unwrap();
        assert_eq!(open["total"]["amount"], "0.40", "{invoices:?}");
        assert!(open["payment_url"].is_string(), "{open}");
    }
    take_off_sale(&shop, api, &product).await;
    assert!(
        shop.stripe.violations().is_empty(),
        "{:?}",
        shop.stripe.violations()
    );
    shop.server.terminate().await;
}

/// What Stripe asks for is told, and what it does not know is refused before Stripe is asked.
async fn is_declared(shop: &Shop) {
    let api = &shop.server.api;
    let engines = api.get("/api/v1/engines").await;
    let declared = &engines[0]["attributes"][0];
    assert_eq!(declared["name"], "ConnectedAccountKey");
    assert_eq!(declared["required"], false);
    let product = json!({
        "publisher": api.get("/api/v1/publishers").await["items"][0]["id"], "slug": "maps",
        "name": "Maps", "description": "", "gateway_endpoint": "http://127.0.0.1:9",
    });
    let product = text(&api.post("/api/v1/products", product).await["id"]);
    let path = format!("/api/v1/products/{product}");
    let plan = json!({ "name": "Plan", "terms": fixed() });
    api.post(&format!("{path}/plans"), plan).await;
    let before = shop.stripe.requests().len();
    let enable = json!({ "enabled": true, "properties": { "AccountKey": CONNECTED } });
    let refused = api
        .try_to(Method::POST, &format!("{path}/monetize"), enable)
        .await;
    let said = String::from_utf8_lossy(&refused.body);
    assert_eq!(refused.status, 422, "{said}");
    assert!(said.contains("attributes.AccountKey"), "{said}");
    assert_eq!(shop.stripe.requests().len(), before);
}

/// Refused while somebody is subscribed, unless it is said what becomes of them.
async fn take_off_sale(shop: &Shop, api: &Api, product: &str) {
    let path = format!("/api/v1/products/{product}/monetize");
    let off = json!({ "enabled": false });
    assert_eq!(api.try_to(Method::POST, &path, off).await.status, 409);
    let off = json!({ "enabled": false, "subscriptions": "cancel_all" });
    let off = api.post(&path, off).await;
    assert_eq!(off["cancelled"].as_array().unwrap().len(), 2, "{off}");
    shop.deliver().await;
    let products = at_stripe(shop, "/v1/products");
    assert_eq!(products.len(), 2);
    assert!(
        products.iter().all(|it| it["active"] == false),
        "{products:?}"
    );
}
