//! Periods that are aligned to the calendar of a time zone.

use monetization_core::engine::CancelMode;
use monetization_core::flows::{FlowError, Order, Ordered};
use monetization_core::invoice::{Invoicing, LineItem, Occasion};
use monetization_core::period::TimeZone;
use monetization_core::plan::Plan;
use monetization_core::secret::Secret;
use monetization_core::subscription::{Subscription, SubscriptionState};

use crate::world::{World, cents, text};

const CALENDAR: &str = r#"{"billing":"metered","currency":"USD","cycle":"month","alignment":"calendar",
    "base_price":"31","proration":"by_days",
    "usage":[{"meter":"requests","unit_price":"0.01","included":"10","overage":"loose"}]}"#;

fn new_york() -> TimeZone {
    text("America/New_York")
}

async fn order(world: &World, plan: &Plan, time_zone: TimeZone) -> Result<Ordered, FlowError> {
    let order = Order {
        time_zone,
        ..world.order(plan)
    };
    world.monetizer.subscribe(world.tenant_id(), order).await
}

/// A subscriber in New York, paid up.
async fn subscriber(world: &World, terms: &str) -> (Subscription, Secret) {
    let (plan, _) = world.plan(terms).await;
    let ordered = order(world, &plan, new_york()).await.unwrap();
    world.settle().await;
    world.pay_all().await;
    let subscription = world.subscription(ordered.subscription.id).await;
    (subscription, ordered.key.unwrap().1)
}

/// What of each invoice is the base price, and what use, in cents.
async fn billed(world: &World, of: &Subscription) -> Vec<(i64, i64)> {
    let mut invoices = world.invoices(of.id).await;
    invoices.sort_by_key(|invoice| match invoice.occasion {
        Occasion::Start | Occasion::Bundle => None,
        Occasion::Period { index, .. } => Some(index),
    });
    let parts = invoices.iter().map(|invoice| {
        let base = invoice.lines.iter();
        let base = base.filter(|line| matches!(line.item, LineItem::Base { .. }));
        let base = base.map(|line| line.amount.minor()).sum::<i64>();
        (base, cents(invoice) - base)
    });
    parts.collect()
}

#[tokio::test]
async fn a_month_of_the_calendar_is_that_of_the_time_zone_and_charged_for_its_share_at_first_b9() {
    let world = World::new(Invoicing::ByCore).await;
    // In New York it is still the 14th.
    world.pass_until("2026-01-15T02:00:00Z").await;
    let (subscription, key) = subscriber(&world, CALENDAR).await;
    let first = &world.invoices(subscription.id).await[0];
    assert_eq!(
        first.lines[0].description,
        "base price, 2026-01-14 to 2026-02-01, 18 of 31 days"
    );
    // Included units are those of a whole period.
    world.pass_until("2026-02-01T04:59:59Z").await;
    world.calls(&key, 15).await;
    world.pass_until("2026-02-01T05:00:00Z").await;
    world.calls(&key, 12).await;
    world.pass_until("2026-02-01T05:31:00Z").await;
    world.settle().await;
    world.pay_all().await;
    world.pass_until("2026-03-01T05:31:00Z").await;
    world.settle().await;
    assert_eq!(
        billed(&world, &subscription).await,
        [(1_800, 0), (3_100, 5), (3_100, 2)]
    );
    let third = &world.invoices(subscription.id).await[2];
    let dates = third
        .lines
        .iter()
        .map(|line| line.description.rsplit(", ").next().unwrap());
    assert_eq!(
        dates.collect::<Vec<_>>(),
        ["2026-02-01 to 2026-03-01", "2026-03-01 to 2026-04-01"]
    );
}

#[tokio::test]
async fn a_first_period_of_a_minute_may_be_paid_for_a_whole_cycle() {
    let world = World::new(Invoicing::ByCore).await;
    let (plan, _) = world.plan(CALENDAR).await;
    world.pass_until("2026-02-01T04:59:00Z").await;
    let ordered = order(&world, &plan, new_york()).await.unwrap();
    let id = ordered.subscription.id;
    world.settle().await;
    world.pass_until("2026-02-05T12:00:00Z").await;
    world.settle().await;
    assert_eq!(
        world.subscription(id).await.state,
        SubscriptionState::AwaitingPayment
    );
    world.pay_all().await;
    world.settle().await;
    let subscription = world.subscription(id).await;
    assert_eq!(subscription.state, SubscriptionState::Active);
    assert_eq!(billed(&world, &subscription).await, [(100, 0), (3_100, 0)]);

    let late = order(&world, &plan, TimeZone::UTC)
        .await
        .unwrap()
        .subscription
        .id;
    world.settle().await;
    world.pass_until("2026-04-01T12:00:00Z").await;
    world.settle().await;
    assert_eq!(
        world.subscription(late).await.state,
        SubscriptionState::Ended
    );
}

