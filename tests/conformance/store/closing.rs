//! Closing a segment, and use that comes after it.

use std::slice;
use std::time::Duration;

use futures::StreamExt;
use futures::channel::mpsc;
use futures::future::join_all;
use monetization_core::period::{Cycle, Schedule};
use monetization_core::store::{Appended, Closing};
use monetization_core::subscription::Timeline;
use monetization_core::usage::SumKey;

use super::Bench;
use super::steps::{ALL, Shared, append, append_new, apply_new, own, total};
use crate::sample::{START, Subscriber};

/// There is a row then, though nothing was ever appended; its successor has none yet.
pub async fn a_segment_without_use_is_closed_all_the_same(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    close(bench, &store, of.closing(0)).await;
    let row = store.segment(of.tenant, of.segment(0).id).await;
    let row = row.unwrap().unwrap();
    assert_eq!(row.segment, of.segment(0));
    assert_eq!(row.successor, Some(of.segment(1).id));
    let next = store.segment(of.tenant, of.segment(1).id).await;
    assert_eq!(next.unwrap(), None);
    assert_eq!(store.sums(of.tenant, row.segment.id).await.unwrap(), []);
}

/// Its own sum stands; what comes late is summed apart, under who pays and where it belongs;
/// the evidence stays where it belongs.
pub async fn late_use_is_summed_under_the_successor(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let early = bench.sample.record(&of, of.segment(0), 100);
    append_new(&store, slice::from_ref(&early)).await;
    close(bench, &store, of.closing(0)).await;
    append_new(&store, &[bench.sample.record(&of, of.segment(0), 7)]).await;
    append_new(&store, &[bench.sample.record(&of, of.segment(1), 30)]).await;

    assert_eq!(append(&store, &early).await, Appended::Duplicate);
    assert_eq!(
        totals(&store, &of, &[(0, 0), (1, 0), (1, 1)]).await,
        [100, 7, 30]
    );
    let own_sums = store.sums(of.tenant, of.segment(0).id).await.unwrap();
    assert_eq!(own_sums.len(), 1);
    let paid_by_next = store.sums(of.tenant, of.segment(1).id).await.unwrap();
    assert_eq!(paid_by_next.len(), 2);
    assert!(paid_by_next.is_sorted_by_key(|sum| sum.key));
    let of_origin = store.sums_of_origin(of.tenant, of.segment(0).id).await;
    let of_origin = of_origin.unwrap();
    assert_eq!(of_origin.len(), 2);
    assert!(of_origin.is_sorted_by_key(|sum| sum.key));
    let evidence = store.records(of.tenant, of.segment(0).id, None, ALL).await;
    assert_eq!(evidence.unwrap().len(), 2);
    let evidence = store.records(of.tenant, of.segment(1).id, None, ALL).await;
    assert_eq!(evidence.unwrap().len(), 1);
}

/// Where the successor was closed too, its successor pays; what was summed before stays.
pub async fn late_use_passes_over_closed_successors(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    close(bench, &store, of.closing(0)).await;
    append_new(&store, &[bench.sample.record(&of, of.segment(0), 1)]).await;
    close(bench, &store, of.closing(1)).await;
    append_new(&store, &[bench.sample.record(&of, of.segment(0), 10)]).await;
    append_new(&store, &[bench.sample.record(&of, of.segment(1), 100)]).await;
    close(bench, &store, of.closing(2)).await;
    append_new(&store, &[bench.sample.record(&of, of.segment(0), 1_000)]).await;
    let keys = [(0, 0), (1, 0), (2, 0), (2, 1), (3, 0)];
    assert_eq!(totals(&store, &of, &keys).await, [0, 1, 10, 100, 1_000]);
}

/// The aftermath of a subscription that ended lasts for ever, and its period has the greatest number.
pub async fn what_comes_after_the_end_stands_in_the_aftermath(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let last = of.segment(0);
    let mut timeline = Timeline::starting(Schedule::new(START, Cycle::MONTH), of.version);
    timeline.ends_at = Some(last.span.end);
    let aftermath = timeline.segment_at(of.subscription, of.invoicing, last.span.end);
    let closing = Closing {
        successor: aftermath.unwrap(),
        ..of.closing(0)
    };
    let id = closing.successor.id;
    close(bench, &store, closing).await;
    append_new(&store, &[bench.sample.record(&of, last, 7)]).await;
    let row = store.segment(of.tenant, id).await.unwrap().unwrap();
    assert_eq!(row.segment, closing.successor);
    let sums = store.sums(of.tenant, id).await.unwrap();
    assert_eq!(sums[0].total.scaled(), 7);
    assert_eq!(sums[0].key.origin, last.id);
}

