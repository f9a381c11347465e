//! The whole gateway over loopback, from a client through the gateway to an upstream and back, against
//! a bare reverse proxy of axum before the same upstream in the same run: what people read is the table
//! at the end.
//!
//! All sides are asked in turns by the same clients over connections that are kept, and the ratio of a
//! row is the median over the rounds. The data directory is beside what was built.
//! `cargo bench -p reference-server -- WORDS` runs only the rows whose name contains all the words.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark reads the clock, computes ratios, prints, and may fail"
)]

mod clients;
mod gateway;
mod peers;
mod side;

use monetization_conformance::bench::{Goal, Report, Row, median};
use tokio::runtime::Builder;

use clients::Clients;
use side::Side;

const ROUNDS: usize = 31;
const GOALS: [(Side, &str, f64); 2] = [
    (
        Side::Background,
        "gateway in background mode / bare reverse proxy",
        0.85,
    ),
    (
        Side::Durable,
        "gateway in durable mode / bare reverse proxy",
        0.6,
    ),
];

fn main() {
    side::serve_if_asked();
    let mut report = Report::from_arguments();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    for (side, name, least) in GOALS {
        if report.wants(name) {
            let [ours, bare, alone] = runtime.block_on(measure(side));
            println!(
                "the upstream alone answers {:.0} requests a second",
                median(alone)
            );
            let unit = "requests a second";
            let goal = Goal::AtLeast(least);
            report.add(Row::of_rounds(name, [ours, bare], unit, goal));
        }
    }
    report.print();
}

/// Requests a second of this side, of the bare proxy, and of the upstream without any.
async fn measure(side: Side) -> [Vec<f64>; 3] {
    let upstream = side::start(Side::Upstream, None);
    let bare = side::start(Side::Bare, Some(&upstream));
    let ours = side::start(side, Some(&upstream));
    let mut clients = Vec::new();
    for process in [&ours, &bare, &upstream] {
        clients.push(Clients::connect(process.address, &ours.keys).await);
    }
    let mut figures: [Vec<f64>; 3] = Default::default();
    for round in 0..ROUNDS + 3 {
        for turn in 0..clients.len() {
            let side = (round + turn) % clients.len();
            let figure = clients[side].round().await;
            // The first rounds only fill the caches.
            if round >= 3 {
                figures[side].push(figure);
            }
        }
    }
    figures
}