#[tokio::test]
async fn a_share_that_comes_to_nothing_is_not_asked_for() {
    let world = World::new(Invoicing::ByCore).await;
    world.pass_until("2026-01-31T23:59:59Z").await;
    let terms = CALENDAR.replace("by_days", "per_second");
    let (plan, _) = world.plan(&terms).await;
    let ordered = world.subscribe(&plan).await;
    assert_eq!(ordered.subscription.state, SubscriptionState::Active);
    world.pass_until("2026-02-01T00:31:00Z").await;
    world.settle().await;
    assert_eq!(billed(&world, &ordered.subscription).await, [(3_100, 0)]);
}

#[tokio::test]
async fn the_period_after_the_running_one_ends_by_the_new_time_zone_b9() {
    let world = World::new(Invoicing::ByCore).await;
    let (subscription, key) = subscriber(&world, CALENDAR).await;
    world.pass_until("2026-01-20T12:00:00Z").await;
    let to = |zone: &str| {
        let zone = text(zone);
        world
            .monetizer
            .move_zone(world.tenant_id(), subscription.id, zone)
    };
    to("Europe/Berlin").await.unwrap();
    // What has not come so far is replaced, and asking twice is asking once.
    to("Asia/Tokyo").await.unwrap();
    let moved = to("Asia/Tokyo").await.unwrap();
    let schedule = &moved.timeline.schedule;
    let boundaries = (0..4).map(|index| schedule.period(index).unwrap().start.to_string());
    assert_eq!(
        boundaries.collect::<Vec<_>>(),
        [
            "2026-01-01T12:00:00Z",
            "2026-02-01T05:00:00Z",
            "2026-02-28T15:00:00Z",
            "2026-03-31T15:00:00Z",
        ]
    );
    for (instant, calls) in [
        ("2026-02-01T05:00:00Z", 11),
        ("2026-02-28T14:59:59Z", 1),
        ("2026-02-28T15:00:00Z", 13),
    ] {
        world.pass_until(instant).await;
        world.calls(&key, calls).await;
    }
    world.pass_until("2026-03-31T15:31:00Z").await;
    world.settle().await;
    assert_eq!(
        billed(&world, &subscription).await,
        [(3_100, 0), (3_100, 0), (3_100, 2), (3_100, 3)]
    );
    world.cancel(subscription.id, CancelMode::AtPeriodEnd).await;
    let refused = to("UTC").await;
    assert!(matches!(refused, Err(FlowError::Illegal(_))), "{refused:?}");
}

#[tokio::test]
async fn an_engine_that_invoices_in_utc_from_the_start_is_offered_nothing_else() {
    let world = World::new(Invoicing::ByEngine).await;
    let field = |refused: Result<Ordered, FlowError>| match refused {
        Err(FlowError::Field(error)) => error.field().to_owned(),
        other => panic!("{other:?}"),
    };
    let aligned = r#"{"billing":"fixed","currency":"USD","cycle":"month","base_price":"25","alignment":"calendar"}"#;
    let (aligned, _) = world.plan(aligned).await;
    assert_eq!(
        field(order(&world, &aligned, TimeZone::UTC).await),
        "alignment"
    );
    let plain = r#"{"billing":"fixed","currency":"USD","cycle":"month","base_price":"25"}"#;
    let (plain, _) = world.plan(plain).await;
    assert_eq!(field(order(&world, &plain, new_york()).await), "time_zone");
    let ordered = order(&world, &plain, TimeZone::UTC).await.unwrap();
    let moved = world
        .monetizer
        .move_zone(world.tenant_id(), ordered.subscription.id, new_york())
        .await;
    assert_eq!(field(moved.map(|_| unreachable!())), "time_zone");
}

#[tokio::test]
async fn the_alignment_stays_the_same_in_every_version() {
    let world = World::new(Invoicing::ByCore).await;
    let (plan, _) = world.plan(CALENDAR).await;
    let other = CALENDAR.replace("calendar", "day 3");
    let revised = world
        .monetizer
        .revise_plan(
            world.tenant_id(),
            plan.id,
            serde_json::from_str(&other).unwrap(),
        )
        .await;
    let Err(FlowError::Field(error)) = revised else {
        panic!("{revised:?}");
    };
    assert_eq!(error.field(), "alignment");
}