/// A chain may be closed from its far end, before its middle has a row.
pub async fn late_use_finds_its_way_however_the_chain_was_closed(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    for month in [2, 0, 1] {
        close(bench, &store, of.closing(month)).await;
    }
    append_new(&store, &[bench.sample.record(&of, of.segment(0), 5)]).await;
    assert_eq!(
        totals(&store, &of, &[(1, 0), (2, 0), (3, 0)]).await,
        [0, 0, 5]
    );
}

/// Late use is offered to the engine under the segment that pays, which had no row before.
pub async fn late_use_is_unsealed_under_a_successor_that_had_no_row(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    close(bench, &store, of.closing(0)).await;
    append_new(&store, &[bench.sample.record(&of, of.segment(0), 5)]).await;
    let unsealed = store.unsealed(of.tenant, None, ALL).await.unwrap();
    let segments: Vec<_> = unsealed.iter().map(|unsealed| unsealed.segment).collect();
    assert_eq!(segments, [of.segment(1)]);
    assert_eq!(unsealed[0].sum.key, late(&of, (1, 0)));
}

/// In one batch, what belongs to a closed and to an open segment goes where it belongs.
pub async fn a_batch_may_mix_early_and_late_use(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    close(bench, &store, of.closing(0)).await;
    let records = [
        bench.sample.record(&of, of.segment(1), 1),
        bench.sample.record(&of, of.segment(0), 2),
        bench.sample.record(&of, of.segment(1), 4),
    ];
    append_new(&store, &records).await;
    assert_eq!(
        totals(&store, &of, &[(0, 0), (1, 0), (1, 1)]).await,
        [0, 2, 5]
    );
}

/// The first closing stands, with its successor and its shape.
pub async fn closing_a_closed_segment_changes_nothing(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    close(bench, &store, of.closing(0)).await;
    let before = store.segment(of.tenant, of.segment(0).id).await.unwrap();
    let mut other = of.closing(0);
    other.successor = of.segment(2);
    other.segment.span.end = other
        .segment
        .span
        .start
        .saturating_add(Duration::from_secs(1));
    close(bench, &store, other).await;
    let after = store.segment(of.tenant, of.segment(0).id).await.unwrap();
    assert_eq!(after, before);
}

/// A plan change moves the end of the segment that runs: what counts is how it was closed.
pub async fn a_segment_is_kept_as_it_was_closed(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    append_new(&store, &bench.sample.records(&of, of.segment(0), 1)).await;
    let mut closing = of.closing(0);
    let start = closing.segment.span.start;
    closing.segment.span.end = start.saturating_add(Duration::from_secs(86_400));
    close(bench, &store, closing).await;
    let row = store.segment(of.tenant, closing.segment.id).await;
    assert_eq!(row.unwrap().unwrap().segment, closing.segment);
}

/// Eight writers while the segment is closed: each unit is in its own sum or in the late one,
/// none in both, and from the moment the close was answered its own sum stands still.
pub async fn appends_racing_a_close_land_on_one_side_or_the_other(bench: &Bench) {
    const WRITERS: usize = 8;
    let store = bench.open().await;
    for _ in 0..5 {
        let of = bench.sample.subscriber();
        let (written, mut appends) = mpsc::unbounded();
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| {
                let records = bench.sample.records(&of, of.segment(0), 20);
                let (store, written) = (Shared::clone(&store), written.clone());
                bench.spawn(async move {
                    for record in &records {
                        append_new(&store, slice::from_ref(record)).await;
                        written.unbounded_send(()).unwrap();
                    }
                })
            })
            .collect();
        drop(written);
        assert_eq!(appends.by_ref().take(40).count().await, 40);
        close(bench, &store, of.closing(0)).await;
        let at_close = total(&store, of.tenant, own(&of, 0)).await;
        join_all(writers).await;
        let sums = totals(&store, &of, &[(0, 0), (1, 0)]).await;
        assert_eq!(sums[0], at_close, "its own sum stands still");
        assert_eq!(sums[0] + sums[1], 8 * 20, "every unit is in one of the two");
    }
}

pub(super) async fn close(bench: &Bench, store: &Shared, closing: Closing) {
    let mut change = bench.sample.change();
    change.closings = vec![closing];
    apply_new(store, &change).await;
}

/// The key of use of month `.1` that month `.0` pays for.
fn late(of: &Subscriber, (payer, origin): (u32, u32)) -> SumKey {
    SumKey {
        segment: of.segment(payer).id,
        origin: of.segment(origin).id,
        meter: of.meter,
    }
}

async fn totals(store: &Shared, of: &Subscriber, keys: &[(u32, u32)]) -> Vec<i64> {
    let mut totals = Vec::new();
    for key in keys {
        totals.push(total(store, of.tenant, late(of, *key)).await);
    }
    totals
}
