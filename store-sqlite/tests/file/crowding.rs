use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use monetization_conformance::size;
use monetization_core::store::{Directory, Ledger, Rows};
use monetization_store_sqlite::SqliteStore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::sample::{Home, Use, new_ones};

const READERS: usize = 500;
/// What a read waits for a connection at most, as the store promises; a slow machine has as much
/// again for the read itself.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// R-D8: many times more readers than connections, and writers beside them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_readers_on_five_connections_beside_writers_all_get_their_turn_r_d8() {
    let home = Home::new();
    let five = NonZeroU32::new(5).unwrap();
    let options = home.options().with_readers_max(five);
    let store = Arc::new(SqliteStore::open(&options).await.unwrap());
    let of = Arc::new(Use::seeded(1));
    store.append(&[of.record()]).await.unwrap();

    let over = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for _ in 0..4 {
        let (store, of, over) = (Arc::clone(&store), Arc::clone(&of), Arc::clone(&over));
        writers.spawn(async move {
            let mut written = 0;
            while !over.load(Ordering::Relaxed) {
                let records = [of.record()];
                let appended = timeout(WAIT_MAX, store.append(&records)).await;
                written += new_ones(&appended.expect("a writer waits").unwrap());
                store.apply(&of.change()).await.unwrap();
            }
            written
        });
    }
    let mut readers = JoinSet::new();
    for _ in 0..READERS {
        readers.spawn(read(Arc::clone(&store), Arc::clone(&of)));
    }
    while let Some(read) = readers.join_next().await {
        read.unwrap();
    }
    over.store(true, Ordering::Relaxed);
    let written: i64 = writers.join_all().await.into_iter().sum();
    assert!(written > 0, "the readers kept the writers out");
    assert_eq!(of.total(&store).await, written + 1);
}

/// Reads several times; what was counted never grows less.
async fn read(store: Arc<SqliteStore>, of: Arc<Use>) {
    let mut last = 1;
    for _ in 0..size(4, 40) {
        let total = timeout(WAIT_MAX, of.total(&store)).await;
        let total = total.expect("a reader waits");
        assert!(total >= last, "{total} after {last}");
        last = total;
        let changes = timeout(WAIT_MAX, store.changes(0, 10)).await;
        assert!(changes.expect("a reader waits").unwrap().len() <= 10);
    }
}
