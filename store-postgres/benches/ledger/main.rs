//! What the ledger in PostgreSQL takes in, against hand-written statements into the same tables on the same
//! server in the same run: what people read is the table at the end.
//!
//! `scripts/servers.sh cargo bench -p monetization-store-postgres -- WORDS` runs the rows whose name contains
//! all the words; `-- growth` those that fill a database with as many million records as
//! `GROWTH_MILLIONS` says, 10 if it says nothing, which takes minutes and 0.3 GB each. The server of
//! that script loses what it has when the machine fails, unless it is told otherwise:
//! `POSTGRES_SETTINGS="-c fsync=on -c full_page_writes=on"`.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark reads the clock, computes ratios, prints, and may fail"
)]

mod append;
mod growth;
mod raw;
mod world;

use monetization_conformance::bench::Report;
use tokio::runtime::Builder;

fn main() {
    let mut report = Report::from_arguments();
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        if report.is_asked_for("growth") {
            growth::run(&mut report).await;
        } else {
            append::run(&mut report).await;
        }
    });
    report.print();
}
