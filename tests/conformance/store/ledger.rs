//! The ledger: [`Ledger`](monetization_core::store::Ledger), as long as nothing is closed.

use std::slice;

use futures::future::join_all;
use monetization_core::ids::MeterId;
use monetization_core::money::Quantity;
use monetization_core::store::{Appended, Refusal};
use monetization_core::usage::{Counted, Ending, ForeignEvent, Outcome, UsageRecord};

use super::Bench;
use super::steps::{ALL, Shared, append, append_new, own, total};
use crate::sample::{START, text};

/// What was used is told as it was told to us, to the last field.
pub async fn a_record_is_read_back_as_it_was_written(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let segment = of.segment(0);
    let mut full = bench.sample.record(&of, segment, i64::MAX - 1);
    full.recorded_at = segment.span.end;
    full.resource = Some(text("forecast"));
    full.event = Some(ForeignEvent::new(text("crm"), text("evt-1"), b"ten"));
    full.spent = vec![of.spent(None, 7)];
    full.counted.push(counted(bench.sample.id(), 0));
    let mut bare = bench.sample.record(&of, segment, 1);
    bare.outcome = None;
    let endings = Ending::ALL.map(|ending| {
        let mut record = bench.sample.record(&of, of.segment(1), 1);
        let status = None;
        record.outcome = Some(Outcome { status, ending });
        record
    });
    for (segment, records) in [
        (segment, vec![full, bare]),
        (of.segment(1), endings.to_vec()),
    ] {
        append_new(&store, &records).await;
        let read = store.records(of.tenant, segment.id, None, ALL).await;
        assert_eq!(read.unwrap(), by_id(records));
    }
}

/// Page by page, each once.
pub async fn records_are_listed_by_id_page_by_page(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let segment = of.segment(0);
    let records = by_id(bench.sample.records(&of, segment, 7));
    append_new(&store, &records).await;
    append_new(&store, &bench.sample.records(&of, of.segment(1), 3)).await;
    let first = store.records(of.tenant, segment.id, None, 4).await.unwrap();
    assert_eq!(first, records[..4]);
    let after = Some(first[3].id);
    let rest = store.records(of.tenant, segment.id, after, ALL).await;
    assert_eq!(rest.unwrap(), records[4..]);
}

/// Each meter of each segment has a sum of its own, in the order of its key.
pub async fn what_records_count_is_summed_by_segment_and_meter(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let second: MeterId = bench.sample.id();
    let mut records = Vec::new();
    for (month, units, more) in [(0, 3, 100), (0, 4, 1_000), (1, 50, 10_000)] {
        let mut record = bench.sample.record(&of, of.segment(month), units);
        record.counted.push(counted(second, more));
        records.push(record);
    }
    append_new(&store, &records).await;
    for (month, units, more) in [(0, 7, 1_100), (1, 50, 10_000)] {
        let segment = of.segment(month).id;
        let sums = store.sums(of.tenant, segment).await.unwrap();
        assert_eq!(sums.len(), 2);
        assert!(sums.is_sorted_by_key(|sum| sum.key));
        assert!(sums.iter().all(|sum| sum.sealed == Quantity::ZERO));
        assert_eq!(total(&store, of.tenant, own(&of, month)).await, units);
        let mut key = own(&of, month);
        key.meter = second;
        assert_eq!(total(&store, of.tenant, key).await, more);
        let by_origin = store.sums_of_origin(of.tenant, segment).await.unwrap();
        assert_eq!(by_origin, sums);
    }
}

/// A call that is not billed is recorded all the same.
pub async fn a_record_that_counts_zero_is_kept(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let record = bench.sample.record(&of, of.segment(0), 0);
    append_new(&store, slice::from_ref(&record)).await;
    let kept = store.records(of.tenant, record.segment.id, None, ALL).await;
    assert_eq!(kept.unwrap(), [record]);
    assert_eq!(total(&store, of.tenant, own(&of, 0)).await, 0);
}

