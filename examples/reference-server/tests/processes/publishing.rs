use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use http::Method;
use monetization_conformance::size;
use monetization_core::clock::Timestamp;
use monetization_engine_mock::{Control, MockEngine, MockOptions};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::client::Api;
use super::dice::Dice;
use super::ledger;
use super::market::Market;
use super::server::Home;
use super::upstream::Upstream;

const SUBSCRIBERS: usize = 50;
const PUBLISH: &str = "/api/v1/monetization/publish-usage";
const POLL: Duration = Duration::from_millis(20);

/// R-P1. What was sealed is sent again as it is, and the provider knows what it has counted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_while_publishing_reports_every_unit_once() {
    let kills: u64 = size(8, 200);
    let upstream = Upstream::start().await;
    let mut home = Home::new(&["--invoicing=by_engine"]);
    let mut server = home.start().await;
    let terms = json!({
        "billing": "metered", "currency": "USD", "cycle": "month",
        "usage": [{ "meter": "requests", "unit_price": "0.01" }],
    });
    let market = Market::open(&server.api, upstream.address, terms, SUBSCRIBERS).await;
    until_known_to_the_engine(home.directory()).await;
    let mut used = Used::default();
    let dice = Dice::seeded(4);
    let (mut rounds, mut interrupted, mut patience_us) = (0, 0, 500_000);
    while interrupted < kills {
        rounds += 1;
        assert!(rounds < 10 * kills, "hardly a kill meets a run");
        used.report(&server.api, &market, &dice).await;
        assert_eq!(start(&server.api).await, 202);
        sleep(Duration::from_micros(dice.below(patience_us) + 1)).await;
        server.kill().await;
        ledger::assert_invariants(home.directory()).await;
        server = home.start().await;
        match status(&server.api).await.as_str() {
            "RUNNING INPROGRESS" => {
                interrupted += 1;
                patience_us = patience_us * 5 / 4;
                assert_eq!(start(&server.api).await, 409);
                // Once, and in the longer run only, it passes by itself: that takes a minute.
                if size(true, interrupted > 1) {
                    let_time_pass(home.directory()).await;
                }
                until(&server.api, "COMPLETED FAILED").await;
            }
            "COMPLETED SUCCESSFUL" => patience_us = patience_us / 2 + 1,
            other => panic!("the status is {other}"),
        }
    }
    assert_eq!(start(&server.api).await, 202);
    until(&server.api, "COMPLETED SUCCESSFUL").await;
    server.terminate().await;

    let (batches, sealed) = batches(home.directory()).await;
    let total = used.total();
    println!("{rounds} kills, {interrupted} within a run: {total} units in {batches} batches");
    assert_eq!(sealed, total, "everything is in one confirmed batch");
    assert_eq!(counted_by_the_provider(home.directory()), used.of);
}

/// What was reported, by subscription: what all others have to agree with.
#[derive(Debug, Default)]
pub(super) struct Used {
    pub(super) of: BTreeMap<String, i64>,
    events: u64,
}

impl Used {
    /// Reports some use of each subscription.
    pub(super) async fn report(&mut self, api: &Api, market: &Market, dice: &Dice) {
        let mut events = Vec::new();
        for subscription in &market.subscriptions {
            let quantity = dice.below(9) + 1;
            *self.of.entry(subscription.id.clone()).or_default() +=
                i64::try_from(quantity).unwrap();
            self.events += 1;
            events.push(json!({
                "source": "till", "id": self.events.to_string(),
                "subscription": subscription.id, "meter": "requests",
                "quantity": quantity.to_string(),
            }));
        }
        let answers = api.post("/api/v1/usage", Value::Array(events)).await;
        let answers = answers.as_array().unwrap();
        assert!(
            answers.iter().all(|answer| answer["result"] == "accepted"),
            "{answers:?}"
        );
    }

    pub(super) fn total(&self) -> i64 {
        self.of.values().sum()
    }
}

async fn start(api: &Api) -> u16 {
    api.try_to(Method::POST, PUBLISH, Value::Null).await.status
}

async fn status(api: &Api) -> String {
    let run = api.get(&format!("{PUBLISH}/status")).await;
    [
        run["state"].as_str().unwrap(),
        run["status"].as_str().unwrap(),
    ]
    .join(" ")
}

async fn until(api: &Api, wanted: &str) {
    let mut last = String::new();
    let waiting = async {
        while last != wanted {
            sleep(POLL).await;
            last = status(api).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(90), waiting).await;
    assert!(waited.is_ok(), "the status is {last} and not {wanted}");
}

/// A subscription is sold at once, and started at the engine a moment later.
pub(super) async fn until_known_to_the_engine(directory: &Path) {
    let mut file = ledger::open(directory).await;
    loop {
        let open = sqlx::query_scalar(ledger::OPERATIONS_LEFT);
        let open: i64 = open.fetch_one(&mut file).await.unwrap();
        if open == 0 {
            return;
        }
        sleep(POLL).await;
    }
}

/// Every lease of the run that was killed lapses, as it does after a minute.
pub(super) async fn let_time_pass(directory: &Path) {
    let mut file = ledger::open(directory).await;
    let leases = [
        "UPDATE job SET lease_lapses_at = 0 WHERE state = 'running'",
        "UPDATE batch SET claim_lapses_at = 0 WHERE claim_lapses_at IS NOT NULL",
    ];
    for lapse in leases {
        sqlx::query(lapse).execute(&mut file).await.unwrap();
    }
}

/// How many batches there are, and what the confirmed ones add up to. Each begins where the one
/// before it ends.
pub(super) async fn batches(directory: &Path) -> (i64, i64) {
    let mut file = ledger::open(directory).await;
    let select = "SELECT count(*), sum(to_total - from_total) FILTER (WHERE state = 'confirmed')
        FROM batch";
    let (count, confirmed) = sqlx::query_as(select).fetch_one(&mut file).await.unwrap();
    let sums = "SELECT sum(total) FROM sum WHERE sealed = total";
    let sealed: i64 = sqlx::query_scalar(sums).fetch_one(&mut file).await.unwrap();
    assert_eq!(sealed, confirmed, "sealed and not confirmed");
    (count, confirmed)
}

/// What the provider's journal says, taken step by step again.
fn counted_by_the_provider(directory: &Path) -> BTreeMap<String, i64> {
    let journal = directory.join("engine-mock.journal");
    let provider = MockEngine::open(MockOptions::in_file(journal, Timestamp::MIN)).unwrap();
    counted(&provider.control())
}

/// What a provider has counted, by our names of its subscriptions.
fn counted(provider: &Control) -> BTreeMap<String, i64> {
    let subscriptions = provider.subscriptions();
    let counted = subscriptions.iter().map(|subscription| {
        let records = subscription.records.iter();
        let units = records.map(|record| record.quantity.scaled()).sum();
        (subscription.ours().to_string(), units)
    });
    counted.collect()
}
