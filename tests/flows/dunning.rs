//! Invoices that are not paid in time: grace, blocks, cancellation, and payments that come late.

use std::time::Duration;

use monetization_conformance::sample::Sample;
use monetization_core::access::Closed;
use monetization_core::clock::Timestamp;
use monetization_core::invoice::{InvoiceState, Invoicing};
use monetization_core::runtime::Denial;
use monetization_core::secret::Secret;
use monetization_core::store::StoreExt;
use monetization_core::subscription::{Subscription, SubscriptionState};
use monetization_core::tenant::Tenant;
use monetization_engine_mock::provider::PaymentOutcome;

use crate::world::{DAY, World, text};

const MONTHLY: &str = r#"{"billing":"fixed","currency":"USD","cycle":"month","base_price":"25"}"#;

/// Terms with this rule about invoices that are not paid.
fn terms(past_due: &str) -> String {
    format!(
        r#"{{"billing":"fixed","currency":"USD","cycle":"month","base_price":"25","past_due":{past_due}}}"#
    )
}

/// A subscriber whose second invoice is not paid: it is due at noon of the eighth of February.
async fn debtor(terms: &str) -> (World, Subscription, Secret) {
    let world = World::new(Invoicing::ByCore).await;
    let (subscription, key) = world.subscriber(terms).await;
    (world, subscription, key)
}

async fn at(world: &World, instant: &str) {
    world.pass_until(instant).await;
    world.settle().await;
}

fn refused() -> Result<(), Denial> {
    Err(Denial::Closed(Closed::PaymentRequired))
}

