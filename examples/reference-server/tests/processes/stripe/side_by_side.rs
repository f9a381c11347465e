//! Publishers beside a server, each a process of its own, and a Stripe that fails at half of what they
//! report.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use monetization_conformance::asked::{frozen_reports, one_key_for_each_wish};
use monetization_conformance::size;
use monetization_conformance::stripe::faults::{Fault, Plan};
use monetization_core::clock::Clock;
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::dice::Dice;
use super::ledger;
use super::market::Market;
use super::publishers::{is_all_confirmed, states};
use super::publishing::{Used, batches, until_known_to_the_engine};
use super::shop::{Shop, text};
use super::upstream::Upstream;

const SUBSCRIBERS: usize = 10;
const EVENTS: &str = "/v1/billing/meter_events";
const POLL: Duration = Duration::from_millis(20);
/// Longer than what has failed nine times in a row waits, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(900);

const FAULTS: [Fault; 9] = [
    Fault::Drop,
    Fault::TooMany { retry_after: 1 },
    Fault::StoredFailure,
    Fault::Failure,
    Fault::Unavailable,
    Fault::Lock,
    Fault::Garbage,
    Fault::Truncated,
    Fault::ShouldRetry(true),
];

impl Shop {
    /// From now on about half of all reports fail, in one way or another, before or after their effect.
    fn fail_at_reports(&self) {
        for fault in FAULTS {
            for plan in [Plan::before(fault), Plan::after(fault)] {
                let some = plan.on("POST", EVENTS).times(u32::MAX).percent(4);
                self.stripe.plan(some);
            }
        }
    }

    fn faults_met(&self) -> usize {
        let seen = self.stripe.requests();
        seen.iter().filter(|it| it.fault.is_some()).count()
    }

    /// Publishes one time after the other until it is told that this is over; answers how many runs have
    /// come to something.
    async fn publish_until(&self, over: &AtomicBool) -> usize {
        let data = format!("--data-directory={}", self.home.directory().display());
        let publish = ["publish", "--engine=stripe", "--lease-seconds=1", &data];
        let mut runs = 0;
        while !over.load(Ordering::Acquire) {
            let ran = self.run(&publish).await;
            let says_nothing = ran.out.contains(" 0 confirmed") || !ran.out.contains("confirmed");
            runs += usize::from(!says_nothing);
        }
        runs
    }

    /// What Stripe has counted, by our names of subscriptions.
    fn counted(&self) -> BTreeMap<String, i64> {
        let subscriptions = self.stripe.fake().objects("subscription");
        let ours: BTreeMap<String, String> = subscriptions
            .iter()
            .map(|it| {
                let ours = &it["metadata"]["monetization_subscription"];
                (text(&it["customer"]), text(ours))
            })
            .collect();
        let mut counted = BTreeMap::new();
        for event in self.stripe.counted() {
            let units: i64 = event.value.to_string().parse().unwrap();
            *counted.entry(ours[&event.customer].clone()).or_default() += units;
        }
        counted
    }
}

/// R-P3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishers_side_by_side_report_every_unit_to_stripe_exactly_once_r_p3() {
    let (faults, units): (usize, i64) = size((60, 3_000), (1_000, 100_000));
    // Stripe's clock stands still: nothing may begin after what it shows.
    let ahead = Clock::system()
        .now()
        .saturating_add(Duration::from_secs(120));
    let shop = Shop::open_at(ahead, &["--invoicing=by_engine"]).await;
    let terms = json!({
        "billing": "metered", "currency": "USD", "cycle": "month",
        "usage": [{ "meter": "requests", "unit_price": "0.01" }],
    });
    let upstream = Upstream::start().await;
    let api = &shop.server.api;
    let market = Market::open(api, upstream.address, terms, SUBSCRIBERS).await;
    until_known_to_the_engine(shop.home.directory()).await;
    shop.fail_at_reports();

    let over = AtomicBool::new(false);
    let mut used = Used::default();
    let using = async {
        let dice = Dice::seeded(5);
        while used.total() < units || shop.faults_met() < faults {
            used.report(api, &market, &dice).await;
            sleep(POLL).await;
        }
        let met = shop.faults_met();
        shop.stripe.clear_faults();
        let confirming = async {
            while !is_all_confirmed(shop.home.directory()).await {
                sleep(POLL).await;
            }
        };
        let waited = timeout(PATIENCE, confirming).await;
        assert!(waited.is_ok(), "{:?}", states(shop.home.directory()).await);
        over.store(true, Ordering::Release);
        met
    };
    let publishing = async { tokio::join!(shop.publish_until(&over), shop.publish_until(&over)) };
    let (met, runs) = tokio::join!(using, publishing);
    assert!(
        runs.0 > 0 && runs.1 > 0,
        "one alone has done it all: {runs:?}"
    );
    assert_eq!(shop.counted(), used.of);
    let seen = shop.stripe.requests();
    let story = "publishers side by side";
    assert!(frozen_reports(&seen, story) > 0);
    one_key_for_each_wish(&seen, story);
    assert!(
        shop.stripe.violations().is_empty(),
        "{:?}",
        shop.stripe.violations()
    );
    shop.server.terminate().await;
    ledger::assert_invariants(shop.home.directory()).await;
    let (count, confirmed) = batches(shop.home.directory()).await;
    assert_eq!(
        confirmed,
        used.total(),
        "everything is in one confirmed batch"
    );
    println!("{met} faults, runs {runs:?}: {confirmed} units in {count} batches");
}
