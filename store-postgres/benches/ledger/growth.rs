//! Large ledgers against small ones.

use monetization_conformance::bench::growing::{Growing, in_turns};
use monetization_conformance::bench::world::Ids;
use monetization_conformance::bench::{Goal, Report, Row};
use monetization_conformance::postgres::Database;
use monetization_store_postgres::PostgresStore;

use crate::world::database;

const ROUNDS: usize = 9;
const SUBSCRIPTIONS: usize = 1_000;
const MILLION: usize = 1_000_000;
/// Batches of a round.
const BATCHES: usize = 40;

pub(crate) async fn run(report: &mut Report) {
    let (small_database, mut small) = growing("small").await;
    small.grow(MILLION).await;
    let (large_database, mut large) = growing("large").await;
    for millions in steps_to(millions_max()) {
        large.grow(millions * MILLION).await;
        let rounds = in_turns([&mut large, &mut small], ROUNDS, BATCHES).await;
        let name = format!("growth: own ids at {millions}M records / at 1M to 2M records");
        let unit = "records a second";
        report.add(Row::of_rounds(name, rounds, unit, Goal::AtLeast(0.7)));
        let name = format!(
            "growth: sums of one subscription over {millions}M records / the 1000 us allowed"
        );
        let (of_large, of_small) = (large.sums().await, small.sums().await);
        let figures = [of_large, 1_000.0];
        report.add(Row::of_figures(name, figures, "us", Goal::AtMost(1.0)));
        // A busy machine is slow to answer whatever is asked.
        let name = format!("growth: sums of one subscription over {millions}M records / over 2M");
        let figures = [of_large, of_small];
        report.add(Row::of_figures(name, figures, "us", Goal::Shown));
    }
    small_database.remove().await;
    large_database.remove().await;
}

/// Two who append at once, so that both a client and the server have something to do.
async fn growing(name: &'static str) -> (Database, Growing<PostgresStore>) {
    let (database, store) = database().await;
    let growing = Growing::begun(name, store, SUBSCRIPTIONS, Ids::Own).await;
    (database, growing.with_appenders(2))
}

/// Where to stop and measure.
fn steps_to(millions_max: usize) -> impl Iterator<Item = usize> {
    [10, 30]
        .into_iter()
        .filter(move |step| *step < millions_max)
        .chain([millions_max])
}

fn millions_max() -> usize {
    let asked = std::env::var("GROWTH_MILLIONS").ok();
    asked.map_or(10, |asked| asked.parse().unwrap())
}
