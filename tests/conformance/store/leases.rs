//! Blocks of strict quotas: handed out, spent, taken back.

use std::slice;

use futures::StreamExt;
use futures::channel::mpsc;
use futures::future::join_all;
use monetization_core::ids::LeaseId;
use monetization_core::store::{Appended, LeaseAnswer, QuotaCounter, Refusal};
use monetization_core::usage::UsageRecord;

use super::Bench;
use super::steps::{Shared, append, append_new, counter, granted};
use crate::sample::{Sample, Subscriber};

/// A quarter of what is left, at least one, at most what is wanted, and what is free beyond it.
pub async fn a_block_is_a_quarter_of_what_is_left(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    for (want, units, free) in [(10, 10, 90), (1_000, 23, 67), (0, 1, 66), (1_000, 17, 49)] {
        let answer = store.lease(&bench.sample.lease(&of, 100, want)).await;
        let wanted = LeaseAnswer::Granted { units, free };
        assert_eq!(answer.unwrap(), wanted, "wanting {want}");
    }
}

/// Block by block smaller, down to one, until exactly all is handed out.
pub async fn blocks_shrink_until_all_is_handed_out(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let mut blocks = Vec::new();
    let outstanding = loop {
        match store
            .lease(&bench.sample.lease(&of, 1_000, 1_000))
            .await
            .unwrap()
        {
            LeaseAnswer::Granted { units, .. } => blocks.push(units),
            LeaseAnswer::Exhausted { outstanding } => break outstanding,
        }
    };
    assert!(blocks.is_sorted_by(|a, b| a >= b), "{blocks:?}");
    assert_eq!(blocks.first(), Some(&250));
    assert_eq!(blocks.last(), Some(&1));
    assert_eq!(blocks.iter().sum::<u64>(), 1_000);
    assert_eq!(outstanding, 1_000);
}

/// A wish whose answer was lost is repeated and gives the same block, once.
pub async fn asking_again_gives_the_same_block(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let request = bench.sample.lease(&of, 100, 10);
    let first = store.lease(&request).await.unwrap();
    granted(bench, &store, &of, 100, 50).await;
    let again = store.lease(&request).await.unwrap();
    for answer in [first, again] {
        assert!(
            matches!(answer, LeaseAnswer::Granted { units: 10, .. }),
            "{answer:?}"
        );
    }
    assert_eq!(counter(&store, &of).await.leased, 10 + 23);
}

/// A wish sent many times at once takes one block.
pub async fn a_wish_sent_many_times_at_once_takes_one_block(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let request = bench.sample.lease(&of, 100, 10);
    let tasks = (0..8).map(|_| {
        let store = Shared::clone(&store);
        bench.spawn(async move { store.lease(&request).await.unwrap() })
    });
    for answer in join_all(tasks.collect::<Vec<_>>()).await {
        assert!(
            matches!(answer, LeaseAnswer::Granted { units: 10, .. }),
            "{answer:?}"
        );
    }
    assert_eq!(counter(&store, &of).await.leased, 10);
}

/// Sixty-four takers who spend all they get: together exactly the limit, never more.
pub async fn concurrent_takers_spend_exactly_the_limit(bench: &Bench) {
    const MAX: u64 = 200;
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let takers: Vec<_> = (0..64)
        .map(|number| {
            let (store, sample) = (Shared::clone(&store), Sample::seeded(100 + number));
            bench.spawn(async move { take_and_spend(&store, &sample, &of, MAX).await })
        })
        .collect();
    let spent: u64 = join_all(takers).await.into_iter().sum();
    assert_eq!(spent, MAX);
    assert_eq!(counter(&store, &of).await, counted(MAX, MAX));
}

/// One unit, sixty-four wishes at once: one gets it.
pub async fn the_last_unit_goes_to_one_taker(bench: &Bench) {
    let store = bench.open().await;
    for _ in 0..10 {
        let of = bench.sample.subscriber();
        let takers = (0..64).map(|_| {
            let (store, request) = (Shared::clone(&store), bench.sample.lease(&of, 1, 100));
            bench.spawn(async move { store.lease(&request).await.unwrap() })
        });
        let answers = join_all(takers.collect::<Vec<_>>()).await;
        let granted = LeaseAnswer::Granted { units: 1, free: 0 };
        let winners = answers.iter().filter(|answer| **answer == granted);
        assert_eq!(winners.count(), 1, "{answers:?}");
        let exhausted = LeaseAnswer::Exhausted { outstanding: 1 };
        let losers = answers.iter().filter(|answer| **answer == exhausted);
        assert_eq!(losers.count(), 63, "{answers:?}");
    }
}

