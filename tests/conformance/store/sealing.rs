//! Cutting pieces off growing sums, each exactly once.

use futures::future::join_all;
use monetization_core::invoice::Invoicing;
use monetization_core::money::Quantity;
use monetization_core::store::{Batch, Sealed};
use monetization_core::usage::Sum;

use super::Bench;
use super::steps::{ALL, Shared, append_new, own, sum};
use crate::sample::{Subscriber, batch};

/// With the segment that pays, page by page in the order of their keys.
pub async fn unsealed_sums_come_by_key_page_by_page(bench: &Bench) {
    let store = bench.open().await;
    let first = bench.sample.subscriber();
    let mut of_core = bench.sample.subscriber_of(first.tenant);
    of_core.invoicing = Invoicing::ByCore;
    let subscribers = [
        first,
        of_core,
        bench.sample.subscriber_of(first.tenant),
        bench.sample.subscriber_of(first.tenant),
    ];
    for of in &subscribers {
        append_new(&store, &bench.sample.records(of, of.segment(0), 2)).await;
    }
    let mut wanted =
        [&subscribers[0], &subscribers[2], &subscribers[3]].map(|of| (own(of, 0), of.segment(0)));
    wanted.sort_by_key(|(key, _)| *key);
    let mut found = Vec::new();
    let mut after = None;
    for length in [2, 1, 0] {
        let page = store.unsealed(first.tenant, after, 2).await.unwrap();
        assert_eq!(page.len(), length);
        after = page.last().map(|unsealed| unsealed.sum.key).or(after);
        found.extend(page);
    }
    for (unsealed, (key, segment)) in found.iter().zip(wanted) {
        assert_eq!((unsealed.sum.key, unsealed.segment), (key, segment));
        assert_eq!(unsealed.sum.total, Quantity::from_scaled(2));
        assert_eq!(unsealed.sum.sealed, Quantity::ZERO);
    }
}

/// What is sealed is not offered again; what comes on top of it is.
pub async fn a_sealed_sum_is_offered_again_once_it_grows(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    append_new(&store, &bench.sample.records(&of, of.segment(0), 3)).await;
    seal(&store, &rest(&store, &of).await, Sealed::New).await;
    let offered = store.unsealed(of.tenant, None, ALL).await.unwrap();
    assert_eq!(offered, []);
    append_new(&store, &bench.sample.records(&of, of.segment(0), 2)).await;
    let offered = store.unsealed(of.tenant, None, ALL).await.unwrap();
    let sums: Vec<Sum> = offered.iter().map(|unsealed| unsealed.sum).collect();
    assert_eq!(sums, [sum_of(&of, 5, 3)]);
}

/// A seal whose reply was lost is repeated and recognised, however far the sum has come.
pub async fn a_repeated_seal_is_recognised(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    append_new(&store, &bench.sample.records(&of, of.segment(0), 3)).await;
    let first = rest(&store, &of).await;
    seal(&store, &first, Sealed::New).await;
    seal(&store, &first, Sealed::Again).await;
    append_new(&store, &bench.sample.records(&of, of.segment(0), 2)).await;
    seal(&store, &rest(&store, &of).await, Sealed::New).await;
    seal(&store, &first, Sealed::Again).await;
    assert_eq!(kept(&store, &of).await, sum_of(&of, 5, 5));
    let batches = store.batches(of.tenant, of.segment(0).id).await.unwrap();
    assert_eq!(batches.len(), 2);
}

/// Part of a sum may be sealed; the next piece begins where it ended.
pub async fn a_piece_begins_where_the_last_one_ended(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    append_new(&store, &bench.sample.records(&of, of.segment(0), 9)).await;
    seal(&store, &cut(&of, 0, 4), Sealed::New).await;
    assert_eq!(kept(&store, &of).await, sum_of(&of, 9, 4));
    for (from, to) in [(0, 9), (3, 9), (5, 9), (0, 3), (4, 10)] {
        let answer = store.seal(&cut(&of, from, to)).await.unwrap();
        assert_ne!(answer, Sealed::New, "{from} to {to}");
        assert_ne!(answer, Sealed::Again, "{from} to {to}");
    }
    assert_eq!(kept(&store, &of).await, sum_of(&of, 9, 4));
    seal(&store, &cut(&of, 4, 9), Sealed::New).await;
    let batches = store.batches(of.tenant, of.segment(0).id).await.unwrap();
    assert_eq!(batches, [cut(&of, 0, 4), cut(&of, 4, 9)]);
}

