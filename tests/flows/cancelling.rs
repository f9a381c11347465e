//! How subscriptions are cancelled, and what is owed then.

use std::time::Duration;

use monetization_core::access::Closed;
use monetization_core::engine::CancelMode;
use monetization_core::flows::{Ingested, UsageEvent};
use monetization_core::invoice::{InvoiceState, Invoicing};
use monetization_core::runtime::Denial;
use monetization_core::subscription::SubscriptionState;

use crate::world::{DAY, HOUR, World, cents, text};

const FIXED: &str = r#"{"billing":"fixed","currency":"USD","cycle":"month","base_price":"25"}"#;
const METERED: &str = r#"{"billing":"metered","currency":"USD","cycle":"month",
    "usage":[{"meter":"requests","unit_price":"0.01"}]}"#;

#[tokio::test]
async fn cancelling_before_paying_takes_the_invoice_back_at_the_engine_too_d6() {
    let world = World::new(Invoicing::ByCore).await;
    let (plan, _) = world.plan(FIXED).await;
    let ordered = world.subscribe(&plan).await;
    let (id, key) = (ordered.subscription.id, ordered.key.unwrap().1);
    world.settle().await;
    world.cancel(id, CancelMode::Now).await;
    world.settle().await;
    assert_eq!(world.invoices(id).await[0].state, InvoiceState::Void);
    let there = world.provider.invoices();
    assert_eq!(there.len(), 1);
    assert_eq!(there[0].state, InvoiceState::Void);
    world.provider.pay(there[0].id.as_str()).unwrap();
    world.settle().await;
    assert_eq!(world.subscription(id).await.state, SubscriptionState::Ended);
    assert_eq!(world.call(&key).await, Err(Denial::Closed(Closed::Ended)));
}

#[tokio::test]
async fn cancelling_while_the_invoice_is_on_its_way_takes_it_back_too_d6() {
    let world = World::new(Invoicing::ByCore).await;
    let (plan, _) = world.plan(FIXED).await;
    let ordered = world.subscribe(&plan).await;
    world.cancel(ordered.subscription.id, CancelMode::Now).await;
    world.settle().await;
    assert!(
        world
            .provider
            .invoices()
            .iter()
            .all(|invoice| invoice.state == InvoiceState::Void)
    );
}

#[tokio::test]
async fn cancelling_at_once_bills_what_was_used_and_refuses_from_then_on_c5() {
    let world = World::new(Invoicing::ByCore).await;
    let (subscription, key) = world.subscriber(METERED).await;
    world.calls(&key, 30).await;
    world.pass(DAY).await;
    world.cancel(subscription.id, CancelMode::Now).await;
    world.gatekeeper.refresh().await.unwrap();
    assert_eq!(world.call(&key).await, Err(Denial::Closed(Closed::Ended)));
    world.settle().await;
    let again = world.cancel(subscription.id, CancelMode::Now).await;
    assert_eq!(again.state, SubscriptionState::Ended);
    let invoices = world.invoices(subscription.id).await;
    assert_eq!(invoices.len(), 1);
    assert_eq!(cents(&invoices[0]), 30);
}

/// A subscription that began and ended at one instant had no segment, and its use stood nowhere.
#[tokio::test]
async fn what_is_used_in_the_instant_of_subscribing_and_cancelling_is_billed_r_t8() {
    let world = World::new(Invoicing::ByCore).await;
    let (subscription, key) = world
        .subscriber(
            r#"{"billing":"metered","currency":"USD","cycle":"month",
                "usage":[{"meter":"requests","unit_price":"1"}]}"#,
        )
        .await;
    assert_eq!(subscription.timeline.schedule.anchor, world.clock.now());
    world.calls(&key, 3).await;
    world.cancel(subscription.id, CancelMode::Now).await;
    world.pass(HOUR).await;
    world.settle().await;
    let invoices = world.invoices(subscription.id).await;
    let totals: Vec<i64> = invoices.iter().map(cents).collect();
    assert_eq!(totals, [300]);
}

