//! Records that are in the ledger, reported again.

use monetization_conformance::bench::growing::rate;
use monetization_conformance::bench::world::{Ids, World};
use monetization_conformance::bench::{Goal, Report, Row};
use monetization_core::store::Appended;

use crate::world::{directory, options, store};

const ROUNDS: usize = 15;
const BATCHES: usize = 40;
const SUBSCRIPTIONS: usize = 1_000;

pub(crate) async fn run(report: &mut Report) {
    compare(report, "own ids", Ids::Own).await;
    compare(report, "reported events", Ids::Foreign).await;
}

/// Each round takes fresh records in, and those of the round before once more.
async fn compare(report: &mut Report, what: &str, ids: Ids) {
    let name = format!("duplicates, {what} / fresh records");
    if !report.wants(&name) {
        return;
    }
    let directory = directory();
    let mut world = World::new(SUBSCRIPTIONS, ids);
    let store = store(&options(&directory, "ours.db"), &mut world).await;
    let mut before = world.batches(BATCHES);
    rate(&store, &before, 1, Appended::New).await;
    let mut rounds: [Vec<f64>; 2] = Default::default();
    for _ in 0..ROUNDS {
        let fresh = world.batches(BATCHES);
        rounds[0].push(rate(&store, &before, 1, Appended::Duplicate).await);
        rounds[1].push(rate(&store, &fresh, 1, Appended::New).await);
        before = fresh;
    }
    let unit = "records a second";
    report.add(Row::of_rounds(name, rounds, unit, Goal::AtLeast(1.0)));
}
