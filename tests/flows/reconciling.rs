//! What an engine has counted against what was reported to it, and batches that are held.

use std::time::Duration;

use monetization_core::engine::{EngineContext, IdempotencyKey, SealedReport, UsageReport};
use monetization_core::flows::{
    Difference, FlowError, ReconcileReport, Settings, Suspicious, UsageEvent,
};
use monetization_core::ids::{BatchId, SubscriptionId, TypedId};
use monetization_core::invoice::Invoicing;
use monetization_core::money::Quantity;
use monetization_core::store::{Batch, BatchState, Decision, Fate, JobState};
use monetization_engine_mock::faults::{Fault, Injection};
use monetization_engine_mock::provider::{Refusal, RefusalKind};
use monetization_engine_mock::transport::Operation;

use crate::world::{HOUR, START, World, text};

const METERED: &str = r#"{"billing":"metered","currency":"USD","cycle":"year",
    "usage":[{"meter":"requests","unit_price":"0.01"}]}"#;

impl World {
    async fn reconcile(&self) -> ReconcileReport {
        let reconciled = self.monetizer.reconcile(self.tenant_id(), text(START));
        let report = reconciled.await.unwrap();
        assert_eq!(report.failed, []);
        report
    }

    async fn held(&self) -> Vec<Batch> {
        let held = self.store.held_batches(self.tenant_id(), None, 100);
        held.await.unwrap()
    }

    async fn report_event(&self, subscription: SubscriptionId, id: &str, quantity: &str) {
        let event = UsageEvent {
            source: text("crm"),
            id: text(id),
            subscription,
            meter: text("requests"),
            quantity: Some(quantity.to_owned()),
            key: None,
            occurred_at: None,
        };
        let events = [event];
        let taken = self.monetizer.ingest(self.tenant_id(), &events);
        taken.await.unwrap();
    }
}

/// How the first report fails: the engine has it, or has not; nobody here knows.
fn lost(arrives: bool) -> Injection {
    let fault = if arrives {
        Fault::LoseReply
    } else {
        Fault::Break(Refusal::new(RefusalKind::Broken, "a scripted fault"))
    };
    Injection::next(fault).on(Operation::TakeUsage)
}

#[tokio::test]
async fn an_outage_of_an_hour_or_of_forty_days_doubles_nothing_and_loses_nothing_r_p6() {
    let hours = [1, 12, 22, 23, 24, 30, 72, 240, 24 * 34, 24 * 36, 24 * 40];
    for (hours, arrives) in hours
        .into_iter()
        .flat_map(|hours| [(hours, true), (hours, false)])
    {
        let world = World::new(Invoicing::ByEngine).await;
        let (_, key) = world.subscriber(METERED).await;
        world.calls(&key, 5).await;
        world.provider.inject(lost(arrives));
        assert_eq!(world.publish().await, JobState::Incomplete);
        let away = Injection::next(Fault::NotSent).on(Operation::TakeUsage);
        world.provider.inject(away.always());
        for _ in 0..hours {
            world.pass(HOUR).await;
            if hours < 30 {
                world.publish().await;
            }
        }
        world.provider.clear_faults();
        world.calls(&key, 3).await;
        world.publish().await;
        // What was tried in vain waits for an hour at most.
        world.pass(HOUR).await;
        world.publish().await;
        world.reconcile().await;
        world.publish().await;
        let held: i64 = world
            .held()
            .await
            .iter()
            .map(|batch| batch.quantity().unwrap().scaled())
            .sum();
        let counted = world.counted();
        let story = format!("{hours} h, arrives: {arrives}: {counted} counted, {held} held");
        if hours < 24 * 35 || arrives {
            assert_eq!((counted, held), (8, 0), "{story}");
        } else {
            assert_eq!((counted, held), (3, 5), "too old to be sent: {story}");
        }
    }
}

