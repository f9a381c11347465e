//! Stores against each other, step by step on random operations.

use std::sync::Arc;

use monetization_core::clock::ManualClock;
use monetization_core::memory::MemoryStore;
use monetization_core::store::Store;

use super::Bench;
use super::observed::{Observed, observe};
use crate::sample::Subscriber;
use step::Step;
use world::World;

mod changes;
mod claims;
mod step;
mod world;

/// How long a run is, and what it is made from.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Run {
    /// The same seed makes the same run.
    pub seed: u64,
    /// How many operations.
    pub steps: u64,
    /// After how many of them all that is stored is compared, too.
    pub look_every: u64,
}

impl Run {
    /// A run of so many steps. The longer it is the more rarely it looks at all that is stored: about a hundred
    /// times, but not more often than each 50 steps.
    #[must_use]
    pub const fn new(seed: u64, steps: u64) -> Self {
        let hundredth = steps / 100;
        Self {
            seed,
            steps,
            look_every: if hundredth > 50 { hundredth } else { 50 },
        }
    }
}

/// The same operations get the same answers and leave the same things behind.
///
/// It takes 600 steps, or as many as the environment's `MONETIZATION_MODEL_STEPS` says, from
/// the seed `MONETIZATION_MODEL_SEED`, or 1.
pub async fn a_random_run_agrees_with_the_memory_store(bench: &Bench) {
    let steps = setting("MONETIZATION_MODEL_STEPS").unwrap_or(600);
    let seed = setting("MONETIZATION_MODEL_SEED").unwrap_or(1);
    let model = Arc::new(MemoryStore::new(bench.clock.clone()));
    let stores: [Arc<dyn Store>; 2] = [model, bench.open().await];
    stores_agree(&stores, &bench.time, Run::new(seed, steps)).await;
}

/// Whatever is done to all of these stores, they answer the same and have the same in them in the end. The
/// claims of all of them lapse by this clock.
///
/// What is done follows from what the first of them says. Subscriptions come and go, so a long run tells
/// more than a short one.
pub async fn stores_agree(stores: &[Arc<dyn Store>], time: &ManualClock, run: Run) {
    let (model, others) = stores.split_first().unwrap();
    let mut world = World::seeded(run.seed);
    for number in 1..=run.steps {
        let step = world.next_step(model.as_ref()).await;
        let at = format!("seed {}, step {number}: {step:?}", run.seed);
        if let Step::Advance(by) = step {
            time.advance(by);
        }
        let wanted = step.take(model.as_ref()).await;
        for store in others {
            let answer = step.take(store.as_ref()).await;
            assert_eq!(answer, wanted, "{}, {at}", store.name());
        }
        world.learn(step, &wanted);
        if number % run.look_every == 0 {
            hold_the_same(stores, world.subscribers(), &at).await;
        }
        if number % STAY == 0 {
            world.move_on();
        }
    }
    hold_the_same(stores, &world.all_subscribers(), "in the end").await;
}

/// After how many steps another subscription takes the place of the oldest.
const STAY: u64 = 200;

async fn hold_the_same(stores: &[Arc<dyn Store>], of: &[Subscriber], at: &str) {
    let (model, others) = stores.split_first().unwrap();
    let wanted = observe(model.as_ref(), of).await;
    for store in others {
        let found = observe(store.as_ref(), of).await;
        let (name, difference) = (store.name(), difference(&found, &wanted));
        assert!(found == wanted, "{name}, {at}: {difference}");
    }
}

/// The first lines in which they differ: all of them together are more than anybody reads.
fn difference(found: &Observed, wanted: &Observed) -> String {
    let [found, wanted] = [found, wanted].map(|of| format!("{of:#?}"));
    let alike = found.lines().zip(wanted.lines());
    let alike = alike.take_while(|(found, wanted)| found == wanted).count();
    let from = alike.saturating_sub(SHOWN);
    let lines = |of: &str| -> Vec<String> {
        let lines = of.lines().skip(from).take(2 * SHOWN);
        lines.map(str::to_owned).collect()
    };
    let [found, wanted] = [found, wanted].map(|of| lines(&of).join("\n"));
    format!("line {alike}: found\n{found}\nwanted\n{wanted}")
}

/// Lines before and behind a difference.
const SHOWN: usize = 20;

#[expect(
    clippy::disallowed_methods,
    reason = "how long a test runs is for who runs it to say"
)]
fn setting(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap())
}
