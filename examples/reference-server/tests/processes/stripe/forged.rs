//! Messages at the address of Stripe's that Stripe has not sent, or long ago.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use monetization_conformance::stripe::signature::header;
use serde_json::json;
use sqlx::Row;

use super::client::Connection;
use super::ledger;
use super::shop::{Shop, text};

const START: &str = "2026-01-01T00:00:00Z";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stripe_has_not_just_signed_is_refused_and_leaves_nothing_i5() {
    let shop = Shop::open(START, &["--invoicing=by_engine"]).await;
    let publishers = shop.server.api.get("/api/v1/publishers").await;
    let publisher = text(&publishers["items"][0]["id"]);
    let terms = json!({
        "billing": "fixed", "currency": "USD", "cycle": "month", "base_price": "25.00",
    });
    let (_, plans) = shop.sell(&publisher, (json!({}), &[terms])).await;
    let bought = shop.subscribe(&plans[0]).await;
    shop.deliver().await;
    let invoice = shop.stripe.fake().objects("invoice").remove(0);
    shop.stripe.pay(&text(&invoice["id"])).unwrap();
    let mut told = shop.stripe.deliveries();
    told.retain(|it| it.kind == "invoice.paid");
    let (paid, now) = (&told[0], shop.stripe.now());
    let forged = |at| header(&["whsec_of_a_forger"], at, paid.body.as_bytes());
    let changed = paid.body.replacen("2500", "2501", 1);
    assert_ne!(changed, paid.body);

    let before = kept(&shop).await;
    for (story, signature, body) in [
        ("nobody's secret", Some(forged(now)), &paid.body),
        ("another body", Some(paid.signature(now)), &changed),
        ("too old", Some(paid.signature(now - 301)), &paid.body),
        ("of the future", Some(paid.signature(now + 301)), &paid.body),
        ("no time", Some("v1=0".to_owned()), &paid.body),
        ("no signature", None, &paid.body),
    ] {
        let status = post(&shop, signature, body).await;
        assert!([400, 401].contains(&status), "{story}: {status}");
        assert_eq!(kept(&shop).await, before, "{story}");
        assert_eq!(shop.call(&bought).await, 402, "{story}");
    }
    assert_eq!(
        post(&shop, Some(paid.signature(now)), &paid.body).await,
        204
    );
    assert_ne!(kept(&shop).await, before);
    assert_eq!(shop.call(&bought).await, 200);
    shop.server.terminate().await;
}

/// What the answer is.
async fn post(shop: &Shop, signature: Option<String>, body: &str) -> u16 {
    let mut connection = Connection::open(shop.server.api.address).await.unwrap();
    let mut request = Request::post("/webhooks/stripe");
    if let Some(signature) = signature {
        request = request.header("stripe-signature", signature);
    }
    let body = Full::new(Bytes::from(body.to_owned()));
    let answer = connection.send(request.body(body).unwrap()).await;
    answer.unwrap().status
}

/// How many messages were taken in, and how many changes there were.
async fn kept(shop: &Shop) -> (i64, i64) {
    let count =
        "SELECT (SELECT count(*) FROM inbox) AS heard, (SELECT count(*) FROM change_set) AS made";
    let mut file = ledger::open(shop.home.directory()).await;
    let row = sqlx::query(count).fetch_one(&mut file).await.unwrap();
    (row.get("heard"), row.get("made"))
}