#[tokio::test]
async fn a_clean_run_differs_in_nothing_and_one_unit_too_many_is_found_e12_r_p13() {
    let world = World::new(Invoicing::ByEngine).await;
    let (subscription, key) = world.subscriber(METERED).await;
    world.calls(&key, 37).await;
    world.publish().await;
    let report = world.reconcile().await;
    assert_eq!((report.compared, report.differing), (1, Vec::new()));

    // Somebody reports a unit to the same account that nobody has used here.
    let engine = world.monetizer.engines().choose(&text("mock")).unwrap();
    let usage = engine.usage.as_ref().unwrap();
    let report = UsageReport {
        batch: BatchId::derived(&[b"somebody else"]),
        subscription: world.external(),
        customer: world.provider.customers()[0].id.clone(),
        meter: world.product.meters[0].clone(),
        quantity: Quantity::from_scaled(1),
        used_at: world.clock.now(),
    };
    let sealed = SealedReport {
        batch: report.batch,
        body: usage.serialise(&report).unwrap(),
    };
    let cx = EngineContext {
        tenant: world.tenant_id(),
        credentials: None,
        account: None,
        key: IdempotencyKey::new("somebody else"),
        repeated: false,
        timeout: Duration::from_secs(1),
    };
    usage.publish(&cx, &[sealed]).await.unwrap();
    let report = world.reconcile().await;
    let [difference] = report.differing.as_slice() else {
        panic!("{report:?}");
    };
    let Difference {
        subscription: whose,
        confirmed,
        counted,
        ..
    } = difference;
    assert_eq!(*whose, subscription.id);
    assert_eq!((confirmed.scaled(), counted.scaled()), (37, 38));
}

#[tokio::test]
async fn a_report_that_looks_like_a_mistake_is_held_until_somebody_decides_r_p12() {
    let mut world = World::new(Invoicing::ByEngine).await;
    world.monetizer = world.monetizer.clone().with_settings(Settings {
        suspicious: Suspicious {
            units_min: 100,
            times: 10,
        },
        ..Settings::default()
    });
    let (subscription, key) = world.subscriber(METERED).await;
    world.calls(&key, 20).await;
    assert_eq!(world.publish().await, JobState::Succeeded);
    world
        .report_event(subscription.id, "import-1", "20000")
        .await;
    assert_eq!(world.publish().await, JobState::Succeeded);
    world.calls(&key, 1).await;
    assert_eq!(world.publish().await, JobState::Incomplete, "it says so");
    assert_eq!(world.counted(), 20, "nothing after it is reported either");
    let held = world.held().await;
    let [batch] = held.as_slice() else {
        panic!("{held:?}");
    };
    let reason = batch.state.reason().unwrap();
    assert!(reason.contains("20000 of requests"), "{reason}");

    let right = Decision::new(
        Fate::SendAgain,
        "owner-1: the import of January",
        world.clock.now(),
    );
    let decide = |batch| {
        world
            .monetizer
            .decide_batch(world.tenant_id(), batch, &right)
    };
    decide(batch.id).await.unwrap();
    let again = decide(batch.id).await.unwrap_err();
    assert!(matches!(again, FlowError::NotFound { .. }), "{again:?}");
    assert_eq!(world.publish().await, JobState::Succeeded);
    assert_eq!(world.counted(), 20_021);
    let kept = world.batches().await;
    let told = kept.iter().find(|known| known.id == batch.id).unwrap();
    assert_eq!(told.state, BatchState::Confirmed);
    assert_eq!(told.decided_because, Some(right.because.clone()));
}

#[tokio::test]
async fn a_use_within_what_is_usual_is_not_suspected() {
    let mut world = World::new(Invoicing::ByEngine).await;
    world.monetizer = world.monetizer.clone().with_settings(Settings {
        suspicious: Suspicious {
            units_min: 100,
            times: 10,
        },
        ..Settings::default()
    });
    let (subscription, _) = world.subscriber(METERED).await;
    for (id, quantity) in [("1", "100"), ("2", "1000"), ("3", "10000")] {
        world.report_event(subscription.id, id, quantity).await;
        assert_eq!(world.publish().await, JobState::Succeeded);
    }
    assert_eq!(world.counted(), 11_100);
}

#[tokio::test]
async fn use_of_more_than_fifteen_digits_is_reported_in_parts_r_v7() {
    let mut world = World::new(Invoicing::ByEngine).await;
    world.monetizer = world.monetizer.clone().with_settings(Settings {
        suspicious: Suspicious {
            units_min: u64::MAX,
            times: 1,
        },
        ..Settings::default()
    });
    let (subscription, _) = world.subscriber(METERED).await;
    for id in ["1", "2"] {
        world
            .report_event(subscription.id, id, "999999999999999")
            .await;
    }
    world.report_event(subscription.id, "3", "5").await;
    assert_eq!(world.publish().await, JobState::Succeeded);
    assert_eq!(world.counted(), 2_000_000_000_000_003);
    assert_eq!(world.batches().await.len(), 3);
}
