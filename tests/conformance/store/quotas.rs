//! Counters of quotas: [`Quotas`](monetization_core::store::Quotas), and what records spend.

use monetization_core::clock::Span;
use monetization_core::money::Quantity;
use monetization_core::plan::{QuotaName, QuotaOf, QuotaWindow};
use monetization_core::store::{Appended, QuotaCounter, Refusal};
use monetization_core::usage::{Spent, UsageRecord};

use super::Bench;
use super::steps::{append, append_new, counter, granted, own, total};
use crate::sample::Subscriber;

/// Nothing is counted before there is something.
pub async fn a_counter_is_zero_before_its_first_use(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    assert_eq!(counter(&store, &of).await, QuotaCounter::default());
}

/// A loose quota is counted as it is used; nothing was handed out in advance.
pub async fn a_loose_quota_is_counted_without_a_lease(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    for units in [3, 0, 4] {
        append_new(&store, &[spending(bench, &of, &[of.spent(None, units)])]).await;
    }
    assert_eq!(counter(&store, &of).await, counted(7, 7));
}

/// What is spent under a lease was leased before.
pub async fn a_record_spends_from_its_lease(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let (lease, units) = granted(bench, &store, &of, 100, 10).await;
    assert_eq!(units, 10);
    assert_eq!(counter(&store, &of).await, counted(0, 10));
    for (spent, committed) in [(3, 3), (7, 10)] {
        append_new(
            &store,
            &[spending(bench, &of, &[of.spent(Some(lease), spent)])],
        )
        .await;
        assert_eq!(counter(&store, &of).await, counted(committed, 10));
    }
}

/// A block is the most that can be spent under it, also within one batch and one record.
pub async fn a_lease_cannot_be_overspent(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let (lease, _) = granted(bench, &store, &of, 100, 10).await;
    let spends = |units| of.spent(Some(lease), units);
    let batch = [
        spending(bench, &of, &[spends(11)]),
        spending(bench, &of, &[spends(6)]),
        spending(bench, &of, &[spends(5)]),
        spending(bench, &of, &[spends(u64::MAX)]),
        spending(bench, &of, &[spends(2), spends(3)]),
        spending(bench, &of, &[spends(4)]),
    ];
    let answers = store.append(&batch).await.unwrap();
    let spent = Appended::Refused(Refusal::LeaseSpent);
    let new = Appended::New;
    assert_eq!(answers, [spent, new, spent, spent, spent, new]);
    assert_eq!(counter(&store, &of).await, counted(10, 10));
    assert_eq!(
        total(&store, of.tenant, own(&of, 0)).await,
        2,
        "records that are in"
    );
}

/// A lease that was never handed out covers nothing.
pub async fn a_record_under_an_unknown_lease_is_refused(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let record = spending(bench, &of, &[of.spent(Some(bench.sample.id()), 1)]);
    let answer = append(&store, &record).await;
    assert_eq!(answer, Appended::Refused(Refusal::LeaseClosed));
    assert_eq!(counter(&store, &of).await, QuotaCounter::default());
}

/// A lease covers the quota and window it was asked for, of the subscription it was asked for.
pub async fn a_lease_covers_no_other_quota(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let (lease, _) = granted(bench, &store, &of, 100, 10).await;
    let right = of.spent(Some(lease), 1);
    let other_quota = Spent {
        quota: QuotaWindow::Period.into(),
        ..right
    };
    let other_window = Spent {
        window: of.segment(1).period,
        ..right
    };
    let same_tenant = bench.sample.subscriber_of(of.tenant);
    let other_tenant = bench.sample.subscriber();
    for (of, spent) in [
        (&of, other_quota),
        (&of, other_window),
        (&same_tenant, right),
        (&other_tenant, right),
    ] {
        let record = spending(bench, of, &[spent]);
        let answer = append(&store, &record).await;
        assert_eq!(answer, Appended::Refused(Refusal::LeaseClosed), "{spent:?}");
    }
    assert_eq!(counter(&store, &of).await, counted(0, 10));
}