/// A sum that does not exist, or is another tenant's, cannot be sealed.
pub async fn what_is_not_there_is_not_sealed(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let missing = store.seal(&cut(&of, 0, 1)).await.unwrap();
    assert_eq!(missing, Sealed::Moved);
    append_new(&store, &bench.sample.records(&of, of.segment(0), 1)).await;
    let mut theirs = cut(&of, 0, 1);
    theirs.tenant = bench.sample.id();
    assert_eq!(store.seal(&theirs).await.unwrap(), Sealed::Moved);
    assert_eq!(kept(&store, &of).await, sum_of(&of, 1, 0));
}

/// Eight sealers of one piece: it is sealed once.
pub async fn concurrent_seals_of_one_piece_seal_it_once(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    append_new(&store, &bench.sample.records(&of, of.segment(0), 3)).await;
    let answers = seal_beside(bench, &store, vec![cut(&of, 0, 3); 8]).await;
    assert_eq!(count(&answers, Sealed::New), 1, "{answers:?}");
    assert_eq!(count(&answers, Sealed::Again), 7, "{answers:?}");
    assert_eq!(kept(&store, &of).await, sum_of(&of, 3, 3));
}

/// Eight sealers of overlapping pieces: one is sealed, the others are told to read again.
pub async fn of_concurrent_seals_of_overlapping_pieces_one_holds(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    append_new(&store, &bench.sample.records(&of, of.segment(0), 8)).await;
    let pieces = (1..=8).map(|to| cut(&of, 0, to)).collect();
    let answers = seal_beside(bench, &store, pieces).await;
    assert_eq!(count(&answers, Sealed::New), 1, "{answers:?}");
    assert_eq!(count(&answers, Sealed::Moved), 7, "{answers:?}");
    let batches = store.batches(of.tenant, of.segment(0).id).await.unwrap();
    assert_eq!(batches.len(), 1);
    assert_eq!(kept(&store, &of).await.sealed, batches[0].to);
}

/// Sealers beside writers: the pieces follow each other without gap or overlap and add up to
/// the sum.
pub async fn pieces_sealed_beside_appends_add_up_to_the_sum(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let records = bench.sample.records(&of, of.segment(0), 25);
            let store = Shared::clone(&store);
            bench.spawn(async move {
                for record in records {
                    append_new(&store, &[record]).await;
                }
            })
        })
        .collect();
    let sealers: Vec<_> = (0..2)
        .map(|_| {
            let store = Shared::clone(&store);
            bench.spawn(async move {
                for _ in 0..20 {
                    seal_rest(&store, &of).await;
                }
            })
        })
        .collect();
    join_all(writers).await;
    join_all(sealers).await;
    seal_rest(&store, &of).await;
    let mut end = Quantity::ZERO;
    for batch in store.batches(of.tenant, of.segment(0).id).await.unwrap() {
        assert_eq!(batch.from, end);
        end = batch.to;
    }
    assert_eq!(end, Quantity::from_scaled(100));
    assert_eq!(kept(&store, &of).await, sum_of(&of, 100, 100));
}

async fn seal_rest(store: &Shared, of: &Subscriber) {
    for unsealed in store.unsealed(of.tenant, None, ALL).await.unwrap() {
        store.seal(&batch(of.tenant, &unsealed.sum)).await.unwrap();
    }
}

async fn seal(store: &Shared, batch: &Batch, wanted: Sealed) {
    assert_eq!(store.seal(batch).await.unwrap(), wanted);
}

async fn seal_beside(bench: &Bench, store: &Shared, batches: Vec<Batch>) -> Vec<Sealed> {
    let tasks = batches.into_iter().map(|batch| {
        let store = Shared::clone(store);
        bench.spawn(async move { store.seal(&batch).await.unwrap() })
    });
    join_all(tasks.collect::<Vec<_>>()).await
}

fn count(answers: &[Sealed], wanted: Sealed) -> usize {
    answers.iter().filter(|answer| **answer == wanted).count()
}

async fn kept(store: &Shared, of: &Subscriber) -> Sum {
    sum(store, of.tenant, own(of, 0)).await.unwrap()
}

async fn rest(store: &Shared, of: &Subscriber) -> Batch {
    batch(of.tenant, &kept(store, of).await)
}

/// The piece from here to there of the first month's sum.
fn cut(of: &Subscriber, from: i64, to: i64) -> Batch {
    batch(of.tenant, &sum_of(of, to, from))
}

fn sum_of(of: &Subscriber, total: i64, sealed: i64) -> Sum {
    Sum {
        key: own(of, 0),
        total: Quantity::from_scaled(total),
        sealed: Quantity::from_scaled(sealed),
    }
}
