//! What meters make of reported events, up to the invoice.

use std::time::Duration;

use http::HeaderMap;
use monetization_core::clock::Timestamp;
use monetization_core::engine::CancelMode;
use monetization_core::flows::{FlowError, Ingested, UsageEvent};
use monetization_core::invoice::{Invoice, Invoicing};
use monetization_core::money::Quantity;
use monetization_core::runtime::{Denial, Gatekeeper, GatekeeperOptions};
use monetization_core::subscription::{Subscription, SubscriptionState};

use crate::world::{World, ok, text};

/// Reports events and hears what becomes of them.
struct Reporter<'a> {
    world: &'a World,
    subscription: &'a Subscription,
    reported: u32,
}

impl<'a> Reporter<'a> {
    fn new(world: &'a World, subscription: &'a Subscription) -> Self {
        Self {
            world,
            subscription,
            reported: 0,
        }
    }

    async fn report(&mut self, meter: &str, said: (&str, &str), at: &str) -> Ingested {
        self.reported += 1;
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let event = UsageEvent {
            source: text("elsewhere"),
            id: text(&format!("event-{}", self.reported)),
            subscription: self.subscription.id,
            meter: text(meter),
            quantity: some(said.0),
            key: some(said.1),
            occurred_at: Some(at.parse::<Timestamp>().unwrap()),
        };
        let tenant = self.world.tenant_id();
        let twice = [event.clone(), event];
        let mut answers = self.world.monetizer.ingest(tenant, &twice).await.unwrap();
        if answers[0] == Ingested::Accepted {
            assert_eq!(answers[1], Ingested::Duplicate);
        }
        answers.remove(0)
    }
}

/// The amounts of an invoice's lines for use, as `meter: amount`, in the order of the plan.
fn used(invoice: &Invoice) -> Vec<String> {
    let lines = invoice.lines.iter();
    let lines = lines.map(|line| format!("{} = {}", line.description, line.amount.amount()));
    lines.collect()
}

async fn subscriber(world: &World, usage: &str) -> Subscription {
    let terms = format!(
        r#"{{"billing": "metered", "currency": "USD", "cycle": "month", "usage": [{usage}]}}"#
    );
    world.subscriber(&terms).await.0
}

#[tokio::test]
async fn each_aggregation_is_billed_as_it_says() {
    let world = World::new(Invoicing::ByCore).await;
    let each = |meter: &str| format!(r#"{{"meter": "{meter}", "unit_price": "1"}}"#);
    let usage = ["seats", "level", "users", "uploads"].map(each).join(", ");
    let subscription = subscriber(&world, &usage).await;
    let mut reporter = Reporter::new(&world, &subscription);
    world.pass_until("2026-01-20T00:00:00Z").await;
    let day = |day: u32| format!("2026-01-{day:02}T12:00:00Z");
    for (meter, quantity, key, on) in [
        ("seats", "5", "", 3),
        ("seats", "9", "", 4),
        ("seats", "2", "", 5),
        ("level", "7", "", 9),
        // Reported later, and used earlier.
        ("level", "4", "", 8),
        ("users", "", "ada", 3),
        ("users", "", "grace", 4),
        ("users", "", "ada", 5),
        ("uploads", "17", "", 3),
        ("uploads", "", "", 4),
    ] {
        let answer = reporter.report(meter, (quantity, key), &day(on)).await;
        assert_eq!(answer, Ingested::Accepted, "{meter} {quantity} {key}");
    }
    for (meter, field) in [("users", "key"), ("seats", "quantity")] {
        let Ingested::Refused(error) = reporter.report(meter, ("", ""), &day(6)).await else {
            panic!("{meter} counts nothing");
        };
        assert_eq!(error.field(), field);
    }
    world.pass_until("2026-02-01T12:00:00Z").await;
    world.settle().await;
    let invoices = world.invoices(subscription.id).await;
    let period = "2026-01-01 to 2026-02-01";
    let expected = [
        ("9 seats", 9),
        ("7 level", 7),
        ("2 users", 2),
        ("2 uploads", 2),
    ];
    let expected = expected.map(|(used, amount)| format!("{used}, {period} = {amount}.00"));
    assert_eq!(used(&invoices[0]), expected);
}

#[tokio::test]
async fn a_percentage_is_taken_of_each_transaction_with_its_bounds_and_free_ones() {
    let world = World::new(Invoicing::ByCore).await;
    let usage = r#"{"meter": "sales", "percentage": {
        "rate": "2.99", "fee": "2", "minimum": "1.75", "maximum": "12", "free_events": 1}}"#;
    let subscription = subscriber(&world, usage).await;
    let mut reporter = Reporter::new(&world, &subscription);
    world.pass_until("2026-01-20T00:00:00Z").await;
    for sale in ["500", "10", "80", "10000"] {
        let said = (sale, "");
        let answer = reporter.report("sales", said, "2026-01-03T00:00:00Z").await;
        assert_eq!(answer, Ingested::Accepted);
    }
    world.pass_until("2026-02-01T12:00:00Z").await;
    world.settle().await;
    world.pay_all().await;
    // The first is free; 2.299 and 4.392 of two, and the most that one may cost.
    let period = "2026-01-01 to 2026-02-01";
    let expected = format!("10590.00 sales, {period} = 18.69");
    let invoices = world.invoices(subscription.id).await;
    assert_eq!(used(&invoices[0]), [expected]);

    // One that is reported late is charged on the next invoice what it adds.
    let late = reporter.report("sales", ("100", ""), "2026-01-05T00:00:00Z");
    assert_eq!(late.await, Ingested::Accepted);
    world.pass_until("2026-03-01T12:00:00Z").await;
    world.settle().await;
    let invoices = world.invoices(subscription.id).await;
    // 18.691 and 4.99 are 23.681; 18.69 of it was billed.
    let late = "100.00 sales of an earlier period, recorded after it was closed = 4.99";
    assert_eq!(used(&invoices[1]).last().unwrap(), late);
}