/// What is refused for its sum spends nothing, and what is refused for its lease counts nothing.
pub async fn a_refused_record_spends_and_counts_nothing(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let (lease, _) = granted(bench, &store, &of, 100, 10).await;
    append_new(&store, &[bench.sample.record(&of, of.segment(0), i64::MAX)]).await;
    let covered = spending(bench, &of, &[of.spent(Some(lease), 4), of.spent(None, 5)]);
    let answer = append(&store, &covered).await;
    assert_eq!(answer, Appended::Refused(Refusal::Overflow));
    assert_eq!(counter(&store, &of).await, counted(0, 10));

    let other = bench.sample.subscriber_of(of.tenant);
    let unknown = Some(bench.sample.id());
    let uncovered = spending(
        bench,
        &other,
        &[other.spent(None, 5), other.spent(unknown, 4)],
    );
    let answer = append(&store, &uncovered).await;
    assert_eq!(answer, Appended::Refused(Refusal::LeaseClosed));
    assert_eq!(counter(&store, &other).await, QuotaCounter::default());
    assert_eq!(total(&store, of.tenant, own(&other, 0)).await, 0);

    append_new(
        &store,
        &[spending(bench, &of, &[of.spent(Some(lease), 10)])].map(uncounted),
    )
    .await;
    assert_eq!(
        counter(&store, &of).await,
        counted(10, 10),
        "the lease is whole"
    );
}

/// A lease that does not cover it is told before a sum that does not fit.
pub async fn a_lease_is_judged_before_a_sum(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    append_new(&store, &[bench.sample.record(&of, of.segment(0), i64::MAX)]).await;
    let record = spending(bench, &of, &[of.spent(Some(bench.sample.id()), 1)]);
    let answer = append(&store, &record).await;
    assert_eq!(answer, Appended::Refused(Refusal::LeaseClosed));
}

/// Past 64 bits, whatever a store has of them, a counter does not go.
pub async fn a_counter_that_would_overflow_is_refused(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let most = i64::MAX.unsigned_abs();
    append_new(&store, &[spending(bench, &of, &[of.spent(None, most)])]).await;
    let record = spending(bench, &of, &[of.spent(None, u64::MAX)]);
    let answer = append(&store, &record).await;
    assert_eq!(answer, Appended::Refused(Refusal::Overflow));
    assert_eq!(counter(&store, &of).await, counted(most, most));
    assert_eq!(total(&store, of.tenant, own(&of, 0)).await, 1);
}

/// Each quota of each subscription in each window has a counter of its own.
pub async fn quotas_and_windows_are_counted_apart(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let other = bench.sample.subscriber_of(of.tenant);
    let first = of.segment(0).period;
    let same_start = Span {
        end: of.segment(1).period.end,
        ..first
    };
    let spans = [first, of.segment(1).period, same_start];
    let mut units = 1;
    let (mut spent, mut quotas) = (Vec::new(), Vec::new());
    let [bytes, tokens] = [0, 1].map(|_| QuotaOf::Meter(bench.sample.id()));
    let resource = QuotaOf::Resource(bench.sample.id());
    let things = [QuotaOf::Calls, bytes, tokens, resource];
    for window in QuotaWindow::ALL {
        quotas.extend(things.map(|of| QuotaName { of, window }));
    }
    for quota in quotas {
        for window in spans {
            let lease = None;
            spent.push(Spent {
                quota,
                window,
                lease,
                units,
            });
            units *= 2;
        }
    }
    append_new(&store, &[spending(bench, &of, &spent)]).await;
    append_new(&store, &[spending(bench, &other, &[of.spent(None, 999)])]).await;
    for spent in spent {
        let counter = store.quota(of.tenant, of.subscription, spent.quota, spent.window);
        assert_eq!(counter.await.unwrap(), counted(spent.units, spent.units));
    }
}

/// Another tenant that knows the subscription's id is told nothing.
pub async fn tenants_never_see_each_others_counters(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    append_new(&store, &[spending(bench, &of, &[of.spent(None, 5)])]).await;
    let stranger = Subscriber {
        tenant: bench.sample.id(),
        ..of
    };
    assert_eq!(counter(&store, &stranger).await, QuotaCounter::default());
}

fn spending(bench: &Bench, of: &Subscriber, spent: &[Spent]) -> UsageRecord {
    let mut record = bench.sample.record(of, of.segment(0), 1);
    record.spent = spent.to_vec();
    record
}

fn uncounted(mut record: UsageRecord) -> UsageRecord {
    for counted in &mut record.counted {
        counted.quantity = Quantity::ZERO;
    }
    record
}

fn counted(committed: u64, leased: u64) -> QuotaCounter {
    QuotaCounter { committed, leased }
}
