//! The same with several servers and publishers over a PostgreSQL and a Redis that are harmed as well.

use super::{play, seconds};
use stage::Stage;

mod drain;
mod faults;
mod gateway;
mod stage;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL and Redis: scripts/test.sh starts one"]
async fn after_a_fault_each_second_three_gateways_two_publishers_and_the_provider_agree_to_the_unit_r_z2()
 {
    let seconds = seconds();
    let mut stage = Stage::set(seconds).await;
    let memory = play(&mut stage, seconds).await;
    let end = stage.drain().await;
    end.assert_agreement().await;
    memory.assert_flat();
}
