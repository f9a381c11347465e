//! Everything at once and for long: a server, a publisher and a provider, each a process of its
//! own, clients that keep their own log, and a fault each second.
#![expect(
    clippy::print_stdout,
    reason = "figures are told before they are judged"
)]

use std::time::Duration;

use monetization_conformance::{seed, size_in_ci};
use tokio::time::interval;

use super::dice::Dice;
use faults::Fault;
use memory::Memory;
use stage::Stage;

mod faults;
pub(super) mod memory;
mod stage;
mod verdict;

/// So many seconds lie between two lines of progress.
const TOLD_EVERY: u64 = 10;

/// The seed may be given in `MONETIZATION_SEED`: the same faults come in the same order.
///
/// In the first and the last sixth servers and publishers are killed. Between, they live through
/// all other faults, and what they hold of memory must not grow.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_fault_each_second_clients_ledger_and_provider_agree_to_the_unit() {
    let seconds: u64 = size_in_ci(20, 180, 3_600);
    println!("a fault a second for {seconds} s, seed {}", seed());
    let dice = Dice::seeded(seed());
    let mut stage = Stage::set(seconds).await;
    let mut memory = Memory::default();
    let mut ticks = interval(Duration::from_secs(1));
    for second in 0..seconds {
        ticks.tick().await;
        let is_calm = (seconds / 6..seconds * 5 / 6).contains(&second);
        let fault = Fault::drawn(&dice, is_calm);
        stage.befall(fault, &dice).await;
        stage.assert_alive();
        if is_calm {
            memory.sample(&stage);
        }
        if second % TOLD_EVERY == TOLD_EVERY - 1 {
            println!("{:>5} s: {}", second + 1, stage.progress().await);
        }
    }
    println!("{}", stage.faults());
    println!("{}", memory.told());
    let end = stage.drain().await;
    end.assert_agreement().await;
    memory.assert_flat();
}
