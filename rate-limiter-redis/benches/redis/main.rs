//! The limiter against what it is made of, in the same run: `scripts/servers.sh cargo bench -p
//! monetization-rate-limiter-redis`. Words behind `--` choose rows.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    clippy::unwrap_used,
    reason = "a benchmark reads the clock and the environment, computes ratios, and may fail"
)]

mod bare;
mod sides;

use std::num::NonZeroU32;
use std::time::Duration;

use monetization_conformance::bench::{Goal, Report, Row};
use monetization_rate_limiter::{Gcra, Limit, Limits, Window};
use monetization_rate_limiter_redis::{SharedLimits, Way};

use bare::Bare;
use sides::{Ours, Side, rounds};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut report = Report::from_arguments();
    let address = std::env::var("MONETIZATION_REDIS").expect("run by scripts/servers.sh");
    let one = limits(&[Window::Minute], false);
    let three = limits(&[Window::Minute, Window::Day, Window::Month], false);
    let four = limits(&[Window::Minute, Window::Day, Window::Month], true);
    for in_flight in [1, 64] {
        for (words, limits) in [("one limit", &one), ("four limits", &four)] {
            let name = format!("{words}, {in_flight} in flight / a bare EVALSHA: time a call");
            let ours = Ours::start(&address, limits, Way::EachCall, 1).await;
            let bare = Bare::connect(&address).await;
            compare(&mut report, name, Goal::Shown, in_flight, (ours, bare)).await;
        }
        for (words, limits, holders) in [
            ("three windows and a rate", &four, 1),
            ("three windows and a rate", &four, 1_000),
            ("three windows", &three, 1_000),
        ] {
            let name = format!(
                "blocks, {words}, {holders} holders, {in_flight} in flight / EVALSHA a call: calls/s"
            );
            let blocks = Ours::start(&address, limits, Way::Blocks, holders).await;
            let each = Ours::start(&address, limits, Way::EachCall, holders).await;
            compare_rates(&mut report, name, in_flight, (blocks, each)).await;
        }
    }
    report.print();
}

/// Windows of which nobody reaches the maximum, and a rate that nobody exhausts.
fn limits(windows: &[Window], with_rate: bool) -> SharedLimits {
    let number = |number| NonZeroU32::new(number).unwrap();
    let rate = Gcra::new(
        number(10_000_000),
        Duration::from_secs(1),
        number(1_000_000_000),
    )
    .unwrap();
    let windows = windows
        .iter()
        .map(|window| Limit::calendar(*window, 1 << 40));
    let limits = windows.chain(with_rate.then(|| Limit::gcra(rate)));
    SharedLimits::new(Limits::new(limits).unwrap()).unwrap()
}

async fn compare(
    report: &mut Report,
    name: String,
    goal: Goal,
    in_flight: usize,
    (ours, peer): (impl Side, impl Side),
) {
    if report.wants(&name) {
        let [ours, peer] = rounds(in_flight, ours, peer).await;
        let micros = |rates: Vec<f64>| rates.into_iter().map(|rate| 1e6 / rate).collect();
        report.add(Row::of_rounds(
            name,
            [micros(ours), micros(peer)],
            "us",
            goal,
        ));
    }
}

async fn compare_rates(
    report: &mut Report,
    name: String,
    in_flight: usize,
    (ours, peer): (impl Side, impl Side),
) {
    if report.wants(&name) {
        let rates = rounds(in_flight, ours, peer).await;
        report.add(Row::of_rounds(name, rates, "/s", Goal::AtLeast(30.0)));
    }
}
