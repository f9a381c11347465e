//! What consumers pay with, and what is given back to them.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::world::{Text, World, fixed};

/// A product that costs 25 a month, and the path of its subscriber's first invoice, paid.
async fn sold(world: &World) -> (String, String) {
    let product = world.product("weather").await;
    let plan = world.plan(&product, fixed("25.00")).await;
    let bought = world.buy(&plan).await;
    world.pay(bought.payment_url.as_ref().unwrap()).await;
    let list = world.owner(Method::GET, "/api/v1/invoices", Value::Null);
    let id = list.await.ok()["items"][0]["id"].text();
    (bought.id, format!("/api/v1/invoices/{id}"))
}

#[tokio::test]
async fn a_credit_stands_on_its_invoice_and_in_every_report_h5() {
    let world = World::start().await;
    let (_, invoice) = sold(&world).await;
    let path = format!("{invoice}/credits");
    let body = json!({"credit": "10.50", "reason": "an outage", "request_key": "outage-1"});
    for status in [StatusCode::CREATED, StatusCode::OK] {
        let credited = world.owner(Method::POST, &path, body.clone()).await;
        assert_eq!(credited.status, status, "{}", credited.text());
    }
    let shown = world.owner(Method::GET, &invoice, Value::Null).await.ok();
    let credits = shown["credits"].as_array().unwrap();
    assert_eq!((credits.len(), &credits[0]["settled"]), (1, &json!(true)));
    assert_eq!(credits[0]["credit"]["amount"], "10.50");
    assert_eq!(shown["total"]["amount"], "25.00");
    let revenue = world.owner(Method::GET, "/api/v1/reports/revenue", Value::Null);
    assert_eq!(revenue.await.ok()["total"][0]["paid"], "14.50");
    let lines = world.owner(Method::GET, "/api/v1/reports/invoices", Value::Null);
    assert_eq!(lines.await.ok()["total"][0]["amount"], "14.50");

    for (body, field) in [
        (
            json!({"credit": "14.51", "reason": "r", "request_key": "2"}),
            "credit",
        ),
        (json!({"credit": "1", "reason": "r"}), "request_key"),
        (
            json!({"credit": "-1", "reason": "r", "request_key": "2"}),
            "credit",
        ),
        (
            json!({"credit": "1.001", "reason": "r", "request_key": "2"}),
            "credit",
        ),
        (json!({"credit": "1", "reason": "r", "to": "me"}), "to"),
    ] {
        let refused = world.owner(Method::POST, &path, body.clone()).await;
        assert_eq!(refused.field(), field, "{body}");
    }
    let own = world.developer(Method::POST, &path, body).await;
    assert_eq!(own.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_consumer_finds_the_engines_pages_d8() {
    let world = World::start().await;
    let (subscription, _) = sold(&world).await;
    let path = format!("/api/v1/subscriptions/{subscription}/pages");
    let visit = async |page: &str| {
        let body = json!({"page": page, "return_url": "https://shop.example.com/account"});
        let told = world.developer(Method::POST, &path, body).await.ok();
        told["url"].text()
    };
    let url = visit("portal").await;
    let path_of_page = format!("/mock/pay/{}", url.split_once("/mock/pay/").unwrap().1);
    let portal = world.anybody(Method::GET, &path_of_page).await;
    assert_eq!(portal.status, StatusCode::OK);
    assert!(portal.text().contains("25.00 USD"), "{}", portal.text());
    let stored = world.pay(&visit("checkout").await).await;
    assert_eq!(stored.status, StatusCode::OK);
    assert!(stored.text().contains("It is stored"), "{}", stored.text());
    let refused = json!({"page": "portal", "return_url": "javascript:alert(1)"});
    let refused = world.developer(Method::POST, &path, refused).await;
    assert_eq!(refused.field(), "return_url");
}
