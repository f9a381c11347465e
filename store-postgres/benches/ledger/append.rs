//! Appends of a thousand records each, with sums and quota counters.

use std::time::Instant;

use monetization_conformance::bench::growing::{begin, rate};
use monetization_conformance::bench::world::{Ids, World};
use monetization_conformance::bench::{Goal, Report, Row, median};
use monetization_core::store::{Appended, Ledger};

use crate::raw::{Raw, Work, totals};
use crate::world::database;

const ROUNDS: usize = 7;
const SUBSCRIPTIONS: usize = 1_000;
const BATCHES: usize = 60;
const SINGLES: usize = 500;

pub(crate) async fn run(report: &mut Report) {
    let goal = Goal::AtLeast(0.7);
    by_hand(report, ("all", Work::All), 1, goal).await;
    by_hand(report, ("all", Work::All), 4, goal).await;
    by_hand(report, ("records alone", Work::Records), 1, Goal::Shown).await;
    singles(report).await;
    sums(report).await;
}

/// Both sides on databases of their own, in turns.
async fn by_hand(report: &mut Report, (what, work): (&str, Work), appenders: usize, goal: Goal) {
    let name =
        format!("append, batches of 1,000, {appenders} at once / hand-written UNNEST, {what}");
    if !report.wants(&name) {
        return;
    }
    let unit = "records a second";
    let mut world = World::new(SUBSCRIPTIONS, Ids::Own);
    let ((here, ours), (there, begun)) = (database().await, database().await);
    let mut peer = Raw::connected(&there, appenders).await;
    begin(&ours, &mut world).await;
    begin(&begun, &mut World::new(SUBSCRIPTIONS, Ids::Own)).await;
    let mut rounds: [Vec<f64>; 2] = Default::default();
    for round in 0..=ROUNDS {
        let records = world.batches(BATCHES);
        let [our_rate, peer_rate] = if round % 2 == 0 {
            let ours = rate(&ours, &records, appenders, Appended::New).await;
            [ours, peer.rate(&records, work).await]
        } else {
            let peer = peer.rate(&records, work).await;
            [rate(&ours, &records, appenders, Appended::New).await, peer]
        };
        // The first round fills caches and prepares statements.
        if round > 0 {
            println!("{what}, {appenders} at once: {our_rate:.0} against {peer_rate:.0} records/s");
            rounds[0].push(our_rate);
            rounds[1].push(peer_rate);
        }
    }
    let count = SUBSCRIPTIONS + (ROUNDS + 1) * BATCHES * 1_000;
    let of_ours = totals(&here).await;
    assert_eq!(of_ours, [i64::try_from(count).unwrap(); 3]);
    if matches!(work, Work::All) {
        assert_eq!(totals(&there).await, of_ours, "both did the same work");
    }
    report.add(Row::of_rounds(name, rounds, unit, goal));
    here.remove().await;
    there.remove().await;
}

async fn singles(report: &mut Report) {
    let name = "append, batches of 1,000 / hand-written inserts of one record each";
    if !report.wants(name) {
        return;
    }
    let mut world = World::new(SUBSCRIPTIONS, Ids::Own);
    let ((here, ours), (there, _)) = (database().await, database().await);
    let mut peer = Raw::connected(&there, 1).await;
    begin(&ours, &mut world).await;
    let mut rounds: [Vec<f64>; 2] = Default::default();
    for round in 0..=ROUNDS {
        let records = world.batches(BATCHES);
        let our_rate = rate(&ours, &records, 1, Appended::New).await;
        let peer_rate = peer.single_rate(&records[0][..SINGLES]).await;
        if round > 0 {
            rounds[0].push(our_rate);
            rounds[1].push(peer_rate);
        }
    }
    let goal = Goal::AtLeast(40.0);
    report.add(Row::of_rounds(name, rounds, "records a second", goal));
    here.remove().await;
    there.remove().await;
}

/// What an invoice reads of a subscription's period.
async fn sums(report: &mut Report) {
    let name = "sums of one subscription's period / the 1000 us allowed";
    if !report.wants(name) {
        return;
    }
    let (database, store) = database().await;
    let mut world = World::new(SUBSCRIPTIONS, Ids::Own);
    begin(&store, &mut world).await;
    rate(&store, &world.batches(BATCHES), 1, Appended::New).await;
    let mut times = Vec::new();
    for segment in &world.segments {
        let started = Instant::now();
        let sums = store.sums(world.tenant, segment.id).await.unwrap();
        times.push(started.elapsed().as_secs_f64() * 1e6);
        assert_eq!(sums.len(), 1);
    }
    let goal = Goal::AtMost(1.0);
    report.add(Row::of_figures(name, [median(times), 1_000.0], "us", goal));
    database.remove().await;
}
