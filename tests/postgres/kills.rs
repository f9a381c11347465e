//! A server that is killed while it is written to.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use monetization_conformance::postgres::Server;
use monetization_conformance::sample::{Sample, Subscriber};
use monetization_conformance::{seed, size_in_ci};
use monetization_core::ids::RecordId;
use monetization_core::store::{Appended, Ledger, StoreErrorKind};
use monetization_core::usage::UsageRecord;
use monetization_store_postgres::{PostgresOptions, PostgresStore};
use tokio::task::JoinSet;

const WRITERS: usize = 4;
const BATCH: usize = 50;
/// Records between two kills.
const RECORDS: usize = 5_000;

/// Appends until the store says what became of it.
async fn append(store: &PostgresStore, records: &[UsageRecord], failed: &AtomicU64) {
    loop {
        match store.append(records).await {
            Ok(answers) => {
                let taken = [Appended::New, Appended::Duplicate];
                assert!(answers.iter().all(|answer| taken.contains(answer)));
                return;
            }
            Err(error) => {
                let away = [StoreErrorKind::Unavailable, StoreErrorKind::Unknown];
                assert!(away.contains(&error.kind()), "{error:?}");
                failed.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

/// What each of the subscribers has in the ledger.
async fn recorded(store: &PostgresStore, of: &[Subscriber]) -> BTreeSet<RecordId> {
    let mut recorded = BTreeSet::new();
    for of in of {
        let segment = of.segment(0).id;
        let mut after = None;
        loop {
            let page = store.records(of.tenant, segment, after, 20_000);
            let page = page.await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for record in &page {
                assert!(recorded.insert(record.id), "{record:?} is there twice");
            }
        }
    }
    recorded
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn a_server_killed_while_it_is_written_to_has_all_it_answered_once_r_d2() {
    let mut server = Server::start(&[]).await;
    let options = PostgresOptions::new(&server.address()).unwrap();
    let store = Arc::new(PostgresStore::open(&options).await.unwrap());
    let sample = Arc::new(Sample::seeded(seed()));
    let of: Vec<Subscriber> = (0..WRITERS).map(|_| sample.subscriber()).collect();
    let failed = Arc::new(AtomicU64::new(0));
    let mut answered = BTreeSet::new();
    for kill in 0..size_in_ci(3, 10, 200) {
        let mut writers = JoinSet::new();
        for of in of.clone() {
            let (store, sample, failed) =
                (Arc::clone(&store), Arc::clone(&sample), Arc::clone(&failed));
            writers.spawn(async move {
                let mut answered = Vec::new();
                for _ in 0..RECORDS / WRITERS / BATCH {
                    let records = sample.records(&of, of.segment(0), BATCH);
                    append(&store, &records, &failed).await;
                    answered.extend(records.iter().map(|record| record.id));
                }
                answered
            });
        }
        tokio::time::sleep(Duration::from_millis(sample.below(400))).await;
        server.kill();
        server.go_on().await;
        for of_one in writers.join_all().await {
            answered.extend(of_one);
        }
        assert_eq!(answered.len(), (kill + 1) * RECORDS);
    }
    let failed = failed.load(Ordering::Relaxed);
    assert!(failed > 0, "no kill fell into an append");
    println!("{} records, {failed} appends failed", answered.len());

    // A connection that nobody has used since a kill has died with the server, and tells whoever reads first.
    store.close().await;
    let store = PostgresStore::open(&options).await.unwrap();
    let recorded = recorded(&store, &of).await;
    let lost = answered.difference(&recorded).count();
    assert_eq!(lost, 0, "answered and lost");
    assert_eq!(recorded.len(), answered.len(), "nobody asked for that");
    let mut total = 0;
    for of in &of {
        let sums = store.sums(of.tenant, of.segment(0).id).await.unwrap();
        total += sums.iter().map(|sum| sum.total.scaled()).sum::<i64>();
    }
    assert_eq!(usize::try_from(total).unwrap(), answered.len());
}
