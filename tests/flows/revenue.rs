//! What products earn: H2.

use monetization_core::flows::{Ingested, RevenueQuestion, UsageEvent};
use monetization_core::invoice::Invoicing;
use monetization_core::subscription::Subscription;

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
    let tenant = world.tenant_id();
    report(&world, &bad, "999999999999999").await;

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

/// Each by itself can be told, both together cannot.
#[tokio::test]
async fn a_subscription_that_does_not_fit_the_sums_voids_no_report_h2() {
    let world = World::new(Invoicing::ByCore).await;
    let (first, _) = world.subscriber(PRICEY).await;
    let (second, _) = world.subscriber(PRICEY).await;
    report(&world, &first, "90000000").await;
    report(&world, &second, "90000000").await;
    let question = RevenueQuestion::default();
    let revenue = world.monetizer.revenue(world.tenant_id(), &question);
    let revenue = revenue.await.unwrap();
    let problems = revenue.rows.iter().filter(|row| row.problem.is_some());
    assert_eq!((revenue.rows.len(), problems.count()), (2, 1));
    let total = revenue.total.values().next().unwrap();
    assert_eq!(total.accrued.amount(), "89999999910000025.00");
    let of_product = revenue.products.values().next().unwrap();
    assert_eq!(of_product, total);
}

async fn report(world: &World, of: &Subscription, quantity: &str) {
    let event = UsageEvent {
        source: text("elsewhere"),
        id: text(&of.id.to_string()),
        subscription: of.id,
        meter: text("requests"),
        quantity: Some(quantity.to_owned()),
        key: None,
        occurred_at: None,
    };
    let ingested = world.monetizer.ingest(world.tenant_id(), &[event]).await;
    assert_eq!(ingested.unwrap(), [Ingested::Accepted]);
}
