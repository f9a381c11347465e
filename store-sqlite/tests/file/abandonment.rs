use std::pin::pin;
use std::task::Poll;

use futures::future::{BoxFuture, FutureExt};
use monetization_conformance::size;
use monetization_core::store::{
    Applied, Directory, LeaseAnswer, LeaseRequest, Ledger, Quotas, Rows, Store,
};
use monetization_core::store::{ChangeSet, StoreError};
use monetization_core::usage::UsageRecord;
use monetization_store_sqlite::SqliteStore;
use sqlx::SqliteConnection;

use crate::sample::{Home, Use, damage, new_ones};

/// A write that somebody begins and gives up, and that can be asked for again.
#[derive(Debug)]
enum Given {
    Append(Vec<UsageRecord>),
    Apply(ChangeSet),
    Lease(LeaseRequest),
    Settle(LeaseRequest),
    Ping,
}

impl Given {
    async fn new(store: &SqliteStore, of: &Use, round: usize) -> Self {
        match round % 5 {
            0 => Self::Append(of.records(3)),
            1 => {
                let mut change = of.change();
                change.writes.extend(of.change().writes);
                Self::Apply(change)
            }
            2 => Self::Lease(of.lease(1_000_000)),
            3 => {
                let request = of.lease(1_000_000);
                store.lease(&request).await.unwrap();
                Self::Settle(request)
            }
            _ => Self::Ping,
        }
    }

    fn write<'a>(&'a self, store: &'a SqliteStore) -> BoxFuture<'a, Result<(), StoreError>> {
        match self {
            Self::Append(records) => store.append(records).map(|it| it.map(drop)).boxed(),
            Self::Apply(change) => store.apply(change).map(|it| it.map(drop)).boxed(),
            Self::Lease(request) => store.lease(request).map(|it| it.map(drop)).boxed(),
            Self::Settle(request) => {
                let settled = store.settle(request.tenant, request.id);
                settled.map(|it| it.map(drop)).boxed()
            }
            Self::Ping => store.ping().boxed(),
        }
    }

    /// Asks for it again: it was done as a whole or not at all. Whether it was not.
    async fn finish(&self, store: &SqliteStore) -> bool {
        match self {
            Self::Append(records) => {
                let new = new_ones(&store.append(records).await.unwrap());
                assert!(new == 0 || new == 3, "{new} of 3 records were missing");
                new > 0
            }
            Self::Apply(change) => {
                let applied = store.apply(change).await.unwrap();
                for write in &change.writes {
                    let row = store.find(write.row.kind, write.row.id).await.unwrap();
                    assert_eq!(row.unwrap().version, 1);
                }
                applied == Applied::New
            }
            Self::Lease(request) => {
                let answer = store.lease(request).await.unwrap();
                assert!(matches!(answer, LeaseAnswer::Granted { .. }), "{answer:?}");
                store.settle(request.tenant, request.id).await.unwrap();
                false
            }
            Self::Settle(request) => {
                store.settle(request.tenant, request.id).await.unwrap();
                false
            }
            Self::Ping => false,
        }
    }
}

/// R-D7: whatever is written, and wherever its writer goes away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_write_that_is_given_up_anywhere_is_done_whole_or_not_at_all_r_d7() {
    let home = Home::new();
    let store = home.open().await;
    let mut stranger = home.stranger().await;
    let (mut all, mut done) = (Vec::new(), 0);
    let rounds = size(200, 1_000);
    for round in 0..rounds {
        let of = Use::seeded(u64::try_from(round).unwrap());
        let given = Given::new(&store, &of, round).await;
        // From none to so many that some are done before.
        let polls = (1 << (round % 14)) - 1;
        done += usize::from(!dropped_after(polls, given.write(&store)).await);
        all.push(given);
        if round % 10 == 0 {
            assert_no_transaction_is_open(&mut stranger).await;
            // The next one gets its turn.
            assert_eq!(new_ones(&store.append(&[of.record()]).await.unwrap()), 1);
        }
    }
    let mut late = 0;
    for given in &all {
        late += usize::from(given.finish(&store).await);
    }
    let given_up = rounds - done;
    println!("{rounds} writes: {done} done, {given_up} given up, {late} of them unbegun");
    assert!(given_up > rounds / 10 && late < given_up);
    assert_no_transaction_is_open(&mut stranger).await;
    assert_eq!(damage(&mut stranger).await, Vec::<String>::new());
    let out = "SELECT count(*) FROM lease WHERE state = 'open'";
    let out: i64 = sqlx::query_scalar(out)
        .fetch_one(&mut stranger)
        .await
        .unwrap();
    assert_eq!(out, 0, "blocks that are out though they were settled");
}

/// Polls it so often and drops it; whether it was not done by then.
async fn dropped_after(polls: usize, writing: BoxFuture<'_, Result<(), StoreError>>) -> bool {
    let mut writing = pin!(writing);
    for _ in 0..polls {
        if let Poll::Ready(done) = futures::poll!(&mut writing) {
            done.unwrap();
            return false;
        }
        tokio::task::yield_now().await;
    }
    true
}

/// Whatever is still under way ends by itself, and leaves the lock to others.
async fn assert_no_transaction_is_open(stranger: &mut SqliteConnection) {
    let lock = "PRAGMA busy_timeout = 10000; BEGIN IMMEDIATE; ROLLBACK";
    sqlx::raw_sql(lock).execute(stranger).await.unwrap();
}
