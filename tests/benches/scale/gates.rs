//! The request path with a thousand keys and with a million: what a decision takes, what a key weighs.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue};
use monetization_conformance::bench::{Goal, Report, Row, resident_bytes};
use monetization_core::clock::Clock;
use monetization_core::engine;
use monetization_core::memory::MemoryStore;
use monetization_core::runtime::{Decided, Gatekeeper, GatekeeperOptions, Target};

use crate::market::Market;

const ROUNDS: usize = 41;
/// Calls of one round.
const CALLS: usize = 20_000;
const SEQUENCES: usize = 4;
const TERMS: &str = r#"{"billing": "free", "currency": "EUR", "cycle": "month",
    "rates": [{"kind": "calendar", "window": "second", "max": 10000000},
              {"kind": "calendar", "window": "minute", "max": 10000000},
              {"kind": "gcra", "count": 1000000, "seconds": 1, "burst": 1000000}],
    "quotas": [{"window": "month", "max": 10000000, "overage": "loose"}]}"#;
const TARGET: Target<'static> = Target {
    product: "weather",
    method: "GET",
    path: "/today",
};

pub(crate) async fn run(report: &mut Report) {
    if !report.wants("gates") {
        return;
    }
    let few = Gates::load("1k", 1_000, 20).await;
    let more = Gates::load("100k", 100_000, 2).await;
    let many = Gates::load("1M", 1_000_000, 1).await;
    for (gates, goal) in [(&more, Goal::Shown), (&many, Goal::AtMost(3.0))] {
        let name = format!("gates: decision, keys by zipf, {} keys / 1k", gates.name);
        let rounds = in_turns([(gates, &gates.zipf), (&few, &few.zipf)]);
        report.add(Row::of_rounds(name, rounds, "ns", goal));
        let name = format!("gates: decision, any key, {} keys / 1k", gates.name);
        let rounds = in_turns([(gates, &gates.uniform), (&few, &few.uniform)]);
        report.add(Row::of_rounds(name, rounds, "ns", Goal::Shown));
    }
    let name = "gates: bytes a key, 1M keys / 100k";
    let figures = [many.bytes, more.bytes];
    report.add(Row::of_figures(name, figures, "B", Goal::AtMost(1.25)));
    let name = "gates: first reading of the news, a key, 1M keys / 100k";
    let figures = [many.nanoseconds, more.nanoseconds];
    report.add(Row::of_figures(name, figures, "ns", Goal::Shown));
}

/// Gatekeepers over one store.
struct Gates {
    name: &'static str,
    clock: Clock,
    /// The first is asked; the others are there to be weighed.
    gatekeepers: Vec<Gatekeeper>,
    /// Resident memory of one key with its subscription before its first call.
    bytes: f64,
    /// What the first reading of the news takes for one key.
    nanoseconds: f64,
    zipf: Sequences,
    uniform: Sequences,
}

/// The headers of calls in the order in which they are made, a sequence for each round in turn.
type Sequences = Vec<Vec<HeaderMap>>;

impl Gates {
    /// As many gatekeepers as it takes for their memory to be seen.
    async fn load(name: &'static str, keys: usize, gatekeepers: usize) -> Self {
        let clock = Clock::system();
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let market = Market::open(store, engine::none(), clock.clone(), TERMS).await;
        let texts = market.keys(keys).await;
        let before = resident_bytes();
        let started = Instant::now();
        let mut loaded = Vec::with_capacity(gatekeepers);
        for _ in 0..gatekeepers {
            let gatekeeper = gatekeeper(&market, &clock);
            gatekeeper.refresh().await.unwrap();
            loaded.push(gatekeeper);
        }
        let count = (keys * gatekeepers) as f64;
        let nanoseconds = started.elapsed().as_nanos() as f64 / count;
        let bytes = (resident_bytes() - before) as f64 / count;
        println!("gates: {name} keys, {bytes:.0} bytes and {nanoseconds:.0} ns each to load");
        let gates = Self {
            name,
            clock,
            gatekeepers: loaded,
            bytes,
            nanoseconds,
            zipf: sequences(&texts, zipf(keys)),
            uniform: sequences(&texts, uniform(keys)),
        };
        gates.call_once().await;
        gates
    }

    /// The first call of a key makes what further ones find.
    async fn call_once(&self) {
        let before = resident_bytes();
        for headers in self.uniform.iter().chain(&self.zipf).flatten() {
            let now = self.clock.now();
            let permit = self.gatekeepers[0].admit(headers, &TARGET, now).await;
            permit.unwrap().abandon();
        }
        println!(
            "gates: {} keys, {} KiB more once those to be called have been",
            self.name,
            (resident_bytes() - before) / 1_024
        );
    }

    /// Nanoseconds a decision, with giving back what it took.
    fn round(&self, sequence: &[HeaderMap]) -> f64 {
        let (gatekeeper, now) = (&self.gatekeepers[0], self.clock.now());
        let started = Instant::now();
        for headers in sequence {
            let Decided::Granted(permit) = gatekeeper.decide(headers, &TARGET, now) else {
                unreachable!("the key is known and its limits are wide");
            };
            black_box(&permit);
            permit.abandon();
        }
        started.elapsed().as_nanos() as f64 / sequence.len() as f64
    }
}

fn gatekeeper(market: &Market, clock: &Clock) -> Gatekeeper {
    // Nobody reads the news while decisions are timed.
    let options = GatekeeperOptions {
        stale_after: Duration::from_secs(86_400),
        ..GatekeeperOptions::default()
    };
    let (store, entropy) = (Arc::clone(&market.store), Arc::clone(&market.entropy));
    Gatekeeper::new(
        store,
        clock.clone(),
        entropy,
        market.pepper.clone(),
        options,
    )
}

fn in_turns(sides: [(&Gates, &Sequences); 2]) -> [Vec<f64>; 2] {
    let mut rounds: [Vec<f64>; 2] = Default::default();
    for round in 0..ROUNDS + SEQUENCES {
        for turn in 0..2 {
            let side = (round + turn) % 2;
            let (gates, sequences) = sides[side];
            let figure = gates.round(&sequences[round % SEQUENCES]);
            // The first rounds only fill the caches.
            if round >= SEQUENCES {
                rounds[side].push(figure);
            }
        }
    }
    rounds
}

fn sequences(texts: &[String], draw: impl Fn(u64) -> usize) -> Sequences {
    let mut state = 88_172_645_463_325_252_u64;
    let mut headers = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let key = HeaderValue::from_str(&texts[draw(state >> 11)]).unwrap();
        HeaderMap::from_iter([(HeaderName::from_static("x-api-key"), key)])
    };
    (0..SEQUENCES)
        .map(|_| (0..CALLS).map(|_| headers()).collect())
        .collect()
}

/// Each key as often as any other.
fn uniform(keys: usize) -> impl Fn(u64) -> usize {
    move |random| usize::try_from(random).unwrap() % keys
}

/// By Zipf's law with exponent 1, spread so that frequent keys are not neighbours.
fn zipf(keys: usize) -> impl Fn(u64) -> usize {
    let heights = (1..=keys).scan(0.0, |sum, rank| {
        *sum += 1.0 / rank as f64;
        Some(*sum)
    });
    let heights: Vec<f64> = heights.collect();
    move |random| {
        let at = random as f64 / (1_u64 << 53) as f64 * heights[keys - 1];
        let rank = heights.partition_point(|height| *height < at);
        rank.wrapping_mul(2_654_435_761) % keys
    }
}
