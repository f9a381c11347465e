//! Use on its way to an engine that invoices it.

use std::time::Duration;

use monetization_core::engine::{CancelMode, Receipt};
use monetization_core::flows::{DisableMode, Ingested, UsageEvent};
use monetization_core::invoice::{InvoiceState, Invoicing};
use monetization_core::store::{Batch, BatchState, JobStart, JobState};
use monetization_core::subscription::SubscriptionState;
use monetization_engine_mock::faults::{Fault, Injection, RecordFault};
use monetization_engine_mock::transport::Operation;

use crate::wire::Wire;
use crate::world::{DAY, HOUR, World, text};

const METERED: &str = r#"{"billing":"metered","currency":"USD","cycle":"month",
    "usage":[{"meter":"requests","unit_price":"0.01"}]}"#;

#[tokio::test]
async fn use_is_published_once_and_invoiced_by_the_engine() {
    let world = World::new(Invoicing::ByEngine).await;
    let (subscription, key) = world.subscriber(METERED).await;
    assert_eq!(subscription.state, SubscriptionState::Active);
    world.calls(&key, 40).await;
    assert_eq!(world.publish().await, JobState::Succeeded);
    assert_eq!(world.publish().await, JobState::Succeeded);
    assert_eq!(world.counted(), 40);
    world.calls(&key, 2).await;
    world.pass_until("2026-02-01T12:00:00Z").await;
    world.settle().await;
    world.publish().await;
    world.pass(2 * HOUR).await;
    world.settle().await;
    let invoices = world.invoices(subscription.id).await;
    let period = invoices
        .iter()
        .find(|invoice| invoice.total.minor() != 0)
        .unwrap();
    assert_eq!(period.total.minor(), 42);
    assert_eq!(period.invoicing, Invoicing::ByEngine);
}

#[tokio::test]
async fn use_of_the_last_second_published_half_an_hour_later_is_in_the_old_period_e6() {
    let world = World::new(Invoicing::ByEngine).await;
    let (subscription, key) = world.subscriber(METERED).await;
    world.pass_until("2026-02-01T11:59:59Z").await;
    world.calls(&key, 7).await;
    world.pass(Duration::from_secs(1_800)).await;
    world.publish().await;
    world.pass(2 * HOUR).await;
    world.settle().await;
    let invoices = world.invoices(subscription.id).await;
    let first = invoices
        .iter()
        .filter(|invoice| invoice.total.minor() == 7)
        .count();
    assert_eq!(first, 1, "{invoices:?}");
}

#[tokio::test]
async fn use_that_comes_after_its_period_is_reported_as_late_e6() {
    let world = World::new(Invoicing::ByEngine).await;
    let (subscription, _) = world.subscriber(METERED).await;
    world.pass_until("2026-02-03T00:00:00Z").await;
    world.settle().await;
    let late = UsageEvent {
        source: text("elsewhere"),
        id: text("1"),
        subscription: subscription.id,
        meter: text("requests"),
        quantity: Some("5".to_owned()),
        key: None,
        occurred_at: Some(text("2026-01-20T00:00:00Z")),
    };
    assert_eq!(
        world
            .monetizer
            .ingest(world.tenant_id(), &[late])
            .await
            .unwrap(),
        [Ingested::Accepted]
    );
    let JobStart::Started(run) = world
        .monetizer
        .start_publishing(world.tenant_id())
        .await
        .unwrap()
    else {
        panic!("busy");
    };
    let report = world
        .monetizer
        .publish(world.tenant_id(), run)
        .await
        .unwrap();
    assert_eq!((report.late, report.run.done), (1, 1));
    assert_eq!(world.counted(), 5);
}

#[tokio::test]
async fn a_second_run_is_refused_while_one_is_under_way_e3() {
    let world = World::new(Invoicing::ByEngine).await;
    let JobStart::Started(first) = world
        .monetizer
        .start_publishing(world.tenant_id())
        .await
        .unwrap()
    else {
        panic!("busy");
    };
    let JobStart::Busy(running) = world
        .monetizer
        .start_publishing(world.tenant_id())
        .await
        .unwrap()
    else {
        panic!("two runs at once");
    };
    assert_eq!(running.fence, first.fence);
    world
        .monetizer
        .publish(world.tenant_id(), first)
        .await
        .unwrap();
    let last = world
        .monetizer
        .last_publishing(world.tenant_id())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(last.state, JobState::Succeeded);
}

