//! The three stores side by side.

use std::sync::Arc;

use monetization_conformance::postgres::Database;
use monetization_conformance::sample::START;
use monetization_conformance::store::model::{Run, stores_agree};
use monetization_conformance::{seed, size_in_ci};
use monetization_core::clock::Clock;
use monetization_core::memory::MemoryStore;
use monetization_core::store::Store;
use monetization_store_postgres::PostgresStore;
use monetization_store_sqlite::{SqliteOptions, SqliteStore, Synchronous};

use crate::database::{make, options};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn the_same_steps_leave_three_stores_in_equal_states_r_d11() {
    let (clock, time) = Clock::manual(START);
    let directory = tempfile::tempdir().unwrap();
    let file = SqliteOptions::new(directory.path().join("parity.db"))
        .with_synchronous(Synchronous::Normal)
        .with_clock(clock.clone());
    let database = Database::unused();
    make(&database).await;
    let shared = options(&database).with_clock(clock.clone());
    let stores: [Arc<dyn Store>; 3] = [
        Arc::new(MemoryStore::new(clock)),
        Arc::new(SqliteStore::open(&file).await.unwrap()),
        Arc::new(PostgresStore::open(&shared).await.unwrap()),
    ];
    let steps = size_in_ci(600, 2_000, 100_000);
    stores_agree(&stores, &time, Run::new(seed(), steps)).await;
}
