//! What holds for every write, and for the store as a whole.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::slice;
use std::task::Poll;

use monetization_core::store::{Appended, Applied, Kind, LeaseAnswer};

use super::Bench;
use super::steps::{ALL, append, apply, change_of, counter, insert, own, total};

/// It has a name and takes writes.
pub async fn a_store_has_a_name_and_a_sign_of_life(bench: &Bench) {
    let store = bench.open().await;
    assert_ne!(store.name(), "");
    store.ping().await.unwrap();
    let changes = store.changes(0, 1).await.unwrap();
    assert_eq!(changes, [], "the sign of life is undone");
}

/// A client that hangs up in the middle of an append leaves the record written or not written;
/// appending it again tells which, and it counts once.
pub async fn an_append_that_is_dropped_is_done_or_not_done(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    for round in 0..ROUNDS {
        let mut record = bench.sample.record(&of, of.segment(0), 1);
        record.spent = vec![of.spent(None, 1)];
        drop_midway(store.append(slice::from_ref(&record)), round).await;
        let again = append(&store, &record).await;
        assert!(
            matches!(again, Appended::New | Appended::Duplicate),
            "{again:?}"
        );
    }
    let rounds = i64::from(ROUNDS);
    assert_eq!(total(&store, of.tenant, own(&of, 0)).await, rounds);
    assert_eq!(counter(&store, &of).await.committed, u64::from(ROUNDS));
    let records = store.records(of.tenant, of.segment(0).id, None, ALL).await;
    assert_eq!(i64::try_from(records.unwrap().len()), Ok(rounds));
}

/// So with a change.
pub async fn a_change_that_is_dropped_is_done_or_not_done(bench: &Bench) {
    let store = bench.open().await;
    let tenant = bench.sample.id();
    for round in 0..ROUNDS {
        let rows = [Kind::Product, Kind::Plan].map(|kind| bench.sample.row(tenant, kind));
        let mut change = change_of(bench, rows.iter().map(insert));
        change.intents = vec![bench.sample.intent(tenant)];
        drop_midway(store.apply(&change), round).await;
        let again = apply(&store, &change).await;
        assert!(matches!(again, Applied::New | Applied::Again), "{again:?}");
        for row in rows {
            let read = store.find(row.kind, row.id).await.unwrap();
            assert_eq!(read.map(|row| row.version), Some(1));
        }
    }
    let changes = store.changes(0, ALL).await.unwrap();
    assert_eq!(u32::try_from(changes.len()), Ok(2 * ROUNDS));
}

/// And with a block of a quota.
pub async fn a_wish_that_is_dropped_takes_one_block_or_none(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    for round in 0..ROUNDS {
        let request = bench.sample.lease(&of, 1_000, 1);
        drop_midway(store.lease(&request), round).await;
        let again = store.lease(&request).await.unwrap();
        assert!(
            matches!(again, LeaseAnswer::Granted { units: 1, .. }),
            "{again:?}"
        );
    }
    assert_eq!(counter(&store, &of).await.leased, u64::from(ROUNDS));
}

const ROUNDS: u32 = 48;

/// Goes some way with a future, each round another, and drops it.
async fn drop_midway<T>(future: impl Future<Output = T> + Send, round: u32) {
    let mut future = pin!(future);
    // From not at all to some milliseconds of asking.
    let polls = match round % 16 {
        0 => 0,
        doublings => 1_u32 << (doublings - 1),
    };
    for _ in 0..polls {
        let mut has_yielded = false;
        let is_done = poll_fn(|context| {
            if has_yielded {
                return Poll::Ready(future.as_mut().poll(context).is_ready());
            }
            has_yielded = true;
            context.waker().wake_by_ref();
            Poll::Pending
        });
        if is_done.await {
            return;
        }
    }
}
