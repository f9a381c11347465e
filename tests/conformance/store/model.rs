//! Any store against [`MemoryStore`], step by step on random operations.

use monetization_core::memory::MemoryStore;

use super::Bench;
use super::observed::observe;
use world::World;

mod changes;
mod claims;
mod step;
mod world;

/// The same operations get the same answers and leave the same things behind.
///
/// It takes 600 steps, or as many as the environment's `MONETIZATION_MODEL_STEPS` says, from
/// the seed `MONETIZATION_MODEL_SEED`, or 1.
pub async fn a_random_run_agrees_with_the_memory_store(bench: &Bench) {
    let steps = setting("MONETIZATION_MODEL_STEPS").unwrap_or(600);
    let seed = setting("MONETIZATION_MODEL_SEED").unwrap_or(1);
    let store = bench.open().await;
    let model = MemoryStore::new(bench.clock.clone());
    let mut world = World::seeded(seed);
    for number in 1..=steps {
        let step = world.next_step(&model).await;
        let wanted = step.take(&model, bench).await;
        let answer = if step.is_of_time() {
            wanted.clone()
        } else {
            step.take(store.as_ref(), bench).await
        };
        assert_eq!(answer, wanted, "seed {seed}, step {number}: {step:?}");
        if number % 50 == 0 || number == steps {
            let wanted = observe(&model, &world.subscribers).await;
            let found = observe(store.as_ref(), &world.subscribers).await;
            assert_eq!(found, wanted, "seed {seed}, after step {number}: {step:?}");
        }
        world.learn(step, &wanted);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a test runs is for who runs it to say"
)]
fn setting(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap())
}
