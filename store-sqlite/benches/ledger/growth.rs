//! Large ledgers against small ones.

use std::time::Instant;

use monetization_conformance::bench::{Goal, Report, Row, median};
use monetization_core::store::{Appended, Ledger};
use monetization_store_sqlite::SqliteStore;
use tempfile::TempDir;

use crate::world::{BATCH, Ids, World, directory, options, rate, store};

const ROUNDS: usize = 9;
const SUBSCRIPTIONS: usize = 1_000;
/// Batches between two signs of life.
const STEP: usize = 500;
const MILLION: usize = 1_000_000;

pub(crate) async fn run(report: &mut Report) {
    let directory = directory();
    let unit = "records a second";
    let mut small = File::new(&directory, "small", Ids::Own).await;
    small.grow(MILLION).await;
    let mut large = File::new(&directory, "large", Ids::Own).await;
    large.grow(5 * MILLION).await;
    let mut foreign = File::new(&directory, "foreign", Ids::Foreign).await;
    let first = foreign.grow(MILLION).await;
    foreign.grow(5 * MILLION).await;

    let [of_foreign, of_own] = in_turns(&mut foreign, &mut large, 40).await;
    let name = "growth: reported events at 5M records / own ids at 5M records";
    let rounds = [of_foreign.clone(), of_own];
    report.add(Row::of_rounds(name, rounds, unit, Goal::AtLeast(0.4)));
    let name = "growth: reported events at 5M records / the first million";
    let figures = [median(of_foreign), first];
    report.add(Row::of_figures(name, figures, unit, Goal::Shown));
    drop(foreign);

    large.grow(10 * MILLION).await;
    let rounds = in_turns(&mut large, &mut small, 100).await;
    let name = "growth: own ids at 10M records / at 1M to 2M records";
    report.add(Row::of_rounds(name, rounds, unit, Goal::AtLeast(0.7)));
    let name = "growth: sums of one subscription over 10M records / the 1000 us allowed";
    let figures = [large.sums().await, 1_000.0];
    report.add(Row::of_figures(name, figures, "us", Goal::AtMost(1.0)));
}

/// A store with what is appended to it.
struct File {
    name: &'static str,
    store: SqliteStore,
    world: World,
    records: usize,
}

impl File {
    async fn new(directory: &TempDir, name: &'static str, ids: Ids) -> Self {
        let mut world = World::new(SUBSCRIPTIONS, ids);
        let options = options(directory, &format!("{name}.db"));
        Self {
            name,
            store: store(&options, &mut world).await,
            world,
            records: SUBSCRIPTIONS,
        }
    }

    /// Appends until there are so many records; records a second, all steps together.
    async fn grow(&mut self, records: usize) -> f64 {
        let (mut seconds, before) = (0.0, self.records);
        while self.records < records {
            let step = STEP.min((records - self.records).div_ceil(BATCH));
            let rate = self.append(step).await;
            seconds += (step * BATCH) as f64 / rate;
            println!(
                "growth: {}, {} records, {rate:.0} records/s",
                self.name, self.records
            );
        }
        (self.records - before) as f64 / seconds
    }

    /// Records a second.
    async fn append(&mut self, batches: usize) -> f64 {
        let batches = self.world.batches(batches);
        self.records += batches.len() * BATCH;
        rate(&self.store, &batches, Appended::New).await
    }

    /// Microseconds to read what one subscription has used in the period, as an invoice does.
    async fn sums(&self) -> f64 {
        let (mut times, mut total) = (Vec::new(), 0);
        for segment in &self.world.segments {
            let started = Instant::now();
            let sums = self.store.sums(self.world.tenant, segment.id).await;
            times.push(started.elapsed().as_secs_f64() * 1e6);
            total += sums.unwrap()[0].total.scaled();
        }
        assert_eq!(total, i64::try_from(self.records).unwrap());
        median(times)
    }
}

async fn in_turns(ours: &mut File, peer: &mut File, batches: usize) -> [Vec<f64>; 2] {
    let mut rounds: [Vec<f64>; 2] = Default::default();
    for _ in 0..ROUNDS {
        rounds[0].push(ours.append(batches).await);
        rounds[1].push(peer.append(batches).await);
        println!(
            "growth: {} {:.0}, {} {:.0} records/s",
            ours.name,
            rounds[0][rounds[0].len() - 1],
            peer.name,
            rounds[1][rounds[1].len() - 1]
        );
    }
    rounds
}
