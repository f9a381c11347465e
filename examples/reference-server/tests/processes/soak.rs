//! Everything at once and for long: servers, publishers and a provider, each a process of its own,
//! clients that keep their own log, and a fault each second.
#![expect(
    clippy::print_stdout,
    reason = "figures are told before they are judged"
)]

use std::time::Duration;

use monetization_conformance::{seed, size_in_ci};
use tokio::time::interval;

use super::dice::Dice;
use super::load::Load;
use memory::Memory;
use stage::Stage;

mod faults;
pub(super) mod memory;
#[cfg(all(feature = "postgres", feature = "redis"))]
mod several;
mod stage;
mod verdict;

/// So many seconds lie between two lines of progress.
const TOLD_EVERY: u64 = 10;

/// All that a fault may befall, and who calls.
trait Scene {
    /// Something goes wrong. In calm times nothing ends the processes whose memory is looked at.
    async fn befall(&mut self, dice: &Dice, is_calm: bool);

    /// Nobody has ended whom no fault has ended.
    fn assert_alive(&mut self);

    /// The processes whose memory is looked at, by their names.
    fn processes(&self) -> Vec<(String, u32)>;

    fn loads(&self) -> Vec<&Load>;

    /// What was used, reported and confirmed so far.
    async fn standing(&self) -> String;

    /// What has befallen, how often.
    fn faults(&self) -> String;

    /// Good answers that clients have received so far.
    fn answered(&self) -> u64 {
        self.loads().into_iter().map(Load::received).sum()
    }
}

/// A fault each second. In the first and the last sixth servers and publishers are killed. Between,
/// they live through all other faults, and what they hold of memory must not grow.
async fn play(scene: &mut impl Scene, seconds: u64) -> Memory {
    let dice = Dice::seeded(seed());
    let mut memory = Memory::default();
    let mut ticks = interval(Duration::from_secs(1));
    for second in 0..seconds {
        ticks.tick().await;
        let is_calm = (seconds / 6..seconds * 5 / 6).contains(&second);
        scene.befall(&dice, is_calm).await;
        scene.assert_alive();
        if is_calm {
            memory.sample(scene.answered(), scene.processes());
        }
        if second % TOLD_EVERY == TOLD_EVERY - 1 {
            let unserved: u64 = scene.loads().into_iter().map(Load::unserved).sum();
            let (answered, standing) = (scene.answered(), scene.standing().await);
            let second = second + 1;
            println!("{second:>5} s: {answered} answered, {unserved} not; {standing}");
        }
    }
    println!("{}", scene.faults());
    println!("{}", memory.told());
    memory
}

/// How many seconds it lasts. The seed may be given in `MONETIZATION_SEED`: the same faults come in
/// the same order.
fn seconds() -> u64 {
    let seconds = size_in_ci(20, 180, 3_600);
    println!("a fault a second for {seconds} s, seed {}", seed());
    seconds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_fault_each_second_clients_ledger_and_provider_agree_to_the_unit() {
    let seconds = seconds();
    let mut stage = Stage::set(seconds).await;
    let memory = play(&mut stage, seconds).await;
    let end = stage.drain().await;
    end.assert_agreement().await;
    memory.assert_flat();
}