/// It has no row before.
pub async fn a_segments_row_is_made_by_its_first_record(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let segment = of.segment(0);
    assert_eq!(store.segment(of.tenant, segment.id).await.unwrap(), None);
    append_new(&store, &bench.sample.records(&of, segment, 2)).await;
    let row = store.segment(of.tenant, segment.id).await.unwrap().unwrap();
    assert_eq!((row.segment, row.successor), (segment, None));
    let next = of.segment(1).id;
    assert_eq!(store.segment(of.tenant, next).await.unwrap(), None);
}

/// Nothing in, nothing out.
pub async fn an_empty_append_answers_nothing(bench: &Bench) {
    let store = bench.open().await;
    assert_eq!(store.append(&[]).await.unwrap(), []);
}

/// However often a record comes, it counts once.
pub async fn a_repeated_record_is_a_duplicate(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let mut record = bench.sample.record(&of, of.segment(0), 5);
    record.spent = vec![of.spent(None, 5)];
    append_new(&store, slice::from_ref(&record)).await;
    for _ in 0..3 {
        assert_eq!(append(&store, &record).await, Appended::Duplicate);
    }
    assert_eq!(total(&store, of.tenant, own(&of, 0)).await, 5);
    let spent = &record.spent[0];
    let counter = store.quota(of.tenant, of.subscription, spent.quota, spent.window);
    assert_eq!(counter.await.unwrap().committed, 5);
}

/// Within one batch the first counts and the rest are duplicates, each in its place.
pub async fn one_record_twice_in_a_batch_counts_once(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let twice = bench.sample.record(&of, of.segment(0), 5);
    let known = bench.sample.record(&of, of.segment(0), 7);
    let other = bench.sample.record(&of, of.segment(0), 11);
    append_new(&store, slice::from_ref(&known)).await;
    let batch = [twice.clone(), known, other, twice];
    let answers = store.append(&batch).await.unwrap();
    let (new, duplicate) = (Appended::New, Appended::Duplicate);
    assert_eq!(answers, [new, duplicate, new, duplicate]);
    assert_eq!(total(&store, of.tenant, own(&of, 0)).await, 5 + 7 + 11);
}

/// The same event again, with another time of arrival, is the same.
pub async fn an_event_reported_again_is_a_duplicate(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let first = reported(bench.sample.record(&of, of.segment(0), 5), b"five");
    let mut again = reported(bench.sample.record(&of, of.segment(0), 5), b"five");
    again.recorded_at = of.segment(0).span.end;
    append_new(&store, slice::from_ref(&first)).await;
    assert_eq!(append(&store, &again).await, Appended::Duplicate);
    let kept = store.records(of.tenant, first.segment.id, None, ALL).await;
    assert_eq!(kept.unwrap(), [first]);
}

/// The same event with other content is refused, whether the first came before or in the same
/// batch; the first stands.
pub async fn an_event_that_says_something_else_is_a_conflict(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let first = reported(bench.sample.record(&of, of.segment(0), 5), b"five");
    let other = reported(bench.sample.record(&of, of.segment(0), 6), b"six");
    let answers = store.append(&[first.clone(), other.clone()]).await.unwrap();
    assert_eq!(answers, [Appended::New, Appended::Conflict]);
    assert_eq!(append(&store, &other).await, Appended::Conflict);
    assert_eq!(append(&store, &first).await, Appended::Duplicate);
    assert_eq!(total(&store, of.tenant, own(&of, 0)).await, 5);
    let kept = store.records(of.tenant, first.segment.id, None, ALL).await;
    assert_eq!(kept.unwrap(), [first]);
}

