//! Callers that wait until their records are durable, against commits of one record each.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue};
use monetization_conformance::bench::world::{Ids, World};
use monetization_conformance::bench::{Goal, Report, Row, median, quantile};
use monetization_core::clock::Clock;
use monetization_core::engine;
use monetization_core::entropy::Entropy;
use monetization_core::key::Pepper;
use monetization_core::runtime::{Committed, Gatekeeper, Target};
use monetization_core::storefront::Storefront;
use monetization_core::usage::{Ending, Outcome};
use monetization_store_sqlite::{SqliteOptions, SqliteStore};
use tokio::task::JoinSet;

use crate::raw::{Raw, connect};
use crate::world::{directory, options, path};

const COMMITS: &str = "group commit, FULL, 64 callers / hand-written commits of one record each";
const BARE: &str = "group commit, FULL, 64 callers / bare inserts of one row, no sums, no counters";
const WAITS: &str = "group commit, FULL, 64 callers, p99 of an acknowledgement / p50 of fdatasync";
const ROUNDS: usize = 15;
const CALLERS: usize = 64;
const CALLS: usize = 150;
const SINGLES: usize = 400;
const SYNCS: usize = 100;
const TERMS: &str = r#"{"billing": "free", "currency": "EUR", "cycle": "month",
    "quotas": [{"window": "month", "max": 1000000000, "overage": "loose"}]}"#;

pub(crate) async fn run(report: &mut Report) {
    if ![COMMITS, BARE, WAITS].iter().any(|name| report.wants(name)) {
        return;
    }
    let directory = directory();
    let callers = callers(&options(&directory, "ours.db")).await;
    let mut world = World::new(CALLERS, Ids::Own);
    let mut raw = Raw::open(&options(&directory, "raw.db"), &mut world).await;
    let mut bare = Bare::open(&path(&directory, "bare.db")).await;
    let mut sync_file = File::create(path(&directory, "sync")).unwrap();
    let [mut ours, mut singles, mut bares] = [Vec::new(), Vec::new(), Vec::new()];
    let [mut waits, mut syncs] = [Vec::new(), Vec::new()];
    for round in 0..=ROUNDS {
        let (rate, waited) = group(&callers).await;
        let single = single(&mut raw, &mut world).await;
        let bare = bare.rate().await;
        let synced = sync(&mut sync_file);
        if round > 0 {
            ours.push(rate);
            singles.push(single);
            bares.push(bare);
            waits.extend(waited);
            syncs.extend(synced);
        }
    }
    let unit = "records a second";
    let goal = Goal::AtLeast(6.0);
    report.add(Row::of_rounds(COMMITS, [ours.clone(), singles], unit, goal));
    report.add(Row::of_rounds(BARE, [ours, bares], unit, Goal::Shown));
    println!(
        "median of an acknowledgement: {:.0} us",
        median(waits.clone())
    );
    let figures = [quantile(waits, 0.99), median(syncs)];
    report.add(Row::of_figures(WAITS, figures, "us", Goal::AtMost(50.0)));
}

/// One that calls with a key of its own.
#[derive(Debug, Clone)]
struct Caller {
    gatekeeper: Gatekeeper,
    clock: Clock,
    headers: HeaderMap,
}

async fn callers(options: &SqliteOptions) -> Vec<Caller> {
    let store = Arc::new(SqliteStore::open(options).await.unwrap());
    let (clock, pepper) = (Clock::system(), Pepper::random(&Entropy::system()));
    let shop = Storefront::open(store, engine::none(), clock.clone(), pepper);
    let shop = shop.await.unwrap();
    let terms = serde_json::from_str(TERMS).unwrap();
    let plan = shop.sell("weather", terms).await.unwrap();
    let mut callers = Vec::new();
    for number in 0..CALLERS {
        let consumer = format!("consumer-{number}");
        let (_, key) = shop.subscribe(&consumer, plan).await.unwrap();
        let key = HeaderValue::from_str(key.reveal()).unwrap();
        callers.push(Caller {
            gatekeeper: shop.gatekeeper().clone(),
            clock: clock.clone(),
            headers: HeaderMap::from_iter([(
                http::header::HeaderName::from_static("x-api-key"),
                key,
            )]),
        });
    }
    let sleep = |length: Duration| -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(length))
    };
    let running = shop.gatekeeper().clone().run(Arc::new(sleep));
    drop(tokio::spawn(running));
    callers
}

/// Records a second of all callers together, and for how many microseconds each of them waited.
async fn group(callers: &[Caller]) -> (f64, Vec<f64>) {
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for caller in callers {
        let caller = caller.clone();
        tasks.spawn(async move { caller.calls().await });
    }
    let mut waited = Vec::new();
    while let Some(of_one) = tasks.join_next().await {
        waited.extend(of_one.unwrap());
    }
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!(waited.len(), CALLERS * CALLS);
    (waited.len() as f64 / seconds, waited)
}

impl Caller {
    async fn calls(&self) -> Vec<f64> {
        let target = Target {
            product: "weather",
            method: "GET",
            path: "/today",
        };
        let outcome = Outcome {
            status: Some(200),
            ending: Ending::Complete,
        };
        let mut waited = Vec::with_capacity(CALLS);
        for _ in 0..CALLS {
            let now = self.clock.now();
            let permit = self.gatekeeper.admit(&self.headers, &target, now).await;
            let settlement = permit.unwrap().settle(outcome);
            let since = Instant::now();
            assert_eq!(settlement.await.unwrap(), Committed::New);
            waited.push(since.elapsed().as_secs_f64() * 1e6);
        }
        waited
    }
}

async fn single(raw: &mut Raw, world: &mut World) -> f64 {
    let records = world.batches(1).remove(0);
    let started = Instant::now();
    for record in &records[..SINGLES] {
        raw.append(std::slice::from_ref(record)).await;
    }
    SINGLES as f64 / started.elapsed().as_secs_f64()
}

/// The least that a durable row can cost: one statement, one table, nothing else.
struct Bare {
    connection: sqlx::SqliteConnection,
    next: i64,
}

impl Bare {
    async fn open(path: &Path) -> Self {
        let mut connection = {
            drop(File::create(path).unwrap());
            connect(path).await
        };
        sqlx::query("CREATE TABLE row (number INTEGER PRIMARY KEY, key BLOB, value INTEGER)")
            .execute(&mut connection)
            .await
            .unwrap();
        Self {
            connection,
            next: 0,
        }
    }

    async fn rate(&mut self) -> f64 {
        let started = Instant::now();
        for _ in 0..SINGLES {
            self.next += 1;
            let insert = sqlx::query("INSERT INTO row VALUES (?, ?, 1)")
                .bind(self.next)
                .bind(vec![7_u8; 16]);
            insert.execute(&mut self.connection).await.unwrap();
        }
        SINGLES as f64 / started.elapsed().as_secs_f64()
    }
}

/// Microseconds for 4 KiB to be on the disk.
fn sync(file: &mut File) -> Vec<f64> {
    let block = [7_u8; 4_096];
    let once = |_| {
        file.rewind().unwrap();
        let started = Instant::now();
        file.write_all(&block).unwrap();
        file.sync_data().unwrap();
        started.elapsed().as_secs_f64() * 1e6
    };
    (0..SYNCS).map(once).collect()
}
