//! How subscriptions begin, wait and are stopped.

use std::time::Duration;

use monetization_conformance::size;
use monetization_core::access::Closed;
use monetization_core::flows::FlowError;
use monetization_core::invoice::Invoicing;
use monetization_core::plan::Approval;
use monetization_core::runtime::{Denial, Unauthenticated};
use monetization_core::subscription::{BlockReason, SubscriptionState};
use monetization_engine_mock::faults::{Fault, Injection};

use crate::world::{DAY, World, text};

const FIXED: &str = r#"{"billing":"fixed","currency":"USD","cycle":"month","base_price":"25"}"#;
const FREE: &str = r#"{"billing":"free","currency":"USD","cycle":"month"}"#;

#[tokio::test]
async fn the_same_order_twice_is_one_subscription_here_and_there_c1() {
    let world = World::new(Invoicing::ByEngine).await;
    let (plan, _) = world.plan(FIXED).await;
    let mut order = world.order(&plan);
    order.request_key = Some(text("order-1"));
    let first = world
        .monetizer
        .subscribe(world.tenant_id(), order.clone())
        .await
        .unwrap();
    let second = world
        .monetizer
        .subscribe(world.tenant_id(), order.clone())
        .await
        .unwrap();
    assert!(first.new && !second.new);
    assert_eq!(first.subscription.id, second.subscription.id);
    assert!(second.key.is_none(), "a secret is shown once");
    let (a, b) = tokio::join!(
        world.monetizer.subscribe(world.tenant_id(), order.clone()),
        world.monetizer.subscribe(world.tenant_id(), order),
    );
    assert_eq!(a.unwrap().subscription.id, b.unwrap().subscription.id);
    world.settle().await;
    assert_eq!(world.provider.subscriptions().len(), 1);
}

#[tokio::test]
async fn a_request_key_that_was_used_for_another_plan_is_refused() {
    let world = World::new(Invoicing::ByCore).await;
    let (plan, _) = world.plan(FREE).await;
    let (other, _) = world.plan(FREE).await;
    let mut order = world.order(&plan);
    order.request_key = Some(text("order-1"));
    world
        .monetizer
        .subscribe(world.tenant_id(), order.clone())
        .await
        .unwrap();
    order.plan = other.id;
    let error = world
        .monetizer
        .subscribe(world.tenant_id(), order)
        .await
        .unwrap_err();
    assert!(matches!(error, FlowError::Field(error) if error.field() == "request_key"));
}

#[tokio::test]
async fn a_lost_reply_of_the_provider_makes_no_second_subscription_c1() {
    let world = World::new(Invoicing::ByEngine).await;
    let (plan, _) = world.plan(FIXED).await;
    for _ in 0..3 {
        world
            .provider
            .inject(Injection::next(Fault::LoseReply).after(2));
        world.subscribe(&plan).await;
        for _ in 0..4 {
            world.settle().await;
            world.pass(Duration::from_secs(60)).await;
        }
    }
    assert_eq!(world.provider.subscriptions().len(), 3);
}

#[tokio::test]
async fn manual_approval_waits_without_key_or_charge_c2() {
    let world = World::new(Invoicing::ByCore).await;
    let (plan, _) = world.plan_with(FIXED, Approval::Manual).await;
    let ordered = world.subscribe(&plan).await;
    let id = ordered.subscription.id;
    assert!(ordered.key.is_none());
    world.pass(40 * DAY).await;
    world.settle().await;
    assert_eq!(
        world.subscription(id).await.state,
        SubscriptionState::PendingApproval
    );
    assert!(world.invoices(id).await.is_empty());
    assert!(
        world
            .monetizer
            .issue_key(world.tenant_id(), id)
            .await
            .is_err()
    );

    let approved = world
        .monetizer
        .approve(world.tenant_id(), id)
        .await
        .unwrap();
    assert_eq!(approved.state, SubscriptionState::AwaitingPayment);
    assert_eq!(
        approved.timeline.schedule.anchor,
        world.clock.now(),
        "it begins when it is approved"
    );
    let (_, key) = world
        .monetizer
        .issue_key(world.tenant_id(), id)
        .await
        .unwrap();
    world.settle().await;
    assert_eq!(
        world.call(&key).await,
        Err(Denial::Closed(Closed::PaymentRequired))
    );
    world.pay_all().await;
    world.calls(&key, 1).await;
}

