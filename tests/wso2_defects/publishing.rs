//! Use on its way to Stripe.

use monetization_conformance::stripe::faults::{Fault, Plan};
use monetization_core::store::{JobStart, JobState};

use crate::market::{HOUR, METERED, MINUTE};
use crate::shop::Shop;

const TWO_METERS: &str = r#"{"billing":"metered","currency":"USD","cycle":"month","usage":[
    {"meter":"requests","unit_price":"0.01"},{"meter":"documents","unit_price":"0.10"}]}"#;
const REPORTS: &str = "/v1/billing/meter_events";

/// There the first failure ended the run, and what had been sent was sent again with what was used since:
/// another count, another key, another charge.
#[tokio::test]
async fn a_run_that_fails_in_its_middle_charges_nothing_twice_though_more_is_used() {
    for plan in [Plan::before(Fault::Drop), Plan::after(Fault::Drop)] {
        let shop = Shop::open(METERED, 5).await;
        shop.market.use_of_each(3).await;
        shop.stripe.plan(plan.clone().on("POST", REPORTS).skip(2));
        assert_eq!(
            shop.market.publish().await,
            JobState::Incomplete,
            "{plan:?}"
        );
        let sent = shop.asked("POST", REPORTS);
        assert_eq!(sent, 5, "one that fails holds up no other");
        shop.market.use_of_each(2).await;
        for _ in 0..2 {
            shop.market.pass(HOUR).await;
            shop.market.publish().await;
        }
        assert_eq!(shop.market.counted().await, 25, "{plan:?}");
        shop.market.pass_until("2026-02-01T02:00:00Z").await;
        shop.market.settle().await;
        for id in &shop.market.subscriptions {
            assert_eq!(shop.market.totals(*id).await.iter().sum::<i64>(), 5);
        }
    }
}

/// There what was sent again said when it was sent, so that Stripe refused its key for a day.
#[tokio::test]
async fn a_report_whose_answer_was_lost_is_sent_again_as_it_was() {
    let shop = Shop::open(METERED, 1).await;
    shop.market.use_of_each(3).await;
    shop.stripe
        .plan(Plan::after(Fault::Drop).on("POST", REPORTS));
    assert_eq!(shop.market.publish().await, JobState::Incomplete);
    shop.market.pass(HOUR).await;
    assert_eq!(shop.market.publish().await, JobState::Succeeded);
    let seen = shop.stripe.requests();
    let reports = seen.iter().filter(|it| it.path == REPORTS);
    let reports: Vec<&str> = reports.map(|it| it.body.as_str()).collect();
    assert_eq!(reports.len(), 2);
    assert_eq!(reports[0], reports[1]);
    assert_eq!(shop.market.counted().await, 3);
}

/// There both ends of a run's time were in it, and what lay on the edge counted in two runs.
#[tokio::test]
async fn what_is_used_in_the_instant_of_a_run_counts_once() {
    let shop = Shop::open(METERED, 1).await;
    for units in [3, 4] {
        shop.market.use_of_each(units).await;
        assert_eq!(shop.market.publish().await, JobState::Succeeded);
    }
    assert_eq!(shop.market.publish().await, JobState::Succeeded);
    assert_eq!(shop.asked("POST", REPORTS), 2);
    assert_eq!(shop.market.counted().await, 7);
}

/// There use had the time at which it was sent, so that the last of a month was billed with the next.
#[tokio::test]
async fn use_of_a_periods_last_second_is_on_its_own_invoice() {
    let shop = Shop::open(METERED, 1).await;
    shop.market.pass_until("2026-01-31T23:59:59Z").await;
    shop.market.use_of_each(7).await;
    shop.market.pass(30 * MINUTE).await;
    assert_eq!(shop.market.publish().await, JobState::Succeeded);
    for (instant, last) in [("2026-02-01T02:00:00Z", 7), ("2026-03-01T02:00:00Z", 0)] {
        shop.market.pass_until(instant).await;
        shop.market.settle().await;
        assert_eq!(shop.totals_at_stripe().last(), Some(&last), "{instant}");
    }
}

/// There a question about use was answered for ten applications, and what the others had used was lost.
#[tokio::test]
async fn the_use_of_any_number_of_subscribers_is_reported() {
    const SUBSCRIBERS: u64 = 15;
    let shop = Shop::open(METERED, SUBSCRIBERS).await;
    shop.market.use_of_each(2).await;
    assert_eq!(shop.market.publish().await, JobState::Succeeded);
    let counted = shop.market.counted().await;
    assert_eq!(counted, i64::try_from(SUBSCRIBERS * 2).unwrap());
}

/// There only the first item of a subscription was looked at.
#[tokio::test]
async fn every_meter_of_a_subscription_is_reported_and_billed() {
    let shop = Shop::open(TWO_METERS, 1).await;
    shop.market.used(shop.only(), "requests", 3).await;
    shop.market.used(shop.only(), "documents", 2).await;
    assert_eq!(shop.market.publish().await, JobState::Succeeded);
    assert_eq!(shop.asked("POST", REPORTS), 2);
    shop.market.pass_until("2026-02-01T02:00:00Z").await;
    shop.market.settle().await;
    assert_eq!(shop.totals_at_stripe().last(), Some(&23));
}

/// There a process that died while it published was running for ever.
#[tokio::test]
async fn a_publisher_that_has_died_holds_up_nobody_past_its_lease() {
    let shop = Shop::open(METERED, 1).await;
    let (market, tenant) = (&shop.market, shop.market.tenant);
    market.use_of_each(3).await;
    let died = market.monetizer.start_publishing(tenant).await.unwrap();
    assert!(matches!(died, JobStart::Started(_)), "{died:?}");
    let early = market.monetizer.start_publishing(tenant).await.unwrap();
    assert!(matches!(early, JobStart::Busy(_)), "{early:?}");
    market.pass(2 * MINUTE).await;
    let last = market.monetizer.last_publishing(tenant).await.unwrap();
    assert_eq!(last.unwrap().state, JobState::Lapsed);
    assert_eq!(market.publish().await, JobState::Succeeded);
    assert_eq!(market.counted().await, 3);
}

/// There it was read whether a run is under way, and then written that one is: two could do that at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_publishers_that_start_at_once_one_does() {
    let shop = Shop::open(METERED, 1).await;
    let mut starting = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (monetizer, tenant) = (shop.market.monetizer.clone(), shop.market.tenant);
        starting.spawn(async move { monetizer.start_publishing(tenant).await.unwrap() });
    }
    let started = starting.join_all().await;
    let started = started
        .iter()
        .filter(|it| matches!(it, JobStart::Started(_)));
    assert_eq!(started.count(), 1);
}