#[tokio::test]
async fn cancelling_with_the_period_leaves_access_to_its_last_instant_c5() {
    let world = World::new(Invoicing::ByCore).await;
    let (subscription, key) = world.subscriber(METERED).await;
    let ending = world.cancel(subscription.id, CancelMode::AtPeriodEnd).await;
    assert_eq!(ending.timeline.ends_at, Some(text("2026-02-01T12:00:00Z")));
    world.pass_until("2026-02-01T11:59:59.999999Z").await;
    world.calls(&key, 1).await;
    world.pass(Duration::from_micros(1)).await;
    assert_eq!(world.call(&key).await, Err(Denial::Closed(Closed::Ended)));
    world.settle().await;
    assert_eq!(
        world.subscription(subscription.id).await.state,
        SubscriptionState::Ended
    );
    let totals: Vec<i64> = world
        .invoices(subscription.id)
        .await
        .iter()
        .map(cents)
        .collect();
    assert_eq!(totals, [1]);
    world.pass(60 * DAY).await;
    world.settle().await;
    assert_eq!(world.invoices(subscription.id).await.len(), 1);
}

/// A clock that was ahead has put use into the period after the end: it is on the last invoice.
#[tokio::test]
async fn use_that_a_clock_ahead_put_beyond_the_end_is_billed_with_it() {
    let world = World::new(Invoicing::ByCore).await;
    let (subscription, key) = world.subscriber(METERED).await;
    world.calls(&key, 3).await;
    world.pass_until("2026-02-01T11:58:00Z").await;
    let ahead = UsageEvent {
        source: text("elsewhere"),
        id: text("1"),
        subscription: subscription.id,
        meter: text("requests"),
        quantity: Some("5".to_owned()),
        key: None,
        occurred_at: Some(text("2026-02-01T12:01:00Z")),
    };
    let events = [ahead];
    let taken = world.monetizer.ingest(world.tenant_id(), &events);
    assert_eq!(taken.await.unwrap(), [Ingested::Accepted]);
    world.cancel(subscription.id, CancelMode::Now).await;
    world.settle().await;
    let ended = world.subscription(subscription.id).await;
    assert_eq!(ended.state, SubscriptionState::Ended);
    let billed: i64 = world
        .invoices(subscription.id)
        .await
        .iter()
        .map(cents)
        .sum();
    assert_eq!(billed, 8);
}

/// Moving a subscription twice, by clocks that differ, keeps every boundary that was in sight.
#[tokio::test]
async fn a_change_that_is_replaced_still_bills_what_was_used_after_it() {
    let world = World::new(Invoicing::ByCore).await;
    let (plan, first) = world.plan(METERED).await;
    let ordered = world.subscribe(&plan).await;
    world.settle().await;
    let (id, key) = (ordered.subscription.id, ordered.key.unwrap().1);
    let tenant = world.tenant_id();
    let moved = world.monetizer.migrate(tenant, id, first.id, None);
    moved.await.unwrap();
    world.pass(Duration::from_secs(10)).await;
    world.calls(&key, 4).await;
    // The clock of whoever moves it next is a minute behind.
    let now = world.clock.now();
    world.time.set(now.saturating_sub(Duration::from_secs(60)));
    let moved = world.monetizer.migrate(tenant, id, first.id, None);
    moved.await.unwrap();
    world.time.set(now);
    world.cancel(id, CancelMode::Now).await;
    world.settle().await;
    let billed: i64 = world.invoices(id).await.iter().map(cents).sum();
    assert_eq!(billed, 4);
}

/// Its calls went on to pass until the end that was asked for, and nobody billed them.
#[tokio::test]
async fn what_an_engine_ends_before_its_end_has_ended_c5() {
    for ends in ["at once", "with the period"] {
        let world = World::new(Invoicing::ByEngine).await;
        let (subscription, key) = world.subscriber(METERED).await;
        world.cancel(subscription.id, CancelMode::AtPeriodEnd).await;
        world.settle().await;
        let asked_for = world.subscription(subscription.id).await.timeline.ends_at;
        if ends == "at once" {
            world.pass(DAY).await;
            world.call(&key).await.unwrap();
            world.end_there().await;
        } else {
            world.pass_until("2026-02-01T12:00:00Z").await;
        }
        world.hear_news().await;
        let heard = world.subscription(subscription.id).await;
        let (state, end) = if ends == "at once" {
            (SubscriptionState::Draining, Some(world.clock.now()))
        } else {
            (SubscriptionState::Ending, asked_for)
        };
        assert_eq!((heard.state, heard.timeline.ends_at), (state, end));
        world.gatekeeper.refresh().await.unwrap();
        assert_eq!(world.call(&key).await, Err(Denial::Closed(Closed::Ended)));
    }
}