/// Sixteen deliveries at once of the same record: one is new.
pub async fn concurrent_appends_of_one_record_give_one_new(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    for _ in 0..10 {
        let record = bench.sample.record(&of, of.segment(0), 1);
        let tasks = (0..16).map(|_| {
            let (store, record) = (Shared::clone(&store), record.clone());
            bench.spawn(async move { append(&store, &record).await })
        });
        let answers = join_all(tasks.collect::<Vec<_>>()).await;
        let new = answers.iter().filter(|answer| **answer == Appended::New);
        assert_eq!(new.count(), 1, "{answers:?}");
        let again = answers
            .iter()
            .filter(|answer| **answer == Appended::Duplicate);
        assert_eq!(again.count(), 15, "{answers:?}");
    }
    assert_eq!(total(&store, of.tenant, own(&of, 0)).await, 10);
}

/// Eight writers on one sum: it is exact.
pub async fn concurrent_appends_lose_nothing(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let records = bench.sample.records(&of, of.segment(0), 40);
            let store = Shared::clone(&store);
            bench.spawn(async move {
                for batch in records.chunks(4) {
                    append_new(&store, batch).await;
                }
            })
        })
        .collect();
    join_all(tasks).await;
    assert_eq!(total(&store, of.tenant, own(&of, 0)).await, 8 * 40);
    let records = store.records(of.tenant, of.segment(0).id, None, ALL).await;
    assert_eq!(records.unwrap().len(), 8 * 40);
}

/// The record past 64 bits is refused with all that it counts and spends; its neighbours are
/// written; a smaller one of the same id may follow.
pub async fn a_sum_that_would_overflow_is_refused(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let segment = of.segment(0);
    let (first, last): (MeterId, MeterId) = (bench.sample.id(), bench.sample.id());
    let mut huge = bench.sample.record(&of, segment, i64::MAX);
    huge.counted.insert(0, counted(first, 1));
    huge.counted.push(counted(last, 1));
    huge.spent = vec![of.spent(None, 9)];
    let small = bench.sample.records(&of, segment, 2);
    let batch = [small[0].clone(), huge.clone(), small[1].clone()];
    let answers = store.append(&batch).await.unwrap();
    let refused = Appended::Refused(Refusal::Overflow);
    assert_eq!(answers, [Appended::New, refused, Appended::New]);
    let sums = store.sums(of.tenant, segment.id).await.unwrap();
    assert!(sums.iter().all(|sum| sum.key == own(&of, 0)), "{sums:?}");
    assert_eq!(total(&store, of.tenant, own(&of, 0)).await, 2);
    let spent = &huge.spent[0];
    let counter = store.quota(of.tenant, of.subscription, spent.quota, spent.window);
    assert_eq!(counter.await.unwrap().committed, 0);
    let records = store.records(of.tenant, segment.id, None, ALL).await;
    assert_eq!(records.unwrap(), by_id(small));

    huge.counted = vec![counted(of.meter, i64::MAX - 2)];
    append_new(&store, &[huge]).await;
    assert_eq!(total(&store, of.tenant, own(&of, 0)).await, i64::MAX);
}

/// Neither sums nor rows nor evidence, though the other tenant knows the ids.
pub async fn tenants_never_see_each_others_use(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let segment = of.segment(0).id;
    append_new(&store, &bench.sample.records(&of, of.segment(0), 3)).await;
    let stranger = bench.sample.id();
    assert_eq!(store.sums(stranger, segment).await.unwrap(), []);
    assert_eq!(store.sums_of_origin(stranger, segment).await.unwrap(), []);
    assert_eq!(store.segment(stranger, segment).await.unwrap(), None);
    let records = store.records(stranger, segment, None, ALL).await;
    assert_eq!(records.unwrap(), []);
}

fn counted(meter: MeterId, units: i64) -> Counted {
    Counted::new(meter, Quantity::from_scaled(units))
}

/// As the report of one and the same event, saying this.
fn reported(mut record: UsageRecord, content: &[u8]) -> UsageRecord {
    let event = ForeignEvent::new(text("crm"), text("evt-1"), content);
    record.id = event.record(record.tenant);
    record.recorded_at = START;
    record.outcome = None;
    record.event = Some(event);
    record
}

fn by_id(mut records: Vec<UsageRecord>) -> Vec<UsageRecord> {
    records.sort_by_key(|record| record.id);
    records
}