#[tokio::test]
async fn a_rejected_subscription_says_why_and_is_never_charged_c2() {
    let world = World::new(Invoicing::ByCore).await;
    let (plan, _) = world.plan_with(FIXED, Approval::Manual).await;
    let id = world.subscribe(&plan).await.subscription.id;
    let rejected = world
        .monetizer
        .reject(world.tenant_id(), id, text("not for resale"))
        .await
        .unwrap();
    assert_eq!(rejected.rejected_because, Some(text("not for resale")));
    world.pass(40 * DAY).await;
    world.settle().await;
    assert!(world.invoices(id).await.is_empty());
    assert!(
        world
            .monetizer
            .approve(world.tenant_id(), id)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn an_owners_block_survives_a_payment_c9() {
    let world = World::new(Invoicing::ByCore).await;
    let (subscription, key) = world.subscriber(FIXED).await;
    world
        .monetizer
        .block(world.tenant_id(), subscription.id)
        .await
        .unwrap();
    world.pass(31 * DAY).await;
    world.settle().await;
    world.pass(8 * DAY).await;
    world.settle().await;
    let both = world.subscription(subscription.id).await.blocks;
    assert_eq!(
        both.into_iter().collect::<Vec<_>>(),
        [BlockReason::Admin, BlockReason::Payment]
    );
    world.pay_all().await;
    assert_eq!(world.call(&key).await, Err(Denial::Closed(Closed::Blocked)));
    world
        .monetizer
        .unblock(world.tenant_id(), subscription.id)
        .await
        .unwrap();
    world.gatekeeper.refresh().await.unwrap();
    world.calls(&key, 1).await;
}

#[tokio::test]
async fn a_key_works_at_once_and_is_refused_after_it_is_revoked_g1_g6() {
    let world = World::new(Invoicing::ByCore).await;
    let (subscription, key) = world.subscriber(FREE).await;
    world.calls(&key, 1).await;
    let (next, fresh) = world
        .monetizer
        .issue_key(world.tenant_id(), subscription.id)
        .await
        .unwrap();
    world.calls(&fresh, 1).await;
    world
        .monetizer
        .revoke_key(world.tenant_id(), next.id)
        .await
        .unwrap();
    world.gatekeeper.refresh().await.unwrap();
    let invalid = Err(Denial::Unauthenticated(Unauthenticated::Invalid));
    assert_eq!(world.call(&fresh).await, invalid);
    world.calls(&key, 1).await;
}

#[tokio::test]
async fn a_rotated_key_overlaps_and_then_ends_g6() {
    let world = World::new(Invoicing::ByCore).await;
    let (plan, _) = world.plan(FREE).await;
    let (old, old_key) = world.subscribe(&plan).await.key.unwrap();
    let (_, new_key) = world
        .monetizer
        .rotate_key(world.tenant_id(), old.id, DAY)
        .await
        .unwrap();
    world.gatekeeper.refresh().await.unwrap();
    world.calls(&old_key, 1).await;
    world.calls(&new_key, 1).await;
    world.pass(DAY).await;
    assert!(world.call(&old_key).await.is_err());
    world.calls(&new_key, 1).await;
}

#[tokio::test]
async fn a_paid_plan_needs_an_engine_that_can_collect() {
    let world = World::new(Invoicing::ByCore).await;
    let (plan, _) = world.plan(FIXED).await;
    let disabled = world
        .monetizer
        .disable_monetization(world.tenant_id(), world.product.id, Default::default())
        .await
        .unwrap();
    assert!(disabled.changed);
    let error = world
        .monetizer
        .subscribe(world.tenant_id(), world.order(&plan))
        .await
        .unwrap_err();
    assert!(matches!(error, FlowError::Field(error) if error.field() == "plan"));
}

#[tokio::test]
async fn no_key_stands_in_what_is_stored_r_a2() {
    let world = World::new(Invoicing::ByCore).await;
    let (plan, _) = world.plan(FREE).await;
    let id = world.subscribe(&plan).await.subscription.id;
    let mut secrets = Vec::new();
    for _ in 0..size(300, 10_000) {
        let (_, secret) = world
            .monetizer
            .issue_key(world.tenant_id(), id)
            .await
            .unwrap();
        secrets.push(secret.reveal().split('_').nth(3).unwrap().to_owned());
    }
    let mut after = 0;
    loop {
        let rows = world.store.changes(after, 500).await.unwrap();
        let Some(last) = rows.last() else { break };
        after = last.seq;
        for row in &rows {
            let told = secrets
                .iter()
                .find(|secret| row.body.contains(secret.as_str()));
            assert_eq!(told, None, "{}", row.body);
        }
    }
}
