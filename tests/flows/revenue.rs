//! What products earn: H2.

use monetization_core::flows::{RevenueQuestion, UsageEvent};
use monetization_core::invoice::Invoicing;

use crate::world::{World, text};

const PRICEY: &str = r#"{"billing": "metered", "currency": "USD", "cycle": "month",
    "base_price": "25.00", "usage": [{"meter": "requests", "unit_price": "999999999"}]}"#;

#[tokio::test]
async fn a_subscription_that_cannot_be_rated_voids_no_report_h2() {
    let world = World::new(Invoicing::ByCore).await;
    let (bad, _) = world.subscriber(PRICEY).await;
    let (good, key) = world.subscriber(PRICEY).await;
    world.settle().await;
    world.pay_all().await;
    world.calls(&key, 1).await;
    let event = UsageEvent {
        source: text("elsewhere"),
        id: text("1"),
        subscription: bad.id,
        meter: text("requests"),
        quantity: Some("999999999999999".to_owned()),
        key: None,
        occurred_at: None,
    };
    let tenant = world.tenant_id();
    world.monetizer.ingest(tenant, &[event]).await.unwrap();

    let question = RevenueQuestion::default();
    let revenue = world.monetizer.revenue(tenant, &question).await.unwrap();
    let row = |id| {
        revenue
            .rows
            .iter()
            .find(|row| row.subscription == id)
            .unwrap()
    };
    let told = row(bad.id).problem.as_deref().unwrap();
    assert!(told.starts_with("an amount cannot be made: "), "{told}");
    assert_eq!(row(good.id).problem, None);
    assert_eq!(row(good.id).earned.accrued.amount(), "1000000024.00");
    let total = revenue.total.values().next().unwrap();
    assert_eq!(total.paid.amount(), "50.00");
    assert_eq!(total.accrued.amount(), "1000000024.00");
}
