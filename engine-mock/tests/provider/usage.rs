use monetization_conformance::engine::Offer;
use monetization_conformance::sample::{START, text};
use monetization_core::clock::Timestamp;
use monetization_core::engine::{CancelMode, EngineErrorKind, Receipt, SealedReport, UsageReport};
use monetization_core::money::Quantity;

use super::world::{DAY, HOUR, SECOND, World};

async fn receipt(world: &World, report: &UsageReport) -> Receipt {
    let sealed = [world.sealed(report)];
    world
        .usage()
        .publish(&world.cx(), &sealed)
        .await
        .unwrap()
        .remove(0)
}

fn rejected(because: &str) -> Receipt {
    Receipt::Rejected {
        reason: because.to_owned(),
    }
}

#[tokio::test]
async fn a_record_that_cannot_be_right_is_rejected_with_its_reason() {
    let world = World::new();
    let running = world.running(Offer::A_CENT_EACH).await;
    let other = world
        .running(Offer {
            scale: 2,
            ..Offer::A_CENT_EACH
        })
        .await;
    world.control.advance(DAY).unwrap();
    let good = |used_at: Timestamp| world.report(&running, "1", used_at);
    let now = world.control.now();

    let early = good(START.saturating_sub(SECOND));
    assert_eq!(
        receipt(&world, &early).await,
        rejected("the subscription had not begun")
    );
    let mut whose = good(now);
    whose.customer = other.customer.clone();
    assert_eq!(
        receipt(&world, &whose).await,
        rejected("the subscription belongs to another customer")
    );
    let mut scale = good(now);
    scale.meter.scale = other.offer.meter().scale;
    assert_eq!(
        receipt(&world, &scale).await,
        rejected("the meter has another scale")
    );
    assert_eq!(world.total(&running), 0);
}

#[tokio::test]
async fn bytes_that_are_no_record_are_rejected_alone() {
    let world = World::new();
    let running = world.running(Offer::A_CENT_EACH).await;
    let mut records = world.ones(&running, 4);
    records[0].body = b"\xff\xfe".to_vec();
    records[1].body = b"{}".to_vec();
    records[2].batch = world.id();
    let receipts = world.usage().publish(&world.cx(), &records).await.unwrap();
    let bad = receipts
        .iter()
        .take(3)
        .all(|receipt| matches!(receipt, Receipt::Rejected { .. }));
    assert!(bad && receipts[3] == Receipt::Accepted, "{receipts:?}");
}

#[tokio::test]
async fn a_quantity_that_no_report_can_hold_is_not_written() {
    let world = World::new();
    let running = world.running(Offer::A_CENT_EACH).await;
    for scaled in [-1, i64::MIN, 1_000_000_000_000_000, i64::MAX] {
        let mut report = world.report(&running, "1", world.control.now());
        report.quantity = Quantity::from_scaled(scaled);
        let error = world.usage().serialise(&report).unwrap_err();
        assert_eq!(error.kind(), &EngineErrorKind::Permanent, "{scaled}");
    }
}

#[tokio::test]
async fn use_that_no_invoice_could_hold_is_rejected() {
    let world = World::new();
    let running = world
        .running(Offer {
            unit_price: Some("999999999"),
            ..Offer::A_CENT_EACH
        })
        .await;
    let now = world.control.now();
    let huge = world.report(&running, "999999999999999", now);
    assert_eq!(
        receipt(&world, &huge).await,
        rejected("the amount is too large to be invoiced")
    );
    assert_eq!(
        receipt(&world, &world.report(&running, "3", now)).await,
        Receipt::Accepted
    );
    assert_eq!(world.total(&running), 3);
}

#[tokio::test]
async fn use_after_the_end_is_rejected() {
    let world = World::new();
    let running = world.running(Offer::A_CENT_EACH).await;
    world.control.advance(DAY).unwrap();
    let engine = world.billing();
    engine
        .cancel_subscription(&world.cx(), &running.start.external, CancelMode::Now)
        .await
        .unwrap();
    let late = world.report(&running, "1", world.control.now());
    assert_eq!(
        receipt(&world, &late).await,
        rejected("the subscription was over")
    );
    let earlier = world.report(&running, "1", START.saturating_add(HOUR));
    assert_eq!(
        receipt(&world, &earlier).await,
        rejected("the period is invoiced")
    );
}

#[tokio::test]
async fn a_meter_without_a_price_is_counted_and_costs_nothing() {
    let world = World::new();
    let running = world.running(Offer::FIXED).await;
    world
        .usage()
        .publish(&world.cx(), &world.ones(&running, 5))
        .await
        .unwrap();
    assert_eq!(world.total(&running), 5);
    let current = world
        .usage()
        .current(&world.cx(), &running.start.external)
        .await
        .unwrap();
    assert_eq!(current.preview.total.minor(), 2_500);
}

#[tokio::test]
async fn too_many_records_at_once_are_refused_and_none_is_counted() {
    let world = World::new();
    let running = world.running(Offer::A_CENT_EACH).await;
    let error = world
        .usage()
        .publish(&world.cx(), &world.ones(&running, 101))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), &EngineErrorKind::Permanent);
    assert_eq!(world.total(&running), 0);
    world
        .usage()
        .publish(&world.cx(), &world.ones(&running, 100))
        .await
        .unwrap();
    assert_eq!(world.total(&running), 100);
}

#[tokio::test]
async fn what_is_over_or_unknown_has_no_current_usage() {
    let world = World::new();
    let running = world.running(Offer::A_CENT_EACH).await;
    let engine = world.billing();
    engine
        .cancel_subscription(&world.cx(), &running.start.external, CancelMode::Now)
        .await
        .unwrap();
    for subscription in [running.start.external, text("sub_that_never_was")] {
        let error = world
            .usage()
            .current(&world.cx(), &subscription)
            .await
            .unwrap_err();
        assert_eq!(error.kind(), &EngineErrorKind::NotFound);
    }
}

#[tokio::test]
async fn the_bytes_of_a_report_are_the_same_each_time_they_are_written() {
    let world = World::new();
    let running = world.running(Offer::A_CENT_EACH).await;
    let report = world.report(&running, "1", world.control.now());
    let SealedReport { body, .. } = world.sealed(&report);
    assert_eq!(world.sealed(&report).body, body);
    let text = String::from_utf8(body).unwrap();
    assert!(text.contains(&report.batch.to_string()), "{text}");
}
