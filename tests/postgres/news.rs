//! Word of changes, from one process to another.

use std::time::Duration;

use monetization_conformance::postgres::Database;
use monetization_conformance::sample::Sample;
use monetization_core::store::{Directory, Expected, Kind, Rows, Write};
use monetization_store_postgres::PostgresStore;
use tokio::time::timeout;

use crate::database::{make, options};

const SOON: Duration = Duration::from_secs(20);

async fn change(store: &PostgresStore, sample: &Sample) -> u64 {
    let mut change = sample.change();
    change.writes.push(Write {
        row: sample.row(sample.id(), Kind::Product),
        expected: Expected::Absent,
    });
    store.apply(&change).await.unwrap();
    store.changes(0, 1_000).await.unwrap().last().unwrap().seq
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn a_change_of_one_process_is_heard_of_by_another_r_a6() {
    let database = Database::unused();
    make(&database).await;
    let writer = PostgresStore::open(&options(&database)).await.unwrap();
    let reader = PostgresStore::open(&options(&database)).await.unwrap();
    let sample = Sample::seeded(1);
    // It listens from when somebody first waits on.
    timeout(Duration::from_millis(500), reader.news_after(0))
        .await
        .unwrap_err();
    let mut known = 0;
    for _ in 0..3 {
        let waits = reader.news_after(known);
        let changes = change(&writer, &sample);
        let (waited, place) = tokio::join!(timeout(SOON, waits), changes);
        waited.expect("it was not heard of");
        known = place;
        timeout(Duration::from_millis(300), reader.news_after(known))
            .await
            .expect_err("nothing has changed since");
    }
    // The connection that listens is cut, and made again.
    database.cut_connections().await;
    let waits = reader.news_after(known);
    let changing = async {
        loop {
            // The first ones find connections that were cut.
            let mut change = sample.change();
            change.writes.push(Write {
                row: sample.row(sample.id(), Kind::Product),
                expected: Expected::Absent,
            });
            drop(writer.apply(&change).await);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        waited = timeout(SOON, waits) => waited.expect("it listens no more"),
        () = changing => {}
    }
}
