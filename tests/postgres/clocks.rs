//! Two processes whose clocks step, on the database's time.

use monetization_conformance::postgres::Database;
use monetization_conformance::sample::Sample;
use monetization_conformance::store::clocks::step;
use monetization_conformance::{seed, size};
use monetization_store_postgres::PostgresStore;

use crate::database::{make, options};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn processes_whose_clocks_step_steal_no_claim_and_open_no_window_twice_r_t5() {
    let database = Database::unused();
    make(&database).await;
    let holder = PostgresStore::open(&options(&database)).await.unwrap();
    let other = PostgresStore::open(&options(&database)).await.unwrap();
    let sample = Sample::seeded(seed());
    step([&holder, &other], &sample, size(300, 1_000)).await;
}
