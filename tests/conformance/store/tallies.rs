//! What sums grow by where that is not all that was counted: [`Tally`].

use monetization_core::clock::Timestamp;
use monetization_core::money::Quantity;
use monetization_core::store::{Appended, Closing};
use monetization_core::subscription::Segment;
use monetization_core::usage::{Counted, Tally, UsageRecord};

use super::Bench;
use super::closing::close;
use super::steps::{ALL, append_new, own, total};
use crate::sample::Subscriber;

pub use plain::random_use_is_tallied_as_a_plain_count_says;

mod plain;

/// One by one or all at once, the sum of the greatest is the greatest.
pub async fn a_sum_of_the_greatest_is_the_greatest(bench: &Bench) {
    for at_once in [true, false] {
        assert_eq!(sum_of(bench, at_once, |_| Tally::Max).await, 8);
    }
}

/// What was used last counts, whatever came last.
pub async fn a_sum_of_the_last_is_what_was_used_last(bench: &Bench) {
    for at_once in [true, false] {
        assert_eq!(sum_of(bench, at_once, |_| Tally::Last).await, 2);
    }
}

/// What may become less is told to no engine, however much of it there is.
pub async fn what_was_last_is_never_offered_for_sealing(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let mut record = tallied(bench, &of, of.segment(0), (5, 10), Tally::Max);
    record.counted.push(Counted {
        tally: Tally::Last,
        ..Counted::new(bench.sample.id(), Quantity::from_scaled(7))
    });
    append_new(&store, &[record]).await;
    let sums = store.sums(of.tenant, of.segment(0).id).await.unwrap();
    assert_eq!(sums.len(), 2);
    let unsealed = store.unsealed(of.tenant, None, ALL).await.unwrap();
    let offered: Vec<_> = unsealed.iter().map(|unsealed| unsealed.sum.key).collect();
    assert_eq!(offered, [own(&of, 0)]);
}

/// Five values, two of which are the same.
pub async fn a_value_counts_once(bench: &Bench) {
    for at_once in [true, false] {
        let once = |quantity: i64| Tally::once(&quantity.to_be_bytes());
        assert_eq!(sum_of(bench, at_once, once).await, 5 + 3 + 8 + 2);
    }
}

/// The first two of five are free.
pub async fn a_sum_begins_after_so_many(bench: &Bench) {
    for at_once in [true, false] {
        assert_eq!(sum_of(bench, at_once, |_| Tally::After(2)).await, 8 + 8 + 2);
    }
}

/// Records are evidence of what was counted, and of how.
pub async fn records_tell_how_they_were_tallied(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let mut record = tallied(bench, &of, of.segment(0), (5, 10), Tally::Max);
    record
        .counted
        .push(Counted::new(bench.sample.id(), Quantity::from_scaled(1)));
    append_new(&store, std::slice::from_ref(&record)).await;
    let read = store.records(of.tenant, of.segment(0).id, None, ALL).await;
    assert_eq!(read.unwrap(), [record]);
}

/// A record that was appended before changes nothing that is remembered.
pub async fn a_repeated_record_is_tallied_once(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let free = tallied(bench, &of, of.segment(0), (5, 10), Tally::After(1));
    let next = tallied(bench, &of, of.segment(0), (3, 20), Tally::After(1));
    let batch = [free.clone(), free.clone(), next];
    let answers = store.append(&batch).await.unwrap();
    let (new, duplicate) = (Appended::New, Appended::Duplicate);
    assert_eq!(answers, [new, duplicate, new]);
    assert_eq!(store.append(&[free]).await.unwrap(), [duplicate]);
    assert_eq!(total(&store, of.tenant, own(&of, 0)).await, 3);
}

/// Each period begins anew, each subscription by itself, and so does each tenant.
pub async fn tallies_belong_to_a_period_of_a_subscription(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let other = Subscriber {
        subscription: bench.sample.id(),
        ..of
    };
    let stranger = Subscriber {
        tenant: bench.sample.id(),
        ..of
    };
    for of in [of, other, stranger] {
        for month in [0, 1] {
            let record = tallied(bench, &of, of.segment(month), (5, 10), Tally::Max);
            append_new(&store, &[record]).await;
            assert_eq!(total(&store, of.tenant, own(&of, month)).await, 5);
        }
    }
}

/// What comes late for a closed segment is the difference it makes; what was last is not taken back.
pub async fn late_use_is_tallied_with_its_own_period(bench: &Bench) {
    let store = bench.open().await;
    for (tally, late, expected) in [(Tally::Max, 9, 4), (Tally::Max, 3, 0), (Tally::Last, 3, 0)] {
        let of = bench.sample.subscriber();
        let segment = of.segment(0);
        append_new(&store, &[tallied(bench, &of, segment, (5, 10), tally)]).await;
        let closing: Closing = of.closing(0);
        close(bench, &store, closing).await;
        append_new(&store, &[tallied(bench, &of, segment, (late, 20), tally)]).await;
        assert_eq!(total(&store, of.tenant, own(&of, 0)).await, 5);
        let sums = store.sums(of.tenant, of.segment(1).id).await.unwrap();
        let late: i64 = sums.iter().map(|sum| sum.total.scaled()).sum();
        assert_eq!(late, expected, "{tally:?}");
    }
}

/// What the sum holds after five records; the third was used before the second.
async fn sum_of(bench: &Bench, at_once: bool, tally: fn(i64) -> Tally) -> i64 {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let counted = [(5, 10), (3, 20), (8, 15), (8, 30), (2, 40)];
    let records = counted.map(|(quantity, second)| {
        let tally = tally(quantity);
        tallied(bench, &of, of.segment(0), (quantity, second), tally)
    });
    if at_once {
        append_new(&store, &records).await;
    } else {
        for record in records {
            append_new(&store, &[record]).await;
        }
    }
    total(&store, of.tenant, own(&of, 0)).await
}

fn tallied(
    bench: &Bench,
    of: &Subscriber,
    segment: Segment,
    (quantity, second): (i64, i64),
    tally: Tally,
) -> UsageRecord {
    let mut record = bench.sample.record(of, segment, quantity);
    let micros = segment.span.start.as_micros() + second * 1_000_000;
    record.occurred_at = Timestamp::from_micros(micros);
    record.counted[0].tally = tally;
    record
}
