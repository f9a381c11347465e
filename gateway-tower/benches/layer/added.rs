//! Time added to an axum request that is served in process.

use std::hint::black_box;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use monetization_conformance::bench::{Goal, Report, Row, median};
use monetization_gateway_tower::{CommitMode, HeaderStyle, LayerOptions, Mount, TokioRuntime};
use tokio::runtime::Builder;
use tokio::task::yield_now;
use tower::Service;
use tower_governor::GovernorError;
use tower_governor::GovernorLayer;
use tower_governor::governor::GovernorConfigBuilder;
use tower_governor::key_extractor::KeyExtractor;

use crate::sink::SinkStore;
use crate::world::World;

const ROUNDS: usize = 401;
const CALLS: usize = 512;
/// Calls between which the writer of records gets its turn.
const TURN: usize = 64;

const IETF: &str = "complete layer, IETF headers, against tower_governor with headers";
const KONG: &str = "complete layer, Kong headers, against tower_governor with headers";

pub(crate) fn run(report: &mut Report) {
    if !report.wants(IETF) && !report.wants(KONG) {
        return;
    }
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let [bare, governor, ietf, kong] = runtime.block_on(measure());
    let rows = [(IETF, ietf, 1.5), (KONG, kong, 3.0)];
    for (name, ours, most) in rows {
        let added = |with: &[f64]| {
            with.iter()
                .zip(&bare)
                .map(|(with, bare)| with - bare)
                .collect()
        };
        let rounds = [added(&ours), added(&governor)];
        let unit = "ns added a request";
        report.add(Row::of_rounds(name, rounds, unit, Goal::AtMost(most)));
    }
    println!("a bare request takes {:.0} ns", median(bare));
}

async fn measure() -> [Vec<f64>; 4] {
    let Sides { key, mut routers } = Sides::new().await;
    let mut figures: [Vec<f64>; 4] = Default::default();
    for round in 0..ROUNDS + 3 {
        for turn in 0..routers.len() {
            let side = (round + turn) % routers.len();
            let figure = time(&mut routers[side], &key).await;
            // The first rounds only fill the caches.
            if round >= 3 {
                figures[side].push(figure);
            }
        }
    }
    figures
}

/// What is compared.
pub(crate) const SIDES: [&str; 4] = ["bare", "governor", "ietf", "kong"];

/// A router for each of [`SIDES`], and a key that opens ours.
pub(crate) struct Sides {
    pub(crate) key: String,
    pub(crate) routers: [Router; 4],
}

impl Sides {
    pub(crate) async fn new() -> Self {
        let router = || Router::new().route("/today", get(async || "sunny"));
        let config = GovernorConfigBuilder::default()
            .key_extractor(ByKey)
            .per_nanosecond(1)
            .burst_size(10_000_000)
            .use_headers()
            .finish()
            .unwrap();
        let governor = router().layer(GovernorLayer::new(config));
        let world = World::new(std::sync::Arc::new(SinkStore::default())).await;
        let ours = |headers| {
            let options = LayerOptions {
                mount: Mount::Fixed("weather".parse().unwrap()),
                headers,
                commit: CommitMode::Background,
                ..LayerOptions::new(TokioRuntime::current())
            };
            router().layer(world.layer(options))
        };
        let routers = [
            router(),
            governor,
            ours(HeaderStyle::Ietf),
            ours(HeaderStyle::Kong),
        ];
        let key = world.key;
        Self { key, routers }
    }
}

/// The peer limits by API key too; it does not look the key up.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ByKey;

impl KeyExtractor for ByKey {
    type Key = String;

    fn extract<T>(&self, request: &Request<T>) -> Result<String, GovernorError> {
        let key = request
            .headers()
            .get("x-api-key")
            .and_then(|key| key.to_str().ok());
        key.map(str::to_owned)
            .ok_or(GovernorError::UnableToExtractKey)
    }
}

/// Nanoseconds a call, with the writing of its record, where there is one, by a store that
/// forgets it.
async fn time(router: &mut Router, key: &str) -> f64 {
    let requests: Vec<Request<Body>> = (0..CALLS)
        .map(|_| {
            let request = Request::get("/today").header("host", "api.example");
            let request = request
                .header("user-agent", "bench/1.0")
                .header("accept", "*/*");
            request
                .header("x-api-key", key)
                .body(Body::empty())
                .unwrap()
        })
        .collect();
    // A router is always ready.
    let started = Instant::now();
    for (index, request) in requests.into_iter().enumerate() {
        let response = router.call(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            black_box(frame.unwrap());
        }
        if index % TURN == 0 {
            yield_now().await;
        }
    }
    yield_now().await;
    started.elapsed().as_nanos() as f64 / CALLS as f64
}
