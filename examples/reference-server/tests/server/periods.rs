//! Billing periods by the calendar of a time zone, asked for over REST.

use http::Method;
use serde_json::{Value, json};

use super::world::{World, fixed, order};

const SUBSCRIPTIONS: &str = "/api/v1/subscriptions";

fn aligned() -> Value {
    let mut terms = fixed("31.00");
    terms["alignment"] = json!("calendar");
    terms["proration"] = json!("by_days");
    terms
}

fn order_in(plan: &str, time_zone: &str) -> Value {
    let mut order = order(plan);
    order["time_zone"] = json!(time_zone);
    order
}

#[tokio::test]
async fn a_subscription_names_the_time_zone_of_its_periods_b9() {
    let world = World::start().await;
    world.travel("2026-03-14T12:00:00Z").await;
    let product = world.product("weather").await;
    let plan = world.plan(&product, aligned()).await;
    let shown = world
        .owner(Method::GET, &format!("/api/v1/plans/{plan}"), Value::Null)
        .await
        .ok();
    assert_eq!(
        (&shown["terms"]["alignment"], &shown["terms"]["proration"]),
        (&json!("calendar"), &json!("by_days"))
    );
    let made = world
        .developer(
            Method::POST,
            SUBSCRIPTIONS,
            order_in(&plan, "Europe/Berlin"),
        )
        .await
        .ok();
    assert_eq!(made["time_zone"], "Europe/Berlin");
    assert_eq!(made["period"]["end"], "2026-03-31T22:00:00Z");
    let first = &world.invoices(made["id"].as_str().unwrap()).await[0];
    assert_eq!(first["total"]["amount"], "18.00");
    let line = &first["lines"][0];
    assert_eq!(
        line["share"],
        json!({ "part": 18, "whole": 31, "unit": "days" })
    );

    let zone = format!("{SUBSCRIPTIONS}/{}/time-zone", made["id"].as_str().unwrap());
    world.server().round().await;
    let moved = world
        .developer(Method::POST, &zone, json!({ "time_zone": "Asia/Tokyo" }))
        .await
        .ok();
    // The running period stays as it is.
    assert_eq!(moved["time_zone"], "Asia/Tokyo");
    assert_eq!(moved["period"], made["period"]);
}

#[tokio::test]
async fn what_is_no_time_zone_is_refused_by_field_with_what_is_allowed_b9() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let plan = world.plan(&product, aligned()).await;
    for zone in ["Berlin", "europe/berlin", "+01:00", ""] {
        let reply = world
            .developer(Method::POST, SUBSCRIPTIONS, order_in(&plan, zone))
            .await;
        assert_eq!(reply.field(), "time_zone", "{zone}");
        assert!(
            reply.text().contains("such as Europe/Berlin"),
            "{}",
            reply.text()
        );
    }
}
