//! What is used and earned, for people who add things up: E11, H2, H6.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::world::{Text, World, fixed, metered};

/// An amount in hundredths.
fn cents(amount: &str) -> i64 {
    let (whole, part) = amount.split_once('.').unwrap();
    assert_eq!(part.len(), 2);
    format!("{whole}{part}").parse().unwrap()
}

/// The columns of a CSV file, by their names.
fn columns(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut file = csv::Reader::from_reader(text.as_bytes());
    let rows = file.deserialize();
    rows.map(Result::unwrap).collect()
}

fn sum(rows: &[BTreeMap<String, String>], column: &str) -> i64 {
    rows.iter().map(|row| cents(&row[column])).sum()
}

/// Two subscriptions to two products: one paid, one that has used something.
async fn market() -> World {
    let world = World::start().await;
    let first = world.product("weather").await;
    let second = world.product("stars").await;
    let paid = world.buy(&world.plan(&first, fixed("49.00")).await).await;
    world.pay(paid.payment_url.as_ref().unwrap()).await;
    let used = world.buy(&world.plan(&second, metered("0.10")).await).await;
    world.buy(&world.plan(&first, fixed("10.00")).await).await;
    for _ in 0..3 {
        world.call(&used.key, "/stars/now").await;
    }
    world
}

#[tokio::test]
async fn revenue_is_told_by_subscription_product_and_currency_h2() {
    let world = market().await;
    let path = "/api/v1/reports/revenue";
    let revenue = world.owner(Method::GET, path, Value::Null).await.ok();
    let rows = revenue["subscriptions"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    let of = |column: &str| {
        rows.iter()
            .map(|row| cents(&row[column].text()))
            .sum::<i64>()
    };
    assert_eq!(
        (of("paid"), of("unpaid"), of("accrued")),
        (4_900, 1_000, 4_900 + 30)
    );
    assert_eq!(revenue["products"].as_array().unwrap().len(), 2);
    assert_eq!(
        revenue["total"],
        json!([{ "currency": "USD", "paid": "49.00", "unpaid": "10.00", "accrued": "49.30" }])
    );
    let same = world.publisher(Method::GET, path, Value::Null).await.ok();
    assert_eq!(same, revenue);
    let before = format!("{path}?to=2026-01-01T00:00:00Z");
    let before = world.owner(Method::GET, &before, Value::Null).await.ok();
    assert_eq!(before["total"][0]["paid"], "0.00");
    let refused = format!("{path}?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z");
    let refused = world.owner(Method::GET, &refused, Value::Null).await;
    assert_eq!(refused.field(), "to");
}

#[tokio::test]
async fn files_for_spreadsheets_add_up_to_what_json_says_h6() {
    let world = market().await;
    let path = "/api/v1/reports/revenue";
    let revenue = world.owner(Method::GET, path, Value::Null).await.ok();
    let file = format!("{path}?format=csv");
    let file = world.owner(Method::GET, &file, Value::Null).await;
    assert_eq!(file.header("content-type"), "text/csv; charset=utf-8");
    let rows = columns(&file.text());
    for column in ["paid", "unpaid", "accrued"] {
        let total = cents(&revenue["total"][0][column].text());
        assert_eq!(sum(&rows, column), total, "{column}");
    }

    let path = "/api/v1/reports/invoices";
    let invoices = world.developer(Method::GET, path, Value::Null).await.ok();
    let file = format!("{path}?format=csv");
    let file = world.developer(Method::GET, &file, Value::Null).await;
    let rows = columns(&file.text());
    assert_eq!(rows.len(), invoices["lines"].as_array().unwrap().len());
    assert_eq!(
        sum(&rows, "amount"),
        cents(&invoices["total"][0]["amount"].text())
    );

    let (_, stranger) = world.stranger().await;
    let nothing = world.ask(Some(&stranger), Method::GET, path, Value::Null);
    assert_eq!(nothing.await.ok(), json!({ "lines": [], "total": [] }));
}

#[tokio::test]
async fn a_usage_view_says_what_is_left_until_when_and_what_it_costs_e11() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let mut terms = metered("0.10");
    terms["usage"][0]["included"] = json!("2");
    terms["quotas"] = json!([{ "window": "day", "max": 10, "overage": "strict" }]);
    let bought = world.buy(&world.plan(&product, terms).await).await;
    for _ in 0..5 {
        let called = world.call(&bought.key, "/weather/now").await;
        assert_eq!(called.status, StatusCode::OK);
    }
    let usage = format!("/api/v1/subscriptions/{}/usage", bought.id);
    let usage = world.developer(Method::GET, &usage, Value::Null).await.ok();
    assert_eq!(
        usage["used"],
        json!([{
            "meter": "requests", "unit": "requests", "used": "5", "included": "2", "remaining": "0",
            "resets_at": "2026-04-01T00:00:00Z", "cost": { "amount": "0.30", "currency": "USD" },
        }])
    );
    assert_eq!(
        usage["limits"],
        json!([{
            "window": "day", "unit": "requests", "overage": "strict", "max": 10, "used": 5,
            "remaining": 5, "resets_at": "2026-03-02T00:00:00Z",
        }])
    );
}
