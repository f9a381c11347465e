//! Calls a second whose answers wait for their records, over SQLite.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::Request;
use http_body_util::BodyExt;
use monetization_gateway_tower::{LayerOptions, Mount, TokioRuntime};
use monetization_store_sqlite::{SqliteOptions, SqliteStore};
use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::report::{Goal, Report, Row, median};
use crate::world::World;

const NAME: &str = "complete layer, durable, 64 callers, against raw SQLite group commits";
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
    let [ours, peer] = runtime.block_on(measure());
    let ratios = ours
        .iter()
        .zip(&peer)
        .map(|(ours, peer)| ours / peer)
        .collect();
    report.add(Row {
        name: NAME,
        ours: median(ours),
        peer: median(peer),
        ratio: median(ratios),
        unit: "calls a second",
        goal: Goal::AtLeast(0.7),
    });
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
    let raw = raw_writer(&directory.path().join("raw.db")).await;
    let mut figures: [Vec<f64>; 2] = Default::default();
    for round in 0..=ROUNDS {
        let (router, key, raw) = (&router, &world.key, &raw);
        let ours = rate(|| {
            let (router, key) = (router.clone(), key.clone());
            async move { call(router, &key).await }
        });
        let ours = ours.await;
        let peer = rate(|| {
            let raw = raw.clone();
            async move { commit(&raw).await }
        });
        let peer = peer.await;
        if round > 0 {
            figures[0].push(ours);
            figures[1].push(peer);
        }
    }
    figures
}

/// Calls a second of all callers together.
async fn rate<F>(make: impl Fn() -> F) -> f64
where
    F: Future<Output = ()> + Send + 'static,
{
    let started = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let calls: Vec<F> = (0..CALLS).map(|_| make()).collect();
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

type Waiting = oneshot::Sender<()>;

async fn commit(writer: &mpsc::UnboundedSender<Waiting>) {
    let (done, is_done) = oneshot::channel();
    writer.send(done).unwrap();
    is_done.await.unwrap();
}

/// One writer, one statement and one commit for all that wait: rows of 16 and 150 bytes, one
/// table, no index, nothing summed.
async fn raw_writer(path: &std::path::Path) -> mpsc::UnboundedSender<Waiting> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query("CREATE TABLE record (id BLOB PRIMARY KEY, body BLOB) WITHOUT ROWID")
        .execute(&mut connection)
        .await
        .unwrap();
    let (sender, mut receiver) = mpsc::unbounded_channel::<Waiting>();
    tokio::spawn(async move {
        let statements: Vec<&'static str> = (0..=CALLERS).map(statement).collect();
        let mut number: u128 = 0;
        let mut waiting = Vec::new();
        while receiver.recv_many(&mut waiting, CALLERS).await > 0 {
            let mut query = sqlx::query(statements[waiting.len()]);
            for _ in &waiting {
                number += 1;
                query = query
                    .bind(number.to_be_bytes().to_vec())
                    .bind(vec![7_u8; 150]);
            }
            query.execute(&mut connection).await.unwrap();
            for done in waiting.drain(..) {
                done.send(()).unwrap();
            }
        }
    });
    sender
}

fn statement(rows: usize) -> &'static str {
    let values = vec!["(?, ?)"; rows].join(", ");
    // As many texts as there are sizes, for as long as the process runs.
    Box::leak(format!("INSERT INTO record VALUES {values}").into_boxed_str())
}
