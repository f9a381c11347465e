//! How the limiter compares with `governor`, measured in one run: what people read is the table at the end.
//!
//! Both sides run in turns, a short round each; a figure is the lower quartile of its rounds, since what else the
//! machine does only ever adds. `cargo bench -p monetization-rate-limiter -- WORDS` runs only the rows whose name
//! contains all the words.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark reads the clock, computes ratios, prints, and may fail"
)]

mod cells;
mod growth;
mod keyed;
mod measure;
mod workload;

use measure::Report;

fn main() {
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| !word.starts_with("--"))
        .collect();
    let mut report = Report::new(words);
    growth::run(&mut report);
    cells::run(&mut report);
    keyed::run(&mut report);
    report.print();
}