/// It was listed under the id of a meter that no product has.
#[tokio::test]
async fn what_transactions_cost_too_late_is_listed_under_their_meter_e9() {
    let world = World::new(Invoicing::ByCore).await;
    let usage = r#"{"meter": "sales", "percentage": {"rate": "10"}}"#;
    let subscription = subscriber(&world, usage).await;
    let mut reporter = Reporter::new(&world, &subscription);
    world.cancel(subscription.id, CancelMode::Now).await;
    world.pass(Duration::from_secs(3_600)).await;
    world.settle().await;
    let late = reporter.report("sales", ("50", ""), "2026-01-01T12:30:00Z");
    assert_eq!(late.await, Ingested::Accepted);
    let unbilled = world.monetizer.unbilled(world.tenant_id()).await.unwrap();
    let mut listed: Vec<_> = unbilled
        .after_the_end
        .iter()
        .map(|it| (it.meter, it.is_charge, it.quantity.scaled()))
        .collect();
    listed.sort_unstable();
    let mut meters = world.product.meters.iter();
    let sales = meters
        .find(|meter| meter.name.as_str() == "sales")
        .unwrap()
        .id;
    assert_eq!(listed, [(sales, false, 5_000), (sales, true, 500_000_000)]);
}

#[tokio::test]
async fn reports_that_are_no_quantities_are_refused_by_field_e10() {
    let world = World::new(Invoicing::ByCore).await;
    let usage = r#"{"meter": "documents", "unit_price": "1"}"#;
    let subscription = subscriber(&world, usage).await;
    let mut reporter = Reporter::new(&world, &subscription);
    let at = "2026-01-03T00:00:00Z";
    world.pass_until(at).await;
    for (meter, quantity) in [
        ("documents", "-1"),
        ("documents", "-0.01"),
        ("documents", "NaN"),
        ("documents", "inf"),
        ("documents", "1e3"),
        ("documents", "0.001"),
        ("documents", "1,5"),
        ("documents", "99999999999999999999"),
        ("seats", "-1"),
        ("seats", "NaN"),
        ("seats", "1.5"),
        // Counted as one each, and no less a mistake.
        ("uploads", "-1"),
    ] {
        let Ingested::Refused(error) = reporter.report(meter, (quantity, ""), at).await else {
            panic!("{quantity} {meter} are taken in");
        };
        assert_eq!(error.field(), "quantity", "{meter} {quantity}");
    }
    let answer = reporter.report("documents", ("2.25", ""), at).await;
    assert_eq!(answer, Ingested::Accepted);
    let tenant = world.tenant_id();
    let statement = world.monetizer.statement(tenant, subscription.id).await;
    let used = statement.unwrap().used;
    let used: Vec<i64> = used.iter().map(|it| it.used.scaled()).collect();
    assert_eq!(used, [225]);
}

#[tokio::test]
async fn a_quota_of_reported_events_stops_calls_within_a_second_b21() {
    let world = World::new(Invoicing::ByCore).await;
    let terms = r#"{"billing": "free", "currency": "USD", "cycle": "month", "quotas": [
        {"meter": "uploads", "window": "period", "max": 2, "overage": "strict"}]}"#;
    let (subscription, key) = world.subscriber(terms).await;
    let mut reporter = Reporter::new(&world, &subscription);
    let (now, second) = ("2026-01-03T00:00:00Z", Duration::from_secs(1));
    world.pass_until(now).await;
    // Calls by themselves use nothing of it, nor does what another meter counts.
    world.calls(&key, 3).await;
    for (meter, quantity) in [("uploads", ""), ("seats", "9")] {
        let answer = reporter.report(meter, (quantity, ""), now).await;
        assert_eq!(answer, Ingested::Accepted);
    }
    world.pass(second).await;
    world.call(&key).await.unwrap();
    // The one that exceeds it has happened already: it is counted, and so is what follows.
    for _ in 0..2 {
        let answer = reporter.report("uploads", ("", ""), now).await;
        assert_eq!(answer, Ingested::Accepted);
    }
    world.pass(second).await;
    let refused = world.call(&key).await.unwrap_err();
    assert!(matches!(refused, Denial::Limited(_)), "{refused:?}");
    // The next period begins anew.
    world.pass_until("2026-02-01T12:00:00Z").await;
    world.call(&key).await.unwrap();
}

