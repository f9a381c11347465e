//! What grows with the number of subscriptions: the gates of the request path, and closing a period.
//!
//! `cargo bench -p monetization-conformance -- gates` or `-- closing` runs only the rows whose names
//! contain the word. The gates take 8 GB of memory: their store is in memory too.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark reads the clock, computes ratios, prints, and may fail"
)]

mod closing;
mod gates;
mod market;

use monetization_conformance::bench::Report;
use tokio::runtime::Builder;

fn main() {
    let mut report = Report::from_arguments();
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        closing::run(&mut report).await;
        gates::run(&mut report).await;
    });
    report.print();
}
