//! Many times more callers than connections.
#![expect(
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    reason = "how long callers wait is what is shown"
)]

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use monetization_conformance::postgres::Database;
use monetization_conformance::sample::{Sample, Subscriber};
use monetization_conformance::{bench, size};
use monetization_core::store::{
    Appended, Applied, Directory, LeaseAnswer, Ledger, Quotas, Rows, Store, StoreErrorKind,
};
use monetization_store_postgres::PostgresStore;
use sqlx::{Connection, Executor};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::database::{make, options};

const CALLERS: u32 = 500;
/// What a caller waits at most before this test takes it for stuck.
const STUCK: Duration = Duration::from_secs(60);

/// A store with so few connections.
async fn store(database: &Database, connections: u32, wait: Duration) -> Arc<PostgresStore> {
    let connections = NonZeroU32::new(connections).unwrap();
    let options = options(database)
        .with_connections_max(connections)
        .with_connection_wait(wait);
    Arc::new(PostgresStore::open(&options).await.unwrap())
}

/// One of each that a gate and a job do; how many milliseconds the slowest took.
async fn all_there_is(store: &PostgresStore, sample: &Sample, of: &Subscriber) -> f64 {
    let mut slowest = Duration::ZERO;
    let mut since = Instant::now();
    let mut next = || {
        slowest = slowest.max(since.elapsed());
        since = Instant::now();
    };
    let wish = sample.lease(of, 1_000_000, 1);
    let granted = store.lease(&wish).await.unwrap();
    assert!(matches!(granted, LeaseAnswer::Granted { .. }));
    next();
    let mut record = sample.record(of, of.segment(0), 1);
    record.spent = vec![of.spent(Some(wish.id), 1)];
    assert_eq!(store.append(&[record]).await.unwrap(), [Appended::New]);
    next();
    assert_eq!(store.apply(&sample.change()).await.unwrap(), Applied::New);
    next();
    store.sums(of.tenant, of.segment(0).id).await.unwrap();
    next();
    store.changes(0, 10).await.unwrap();
    next();
    store.settle(of.tenant, wish.id).await.unwrap();
    next();
    store.ping().await.unwrap();
    next();
    slowest.as_secs_f64() * 1_000.0
}

/// Nothing that holds a connection waits for another one: with a single one that would never end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn five_hundred_callers_on_five_connections_all_get_their_turn_r_d8() {
    let database = Database::unused();
    make(&database).await;
    for (callers, connections) in [(CALLERS, 5), (CALLERS / 10, 1)] {
        let store = store(&database, connections, STUCK).await;
        let sample = Arc::new(Sample::seeded(u64::from(connections)));
        let of = sample.subscriber();
        let mut clients = JoinSet::new();
        for _ in 0..callers {
            let (store, sample) = (Arc::clone(&store), Arc::clone(&sample));
            clients.spawn(async move {
                let mut slowest: f64 = 0.0;
                for _ in 0..size(1, 20) {
                    slowest = slowest.max(all_there_is(&store, &sample, &of).await);
                }
                slowest
            });
        }
        let slowest = timeout(STUCK * size(2, 20), clients.join_all());
        let slowest = slowest.await.expect("they wait for each other");
        let p99 = bench::quantile(slowest, 0.99);
        println!("{callers} callers on {connections} connections: p99 {p99:.0} ms");
        let bound = (STUCK / 2).as_secs_f64() * 1_000.0;
        assert!(p99 < bound, "p99 {p99} ms on {connections} connections");
        let sums = store.sums(of.tenant, of.segment(0).id).await.unwrap();
        let units = i64::from(callers * size(1, 20));
        assert_eq!(sums[0].total.scaled(), units);
    }
}

/// Where no connection comes free in time the caller is told that nothing was done, and later all is well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn who_gets_no_connection_in_time_is_told_so_and_nothing_was_done_r_d8() {
    let database = Database::unused();
    make(&database).await;
    let wait = Duration::from_millis(500);
    let store = store(&database, 5, wait).await;
    let sample = Arc::new(Sample::seeded(1));
    let of = sample.subscriber();
    store
        .append(&sample.records(&of, of.segment(0), 1))
        .await
        .unwrap();
    let mut stranger = database.connect().await;
    let hold = "BEGIN; LOCK TABLE segment IN ACCESS EXCLUSIVE MODE";
    stranger.execute(hold).await.unwrap();
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..CALLERS {
        let (store, sample) = (Arc::clone(&store), Arc::clone(&sample));
        clients.spawn(async move {
            let records = sample.records(&of, of.segment(0), 1);
            store.append(&records).await.map_err(|error| error.kind())
        });
    }
    let told = timeout(STUCK, clients.join_all()).await.expect("they hang");
    let all_refused = told
        .iter()
        .all(|told| *told == Err(StoreErrorKind::Unavailable));
    assert!(all_refused, "{told:?}");
    // Those that have a connection wait for the lock, as long as that may take; the others for a connection.
    let waited = began.elapsed();
    assert!(waited < Duration::from_secs(15), "{waited:?}");
    stranger.close().await.unwrap();
    let again = store.append(&sample.records(&of, of.segment(0), 1)).await;
    assert_eq!(again.unwrap(), [Appended::New]);
    let sums = store.sums(of.tenant, of.segment(0).id).await.unwrap();
    assert_eq!(sums[0].total.scaled(), 2);
}