/// What was spent stays spent, the rest can be handed out again.
pub async fn settling_frees_exactly_what_was_not_spent(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let (first, _) = granted(bench, &store, &of, 100, 10).await;
    granted(bench, &store, &of, 100, 5).await;
    append_new(&store, &[spending(&bench.sample, &of, first, 4)]).await;
    store.settle(of.tenant, first).await.unwrap();
    assert_eq!(counter(&store, &of).await, counted(4, 4 + 5));
    let answer = store.lease(&bench.sample.lease(&of, 100, 1)).await;
    assert_eq!(answer.unwrap(), LeaseAnswer::Granted { units: 1, free: 90 });
}

/// Nothing more is freed the second time, nor for a lease that never was.
pub async fn settling_again_changes_nothing(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let (lease, _) = granted(bench, &store, &of, 100, 10).await;
    let (other, _) = granted(bench, &store, &of, 100, 10).await;
    append_new(&store, &[spending(&bench.sample, &of, lease, 4)]).await;
    for _ in 0..3 {
        store.settle(of.tenant, lease).await.unwrap();
        store.settle(of.tenant, bench.sample.id()).await.unwrap();
        store.settle(bench.sample.id(), other).await.unwrap();
        assert_eq!(counter(&store, &of).await, counted(4, 4 + 10));
    }
    append_new(&store, &[spending(&bench.sample, &of, other, 10)]).await;
}

/// Who comes with a settled lease comes too late; who was in before is still in.
pub async fn a_record_under_a_settled_lease_is_refused(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let (lease, _) = granted(bench, &store, &of, 100, 10).await;
    let before = spending(&bench.sample, &of, lease, 4);
    append_new(&store, slice::from_ref(&before)).await;
    store.settle(of.tenant, lease).await.unwrap();
    let after = append(&store, &spending(&bench.sample, &of, lease, 1)).await;
    assert_eq!(after, Appended::Refused(Refusal::LeaseClosed));
    assert_eq!(append(&store, &before).await, Appended::Duplicate);
    assert_eq!(counter(&store, &of).await, counted(4, 4));
}

/// Calls that were granted in a window may end after it: their block is theirs until settled.
pub async fn a_lease_outlives_its_window(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let (lease, _) = granted(bench, &store, &of, 100, 10).await;
    let mut record = spending(&bench.sample, &of, lease, 1);
    record.recorded_at = of.segment(1).span.end;
    append_new(&store, &[record]).await;
    assert_eq!(counter(&store, &of).await, counted(1, 10));
}

/// How much may come back: what is out and not spent.
pub async fn an_exhausted_quota_tells_what_may_come_back(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let mut leases = Vec::new();
    for _ in 0..4 {
        leases.push(granted(bench, &store, &of, 4, 1).await.0);
    }
    for (lease, outstanding) in leases.iter().zip([3, 2, 1, 0]) {
        append_new(&store, &[spending(&bench.sample, &of, *lease, 1)]).await;
        let answer = store.lease(&bench.sample.lease(&of, 4, 1)).await;
        assert_eq!(answer.unwrap(), LeaseAnswer::Exhausted { outstanding });
    }
    store.settle(of.tenant, leases[0]).await.unwrap();
    let answer = store.lease(&bench.sample.lease(&of, 4, 1)).await;
    assert_eq!(answer.unwrap(), LeaseAnswer::Exhausted { outstanding: 0 });
}

/// What came back already is not told of again.
pub async fn a_settled_block_is_not_outstanding(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let (first, units) = granted(bench, &store, &of, 1, 1).await;
    assert_eq!(units, 1);
    store.settle(of.tenant, first).await.unwrap();
    granted(bench, &store, &of, 1, 1).await;
    let answer = store.lease(&bench.sample.lease(&of, 1, 1)).await;
    assert_eq!(answer.unwrap(), LeaseAnswer::Exhausted { outstanding: 1 });
}

