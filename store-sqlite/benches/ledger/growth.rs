//! Large ledgers against small ones.

use monetization_conformance::bench::growing::{Growing, in_turns};
use monetization_conformance::bench::world::Ids;
use monetization_conformance::bench::{Goal, Report, Row, median};
use monetization_store_sqlite::SqliteStore;
use tempfile::TempDir;

use crate::world::{directory, options};

const ROUNDS: usize = 9;
const SUBSCRIPTIONS: usize = 1_000;
const MILLION: usize = 1_000_000;

pub(crate) async fn run(report: &mut Report) {
    let directory = directory();
    let unit = "records a second";
    let mut small = growing(&directory, "small", Ids::Own).await;
    small.grow(MILLION).await;
    let mut large = growing(&directory, "large", Ids::Own).await;
    large.grow(5 * MILLION).await;
    let mut foreign = growing(&directory, "foreign", Ids::Foreign).await;
    let first = foreign.grow(MILLION).await;
    foreign.grow(5 * MILLION).await;

    let [of_foreign, of_own] = in_turns([&mut foreign, &mut large], ROUNDS, 40).await;
    let name = "growth: reported events at 5M records / own ids at 5M records";
    let rounds = [of_foreign.clone(), of_own];
    report.add(Row::of_rounds(name, rounds, unit, Goal::AtLeast(0.4)));
    let name = "growth: reported events at 5M records / the first million";
    let figures = [median(of_foreign), first];
    report.add(Row::of_figures(name, figures, unit, Goal::Shown));
    drop(foreign);

    large.grow(10 * MILLION).await;
    let rounds = in_turns([&mut large, &mut small], ROUNDS, 100).await;
    let name = "growth: own ids at 10M records / at 1M to 2M records";
    report.add(Row::of_rounds(name, rounds, unit, Goal::AtLeast(0.7)));
    let name = "growth: sums of one subscription over 10M records / the 1000 us allowed";
    let figures = [large.sums().await, 1_000.0];
    report.add(Row::of_figures(name, figures, "us", Goal::AtMost(1.0)));
}

async fn growing(directory: &TempDir, name: &'static str, ids: Ids) -> Growing<SqliteStore> {
    let options = options(directory, &format!("{name}.db"));
    let store = SqliteStore::open(&options).await.unwrap();
    Growing::begun(name, store, SUBSCRIPTIONS, ids).await
}
