use monetization_conformance::engine::Offer;
use monetization_core::engine::{ChangeMode, EngineErrorKind, PlanSwitch, Receipt};
use monetization_engine_mock::provider::Rules;

use super::world::{DAY, HOUR, MINUTE, SECOND, World};

#[tokio::test]
async fn a_key_is_remembered_for_a_day_and_then_free() {
    let world = World::new();
    let cx = world.cx();
    world
        .billing()
        .ensure_customer(&cx, &world.consumer())
        .await
        .unwrap();
    world.control.advance(DAY - SECOND).unwrap();
    let error = world
        .billing()
        .ensure_customer(&cx, &world.consumer())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), &EngineErrorKind::Conflict);
    world.control.advance(SECOND).unwrap();
    world
        .billing()
        .ensure_customer(&cx, &world.consumer())
        .await
        .unwrap();
    assert_eq!(world.control.customers().len(), 2);
}

#[tokio::test]
async fn an_order_that_was_refused_leaves_no_trace() {
    let world = World::new();
    let running = world.running(Offer::A_CENT_EACH).await;
    let dearer = world.version(Offer {
        unit_price: Some("0.02"),
        ..Offer::A_CENT_EACH
    });
    let cx = world.cx();
    let missing = running.new.customer.clone();
    let at = world.control.now();
    let change = |plan| {
        let mode = ChangeMode::AtPeriodEnd;
        let to = PlanSwitch { plan, mode, at };
        let (engine, cx, external) = (world.billing(), cx.clone(), running.start.external.clone());
        async move { engine.change_subscription(&cx, &external, &to).await }
    };
    let error = change(missing).await.unwrap_err();
    assert_eq!(error.kind(), &EngineErrorKind::NotFound);
    let plan = world
        .billing()
        .create_billing_plan(&world.cx(), &dearer)
        .await
        .unwrap();
    change(plan).await.unwrap();
}

#[tokio::test]
async fn an_identifier_is_forgotten_after_its_window_and_then_counts_again() {
    let rules = Rules {
        deduplicates_for: HOUR,
        ..Rules::default()
    };
    let world = World::with_rules(rules);
    let running = world.running(Offer::A_CENT_EACH).await;
    let record = world.ones(&running, 1);
    let publish = || async { world.usage().publish(&world.cx(), &record).await.unwrap() };
    assert_eq!(publish().await, [Receipt::Accepted]);
    world.control.advance(HOUR - SECOND).unwrap();
    assert_eq!(publish().await, [Receipt::Duplicate]);
    world.control.advance(SECOND).unwrap();
    assert_eq!(publish().await, [Receipt::Accepted]);
    assert_eq!(world.total(&running), 2);
}

#[tokio::test]
async fn a_plan_version_never_changes() {
    let world = World::new();
    let plan = world.version(Offer::FIXED);
    let mut other = world.version(Offer {
        base_price: "26",
        ..Offer::FIXED
    });
    other.id = plan.id;
    world
        .billing()
        .create_billing_plan(&world.cx(), &plan)
        .await
        .unwrap();
    let error = world
        .billing()
        .create_billing_plan(&world.cx(), &other)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), &EngineErrorKind::Conflict);
}

#[tokio::test]
async fn a_subscription_is_one_even_under_another_key() {
    let world = World::new();
    let running = world.running(Offer::FIXED).await;
    world.control.advance(MINUTE).unwrap();
    let again = world
        .billing()
        .create_subscription(&world.cx(), &running.new)
        .await
        .unwrap();
    assert_eq!(again, running.start);
    assert_eq!(world.control.subscriptions().len(), 1);
    let mut other = running.new.clone();
    other.schedule.anchor = world.control.now();
    let error = world
        .billing()
        .create_subscription(&world.cx(), &other)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), &EngineErrorKind::Conflict);
}
