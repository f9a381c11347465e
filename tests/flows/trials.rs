//! Trials: free until they end, then paid or over, and one for each consumer.

use monetization_core::access::Closed;
use monetization_core::entropy::Entropy;
use monetization_core::invoice::{InvoiceState, Invoicing, LineItem};
use monetization_core::plan::Approval;
use monetization_core::runtime::Denial;
use monetization_core::store::{Applied, ChangeSet, Index, RowKey, StoreExt};
use monetization_core::subscription::{Subscription, SubscriptionState};

use crate::meanwhile;
use crate::world::{DAY, World, cents};

const TRIED: &str = r#"{"billing":"metered","currency":"USD","cycle":"month","setup_fee":"10",
    "base_price":"5","trial":{"days":14},"usage":[{"meter":"requests","unit_price":"0.01"}]}"#;

fn expiring() -> String {
    TRIED.replace(r#""days":14"#, r#""days":14,"then":"expire""#)
}

#[tokio::test]
async fn a_trial_converts_and_its_use_is_never_billed_b16_c7() {
    for invoicing in [Invoicing::ByCore, Invoicing::ByEngine] {
        let world = World::new(invoicing).await;
        let (plan, _) = world.plan(TRIED).await;
        let ordered = world.subscribe(&plan).await;
        let (id, key) = (ordered.subscription.id, ordered.key.unwrap().1);
        world.settle().await;
        assert_eq!(
            world.subscription(id).await.state,
            SubscriptionState::Active
        );
        world.calls(&key, 100).await;
        if invoicing == Invoicing::ByEngine {
            world.publish().await;
        }
        world.pass_until("2026-01-15T14:00:00Z").await;
        world.settle().await;
        let first = world.invoices(id).await;
        let totals: Vec<i64> = first.iter().map(cents).collect();
        assert_eq!(totals, [1_500], "{invoicing:?}");
        assert_eq!(first[0].state, InvoiceState::Open);
        world.pay_all().await;
        world.calls(&key, 7).await;
        if invoicing == Invoicing::ByEngine {
            world.publish().await;
        }
        world.pass_until("2026-02-15T14:00:00Z").await;
        world.settle().await;
        let totals: Vec<i64> = world.invoices(id).await.iter().map(cents).collect();
        assert_eq!(totals, [1_500, 7 + 500], "{invoicing:?}");
    }
}

#[tokio::test]
async fn what_follows_a_trial_has_to_be_paid_b16() {
    let world = World::new(Invoicing::ByCore).await;
    let (_, key) = world.subscriber(TRIED).await;
    world.call(&key).await.unwrap();
    world.pass_until("2026-01-15T13:00:00Z").await;
    world.settle().await;
    world.call(&key).await.unwrap();
    world.pass(7 * DAY).await;
    world.settle().await;
    let refused = world.call(&key).await;
    assert_eq!(refused, Err(Denial::Closed(Closed::PaymentRequired)));
    world.pay_all().await;
    world.call(&key).await.unwrap();
}

#[tokio::test]
async fn a_trial_that_expires_ends_access_and_is_not_billed_b16() {
    for invoicing in [Invoicing::ByCore, Invoicing::ByEngine] {
        let world = World::new(invoicing).await;
        let (subscription, key) = world.subscriber(&expiring()).await;
        assert_eq!(subscription.state, SubscriptionState::Ending);
        world.calls(&key, 3).await;
        if invoicing == Invoicing::ByEngine {
            world.publish().await;
        }
        world.pass_until("2026-01-15T11:59:59Z").await;
        world.call(&key).await.unwrap();
        world.pass_until("2026-01-15T12:00:00Z").await;
        let refused = world.call(&key).await;
        assert_eq!(refused, Err(Denial::Closed(Closed::Ended)));
        if invoicing == Invoicing::ByEngine {
            world.publish().await;
        }
        world.pass_until("2026-03-01T00:00:00Z").await;
        world.settle().await;
        let over = world.subscription(subscription.id).await;
        assert_eq!(over.state, SubscriptionState::Ended, "{invoicing:?}");
        let owed = world.invoices(over.id).await;
        assert!(owed.iter().all(|it| it.total.is_zero()), "{owed:?}");
        let there = world.provider.invoices();
        assert!(there.iter().all(|it| it.total.is_zero()), "{there:?}");
    }
}

/// It stayed in force for ever, here and there: only a start that was paid when it was made was looked at.
#[tokio::test]
async fn a_trial_that_expires_does_so_though_its_start_is_paid_later_b16() {
    let world = World::new(Invoicing::ByEngine).await;
    let (plan, _) = world
        .plan(&TRIED.replace(r#""trial":{"days":14},"#, ""))
        .await;
    let id = world.subscribe(&plan).await.subscription.id;
    world.settle().await;
    // As with a provider that asks for a means of payment before a trial begins.
    let waits = world.store.fact::<Subscription>(world.tenant_id(), id);
    let mut waits = waits.await.unwrap().unwrap();
    assert_eq!(waits.fact.state, SubscriptionState::AwaitingPayment);
    let end = waits.fact.timeline.schedule.period(0).unwrap().end;
    waits.fact.timeline.ends_at = Some(end);
    let now = world.clock.now();
    let mut change = ChangeSet::new(Entropy::seeded(1).id(now), now);
    change.writes.push(waits.write().unwrap());
    assert_eq!(world.store.apply(&change).await.unwrap(), Applied::New);
    world.pay_all().await;
    let tried = world.subscription(id).await;
    assert_eq!(tried.state, SubscriptionState::Ending);
    assert_eq!(world.provider.subscriptions()[0].ends_at, Some(end));
    world.pass_until("2026-03-05T00:00:00Z").await;
    world.publish().await;
    world.settle().await;
    let over = world.subscription(id).await;
    assert_eq!(over.state, SubscriptionState::Ended);
}

/// Both found that the consumer had tried nothing yet.
#[tokio::test]
async fn of_two_orders_at_once_one_is_a_trial_b16() {
    for approval in [Approval::Automatic, Approval::Manual] {
        let (world, before) = meanwhile::world().await;
        let (first, _) = world.plan_with(TRIED, approval).await;
        let (second, _) = world.plan_with(&expiring(), approval).await;
        let (tenant, monetizer) = (world.tenant_id(), world.monetizer.clone());
        if approval == Approval::Automatic {
            let order = world.order(&first);
            let meanwhile = async move { drop(monetizer.subscribe(tenant, order).await.unwrap()) };
            *before.lock().unwrap() = Some(Box::pin(meanwhile));
            world.subscribe(&second).await;
        } else {
            let one = world.subscribe(&first).await.subscription.id;
            let other = world.subscribe(&second).await.subscription.id;
            let meanwhile = async move { drop(monetizer.approve(tenant, one).await.unwrap()) };
            *before.lock().unwrap() = Some(Box::pin(meanwhile));
            world.monetizer.approve(tenant, other).await.unwrap();
        }
        let key = RowKey::new(Index::SubscriptionsOfConsumer, world.consumer.id);
        let all = world.store.facts_by::<Subscription>(tenant, key).await;
        let mut all: Vec<Subscription> = all.unwrap().into_iter().map(|it| it.fact).collect();
        all.sort_by_key(|it| it.timeline.schedule.trial_ends_at);
        let trials: Vec<bool> = all
            .iter()
            .map(|it| it.timeline.schedule.trial_ends_at.is_some())
            .collect();
        assert_eq!(trials, [false, true], "{approval:?}");
        assert_eq!(all[0].state, SubscriptionState::AwaitingPayment);
    }
}

#[tokio::test]
async fn a_product_is_tried_once_by_each_consumer_b16() {
    let world = World::new(Invoicing::ByCore).await;
    let (first, _) = world.subscriber(&expiring()).await;
    world.pass(15 * DAY).await;
    world.settle().await;
    let (plan, _) = world.plan(TRIED).await;
    let again = world.subscribe(&plan).await.subscription;
    assert_eq!(first.timeline.schedule.first_paid(), 1);
    assert_eq!(again.timeline.schedule.trial_ends_at, None);
    assert_eq!(again.state, SubscriptionState::AwaitingPayment);
    let due = world.invoices(again.id).await;
    assert_eq!(cents(&due[0]), 1_500);
}

#[tokio::test]
async fn a_plan_changed_within_a_trial_costs_nothing_before_it_ends_b16() {
    let world = World::new(Invoicing::ByCore).await;
    let (subscription, key) = world.subscriber(TRIED).await;
    let dearer = TRIED.replace(r#""base_price":"5""#, r#""base_price":"50""#);
    let (dearer, _) = world.plan(&dearer).await;
    world.pass(DAY).await;
    let (tenant, id) = (subscription.tenant, subscription.id);
    let changed = world.monetizer.change_plan(tenant, id, dearer.id, None);
    changed.await.unwrap();
    world.pass(DAY).await;
    world.calls(&key, 5).await;
    world.pass_until("2026-01-15T13:00:00Z").await;
    world.settle().await;
    let invoices = world.invoices(id).await;
    assert_eq!(invoices.len(), 1);
    assert_eq!(cents(&invoices[0]), 1_000 + 5_000);
    let is_usage = |item: &LineItem| matches!(item, LineItem::Usage(_) | LineItem::Unused { .. });
    assert!(!invoices[0].lines.iter().any(|line| is_usage(&line.item)));
}
