//! What an engine has counted against what was reported to it, and batches that are held.

use std::sync::Arc;
use std::time::Duration;

use monetization_conformance::outages::outages;
use monetization_core::engine::{Engine, EngineContext, IdempotencyKey, SealedReport, UsageReport};
use monetization_core::entropy::Entropy;
use monetization_core::flows::{
    Difference, Engines, FlowError, Monetizer, ReconcileReport, Settings, Suspicious, UsageEvent,
};
use monetization_core::ids::{BatchId, SubscriptionId, TypedId};
use monetization_core::invoice::Invoicing;
use monetization_core::key::Pepper;
use monetization_core::money::Quantity;
use monetization_core::store::{Batch, BatchState, Decision, Fate, JobStart, JobState};
use monetization_engine_mock::faults::{Fault, Injection, RecordFault};
use monetization_engine_mock::provider::{Refusal, RefusalKind};
use monetization_engine_mock::transport::Operation;

use crate::world::{HOUR, START, World, text};

const METERED: &str = r#"{"billing":"metered","currency":"USD","cycle":"year",
    "usage":[{"meter":"requests","unit_price":"0.01"}]}"#;

impl World {
    fn engine(&self) -> &Engine {
        self.monetizer.engines().choose(&text("mock")).unwrap()
    }

    /// Over an engine that may count an hour after it has taken something.
    fn where_counts_lag(&self) -> Monetizer {
        let mut engine = self.engine().clone();
        engine.descriptor.limits.counts_within = HOUR;
        Monetizer::new(
            Arc::clone(&self.store),
            Engines::new([engine]),
            self.clock.clone(),
            Arc::new(Entropy::seeded(8)),
            Pepper::new(&[7; 32]).unwrap(),
        )
    }

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
    for outage in outages() {
        let world = World::new(Invoicing::ByEngine).await;
        let (_, key) = world.subscriber(METERED).await;
        world.calls(&key, 5).await;
        world.provider.inject(lost(outage.arrived));
        assert_eq!(world.publish().await, JobState::Incomplete);
        let away = Injection::next(Fault::NotSent).on(Operation::TakeUsage);
        world.provider.inject(away.always());
        for _ in 0..outage.hours {
            world.pass(HOUR).await;
            if outage.hours < 30 {
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
        let held = world.held().await.into_iter();
        let held: i64 = held.map(|batch| batch.quantity().unwrap().scaled()).sum();
        let told = [world.counted(), held].map(|units| u64::try_from(units).unwrap());
        outage.is_over((5, 3), told[0], told[1]);
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
    let usage = world.engine().usage.as_ref().unwrap();
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

/// What was lost and has arrived, and as much that was confirmed and is not counted yet, make the count that
/// stands where what was lost has not arrived.
#[tokio::test]
async fn a_count_that_may_lag_behind_decides_nothing_that_it_does_not_show_r_p6() {
    for (uncounted, has_arrived) in [(5, None), (3, Some(Fate::Confirmed))] {
        let mut world = World::new(Invoicing::ByEngine).await;
        world.monetizer = world.where_counts_lag();
        let (_, key) = world.subscriber(METERED).await;
        world.calls(&key, 5).await;
        world.provider.inject(lost(true));
        assert_eq!(world.publish().await, JobState::Incomplete);
        for _ in 0..2 {
            world.pass(24 * HOUR).await;
            world.publish().await;
        }
        let [unknown] = &*world.held().await else {
            panic!("it is held");
        };
        let takes = Fault::Record {
            index: 0,
            fault: RecordFault::RejectedLater,
        };
        let takes = Injection::next(takes).on(Operation::TakeUsage);
        world.provider.inject(takes);
        world.calls(&key, uncounted).await;
        world.publish().await;
        assert_eq!(world.counted(), 5, "those that were lost");

        let report = world.reconcile().await;
        let decided: Vec<Fate> = report.decided.iter().map(|(_, fate)| *fate).collect();
        assert_eq!(decided, Vec::from_iter(has_arrived));
        assert_eq!(report.differing, vec![], "the engine has an hour");
        let Some(_) = has_arrived else {
            continue;
        };
        assert_eq!(report.decided[0].0, unknown.id);
        world.pass(HOUR).await;
        let differing = world.reconcile().await.differing;
        let [difference] = differing.as_slice() else {
            panic!("{differing:?}");
        };
        let told = (difference.confirmed.scaled(), difference.counted.scaled());
        assert_eq!(told, (8, 5));
    }
}

/// As much as was lost is reported by another process while the engine counts: that the count has grown by it
/// does not mean that what was lost has arrived.
#[tokio::test]
async fn what_is_reported_while_the_engine_counts_decides_nothing_and_is_no_difference_r_p6() {
    for (lost_before, decided_next) in [(0, vec![]), (5, vec![Fate::SendAgain])] {
        let mut world = World::new(Invoicing::ByEngine).await;
        let wire = world.tap();
        let (_, key) = world.subscriber(METERED).await;
        if lost_before > 0 {
            world.calls(&key, lost_before).await;
            world.provider.inject(lost(false));
            assert_eq!(world.publish().await, JobState::Incomplete);
            for _ in 0..2 {
                world.pass(24 * HOUR).await;
                world.publish().await;
            }
            assert_eq!(world.held().await.len(), 1);
        }
        world.calls(&key, 2).await;
        world.publish().await;
        world.calls(&key, 5).await;
        let (monetizer, tenant) = (world.monetizer.clone(), world.tenant_id());
        wire.while_it_counts(async move {
            let started = monetizer.start_publishing(tenant).await.unwrap();
            let JobStart::Started(run) = started else {
                panic!("{started:?}");
            };
            monetizer.publish(tenant, run).await.unwrap();
        });
        let report = world.reconcile().await;
        assert_eq!(world.counted(), 7, "what was reported meanwhile is counted");
        assert_eq!((report.compared, report.differing), (1, vec![]));
        assert_eq!(report.decided, []);

        let report = world.reconcile().await;
        assert_eq!(report.differing, []);
        let decided: Vec<Fate> = report.decided.iter().map(|(_, fate)| *fate).collect();
        assert_eq!(decided, decided_next);
        world.publish().await;
        assert_eq!(usize::try_from(world.counted()).unwrap(), 7 + lost_before);
    }
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
