//! Ledgers that grow, and how fast they do.

use std::time::Instant;

use futures::future::join_all;
use monetization_core::store::{Appended, Ledger};
use monetization_core::usage::UsageRecord;

use super::median;
use super::world::{BATCH, Ids, World};

/// Batches between two signs of life.
const STEP: usize = 500;

/// A ledger with what is appended to it.
#[derive(Debug)]
pub struct Growing<S> {
    name: &'static str,
    store: S,
    world: World,
    appenders: usize,
    records: usize,
}

impl<S: Ledger> Growing<S> {
    /// One that holds the first record of each subscription.
    pub async fn begun(name: &'static str, store: S, subscriptions: usize, ids: Ids) -> Self {
        let mut world = World::new(subscriptions, ids);
        begin(&store, &mut world).await;
        Self {
            name,
            store,
            world,
            appenders: 1,
            records: subscriptions,
        }
    }

    /// So many appends at once, instead of one after the other.
    #[must_use]
    pub fn with_appenders(mut self, appenders: usize) -> Self {
        self.appenders = appenders;
        self
    }

    /// Appends until there are so many records; records a second, all steps together.
    pub async fn grow(&mut self, records: usize) -> f64 {
        let (mut seconds, before) = (0.0, self.records);
        while self.records < records {
            let step = STEP.min((records - self.records).div_ceil(BATCH));
            let rate = self.append(step).await;
            seconds += (step * BATCH) as f64 / rate;
            let (name, records) = (self.name, self.records);
            println!("growth: {name}, {records} records, {rate:.0} records/s");
        }
        (self.records - before) as f64 / seconds
    }

    /// Records a second.
    pub async fn append(&mut self, batches: usize) -> f64 {
        let batches = self.world.batches(batches);
        self.records += batches.len() * BATCH;
        rate(&self.store, &batches, self.appenders, Appended::New).await
    }

    /// Microseconds to read what one subscription has used in the period, as an invoice does.
    pub async fn sums(&self) -> f64 {
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

/// Records a second of both, in turns.
pub async fn in_turns<S: Ledger>(
    [ours, peer]: [&mut Growing<S>; 2],
    rounds: usize,
    batches: usize,
) -> [Vec<f64>; 2] {
    let mut rates: [Vec<f64>; 2] = Default::default();
    for _ in 0..rounds {
        for (growing, rates) in [&mut *ours, &mut *peer].into_iter().zip(&mut rates) {
            let rate = growing.append(batches).await;
            println!("growth: {} {rate:.0} records/s", growing.name);
            rates.push(rate);
        }
    }
    rates
}

/// Appends the first record of each subscription.
pub async fn begin(store: &impl Ledger, world: &mut World) {
    for records in world.first_records().chunks(BATCH) {
        append(store, records, Appended::New).await;
    }
}

/// Records a second that the ledger takes, from so many who append at once.
pub async fn rate(
    store: &impl Ledger,
    batches: &[Vec<UsageRecord>],
    appenders: usize,
    expected: Appended,
) -> f64 {
    let started = Instant::now();
    join_all((0..appenders).map(async |number| {
        for records in batches.iter().skip(number).step_by(appenders) {
            append(store, records, expected).await;
        }
    }))
    .await;
    (batches.len() * BATCH) as f64 / started.elapsed().as_secs_f64()
}

/// Appends, and looks whether the ledger said to each record what it has to say.
async fn append(store: &impl Ledger, records: &[UsageRecord], expected: Appended) {
    let answers = store.append(records).await.unwrap();
    assert_eq!(answers.len(), records.len());
    assert!(answers.iter().all(|answer| *answer == expected));
}
