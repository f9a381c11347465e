//! Several processes on one database, each with connections of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use monetization_conformance::postgres::Database;
use monetization_conformance::sample::{Sample, batch};
use monetization_conformance::{seed, size};
use monetization_core::store::{
    Appended, Applied, Batches, LeaseAnswer, Ledger, Quotas, Rows, Sealed, StoreErrorKind,
};
use monetization_core::usage::UsageRecord;
use monetization_store_postgres::PostgresStore;

use crate::database::{make, options};

/// As many stores as there are processes.
async fn stores(database: &Database, count: usize) -> Vec<Arc<PostgresStore>> {
    let options = options(database);
    let opened = join_all((0..count).map(|_| PostgresStore::open(&options))).await;
    opened
        .into_iter()
        .map(|store| Arc::new(store.unwrap()))
        .collect()
}

/// Appends until there is an answer that is one; tells how often there was none.
async fn append(store: &PostgresStore, records: &[UsageRecord]) -> (Vec<Appended>, u32) {
    let mut failed = 0;
    loop {
        match store.append(records).await {
            Ok(appended) => return (appended, failed),
            Err(error) if error.kind() == StoreErrorKind::Unavailable => failed += 1,
            Err(error) => unreachable!("{error:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn three_processes_that_append_and_close_at_once_count_each_record_once_r_d3() {
    let database = Database::unused();
    make(&database).await;
    let stores = stores(&database, 3).await;
    let sample = Sample::seeded(seed());
    let subscribers: Vec<_> = (0..5).map(|_| sample.subscriber()).collect();
    // Each batch is appended by two tasks of different processes.
    let batches: Vec<Vec<UsageRecord>> = (0..size(60, 2_000))
        .map(|_| {
            let record = |_| {
                let of = &subscribers[usize::try_from(sample.below(5)).unwrap()];
                sample.record(of, of.segment(u32::try_from(sample.below(2)).unwrap()), 1)
            };
            (0..20).map(record).collect()
        })
        .collect();
    let batches = Arc::new(batches);
    let mut tasks = Vec::new();
    for (number, store) in stores.iter().enumerate() {
        for half in 0..2 {
            let (store, batches) = (Arc::clone(store), Arc::clone(&batches));
            tasks.push(tokio::spawn(async move {
                let (mut new, mut failed) = (0_usize, 0);
                for (at, records) in batches.iter().enumerate() {
                    if at % 3 == number || (at + half) % 3 == number {
                        let (appended, times) = append(&store, records).await;
                        let is_new = |appended: &&Appended| **appended == Appended::New;
                        new += appended.iter().filter(is_new).count();
                        failed += times;
                    }
                }
                (new, failed)
            }));
        }
    }
    for of in &subscribers {
        let mut change = sample.change();
        change.closings = vec![of.closing(0)];
        assert_eq!(stores[0].apply(&change).await.unwrap(), Applied::New);
    }
    let (mut new, mut failed) = (0, 0);
    for task in tasks {
        let done = task.await.unwrap();
        new += done.0;
        failed += done.1;
    }
    let records = batches.len() * 20;
    assert_eq!(new, records);
    assert!(
        usize::try_from(failed).unwrap() * 1_000 <= records,
        "{failed} appends failed"
    );
    let mut total = 0;
    for of in &subscribers {
        for month in 0..2 {
            let sums = stores[1]
                .sums(of.tenant, of.segment(month).id)
                .await
                .unwrap();
            total += sums.iter().map(|sum| sum.total.scaled()).sum::<i64>();
        }
    }
    assert_eq!(total, i64::try_from(records).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn the_last_unit_goes_to_one_of_three_processes_r_q2() {
    let database = Database::unused();
    make(&database).await;
    let stores = stores(&database, 3).await;
    let sample = Sample::seeded(seed());
    for _ in 0..size(30, 1_000) {
        let of = sample.subscriber();
        let wishes = stores
            .iter()
            .flat_map(|store| [(); 3].map(|()| (Arc::clone(store), sample.lease(&of, 1, 1))));
        let asked = wishes.map(|(store, wish)| async move { store.lease(&wish).await.unwrap() });
        let answers = join_all(asked).await;
        let granted = |answer: &&LeaseAnswer| matches!(answer, LeaseAnswer::Granted { .. });
        assert_eq!(answers.iter().filter(granted).count(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn what_three_processes_append_is_sealed_once_by_three_others_r_p8() {
    let database = Database::unused();
    make(&database).await;
    let stores = stores(&database, 3).await;
    let sample = Arc::new(Sample::seeded(seed()));
    let of = sample.subscriber();
    let segment = of.segment(0);
    let appends = size(40, 2_000);
    let mut tasks = Vec::new();
    for store in &stores {
        let (store, sample) = (Arc::clone(store), Arc::clone(&sample));
        tasks.push(tokio::spawn(async move {
            for _ in 0..appends {
                append(&store, &sample.records(&of, segment, 5)).await;
            }
        }));
    }
    for store in &stores {
        let store = Arc::clone(store);
        tasks.push(tokio::spawn(async move {
            for _ in 0..appends {
                let sums = store.unsealed(of.tenant, None, 10).await.unwrap();
                for unsealed in sums {
                    // Of two that read the same sum one seals it; the other learns that it is sealed.
                    store.seal(&batch(of.tenant, &unsealed.sum)).await.unwrap();
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    for unsealed in stores[0].unsealed(of.tenant, None, 10).await.unwrap() {
        let piece = batch(of.tenant, &unsealed.sum);
        assert_eq!(stores[0].seal(&piece).await.unwrap(), Sealed::New);
    }
    let total = i64::from(appends) * 3 * 5;
    let batches = stores[0].batches(of.tenant, segment.id).await.unwrap();
    let ends: BTreeMap<i64, i64> = batches
        .iter()
        .map(|batch| (batch.from.scaled(), batch.to.scaled()))
        .collect();
    let mut sealed = 0;
    for (from, to) in ends {
        assert_eq!(from, sealed);
        sealed = to;
    }
    assert_eq!(sealed, total);
    assert_eq!(stores[0].unsealed(of.tenant, None, 10).await.unwrap(), []);
}