#[tokio::test]
async fn a_lost_reply_is_repeated_and_counted_once_r_p1() {
    let world = World::new(Invoicing::ByEngine).await;
    let (_, key) = world.subscriber(METERED).await;
    let faults = [
        Fault::LoseReply,
        Fault::NotSent,
        Fault::Delay(Duration::from_secs(90)),
    ];
    let mut used = 0;
    for fault in faults {
        world.calls(&key, 3).await;
        used += 3;
        world
            .provider
            .inject(Injection::next(fault.clone()).on(Operation::TakeUsage));
        assert_eq!(world.publish().await, JobState::Incomplete, "{fault:?}");
        world.pass(HOUR).await;
        assert_eq!(world.publish().await, JobState::Succeeded, "{fault:?}");
        assert_eq!(world.counted(), used, "{fault:?}");
    }
}

/// The process dies once, twice, five times in a row between the provider's answer and the mark, and
/// whoever comes after it sends the same again.
#[tokio::test]
async fn a_death_after_the_provider_took_it_is_mended_by_the_same_bytes_r_p2() {
    for deaths in 1..=5_u64 {
        let mut world = World::new(Invoicing::ByEngine).await;
        let wire = world.tap();
        let (_, key) = world.subscriber(METERED).await;
        world.calls(&key, 3).await;
        for death in 1..=deaths {
            world.die_publishing(&wire);
            let batches = world.batches().await;
            assert_eq!(batches[0].state, BatchState::Sealed, "{deaths}");
            // What may be there goes ahead of what is new, and with it the process dies.
            let taken = (1 + i64::try_from(death).unwrap()).max(3);
            assert_eq!(world.counted(), taken, "the provider has it");
            // Its lease has lapsed, and another process goes on.
            world.pass(Duration::from_secs(61)).await;
            world.restart(death);
            world.calls(&key, 1).await;
        }
        assert_eq!(world.publish().await, JobState::Succeeded);
        let sent = wire.sent();
        let (first, later) = sent.split_first().unwrap();
        let [report] = first.reports.as_slice() else {
            panic!("{first:?}");
        };
        let again = later.iter().filter(|sent| sent.reports.contains(report));
        assert_eq!(again.clone().count(), usize::try_from(deaths).unwrap());
        for sent in again {
            let at = sent.reports.iter().position(|it| it == report).unwrap();
            assert_eq!(sent.receipts.as_ref().unwrap()[at], Receipt::Duplicate);
        }
        assert_eq!(
            wire.attempts()[&report.batch],
            usize::try_from(deaths).unwrap() + 1
        );
        let batches = world.batches().await;
        let confirmed = |batch: &Batch| batch.state == BatchState::Confirmed;
        assert!(batches.iter().all(confirmed), "{batches:?}");
        assert_eq!(world.counted(), 3 + i64::try_from(deaths).unwrap());
    }
}

/// An engine that bills late use to nobody asks about it only where it may have been sent: told that of
/// every report, it would take its own repetition for one that came in time.
#[tokio::test]
async fn an_engine_is_told_truly_what_may_have_been_sent_before_r_t6() {
    let mut world = World::new(Invoicing::ByEngine).await;
    let wire = world.tap();
    let (_, key) = world.subscriber(METERED).await;
    let told = |wire: &Wire| {
        let sent = wire.sent();
        let told = sent.iter().map(|sent| (sent.repeated, sent.reports.len()));
        told.collect::<Vec<_>>()
    };
    world.calls(&key, 1).await;
    let away = Injection::next(Fault::NotSent).on(Operation::TakeUsage);
    world.provider.inject(away);
    world.publish().await;
    world.pass(HOUR).await;
    assert_eq!(world.publish().await, JobState::Succeeded);
    assert_eq!(told(&wire), [(false, 1); 2], "it had never left");
    for fault in [Fault::LoseCall, Fault::LoseReply] {
        let before = wire.sent().len();
        world.calls(&key, 1).await;
        let unheard = Injection::next(fault).on(Operation::TakeUsage);
        world.provider.inject(unheard);
        world.publish().await;
        world.calls(&key, 1).await;
        world.pass(HOUR).await;
        assert_eq!(world.publish().await, JobState::Succeeded);
        // What may be there goes ahead; what is new has a call of its own.
        assert_eq!(told(&wire)[before..], [(false, 1), (true, 1), (false, 1)]);
    }
    let before = wire.sent().len();
    world.calls(&key, 1).await;
    world.die_publishing(&wire);
    world.pass(HOUR).await;
    world.restart(1);
    assert_eq!(world.publish().await, JobState::Succeeded);
    assert_eq!(
        told(&wire)[before..],
        [(false, 1), (true, 1)],
        "of what a dead process had claimed nobody knows"
    );
}

