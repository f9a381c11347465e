//! What a gate's decision takes in every mode, against one whose rates are its own, in the same run:
//! `scripts/servers.sh cargo bench -p monetization-rate-limiter-redis --features gates --bench gates`. Words behind
//! `--` choose rows.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a benchmark reads the clock and the environment, computes ratios, and may fail"
)]

#[path = "../redis/sides.rs"]
#[expect(dead_code, reason = "the other benchmark uses the rest of it")]
mod sides;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue};
use monetization_conformance::bench::{Goal, Report, Row};
use monetization_conformance::market::WEATHER;
use monetization_core::clock::Clock;
use monetization_core::entropy::Entropy;
use monetization_core::ids::SubscriptionId;
use monetization_core::key::Pepper;
use monetization_core::memory::MemoryStore;
use monetization_core::rates::{RateAnswer, RateAsk, RateCounters, RateTaken, SharedRates};
use monetization_core::runtime::{Beside, Decided, Gatekeeper, GatekeeperOptions, Target};
use monetization_core::storefront::Storefront;
use monetization_rate_limiter::Limits;
use monetization_rate_limiter_redis::{GateRates, Namespace, NodeId, Options, RedisLimiter, Way};

use sides::{Side, rounds};

/// Three rates that nobody reaches, and a quota that is counted here.
const TERMS: &str = r#"{"billing": "free", "currency": "USD", "cycle": "month",
    "rates": [{"kind": "calendar", "window": "second", "max": 100000000},
        {"kind": "calendar", "window": "minute", "max": 1000000000},
        {"kind": "calendar", "window": "hour", "max": 10000000000}],
    "quotas": [{"window": "month", "max": 10000000000, "overage": "loose"}]}"#;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut report = Report::from_arguments();
    let address = std::env::var("MONETIZATION_REDIS").expect("run by scripts/servers.sh");
    for in_flight in [1, 64] {
        for (words, way) in [
            ("a block that is here", Way::Blocks),
            ("a round trip each", Way::EachCall),
        ] {
            let name = format!(
                "decision by {words}, {in_flight} in flight / by its own rates: time a call"
            );
            if report.wants(&name) {
                let shared = Gates::open(Some((&address, way))).await;
                let own = Gates::open(None).await;
                let [shared, own] = rounds(in_flight, shared, own).await;
                let nanos = |rates: Vec<f64>| rates.into_iter().map(|rate| 1e9 / rate).collect();
                let figures = [nanos(shared), nanos(own)];
                report.add(Row::of_rounds(name, figures, "ns", Goal::Shown));
            }
        }
    }
    report.print();
}

/// A gatekeeper and somebody who calls.
#[derive(Clone)]
struct Gates {
    gatekeeper: Gatekeeper,
    clock: Clock,
    headers: Arc<HeaderMap>,
}

impl Gates {
    async fn open(at: Option<(&str, Way)>) -> Self {
        let (clock, entropy) = (Clock::system(), Arc::new(Entropy::system()));
        let store = Arc::new(MemoryStore::without_records(clock.clone()));
        let pepper = Pepper::random(&entropy);
        let (kept, engine) = (Arc::clone(&store), monetization_core::engine::none());
        let shop = Storefront::open(kept, engine, clock.clone(), pepper.clone());
        let shop = shop.await.unwrap();
        let terms = serde_json::from_str(TERMS).unwrap();
        let plan = shop.sell(WEATHER, terms).await.unwrap();
        let (_, key) = shop.subscribe("acme", plan).await.unwrap();
        let rates: Option<Arc<dyn SharedRates>> = match at {
            Some((address, way)) => Some(Arc::new(Kept(
                limiter(address, &entropy, &clock).await.by(way),
            ))),
            None => None,
        };
        let beside = Beside {
            rates,
            ..Beside::default()
        };
        let options = GatekeeperOptions {
            stale_after: Duration::from_secs(3_600),
            ..GatekeeperOptions::default()
        };
        let words = (clock.clone(), entropy);
        let gatekeeper = Gatekeeper::with(store, words, pepper, options, beside);
        let mut headers = HeaderMap::new();
        headers.insert("x-api-key", HeaderValue::from_str(key.reveal()).unwrap());
        gatekeeper.refresh().await.unwrap();
        Self {
            gatekeeper,
            clock,
            headers: Arc::new(headers),
        }
    }
}

async fn limiter(address: &str, entropy: &Entropy, clock: &Clock) -> GateRates {
    let mut node = [0; 16];
    entropy.fill(&mut node);
    let namespace = Namespace::new(&format!("bench {node:?}"));
    let mut options = Options::new(address, namespace, NodeId::new(node));
    options.budget = Duration::from_secs(5);
    let limiter = RedisLimiter::start(options, Arc::new(clock.clone()))
        .await
        .unwrap();
    assert_eq!(limiter.away(), None, "no Redis at {address}");
    GateRates::new(limiter)
}

impl Side for Gates {
    /// Decides, and lets go of the permit.
    async fn call(&self, _: u64) {
        let target = Target {
            product: WEATHER,
            method: "GET",
            path: "/",
        };
        let now = self.clock.now();
        let permit = match self.gatekeeper.decide(&self.headers, &target, now) {
            Decided::Granted(permit) => permit,
            Decided::Waits => self
                .gatekeeper
                .admit(&self.headers, &target, now)
                .await
                .unwrap(),
            Decided::Denied(denial) => panic!("{denial:?}"),
        };
        permit.abandon();
    }
}

/// Does not hand back what abandoned calls have taken: calls that are sent keep it.
#[derive(Debug)]
struct Kept<T>(T);

impl<T: SharedRates> SharedRates for Kept<T> {
    fn counters(&self, of: SubscriptionId) -> Arc<dyn RateCounters> {
        Arc::new(Kept(self.0.counters(of)))
    }
}

#[async_trait]
impl RateCounters for Kept<Arc<dyn RateCounters>> {
    fn take_at_once(&self, ask: RateAsk<'_>) -> Option<RateAnswer> {
        self.0.take_at_once(ask)
    }

    async fn take(&self, ask: RateAsk<'_>) -> RateAnswer {
        self.0.take(ask).await
    }

    fn give_back(&self, _: &Limits, _: &RateTaken) {}
}
