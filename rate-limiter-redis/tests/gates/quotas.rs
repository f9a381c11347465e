//! Strict quotas of several gatekeepers on one store: never from the server that counts rates.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use monetization_conformance::postgres::Database;
use monetization_conformance::{is_long, size_in_ci};
use monetization_core::runtime::Gatekeeper;
use monetization_core::secret::Secret;
use monetization_store_postgres::{PostgresOptions, PostgresStore};

use crate::shop::Shop;

const GATEKEEPERS: usize = 9;

/// Nothing passes beyond what was bought, and of what was bought nearly all passes where it is asked for first,
/// with calls that come over seconds; and no less where who was refused asks another gatekeeper.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gatekeepers_over_one_store_sell_a_strict_quota_once_and_whole_r_q1() {
    let over = Duration::from_secs(size_in_ci(5, 5, 60));
    let shop = Arc::new(Shop::open().await);
    let gatekeepers = (0..GATEKEEPERS).map(|_| shop.gatekeeper(None)).collect();
    println!("{}", sell_once_and_whole(shop, gatekeepers, over).await);
}

/// The same over PostgreSQL, with a store for each gatekeeper, as in a process of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn gatekeepers_over_one_database_sell_a_strict_quota_once_and_whole_r_q1() {
    let over = Duration::from_secs(size_in_ci(30, 30, 180));
    let database = Database::unused();
    let migrate = async |address: &str| open(address).await.close().await;
    database.make(migrate).await;
    let shop = Shop::open_over(Arc::new(open(&database.address()).await)).await;
    let mut gatekeepers = Vec::new();
    for _ in 0..GATEKEEPERS {
        let store = open(&database.address()).await;
        gatekeepers.push(shop.gatekeeper_over(Arc::new(store), None));
    }
    let told = sell_once_and_whole(Arc::new(shop), gatekeepers, over).await;
    println!("{told}");
    database.remove().await;
}

async fn open(address: &str) -> PostgresStore {
    let options = PostgresOptions::new(address).unwrap();
    PostgresStore::open(&options).await.unwrap()
}

/// Every limit and load, each by the first one, three, five and all of the gatekeepers; in words, how it went.
async fn sell_once_and_whole(
    shop: Arc<Shop>,
    gatekeepers: Vec<Gatekeeper>,
    over: Duration,
) -> String {
    let limits: &[u64] = size_in_ci(&[10, 100, 1_000], &[10, 1_000], &[10, 100, 1_000, 10_000]);
    let begun = tokio::time::Instant::now();
    let mut points = Vec::new();
    for count in [1, 3, 5, GATEKEEPERS] {
        for (max, tenths) in limits
            .iter()
            .flat_map(|max| [9, 10, 20, 30].map(|tenths| (*max, tenths)))
        {
            let quota = r#""quotas": [{"window": "month", "max": MAX, "overage": "strict"}]"#;
            let key = shop
                .subscriber(&quota.replace("MAX", &max.to_string()))
                .await;
            points.push(Point {
                gatekeepers: gatekeepers[..count].to_vec(),
                key,
                max,
                calls: max * tenths / 10,
            });
        }
    }
    let shares = join_all(points.iter().map(|point| point.share(&shop, over))).await;
    let at_first = shares.iter().map(|share| share.0).min().unwrap();
    let in_all = shares.iter().map(|share| share.1).min().unwrap();
    let few = shares.iter().filter(|share| share.0 < 990);
    let few: Vec<_> = few.map(|(_, _, told)| told).collect();
    assert!(few.is_empty(), "too few at first: {few:#?}");
    for gatekeeper in &gatekeepers {
        gatekeeper.shutdown();
    }
    let each = shares.iter().filter(|_| is_long()).map(|share| &*share.2);
    let least = format!(
        "of a thousand at least {in_all} were usable, {at_first} where they were asked for first; {:?}",
        begun.elapsed()
    );
    each.chain([&*least]).collect::<Vec<_>>().join("\n")
}

/// A quota, and how much it is called for.
struct Point {
    gatekeepers: Vec<Gatekeeper>,
    key: Secret,
    max: u64,
    calls: u64,
}

impl Point {
    /// How many of a thousand units that could pass did at first ask and in the end, and all of it in words.
    async fn share(&self, shop: &Arc<Shop>, over: Duration) -> (u64, u64, String) {
        let Self {
            gatekeepers,
            calls,
            max,
            ..
        } = self;
        let at_first = self.offer(shop, over).await;
        let mut passed = at_first;
        // Whoever was refused tries elsewhere.
        for _ in 0..calls - at_first {
            for by in gatekeepers {
                if shop.call_until_answered(by, &self.key).await {
                    passed += 1;
                    break;
                }
            }
        }
        let possible = *calls.min(max);
        let told = format!(
            "{} gatekeepers, {calls} calls, {max} bought: {at_first} passed at first, {passed} in all",
            gatekeepers.len()
        );
        assert!(passed <= possible, "{told}");
        (at_first * 1_000 / possible, passed * 1_000 / possible, told)
    }

    /// Offers the calls evenly over a time, to the gatekeepers in turn, and says how many passed.
    async fn offer(&self, shop: &Arc<Shop>, over: Duration) -> u64 {
        let all = u32::try_from(self.calls).unwrap();
        let start = tokio::time::Instant::now();
        let mut calls = tokio::task::JoinSet::new();
        for (number, by) in (0..all).zip(self.gatekeepers.iter().cycle()) {
            let at = over * number / all;
            tokio::time::sleep_until(start + at).await;
            let (shop, by, key) = (Arc::clone(shop), by.clone(), self.key.clone());
            calls.spawn(async move { shop.call_until_answered(&by, &key).await });
        }
        let passed = calls.join_all().await;
        passed.iter().map(|passed| u64::from(*passed)).sum()
    }
}