#[tokio::test]
async fn calls_pass_for_the_days_of_grace_and_stop_after_them_d3() {
    let (world, of, key) = debtor(&terms(r#"{"grace_days":3}"#)).await;
    at(&world, "2026-02-01T12:00:00Z").await;
    at(&world, "2026-02-08T12:00:00Z").await;
    let invoice = world.invoices(of.id).await.pop().unwrap();
    assert_eq!(invoice.state, InvoiceState::PastDue);
    assert_eq!(
        invoice.grace_ends_at.unwrap().to_string(),
        "2026-02-11T12:00:00Z"
    );
    at(&world, "2026-02-11T11:59:59Z").await;
    world.call(&key).await.unwrap();
    at(&world, "2026-02-11T12:00:01Z").await;
    assert_eq!(world.call(&key).await, refused());
    world.pay_all().await;
    world.call(&key).await.unwrap();
}

#[tokio::test]
async fn a_fresh_link_pays_what_is_pending_and_nothing_is_doubled_d8() {
    for invoicing in [Invoicing::ByCore, Invoicing::ByEngine] {
        let world = World::new(invoicing).await;
        let (plan, _) = world.plan(MONTHLY).await;
        let of = world.subscribe(&plan).await.subscription;
        world.settle().await;
        let old = world.subscription(of.id).await.payment_url.unwrap();
        world.pass(3 * DAY).await;
        let gone = world.provider.pay(&old).unwrap();
        assert_eq!(gone, PaymentOutcome::LinkExpired);
        let pending = world.subscription(of.id).await;
        assert_eq!(pending.state, SubscriptionState::AwaitingPayment);
        let invoice = world.invoices(of.id).await.pop().unwrap();
        let renewed = world.monetizer.renew_payment_url(of.tenant, invoice.id);
        let fresh = renewed.await.unwrap().payment_url.unwrap();
        assert_ne!(fresh, old);
        assert_eq!(
            world.subscription(of.id).await.payment_url.as_ref(),
            Some(&fresh)
        );
        let paid = world.provider.pay(&fresh).unwrap();
        assert_eq!(paid, PaymentOutcome::Paid);
        world.settle().await;
        let active = world.subscription(of.id).await;
        assert_eq!(active.state, SubscriptionState::Active, "{invoicing:?}");
        assert_eq!(world.invoices(of.id).await.len(), 1);
        assert_eq!(world.provider.invoices().len(), 1);
    }
}

#[tokio::test]
async fn without_grace_calls_stop_when_the_invoice_is_due_d3() {
    let (world, _, key) = debtor(MONTHLY).await;
    at(&world, "2026-02-01T12:00:00Z").await;
    at(&world, "2026-02-08T11:59:59Z").await;
    world.call(&key).await.unwrap();
    at(&world, "2026-02-08T12:00:00Z").await;
    assert_eq!(world.call(&key).await, refused());
}

/// A plan's own days count more, also where it says none.
#[tokio::test]
async fn where_nobody_else_says_any_the_days_of_grace_are_the_tenants_d3() {
    let plans = [
        (MONTHLY.to_owned(), "2026-02-10T12:00:00Z"),
        (terms(r#"{"grace_days":3}"#), "2026-02-11T12:00:00Z"),
        (terms(r#"{"grace_days":0}"#), "2026-02-08T12:00:00Z"),
    ];
    for (terms, ends_at) in plans {
        let (world, of, key) = debtor(&terms).await;
        let tenant = world.store.fact::<Tenant>(of.tenant, of.tenant).await;
        let mut tenant = tenant.unwrap().unwrap();
        tenant.fact.grace_days = 2;
        let mut change = Sample::seeded(3).change();
        change.writes.push(tenant.write().unwrap());
        world.store.apply(&change).await.unwrap();
        at(&world, "2026-02-01T12:00:00Z").await;
        let (due_at, ends_at): (Timestamp, Timestamp) =
            (text("2026-02-08T12:00:00Z"), text(ends_at));
        if due_at < ends_at {
            at(&world, &due_at.to_string()).await;
        }
        let second = Duration::from_secs(1);
        at(&world, &ends_at.saturating_sub(second).to_string()).await;
        world.call(&key).await.unwrap();
        at(&world, &ends_at.saturating_add(second).to_string()).await;
        assert_eq!(world.call(&key).await, refused(), "{terms}");
    }
}

#[tokio::test]
async fn the_grace_of_a_consumer_counts_more_than_that_of_a_plan_d3() {
    let (world, of, key) = debtor(&terms(r#"{"grace_days":3}"#)).await;
    let (tenant, consumer) = (of.tenant, of.consumer);
    let granted = world.monetizer.grant_grace(tenant, consumer, Some(5));
    assert_eq!(granted.await.unwrap().grace_days, Some(5));
    at(&world, "2026-02-01T12:00:00Z").await;
    at(&world, "2026-02-08T12:00:00Z").await;
    at(&world, "2026-02-13T11:59:59Z").await;
    world.call(&key).await.unwrap();
    at(&world, "2026-02-13T12:00:01Z").await;
    assert_eq!(world.call(&key).await, refused());
}

#[tokio::test]
async fn a_payment_that_fails_before_the_invoice_is_due_leaves_its_grace_d3() {
    let (world, of, key) = debtor(&terms(r#"{"grace_days":3}"#)).await;
    at(&world, "2026-02-01T12:00:00Z").await;
    let there = world.provider.invoices().pop().unwrap().id;
    world.provider.fail_payment(there.as_str()).unwrap();
    world.settle().await;
    let invoice = world.invoices(of.id).await.pop().unwrap();
    assert_eq!(invoice.state, InvoiceState::PastDue);
    at(&world, "2026-02-11T11:59:59Z").await;
    world.call(&key).await.unwrap();
    at(&world, "2026-02-11T12:00:01Z").await;
    assert_eq!(world.call(&key).await, refused());
}

#[tokio::test]
async fn a_plan_that_cancels_past_due_subscriptions_does_and_another_only_blocks_d4() {
    for (past_due, state) in [
        (
            r#"{"grace_days":1,"cancel":true}"#,
            SubscriptionState::Ended,
        ),
        (r#"{"grace_days":1}"#, SubscriptionState::Active),
    ] {
        let (world, of, key) = debtor(&terms(past_due)).await;
        at(&world, "2026-02-01T12:00:00Z").await;
        at(&world, "2026-02-08T12:00:00Z").await;
        let before = world.subscription(of.id).await;
        assert_eq!(before.state, SubscriptionState::Active);
        at(&world, "2026-02-09T12:00:01Z").await;
        let after = world.subscription(of.id).await;
        assert_eq!(after.state, state, "{past_due}");
        let ended = Err(Denial::Closed(Closed::Ended));
        let (closed, once_paid) = if state == SubscriptionState::Ended {
            (ended.clone(), ended)
        } else {
            (refused(), Ok(()))
        };
        assert_eq!(world.call(&key).await, closed);
        world.pay_all().await;
        assert_eq!(world.call(&key).await, once_paid, "{past_due}");
    }
}

/// Calls stopped, and nothing else: the plan never cancelled, and the days of grace stayed.
#[tokio::test]
async fn an_invoice_that_is_given_up_has_no_grace_left_d3_d4() {
    for (past_due, state, closed) in [
        (
            r#"{"grace_days":30,"cancel":true}"#,
            SubscriptionState::Ended,
            Closed::Ended,
        ),
        (
            r#"{"grace_days":30}"#,
            SubscriptionState::Active,
            Closed::PaymentRequired,
        ),
    ] {
        let (world, of, key) = debtor(&terms(past_due)).await;
        at(&world, "2026-02-01T12:00:00Z").await;
        at(&world, "2026-02-08T12:00:00Z").await;
        at(&world, "2026-02-23T11:59:59Z").await;
        world.call(&key).await.unwrap();
        // The provider has asked for the last time.
        at(&world, "2026-02-23T12:00:01Z").await;
        let invoice = world.invoices(of.id).await.pop().unwrap();
        assert_eq!(invoice.state, InvoiceState::Uncollectible);
        assert_eq!(invoice.grace_ends_at, None);
        assert_eq!(world.call(&key).await, Err(Denial::Closed(closed)));
        assert_eq!(world.subscription(of.id).await.state, state, "{past_due}");
    }
}

#[tokio::test]
async fn an_old_invoice_that_is_paid_restores_access_while_a_newer_one_is_open_d10() {
    let (world, of, key) = debtor(MONTHLY).await;
    at(&world, "2026-02-01T12:00:00Z").await;
    at(&world, "2026-02-08T12:00:00Z").await;
    assert_eq!(world.call(&key).await, refused());
    world.pass(DAY).await;
    at(&world, "2026-03-01T12:00:00Z").await;
    let newest = world.invoices(of.id).await.pop().unwrap();
    assert_eq!(newest.state, InvoiceState::Open);
    let there = world.provider.invoices();
    let late = there
        .iter()
        .find(|it| {
            matches!(
                it.state,
                InvoiceState::PastDue | InvoiceState::Uncollectible
            )
        })
        .unwrap();
    world.provider.pay(late.id.as_str()).unwrap();
    world.settle().await;
    world.call(&key).await.unwrap();
}