/// Eight spenders while their lease is settled: who was in is counted, who was not is refused,
/// and nothing stays leased.
pub async fn appends_racing_a_settlement_are_counted_or_refused(bench: &Bench) {
    let store = bench.open().await;
    for _ in 0..5 {
        let of = bench.sample.subscriber();
        let (lease, units) = granted(bench, &store, &of, 1_000, 200).await;
        assert_eq!(units, 200);
        let (answered, mut appends) = mpsc::unbounded();
        let spenders: Vec<_> = (0..8)
            .map(|number| {
                let (store, sample) = (Shared::clone(&store), Sample::seeded(200 + number));
                let answered = answered.clone();
                bench.spawn(async move {
                    let mut spent = 0;
                    for _ in 0..20 {
                        match append(&store, &spending(&sample, &of, lease, 1)).await {
                            Appended::New => spent += 1,
                            answer => {
                                let closed = Appended::Refused(Refusal::LeaseClosed);
                                assert_eq!(answer, closed);
                            }
                        }
                        answered.unbounded_send(()).unwrap();
                    }
                    spent
                })
            })
            .collect();
        drop(answered);
        assert_eq!(appends.by_ref().take(20).count().await, 20);
        store.settle(of.tenant, lease).await.unwrap();
        let at_settlement = counter(&store, &of).await;
        let spent: u64 = join_all(spenders).await.into_iter().sum();
        assert_eq!(at_settlement, counted(spent, spent));
        assert_eq!(counter(&store, &of).await, at_settlement);
    }
}

/// A plan change to less than is out: nothing more is handed out until it is raised again.
pub async fn a_lowered_limit_hands_out_nothing_more(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let (lease, units) = granted(bench, &store, &of, 100, 20).await;
    for max in [0, 10, units] {
        let answer = store.lease(&bench.sample.lease(&of, max, 1)).await;
        let exhausted = LeaseAnswer::Exhausted { outstanding: units };
        assert_eq!(answer.unwrap(), exhausted, "at most {max}");
    }
    append_new(&store, &[spending(&bench.sample, &of, lease, 20)]).await;
    let answer = store.lease(&bench.sample.lease(&of, units + 1, 5)).await;
    assert_eq!(answer.unwrap(), LeaseAnswer::Granted { units: 1, free: 0 });
}

/// The blocks of this very process are not orphaned.
pub async fn own_blocks_are_no_orphans(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let (lease, _) = granted(bench, &store, &of, 100, 10).await;
    assert_eq!(store.settle_orphans().await.unwrap(), 0);
    assert_eq!(counter(&store, &of).await, counted(0, 10));
    append_new(&store, &[spending(&bench.sample, &of, lease, 10)]).await;
}

/// Takers, spenders and settlers in any order: committed, leased and the limit stay in order,
/// and each is what a list of the leases adds up to.
pub async fn committed_never_exceeds_leased_nor_leased_the_limit(bench: &Bench) {
    const MAX: u64 = 60;
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let mut out: Vec<(LeaseId, u64)> = Vec::new();
    let mut committed = 0;
    for _ in 0..200 {
        let length = u64::try_from(out.len()).unwrap();
        let any = usize::try_from(bench.sample.below(length)).unwrap();
        match bench.sample.below(4) {
            0 => {
                let request = bench.sample.lease(&of, MAX, 12);
                let answer = store.lease(&request).await.unwrap();
                if let LeaseAnswer::Granted { units, .. } = answer {
                    out.push((request.id, units));
                }
            }
            1 | 2 if !out.is_empty() => {
                let (lease, left) = &mut out[any];
                let units = bench.sample.below(8);
                let answer = append(&store, &spending(&bench.sample, &of, *lease, units)).await;
                assert_eq!(answer == Appended::New, units <= *left, "{units} of {left}");
                if units <= *left {
                    *left -= units;
                    committed += units;
                }
            }
            _ if !out.is_empty() => {
                let (lease, _) = out.swap_remove(any);
                store.settle(of.tenant, lease).await.unwrap();
            }
            _ => {}
        }
        let unspent: u64 = out.iter().map(|(_, left)| left).sum();
        let counter = counter(&store, &of).await;
        assert_eq!(counter, counted(committed, committed + unspent));
        assert!(counter.leased <= MAX, "{counter:?}");
    }
}

async fn take_and_spend(store: &Shared, sample: &Sample, of: &Subscriber, max: u64) -> u64 {
    let mut spent = 0;
    loop {
        let request = sample.lease(of, max, 4);
        match store.lease(&request).await.unwrap() {
            LeaseAnswer::Granted { units, .. } => {
                append_new(store, &[spending(sample, of, request.id, units)]).await;
                spent += units;
            }
            LeaseAnswer::Exhausted { .. } => return spent,
        }
    }
}

fn spending(sample: &Sample, of: &Subscriber, lease: LeaseId, units: u64) -> UsageRecord {
    let mut record = sample.record(of, of.segment(0), 1);
    record.spent = vec![of.spent(Some(lease), units)];
    record
}

fn counted(committed: u64, leased: u64) -> QuotaCounter {
    QuotaCounter { committed, leased }
}
