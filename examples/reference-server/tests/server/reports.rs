//! What is used and earned, for people who add things up: E11, H2, H6.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::world::{Text, World, fixed, metered};

/// An amount in minor units of its currency.
fn minor(amount: &str) -> i64 {
    amount.replace('.', "").parse().unwrap()
}

/// The columns of a CSV file, by their names.
fn columns(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut file = csv::Reader::from_reader(text.as_bytes());
    let rows = file.deserialize();
    rows.map(Result::unwrap).collect()
}

/// What the rows of a currency add up to in a column.
fn sum(rows: &[BTreeMap<String, String>], currency: &str, column: &str) -> i64 {
    let rows = rows.iter().filter(|row| row["currency"] == currency);
    rows.map(|row| minor(&row[column])).sum()
}

/// Subscriptions to three products in three currencies: paid, not paid, and with use.
async fn market() -> World {
    let world = World::start().await;
    let first = world.product("weather").await;
    let second = world.product("stars").await;
    let third = world.product("tides").await;
    let sold_in = |currency: &str, mut terms: Value| {
        terms["currency"] = json!(currency);
        terms
    };
    let paid = world.buy(&world.plan(&first, fixed("49.00")).await).await;
    world.pay(paid.payment_url.as_ref().unwrap()).await;
    let used = world.buy(&world.plan(&second, metered("0.10")).await).await;
    world.buy(&world.plan(&first, fixed("10.00")).await).await;
    let in_yen = world.plan(&second, sold_in("JPY", fixed("900"))).await;
    let in_yen = world.buy(&in_yen).await;
    world.pay(in_yen.payment_url.as_ref().unwrap()).await;
    let in_euros = world.plan(&third, sold_in("EUR", metered("0.25"))).await;
    let in_euros = world.buy(&in_euros).await;
    for _ in 0..3 {
        world.call(&used.key, "/stars/now").await;
        world.call(&in_euros.key, "/tides/now").await;
    }
    world
}

#[tokio::test]
async fn revenue_is_told_by_subscription_product_and_currency_h2() {
    let world = market().await;
    let path = "/api/v1/reports/revenue";
    let revenue = world.owner(Method::GET, path, Value::Null).await.ok();
    let earned = |rows: &Value| -> Vec<[String; 4]> {
        let columns = ["currency", "paid", "unpaid", "accrued"];
        let rows = rows.as_array().unwrap().iter();
        let rows = rows.map(|row| columns.map(|column| row[column].text()));
        let mut rows = Vec::from_iter(rows);
        rows.sort_unstable();
        rows
    };
    let expected = |rows: &[[&str; 4]]| rows.iter().map(|row| row.map(str::to_owned)).collect();
    let by_subscription: Vec<_> = expected(&[
        ["EUR", "0.00", "0.00", "0.75"],
        ["JPY", "900", "0", "900"],
        ["USD", "0.00", "0.00", "0.30"],
        ["USD", "0.00", "10.00", "0.00"],
        ["USD", "49.00", "0.00", "49.00"],
    ]);
    assert_eq!(earned(&revenue["subscriptions"]), by_subscription);
    let by_product: Vec<_> = expected(&[
        ["EUR", "0.00", "0.00", "0.75"],
        ["JPY", "900", "0", "900"],
        ["USD", "0.00", "0.00", "0.30"],
        ["USD", "49.00", "10.00", "49.00"],
    ]);
    assert_eq!(earned(&revenue["products"]), by_product);
    let total: Vec<_> = expected(&[
        ["EUR", "0.00", "0.00", "0.75"],
        ["JPY", "900", "0", "900"],
        ["USD", "49.00", "10.00", "49.30"],
    ]);
    assert_eq!(earned(&revenue["total"]), total);
    let same = world.publisher(Method::GET, path, Value::Null).await.ok();
    assert_eq!(same, revenue);
    let before = format!("{path}?to=2026-01-01T00:00:00Z");
    let before = world.owner(Method::GET, &before, Value::Null).await.ok();
    assert!(
        earned(&before["total"])
            .iter()
            .all(|[_, sums @ ..]| sums.iter().all(|sum| minor(sum) == 0))
    );
    let refused = format!("{path}?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z");
    let refused = world.owner(Method::GET, &refused, Value::Null).await;
    assert_eq!(refused.field(), "to");
}

#[tokio::test]
async fn files_for_spreadsheets_add_up_to_what_json_says_h6() {
    let world = market().await;
    for span in ["", "&from=2026-01-01T00:00:00Z", "&to=2026-01-01T00:00:00Z"] {
        let path = format!("/api/v1/reports/revenue?format=json{span}");
        let revenue = world.owner(Method::GET, &path, Value::Null).await.ok();
        let file = path.replace("json", "csv");
        let file = world.owner(Method::GET, &file, Value::Null).await;
        assert_eq!(file.header("content-type"), "text/csv; charset=utf-8");
        let rows = columns(&file.text());
        let totals = revenue["total"].as_array().unwrap();
        assert_eq!(totals.len(), 3, "{span}");
        for total in totals {
            for column in ["paid", "unpaid", "accrued"] {
                let sum = sum(&rows, &total["currency"].text(), column);
                assert_eq!(sum, minor(&total[column].text()), "{column} {span}");
            }
        }

        let path = format!("/api/v1/reports/invoices?format=json{span}");
        let invoices = world.developer(Method::GET, &path, Value::Null).await.ok();
        let file = path.replace("json", "csv");
        let file = world.developer(Method::GET, &file, Value::Null).await;
        let rows = columns(&file.text());
        assert_eq!(rows.len(), invoices["lines"].as_array().unwrap().len());
        let totals = invoices["total"].as_array().unwrap();
        assert_eq!(
            totals.len(),
            if span.contains("to=") { 0 } else { 2 },
            "{span}"
        );
        for total in totals {
            let sum = sum(&rows, &total["currency"].text(), "amount");
            assert_eq!(sum, minor(&total["amount"].text()), "{span}");
        }
    }
}

#[tokio::test]
async fn a_usage_view_says_what_is_left_until_when_and_what_it_costs_e11() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let mut terms = metered("0.10");
    terms["usage"][0]["included"] = json!("2");
    terms["quotas"] = json!([{ "window": "day", "max": 10, "overage": "strict" }]);
    let bought = world.buy(&world.plan(&product, terms).await).await;
    let used = |used: &str, remaining: &str, cost: &str| {
        json!([{
            "meter": "requests", "unit": "requests", "used": used, "included": "2", "remaining": remaining,
            "resets_at": "2026-04-01T00:00:00Z", "cost": { "amount": cost, "currency": "USD" },
        }])
    };
    let path = format!("/api/v1/subscriptions/{}/usage", bought.id);
    let usage = world.developer(Method::GET, &path, Value::Null).await.ok();
    assert_eq!(usage["used"], used("0", "2", "0.00"));
    for _ in 0..5 {
        let called = world.call(&bought.key, "/weather/now").await;
        assert_eq!(called.status, StatusCode::OK);
    }
    let usage = world.developer(Method::GET, &path, Value::Null).await.ok();
    assert_eq!(usage["used"], used("5", "0", "0.30"));
    assert_eq!(
        usage["limits"],
        json!([{
            "window": "day", "unit": "requests", "overage": "strict", "max": 10, "used": 5,
            "remaining": 5, "resets_at": "2026-03-02T00:00:00Z",
        }])
    );
}
