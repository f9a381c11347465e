//! What the ledger in SQLite takes in, against hand-written statements into the same tables in the same
//! run: what people read is the table at the end.
//!
//! Both sides run in turns, each on a file of its own in one directory, which is beside what was built
//! and not in a file system in memory. `cargo bench -p monetization-store-sqlite -- WORDS` runs only the
//! rows whose name contains all the words; `-- growth` runs those that fill files with 18 million
//! records in all, which takes minutes and 3 GB.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark reads the clock, computes ratios, prints, and may fail"
)]

mod append;
mod duplicates;
mod group;
mod growth;
mod raw;
mod world;

use monetization_conformance::bench::Report;
use tokio::runtime::Builder;

fn main() {
    let mut report = Report::from_arguments();
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        append::run(&mut report).await;
        duplicates::run(&mut report).await;
        group::run(&mut report).await;
        if report.is_asked_for("growth") {
            growth::run(&mut report).await;
        }
    });
    report.print();
}