#[tokio::test]
async fn what_one_gate_counts_after_its_calls_stops_those_of_another_b21() {
    let world = World::new(Invoicing::ByCore).await;
    let terms = r#"{"billing": "free", "currency": "USD", "cycle": "month", "quotas": [
        {"meter": "tokens", "window": "month", "max": 300, "overage": "strict"}]}"#;
    let (_, key) = world.subscriber(terms).await;
    let (other, running) = world.gate(&world.clock, GatekeeperOptions::default());
    let call = async |at: &Gatekeeper, tokens: u32| {
        let mut permit = world.admit_at(at, &key).await?;
        let mut headers = HeaderMap::new();
        headers.insert("x-tokens", tokens.into());
        permit.heed(&headers);
        permit.settle(ok()).durable().await.unwrap();
        Ok::<_, Denial>(())
    };
    // Both gates know how the quota stands, and then each uses some of it.
    for (gate, tokens) in [
        (&other, 1),
        (&world.gatekeeper, 1),
        (&other, 198),
        (&world.gatekeeper, 120),
    ] {
        call(gate, tokens).await.unwrap();
    }
    world.pass(Duration::from_secs(1)).await;
    for gate in [&other, &world.gatekeeper] {
        let refused = call(gate, 1).await.unwrap_err();
        assert!(matches!(refused, Denial::Limited(_)), "{refused:?}");
    }
    other.shutdown();
    running.await.unwrap();
}

#[tokio::test]
async fn what_was_last_is_never_sealed_for_an_engine() {
    let world = World::new(Invoicing::ByEngine).await;
    let usage = r#"{"meter": "documents", "unit_price": "1"}"#;
    let subscription = subscriber(&world, usage).await;
    world.settle().await;
    let mut reporter = Reporter::new(&world, &subscription);
    let at = ["2026-01-03T00:00:00Z", "2026-01-03T00:00:01Z"];
    world.pass_until(at[1]).await;
    // Nobody asks a price for the level. It falls after it could have been sealed.
    for (at, level) in at.into_iter().zip(["7", "4"]) {
        for (meter, quantity) in [("documents", "1"), ("level", level)] {
            let answer = reporter.report(meter, (quantity, ""), at).await;
            assert_eq!(answer, Ingested::Accepted);
        }
        world.publish().await;
    }
    let segment = subscription.segment_at(text(at[1])).unwrap().id;
    let sums = world.store.sums(world.tenant_id(), segment).await.unwrap();
    let mut sums: Vec<_> = sums.iter().map(|sum| (sum.total, sum.sealed)).collect();
    sums.sort_unstable();
    let of = Quantity::from_scaled;
    assert_eq!(sums, [(of(4), of(0)), (of(200), of(200))]);
}

/// What no engine is told of was waited for: such a subscription never ended, and its engine went on
/// charging.
#[tokio::test]
async fn what_was_last_keeps_no_subscription_from_ending_c5() {
    for (mode, ends) in [
        (CancelMode::Now, "2026-01-03T00:01:00Z"),
        (CancelMode::AtPeriodEnd, "2026-02-02T00:00:00Z"),
    ] {
        let world = World::new(Invoicing::ByEngine).await;
        let usage = r#"{"meter": "documents", "unit_price": "1"}"#;
        let subscription = subscriber(&world, usage).await;
        let mut reporter = Reporter::new(&world, &subscription);
        let at = "2026-01-03T00:00:00Z";
        world.pass_until(at).await;
        for meter in ["documents", "level"] {
            let answer = reporter.report(meter, ("7", ""), at).await;
            assert_eq!(answer, Ingested::Accepted);
        }
        world.cancel(subscription.id, mode).await;
        world.pass_until(ends).await;
        world.settle().await;
        let draining = world.subscription(subscription.id).await;
        assert_eq!(draining.state, SubscriptionState::Draining, "{mode:?}");
        world.publish().await;
        world.settle().await;
        let ended = world.subscription(subscription.id).await;
        assert_eq!(ended.state, SubscriptionState::Ended, "{mode:?}");
        assert!(!world.provider.subscriptions()[0].live, "{mode:?}");
    }
}

#[tokio::test]
async fn what_an_engine_cannot_count_is_invoiced_by_core_alone() {
    let world = World::new(Invoicing::ByEngine).await;
    for (usage, field) in [
        (
            r#"{"meter": "sales", "percentage": {"rate": "1"}}"#,
            "usage.percentage",
        ),
        (r#"{"meter": "level", "unit_price": "1"}"#, "usage.meter"),
    ] {
        let terms = format!(
            r#"{{"billing": "metered", "currency": "USD", "cycle": "month", "usage": [{usage}]}}"#
        );
        let (plan, _) = world.plan(&terms).await;
        let order = world.order(&plan);
        let subscribed = world.monetizer.subscribe(world.tenant_id(), order).await;
        let Err(FlowError::Field(error)) = subscribed else {
            panic!("{usage} was sold");
        };
        assert_eq!(error.field(), field);
    }
}
