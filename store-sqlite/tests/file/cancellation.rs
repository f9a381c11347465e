use std::pin::pin;
use std::sync::Arc;

use monetization_core::store::{Appended, Ledger, Store};

use crate::sample::{Home, Use, new_ones};

/// R-D7: whoever goes away in the middle leaves no transaction behind, and every write that was
/// given up is done or not done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_is_dropped_leaves_no_transaction_behind() {
    let home = Home::new();
    let store = home.open().await;
    let of = Use::seeded(1);
    let mut given_up = Vec::new();
    for round in 0..300 {
        let records = of.records(3);
        {
            let mut append = pin!(store.append(&records));
            for _ in 0..round % 7 {
                drop(futures::poll!(&mut append));
                tokio::task::yield_now().await;
            }
        }
        given_up.push(records);
    }
    store.ping().await.unwrap();
    // Writes that were given up may still be under way; each ends by itself, so there is room
    // for a stranger's.
    let mut stranger = home.stranger().await;
    sqlx::raw_sql("PRAGMA busy_timeout = 10000; BEGIN IMMEDIATE; ROLLBACK")
        .execute(&mut stranger)
        .await
        .unwrap();
    let mut late = 0;
    for records in &given_up {
        let answers = store.append(records).await.unwrap();
        let new = new_ones(&answers);
        assert!(new == 0 || new == 3, "{answers:?}");
        late += new;
    }
    assert!(late < 3 * 300, "nothing was ever begun");
    assert_eq!(of.total(&store).await, 3 * 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_nobody_polls_holds_up_nobody() {
    let home = Home::new();
    let store = home.open().await;
    let of = Use::seeded(2);
    for polls in 0..10 {
        let record = [of.record()];
        let mut forgotten = pin!(store.append(&record));
        for _ in 0..polls {
            drop(futures::poll!(&mut forgotten));
        }
        assert_eq!(store.append(&[of.record()]).await.unwrap(), [Appended::New]);
    }
}

#[test]
fn a_runtime_that_ends_in_the_middle_leaves_no_transaction_behind() {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    let home = Home::new();
    let of = Use::seeded(3);
    let lasting = runtime();
    let store = Arc::new(lasting.block_on(home.open()));
    for round in 0..30 {
        let ending = runtime();
        let (writing, records) = (Arc::clone(&store), of.records(20));
        ending.spawn(async move { writing.append(&records).await });
        ending.block_on(async {
            for _ in 0..round {
                tokio::task::yield_now().await;
            }
        });
        ending.shutdown_background();
        let record = [of.record()];
        let appended = lasting.block_on(store.append(&record)).unwrap();
        assert_eq!(appended, [Appended::New]);
    }
    let total = lasting.block_on(of.total(&store));
    assert_eq!(total % 20, 30 % 20, "an append was written in part");
}
