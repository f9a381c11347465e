//! Appends of a thousand records each, with sums and quota counters.

use monetization_conformance::bench::growing::rate;
use monetization_conformance::bench::world::{Ids, World};
use monetization_conformance::bench::{Goal, Report, Row};
use monetization_core::store::Appended;

use crate::raw::{Raw, connect, totals};
use crate::world::{directory, options, path, store};

const ROUNDS: usize = 7;

pub(crate) async fn run(report: &mut Report) {
    let goal = Goal::AtLeast(0.7);
    compare(report, "1k", (1_000, 200), goal).await;
    compare(report, "100k", (100_000, 40), Goal::Shown).await;
}

/// A round has as many batches as fill the log once, so that each side copies it as often.
async fn compare(
    report: &mut Report,
    size: &str,
    (subscriptions, batches): (usize, usize),
    goal: Goal,
) {
    let name = format!("append, batches of 1,000, {size} subscriptions / hand-written");
    if !report.wants(&name) {
        return;
    }
    let directory = directory();
    let mut world = World::new(subscriptions, Ids::Own);
    let ours = store(&options(&directory, "ours.db"), &mut world).await;
    let mut peers_world = World::new(subscriptions, Ids::Own);
    let mut peer = Raw::open(&options(&directory, "raw.db"), &mut peers_world).await;
    let mut rounds: [Vec<f64>; 2] = Default::default();
    for round in 0..=ROUNDS {
        let records = world.batches(batches);
        let [our_rate, peer_rate] = if round % 2 == 0 {
            let ours = rate(&ours, &records, 1, Appended::New).await;
            [ours, peer.rate(&records).await]
        } else {
            let peer = peer.rate(&records).await;
            [rate(&ours, &records, 1, Appended::New).await, peer]
        };
        // The first round fills caches and prepares statements.
        if round > 0 {
            println!("append, {size}: {our_rate:.0} against {peer_rate:.0} records/s");
            rounds[0].push(our_rate);
            rounds[1].push(peer_rate);
        }
    }
    drop(ours);
    let ours = totals(connect(&path(&directory, "ours.db")).await).await;
    let count = subscriptions + (ROUNDS + 1) * batches * 1_000;
    assert_eq!(ours, [i64::try_from(count).unwrap(); 3]);
    assert_eq!(peer.totals().await, ours, "both did the same work");
    report.add(Row::of_rounds(name, rounds, "records a second", goal));
}
