//! What the layer adds to a call, against what `tower_governor` adds, measured in one run: what people read is the table
//! at the end.
//!
//! All sides run in turns, a short round each, and the ratio of a row is the median over the rounds, so that what else
//! the machine does falls out. `cargo bench -p monetization-gateway-tower -- WORDS` runs only the rows whose name contains
//! the words.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    clippy::future_not_send,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark reads the clock, computes ratios, prints, and may fail"
)]

mod added;
mod durable;
mod server;
mod sink;
mod world;

use monetization_conformance::bench::Report;

fn main() {
    server::serve_if_asked();
    let mut report = Report::from_arguments();
    added::run(&mut report);
    server::run(&mut report);
    durable::run(&mut report);
    report.print();
}
