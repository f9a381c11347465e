//! Calls a second whose answers wait for their records, over SQLite.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::Request;
use http_body_util::BodyExt;
use monetization_conformance::bench::{Goal, Report, Row};
use monetization_core::store::{Appended, Ledger};
use monetization_core::usage::UsageRecord;
use monetization_gateway_tower::{LayerOptions, Mount, TokioRuntime};
use monetization_store_sqlite::{SqliteOptions, SqliteStore};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::world::World;

const NAME: &str =
    "complete layer, durable, 64 callers, against the same rows in group commits of SQLite";
const ROUNDS: usize = 9;
const CALLERS: usize = 64;
const CALLS: usize = 250;

pub(crate) fn run(report: &mut Report) {
    if !report.wants(NAME) {
        return;
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let rounds = runtime.block_on(measure());
    let unit = "calls a second";
    report.add(Row::of_rounds(NAME, rounds, unit, Goal::AtLeast(0.7)));
}

async fn measure() -> [Vec<f64>; 2] {
    let directory = tempfile::tempdir().unwrap();
    let options = SqliteOptions::new(directory.path().join("ours.db"));
    let store = SqliteStore::open(&options).await.unwrap();
    let world = World::new(Arc::new(store)).await;
    let options = LayerOptions {
        mount: Mount::Fixed("weather".parse().unwrap()),
        ..LayerOptions::new(TokioRuntime::current())
    };
    let router: Router = Router::new()
        .route("/today", get(async || "sunny"))
        .layer(world.layer(options));
    let options = SqliteOptions::new(directory.path().join("raw.db"));
    let raw = raw_writer(SqliteStore::open(&options).await.unwrap());
    let mut figures: [Vec<f64>; 2] = Default::default();
    for round in 0..=ROUNDS {
        let (router, key, raw) = (&router, &world.key, &raw);
        let ours = rate(|| {
            let (router, key) = (router.clone(), key.clone());
            async move { call(router, &key).await }
        });
        let ours = ours.await;
        let peer = rate(|| {
            let (raw, record) = (raw.clone(), world.record());
            async move { commit(&raw, record).await }
        });
        let peer = peer.await;
        if round > 0 {
            figures[0].push(ours);
            figures[1].push(peer);
        }
    }
    figures
}

/// Calls a second of all callers together; making them is not measured.
async fn rate<F>(make: impl Fn() -> F) -> f64
where
    F: Future<Output = ()> + Send + 'static,
{
    let calls = || (0..CALLS).map(|_| make()).collect();
    let calls: Vec<Vec<F>> = (0..CALLERS).map(|_| calls()).collect();
    let started = Instant::now();
    let mut callers = JoinSet::new();
    for calls in calls {
        callers.spawn(async move {
            for call in calls {
                call.await;
            }
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
    (CALLERS * CALLS) as f64 / started.elapsed().as_secs_f64()
}

async fn call(router: Router, key: &str) {
    let request = Request::get("/today")
        .header("x-api-key", key)
        .body(Body::empty());
    let response = router.oneshot(request.unwrap()).await.unwrap();
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "sunny"
    );
}

type Waiting = (UsageRecord, oneshot::Sender<()>);

async fn commit(writer: &mpsc::UnboundedSender<Waiting>, record: UsageRecord) {
    let (done, is_done) = oneshot::channel();
    writer.send((record, done)).unwrap();
    is_done.await.unwrap();
}

/// One writer, one transaction for all that wait: the same records into the same tables, and no
/// layer, no limits and no committer.
fn raw_writer(store: SqliteStore) -> mpsc::UnboundedSender<Waiting> {
    let (sender, mut receiver) = mpsc::unbounded_channel::<Waiting>();
    tokio::spawn(async move {
        let mut waiting = Vec::new();
        while receiver.recv_many(&mut waiting, CALLERS).await > 0 {
            let (records, heard_by): (Vec<_>, Vec<_>) = waiting.drain(..).unzip();
            let answers = store.append(&records).await.unwrap();
            for (done, answer) in heard_by.into_iter().zip(answers) {
                assert_eq!(answer, Appended::New);
                done.send(()).unwrap();
            }
        }
    });
    sender
}
