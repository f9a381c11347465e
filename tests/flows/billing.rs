//! From use to a paid invoice.

use std::time::Duration;

use monetization_core::access::Closed;
use monetization_core::engine::CancelMode;
use monetization_core::flows::{Ingested, UsageEvent};
use monetization_core::invoice::{InvoiceState, Invoicing, LineItem};
use monetization_core::money::Quantity;
use monetization_core::runtime::Denial;
use monetization_core::subscription::SubscriptionState;

use crate::world::{DAY, HOUR, World, cents, ok, text};

const FIXED: &str = r#"{"billing":"fixed","currency":"USD","cycle":"month","base_price":"25"}"#;
const METERED: &str = r#"{"billing":"metered","currency":"USD","cycle":"month",
    "usage":[{"meter":"requests","unit_price":"0.01"}]}"#;
const OVERAGE: &str = r#"{"billing":"metered","currency":"USD","cycle":"month","base_price":"25",
    "usage":[{"meter":"requests","unit_price":"0.01","included":"1000"}]}"#;

#[tokio::test]
async fn a_free_plan_is_in_force_at_once_recorded_and_never_invoiced_b1() {
    let world = World::new(Invoicing::ByCore).await;
    let (plan, _) = world
        .plan(r#"{"billing":"free","currency":"USD","cycle":"month"}"#)
        .await;
    let seen = world.provider.calls().len();
    let ordered = world.subscribe(&plan).await;
    assert_eq!(ordered.subscription.state, SubscriptionState::Active);
    let key = ordered.key.unwrap().1;
    world.calls(&key, 3).await;
    let statement = world
        .monetizer
        .statement(world.tenant_id(), ordered.subscription.id)
        .await
        .unwrap();
    assert_eq!(
        statement
            .used
            .iter()
            .map(|used| used.used.scaled())
            .sum::<i64>(),
        3
    );
    world.pass_until("2026-02-02T00:00:00Z").await;
    world.settle().await;
    assert!(world.invoices(ordered.subscription.id).await.is_empty());
    assert_eq!(
        world.provider.calls().len(),
        seen,
        "the provider was called for a free plan"
    );
}

#[tokio::test]
async fn a_fixed_plan_costs_the_same_whatever_is_used_b2() {
    let world = World::new(Invoicing::ByCore).await;
    let (idle, _) = world.subscriber(FIXED).await;
    let (busy, key) = world.subscriber(FIXED).await;
    world.calls(&key, 200).await;
    world.pass_until("2026-02-01T12:00:00Z").await;
    world.settle().await;
    for subscription in [idle, busy] {
        let totals: Vec<i64> = world
            .invoices(subscription.id)
            .await
            .iter()
            .map(cents)
            .collect();
        assert_eq!(totals, [2_500, 2_500]);
    }
}

#[tokio::test]
async fn a_thousand_metered_calls_at_a_cent_are_ten_b3() {
    let world = World::new(Invoicing::ByCore).await;
    let (subscription, key) = world.subscriber(METERED).await;
    assert_eq!(subscription.state, SubscriptionState::Active);
    world.calls(&key, 1_000).await;
    world.pass_until("2026-02-01T12:00:00Z").await;
    world.settle().await;
    world.pass_until("2026-03-01T12:00:00Z").await;
    world.settle().await;
    let totals: Vec<i64> = world
        .invoices(subscription.id)
        .await
        .iter()
        .map(cents)
        .collect();
    assert_eq!(totals, [1_000, 0]);
}

#[tokio::test]
async fn setup_is_billed_once_even_without_a_base_price_b7() {
    let world = World::new(Invoicing::ByCore).await;
    let (both, _) = world
        .subscriber(r#"{"billing":"fixed","currency":"USD","cycle":"month","base_price":"25","setup_fee":"10"}"#)
        .await;
    let (setup, _) = world
        .subscriber(r#"{"billing":"fixed","currency":"USD","cycle":"month","setup_fee":"10"}"#)
        .await;
    world.pass_until("2026-02-01T12:00:00Z").await;
    world.settle().await;
    let totals: Vec<i64> = world.invoices(both.id).await.iter().map(cents).collect();
    assert_eq!(totals, [3_500, 2_500]);
    let totals: Vec<i64> = world.invoices(setup.id).await.iter().map(cents).collect();
    assert_eq!(totals, [1_000]);
}

#[tokio::test]
async fn a_base_price_with_overage_on_top_is_27_b8() {
    let world = World::new(Invoicing::ByCore).await;
    let (subscription, key) = world.subscriber(OVERAGE).await;
    world.calls(&key, 1_200).await;
    let preview = world
        .monetizer
        .statement(world.tenant_id(), subscription.id)
        .await
        .unwrap();
    world.pass_until("2026-02-01T12:00:00Z").await;
    world.settle().await;
    let invoices = world.invoices(subscription.id).await;
    let totals: Vec<i64> = invoices.iter().map(cents).collect();
    assert_eq!(totals, [2_500, 2_700]);
    assert_eq!(
        preview.total, invoices[1].total,
        "what is invoiced is what was previewed"
    );
    assert_eq!(preview.lines, invoices[1].lines);
}

#[tokio::test]
async fn overage_is_refused_or_billed_as_the_plan_says_b14() {
    let world = World::new(Invoicing::ByCore).await;
    let plan = |overage: &str| {
        format!(
            r#"{{"billing":"metered","currency":"USD","cycle":"month",
                "usage":[{{"meter":"requests","unit_price":"0.5","included":"3","overage":"{overage}"}}]}}"#
        )
    };
    let (strict, strict_key) = world.subscriber(&plan("strict")).await;
    let (loose, loose_key) = world.subscriber(&plan("loose")).await;
    world.calls(&strict_key, 3).await;
    assert!(
        matches!(world.call(&strict_key).await, Err(Denial::Limited(limited)) if limited.quota)
    );
    world.calls(&loose_key, 4).await;
    world.pass_until("2026-02-01T12:00:00Z").await;
    world.settle().await;
    assert_eq!(cents(&world.invoices(strict.id).await[0]), 0);
    let loose = &world.invoices(loose.id).await[0];
    assert_eq!(cents(loose), 50);
    let LineItem::Usage(line) = &loose.lines[0].item else {
        panic!("{loose:?}")
    };
    assert_eq!(line.charged, Quantity::from_scaled(1));
    world.calls(&strict_key, 3).await;
}

#[tokio::test]
async fn access_opens_with_the_first_payment_and_closes_while_a_later_one_is_due_d1_d2() {
    let world = World::new(Invoicing::ByCore).await;
    let (plan, _) = world.plan(FIXED).await;
    let ordered = world.subscribe(&plan).await;
    let (id, key) = (ordered.subscription.id, ordered.key.unwrap().1);
    world.settle().await;
    assert_eq!(
        world.call(&key).await,
        Err(Denial::Closed(Closed::PaymentRequired))
    );
    assert!(world.subscription(id).await.payment_url.is_some());
    world.pay_all().await;
    world.calls(&key, 1).await;

    world.pass_until("2026-02-01T12:00:00Z").await;
    world.settle().await;
    world.calls(&key, 1).await;
    world.pass(8 * DAY).await;
    world.settle().await;
    assert_eq!(
        world.call(&key).await,
        Err(Denial::Closed(Closed::PaymentRequired))
    );
    assert_eq!(world.invoices(id).await[1].state, InvoiceState::PastDue);
    world.pay_all().await;
    world.calls(&key, 1).await;
}

#[tokio::test]
async fn a_call_in_flight_while_its_period_closes_is_billed_with_the_next_one() {
    let world = World::new(Invoicing::ByCore).await;
    let (subscription, key) = world.subscriber(METERED).await;
    world.calls(&key, 2).await;
    world.pass_until("2026-02-01T11:59:59Z").await;
    let in_flight = world.admit(&key).await.unwrap();
    world.pass(Duration::from_secs(2)).await;
    world.settle().await;
    let closed = world.invoices(subscription.id).await;
    in_flight.settle(ok()).durable().await.unwrap();
    world.settle().await;
    assert_eq!(
        world.invoices(subscription.id).await,
        closed,
        "a closed invoice never changes"
    );
    world.pass_until("2026-03-01T12:00:00Z").await;
    world.settle().await;
    let invoices = world.invoices(subscription.id).await;
    let totals: Vec<i64> = invoices.iter().map(cents).collect();
    assert_eq!(totals, [2, 1]);
    assert!(
        invoices[1]
            .lines
            .iter()
            .any(|line| matches!(line.item, LineItem::LateUsage(_)))
    );
}

#[tokio::test]
async fn a_plan_change_between_call_and_record_leaves_the_call_where_it_was_granted() {
    let world = World::new(Invoicing::ByCore).await;
    let (plan, _) = world.plan(METERED).await;
    let ordered = world.subscribe(&plan).await;
    let (id, key) = (ordered.subscription.id, ordered.key.unwrap().1);
    world.settle().await;
    let in_flight = world.admit(&key).await.unwrap();
    let dearer = METERED.replace("0.01", "5");
    let (_, version) = world
        .monetizer
        .revise_plan(
            world.tenant_id(),
            plan.id,
            serde_json::from_str(&dearer).unwrap(),
        )
        .await
        .unwrap();
    world
        .monetizer
        .migrate(world.tenant_id(), id, version.id, None)
        .await
        .unwrap();
    world.pass(HOUR).await;
    in_flight.settle(ok()).durable().await.unwrap();
    world.calls(&key, 1).await;
    world.pass_until("2026-02-01T12:00:00Z").await;
    world.settle().await;
    assert_eq!(cents(&world.invoices(id).await[0]), 1 + 500);
}

#[tokio::test]
async fn a_late_event_is_billed_with_the_open_period_and_the_closed_one_stays() {
    let world = World::new(Invoicing::ByCore).await;
    let (subscription, key) = world.subscriber(OVERAGE).await;
    world.calls(&key, 999).await;
    world.pass_until("2026-02-10T00:00:00Z").await;
    world.settle().await;
    world.pay_all().await;
    let closed = world.invoices(subscription.id).await;
    let late = UsageEvent {
        source: text("elsewhere"),
        id: text("1"),
        subscription: subscription.id,
        meter: text("requests"),
        quantity: Some("3".to_owned()),
        key: None,
        occurred_at: Some(text("2026-01-20T00:00:00Z")),
    };
    let answers = world
        .monetizer
        .ingest(world.tenant_id(), &[late])
        .await
        .unwrap();
    assert_eq!(answers, [Ingested::Accepted]);
    world.pass_until("2026-03-01T12:00:00Z").await;
    world.settle().await;
    let invoices = world.invoices(subscription.id).await;
    assert_eq!(invoices[..2], closed[..2]);
    // One of the three was still included: two are charged.
    assert_eq!(cents(&invoices[2]), 2_500 + 2);
}

#[tokio::test]
async fn what_comes_after_the_end_is_kept_for_an_operator() {
    let world = World::new(Invoicing::ByCore).await;
    let (subscription, key) = world.subscriber(METERED).await;
    let in_flight = world.admit(&key).await.unwrap();
    world.pass(HOUR).await;
    world.cancel(subscription.id, CancelMode::Now).await;
    world.settle().await;
    in_flight.settle(ok()).durable().await.unwrap();
    let ended = world.subscription(subscription.id).await;
    assert_eq!(ended.state, SubscriptionState::Ended);
    let aftermath = ended.segment_at(world.clock.now()).unwrap();
    let sums = world
        .store
        .sums(world.tenant_id(), aftermath.id)
        .await
        .unwrap();
    assert_eq!(sums.iter().map(|sum| sum.total.scaled()).sum::<i64>(), 1);
}

#[tokio::test]
async fn an_unpaid_start_lapses_with_its_first_period() {
    let world = World::new(Invoicing::ByCore).await;
    let (plan, _) = world.plan(FIXED).await;
    let ordered = world.subscribe(&plan).await;
    world.settle().await;
    world.pass_until("2026-02-02T00:00:00Z").await;
    world.settle().await;
    let subscription = world.subscription(ordered.subscription.id).await;
    assert_eq!(subscription.state, SubscriptionState::Ended);
    assert_eq!(
        world.invoices(subscription.id).await[0].state,
        InvoiceState::Void
    );
}

#[tokio::test]
async fn several_missed_periods_are_closed_one_by_one() {
    let world = World::new(Invoicing::ByCore).await;
    let (subscription, key) = world.subscriber(METERED).await;
    world.calls(&key, 1).await;
    world.pass_until("2026-02-15T00:00:00Z").await;
    world.calls(&key, 2).await;
    world.pass_until("2026-03-15T00:00:00Z").await;
    world.calls(&key, 4).await;
    world.cancel(subscription.id, CancelMode::Now).await;
    world.settle().await;
    let totals: Vec<i64> = world
        .invoices(subscription.id)
        .await
        .iter()
        .map(cents)
        .collect();
    assert_eq!(totals.iter().sum::<i64>(), 7);
    assert_eq!(totals.len(), 3);
}