/// What is asked of an engine depends on subscriptions, meters and intervals, and not on calls.
#[tokio::test]
async fn ten_calls_or_a_thousand_are_one_report_of_each_interval() {
    let mut world = World::new(Invoicing::ByEngine).await;
    let wire = world.tap();
    let (_, key) = world.subscriber(METERED).await;
    for calls in [10, 1_000, 1] {
        let before = wire.sent().len();
        world.calls(&key, calls).await;
        assert_eq!(world.publish().await, JobState::Succeeded);
        let sent = wire.sent();
        assert_eq!(sent.len() - before, 1);
        assert_eq!(sent[before].reports.len(), 1, "{calls} calls");
    }
    assert_eq!(world.counted(), 1_011);
}

/// What an engine had no turn for is not in doubt, however long it takes until it has one.
#[tokio::test]
async fn a_report_that_was_not_sent_waits_as_if_it_had_not_been_tried_r_p6() {
    let mut world = World::new(Invoicing::ByEngine).await;
    let wire = world.tap();
    let (_, key) = world.subscriber(METERED).await;
    world.calls(&key, 3).await;
    let fault = RecordFault::NotSent {
        retry_after: Some(2 * HOUR),
    };
    let index = 0;
    world
        .provider
        .inject(Injection::next(Fault::Record { index, fault }).on(Operation::TakeUsage));
    assert_eq!(world.publish().await, JobState::Incomplete);
    let [waiting] = world.batches().await.try_into().unwrap();
    assert_eq!(waiting.state, BatchState::Sealed);
    assert_eq!(waiting.first_sent_at, None);
    world.pass(HOUR).await;
    world.publish().await;
    assert_eq!(wire.sent().len(), 1, "not sooner than it was asked for");
    // Longer than the engine would have known it again.
    world.pass(3 * DAY).await;
    assert_eq!(world.publish().await, JobState::Succeeded);
    let sent = wire.sent();
    assert!(!sent[1].repeated && sent[1].reports == sent[0].reports);
    assert_eq!(sent[1].receipts, Some(vec![Receipt::Accepted]));
    assert_eq!(world.counted(), 3);
}

#[tokio::test]
async fn cancelling_publishes_the_last_use_before_it_ends_r_t8() {
    let world = World::new(Invoicing::ByEngine).await;
    let (subscription, key) = world.subscriber(METERED).await;
    world.calls(&key, 9).await;
    world.pass(DAY).await;
    world.cancel(subscription.id, CancelMode::Now).await;
    world.settle().await;
    let draining = world.subscription(subscription.id).await;
    assert_eq!(
        draining.state,
        SubscriptionState::Draining,
        "unpublished use keeps it from ending"
    );
    world.publish().await;
    world.settle().await;
    assert_eq!(
        world.subscription(subscription.id).await.state,
        SubscriptionState::Ended
    );
    assert_eq!(world.counted(), 9);
    world.pass(2 * HOUR).await;
    let billed: i64 = world
        .provider
        .invoices()
        .iter()
        .filter(|invoice| invoice.state != InvoiceState::Void)
        .map(|invoice| invoice.total.minor())
        .sum();
    assert_eq!(billed, 9);
}

#[tokio::test]
async fn use_sent_by_a_run_that_died_is_not_sent_again_once_the_engine_has_forgotten_it() {
    let world = World::new(Invoicing::ByEngine).await;
    let (subscription, key) = world.subscriber(METERED).await;
    world.calls(&key, 4).await;
    world
        .provider
        .inject(Injection::next(Fault::Hold).on(Operation::TakeUsage));
    let dies = tokio::time::timeout(Duration::from_millis(50), world.publish());
    assert!(dies.await.is_err());
    world.provider.clear_faults();
    world.provider.release();
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
    world.pass(26 * HOUR).await;
    world.publish().await;
    let segment = subscription.segment_at(subscription.created_at).unwrap();
    let batches = world
        .store
        .batches(world.tenant_id(), segment.id)
        .await
        .unwrap();
    assert!(
        matches!(batches[0].state, BatchState::Unknown { .. }),
        "{batches:?}"
    );
    assert!(world.counted() <= 4);
}

#[tokio::test]
async fn taking_off_sale_goes_on_where_a_lost_reply_has_stopped_it() {
    let world = World::new(Invoicing::ByEngine).await;
    world.plan(METERED).await;
    let (tenant, product) = (world.tenant_id(), world.product.id);
    let none = std::collections::BTreeMap::new();
    world
        .monetizer
        .enable_monetization(tenant, product, &none)
        .await
        .unwrap();
    world.provider.inject(Injection::next(Fault::NotSent));
    let disable = || {
        world
            .monetizer
            .disable_monetization(tenant, product, DisableMode::Refuse)
    };
    assert!(disable().await.is_err());
    assert!(world.provider.plans().iter().any(|plan| plan.on_sale));
    disable().await.unwrap();
    assert!(world.provider.plans().iter().all(|plan| !plan.on_sale));
}
