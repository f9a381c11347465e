//! Pieces of sums on their way to the engine: [`Batches`](monetization_core::store::Batches).

use std::time::Duration;

use futures::future::join_all;
use monetization_core::ids::BatchId;
use monetization_core::invoice::Invoicing;
use monetization_core::store::{
    Batch, BatchState, Claim, Decision, Fate, Held, Sealed, SentAgain, Verdict,
};

use super::Bench;
use super::steps::{ALL, CLAIM, MINUTE, Shared, append_new, own, sum};
use crate::sample::{START, Subscriber, batch, settled};

/// A batch is told as it was sealed, to the last byte, by key and piece.
pub async fn a_batch_is_read_back_as_it_was_sealed(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let mut first = sealed(bench, &store, &of, 5).await;
    let second = sealed(bench, &store, &of, 3).await;
    let read = store.batches(of.tenant, of.segment(0).id).await.unwrap();
    assert_eq!(read, [first.clone(), second]);

    let other = bench.sample.subscriber();
    append_new(&store, &[bench.sample.record(&other, other.segment(0), 1)]).await;
    first = piece(&store, &other).await;
    first.body = (0..=255).collect();
    first.place.account = None;
    assert_eq!(store.seal(&first).await.unwrap(), Sealed::New);
    let read = store.batches(other.tenant, other.segment(0).id).await;
    assert_eq!(read.unwrap(), [first]);
    let none = store.batches(other.tenant, other.segment(1).id).await;
    assert_eq!(none.unwrap(), []);
}

/// Whatever has become of it, and by its tenant alone.
pub async fn a_batch_is_found_by_its_id(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let batch = sealed(bench, &store, &of, 5).await;
    sealed(bench, &store, &of, 3).await;
    let found = store.batch(of.tenant, batch.id).await.unwrap();
    assert_eq!(found, Some(batch.clone()));
    store.claim_batches(of.tenant, START, CLAIM).await.unwrap();
    let confirmed = settled(BatchState::Confirmed);
    assert!(store.settle_batch(batch.id, 1, &confirmed).await.unwrap());
    let found = store.batch(of.tenant, batch.id).await.unwrap().unwrap();
    assert_eq!(found.state, BatchState::Confirmed);
    let stranger = store.batch(bench.sample.id(), batch.id).await;
    assert_eq!(stranger.unwrap(), None);
    let unheard_of = store.batch(of.tenant, bench.sample.id()).await;
    assert_eq!(unheard_of.unwrap(), None);
}

/// In the order they were sealed, at most so many, each with the fence of its claim.
pub async fn batches_are_claimed_in_the_order_of_sealing(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let mut wanted = Vec::new();
    for _ in 0..5 {
        let mut batch = sealed(bench, &store, &of, 2).await;
        batch.fence = 1;
        wanted.push(batch);
    }
    let two = Claim { limit: 2, ..CLAIM };
    for chunk in wanted.chunks(2) {
        let claimed = store.claim_batches(of.tenant, START, two).await;
        assert_eq!(claimed.unwrap(), chunk);
    }
    let claimed = store.claim_batches(of.tenant, START, two).await;
    assert_eq!(claimed.unwrap(), []);
}

/// A claim holds until its lease has passed on the store's own time; business time does not
/// matter. Then the next claim has the next fence.
pub async fn a_claimed_batch_is_claimed_again_once_its_claim_lapsed(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let batch = sealed(bench, &store, &of, 1).await;
    assert_eq!(fences(&store, &of).await, [(batch.id, 1)]);
    let later = START.saturating_add(10 * MINUTE);
    let claimed = store.claim_batches(of.tenant, later, CLAIM).await;
    assert_eq!(claimed.unwrap(), []);
    bench.advance(MINUTE - Duration::from_micros(1));
    assert_eq!(fences(&store, &of).await, []);
    bench.advance(Duration::from_micros(1));
    assert_eq!(fences(&store, &of).await, [(batch.id, 2)]);
}

/// Eight senders at once: no batch goes to two of them, none is left.
pub async fn concurrent_claims_share_no_batch(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let mut wanted = Vec::new();
    for _ in 0..30 {
        wanted.push(sealed(bench, &store, &of, 1).await.id);
    }
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let (store, tenant) = (Shared::clone(&store), of.tenant);
            bench.spawn(async move {
                let some = Claim { limit: 3, ..CLAIM };
                let mut claimed = Vec::new();
                loop {
                    let batches = store.claim_batches(tenant, START, some).await.unwrap();
                    if batches.is_empty() {
                        return claimed;
                    }
                    claimed.extend(batches.iter().map(|batch| batch.id));
                }
            })
        })
        .collect();
    let mut claimed = join_all(tasks).await.concat();
    claimed.sort();
    wanted.sort();
    assert_eq!(claimed, wanted);
}

/// Confirmed, rejected, unknown or parked: it is sent no more, and says why.
pub async fn a_batch_that_came_to_its_end_is_not_claimed_again(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let reason = || "it isn't 35 days — not one".to_owned();
    let states = [
        BatchState::Confirmed,
        BatchState::Rejected { reason: reason() },
        BatchState::Unknown { reason: reason() },
        BatchState::Parked { reason: reason() },
    ];
    for state in &states {
        let batch = sealed(bench, &store, &of, 1).await;
        let claimed = fences(&store, &of).await;
        assert_eq!(claimed, [(batch.id, 1)]);
        settle(&store, batch.id, 1, &settled(state.clone()), true).await;
        bench.advance(MINUTE);
        assert_eq!(fences(&store, &of).await, []);
    }
    let kept = store.batches(of.tenant, of.segment(0).id).await.unwrap();
    let kept_states: Vec<_> = kept.iter().map(|batch| &batch.state).collect();
    assert_eq!(kept_states, states.iter().collect::<Vec<_>>());
    let is_told = |batch: &Batch| batch.attempts == 1 && batch.settled_at == Some(START);
    assert!(kept.iter().all(is_told), "{kept:?}");
}

/// It waits for its due date, in business time; it remembers its attempts and the first time
/// it was sent, whatever later attempts say.
pub async fn a_batch_to_be_sent_again_waits_until_it_is_due(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let batch = sealed(bench, &store, &of, 1).await;
    let mut due_at = START;
    let sent_at = START.saturating_add(MINUTE);
    for (attempt, first_sent_at) in [(1, None), (2, Some(sent_at)), (3, None)] {
        let claimed = store.claim_batches(of.tenant, due_at, CLAIM).await;
        assert_eq!(claimed.unwrap().len(), 1);
        due_at = due_at.saturating_add(10 * MINUTE);
        let verdict = Verdict::Again {
            due_at,
            first_sent_at,
        };
        settle(&store, batch.id, attempt, &verdict, true).await;
        let too_early = due_at.saturating_sub(Duration::from_micros(1));
        let claimed = store.claim_batches(of.tenant, too_early, CLAIM).await;
        assert_eq!(claimed.unwrap(), []);
    }
    let claimed = store.claim_batches(of.tenant, due_at, CLAIM).await.unwrap();
    let wanted = Batch {
        attempts: 3,
        first_sent_at: Some(sent_at),
        fence: 4,
        ..batch
    };
    assert_eq!(claimed, [wanted]);
}

/// Who slept for longer than its lease changes nothing when it wakes.
pub async fn a_settlement_under_an_old_fence_changes_nothing(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let batch = sealed(bench, &store, &of, 1).await;
    assert_eq!(fences(&store, &of).await, [(batch.id, 1)]);
    bench.advance(MINUTE);
    assert_eq!(fences(&store, &of).await, [(batch.id, 2)]);
    let before = store.batches(of.tenant, of.segment(0).id).await.unwrap();
    let again = Verdict::Again {
        due_at: START.saturating_add(MINUTE),
        first_sent_at: Some(START),
    };
    let confirmed = settled(BatchState::Confirmed);
    for fence in [0, 1, 3] {
        settle(&store, batch.id, fence, &again, false).await;
        settle(&store, batch.id, fence, &confirmed, false).await;
    }
    settle(&store, bench.sample.id(), 2, &confirmed, false).await;
    let after = store.batches(of.tenant, of.segment(0).id).await.unwrap();
    assert_eq!(after, before);
    settle(&store, batch.id, 2, &confirmed, true).await;
    settle(&store, batch.id, 1, &again, false).await;
    let kept = store.batches(of.tenant, of.segment(0).id).await.unwrap();
    assert_eq!(kept[0].state, BatchState::Confirmed);
    assert_eq!(kept[0].attempts, 1);
}

/// A settlement whose reply was lost is said again: it holds, and is no second attempt.
pub async fn a_repeated_settlement_is_recognised(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let batch = sealed(bench, &store, &of, 1).await;
    let verdicts = [
        Verdict::Again {
            due_at: START,
            first_sent_at: None,
        },
        settled(BatchState::Confirmed),
    ];
    for (fence, verdict) in [1, 2].into_iter().zip(&verdicts) {
        assert_eq!(fences(&store, &of).await, [(batch.id, fence)]);
        for _ in 0..3 {
            settle(&store, batch.id, fence, verdict, true).await;
        }
    }
    let kept = store.batches(of.tenant, of.segment(0).id).await.unwrap();
    assert_eq!(kept[0].attempts, 2);
    assert_eq!(kept[0].state, BatchState::Confirmed);
}

/// Rejected, unknown and parked batches are listed until somebody decides about them.
pub async fn held_batches_are_listed_until_they_are_decided_about(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let mut all = Vec::new();
    for held in HELD {
        all.push(come_to(bench, &store, &of, held).await.id);
    }
    let listed = async |after, limit| {
        let held = store.held_batches(of.tenant, after, limit).await.unwrap();
        held.iter().map(|batch| batch.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(None, 2).await, all[..2]);
    assert_eq!(listed(Some(all[1]), 2).await, all[2..]);
    let decision = Decision::new(Fate::WrittenOff, "too small to ask", START);
    let decided = store.decide_batch(of.tenant, all[1], HELD[1], &decision);
    assert!(decided.await.unwrap());
    assert_eq!(listed(None, ALL).await, [all[0], all[2]]);
}

/// It ends as was decided, for that reason; another decision comes too late.
pub async fn a_batch_that_is_held_ends_as_somebody_decides(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let fates = [Fate::Confirmed, Fate::WrittenOff, Fate::SendAgain];
    for (held, fate) in HELD.into_iter().zip(fates) {
        let batch = come_to(bench, &store, &of, held).await;
        let decide = async |tenant, held, because: &str| {
            let decision = Decision::new(fate, because, START);
            let decided = store.decide_batch(tenant, batch.id, held, &decision);
            decided.await.unwrap()
        };
        let other = HELD.into_iter().find(|other| *other != held).unwrap();
        assert!(!decide(of.tenant, other, "in another state").await);
        assert!(!decide(bench.sample.id(), held, "somebody else's").await);
        assert!(decide(of.tenant, held, "asked").await);
        assert!(decide(of.tenant, held, "asked").await, "the same again");
        assert!(!decide(of.tenant, held, "asked once more").await);
    }
    let kept = store.batches(of.tenant, of.segment(0).id).await.unwrap();
    let states: Vec<BatchState> = kept.iter().map(|batch| batch.state.clone()).collect();
    assert_eq!(states, fates.map(Fate::state));
    let because = Some("asked".to_owned());
    assert!(kept.iter().all(|batch| batch.decided_because == because));
}

/// One that is to be sent again is as if it never had been sent, but for the attempts.
pub async fn a_batch_that_is_sent_again_begins_anew(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let batch = come_to(bench, &store, &of, Held::Unknown).await;
    let decision = Decision::new(Fate::SendAgain, "it is not there", START);
    let decided = store.decide_batch(of.tenant, batch.id, Held::Unknown, &decision);
    assert!(decided.await.unwrap());
    let claimed = store.claim_batches(of.tenant, START, CLAIM).await.unwrap();
    let anew = Batch {
        attempts: 2,
        fence: 3,
        decided_because: Some(decision.because),
        sent_again: Some(SentAgain {
            after: Held::Unknown,
            decided_at: START,
        }),
        ..batch
    };
    assert_eq!(claimed, [anew]);
}

/// A piece that looks wrong, or of which nobody knows, is sealed and held back in one: nobody sends it
/// before somebody decides.
pub async fn a_batch_may_be_held_back_from_the_beginning(bench: &Bench) {
    let reason = "it looks wrong".to_owned();
    let unknown = BatchState::Unknown {
        reason: reason.clone(),
    };
    let parked = BatchState::Parked { reason };
    for (state, settled_at) in [(parked, None), (unknown, Some(START))] {
        let store = bench.open().await;
        let of = bench.sample.subscriber();
        append_new(&store, &bench.sample.records(&of, of.segment(0), 1)).await;
        let mut batch = piece(&store, &of).await;
        (batch.state, batch.settled_at) = (state, settled_at);
        assert_eq!(store.seal(&batch).await.unwrap(), Sealed::New);
        assert_eq!(fences(&store, &of).await, []);
        let held = store.held_batches(of.tenant, None, ALL).await.unwrap();
        assert_eq!(held, [batch.clone()]);
        let right = Decision::new(Fate::SendAgain, "it is right", START);
        let as_held = batch.state.held().unwrap();
        let decided = store.decide_batch(of.tenant, batch.id, as_held, &right);
        assert!(decided.await.unwrap());
        assert_eq!(fences(&store, &of).await, [(batch.id, 1)]);
    }
}

/// Neither to claim nor to read.
pub async fn tenants_never_see_each_others_batches(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    sealed(bench, &store, &of, 1).await;
    append_new(&store, &bench.sample.records(&of, of.segment(0), 1)).await;
    let stranger = bench.sample.id();
    let unsealed = store.unsealed(stranger, None, ALL).await;
    assert_eq!(unsealed.unwrap(), []);
    let claimed = store.claim_batches(stranger, START, CLAIM).await;
    assert_eq!(claimed.unwrap(), []);
    let read = store.batches(stranger, of.segment(0).id).await;
    assert_eq!(read.unwrap(), []);
    let held = store.held_batches(stranger, None, ALL).await;
    assert_eq!(held.unwrap(), []);
    assert_eq!(fences(&store, &of).await.len(), 1, "it is there to claim");
}

/// What core invoices is claimed like the rest if somebody seals it, but is never offered.
pub async fn what_core_invoices_is_never_offered_for_sealing(bench: &Bench) {
    let store = bench.open().await;
    let mut of = bench.sample.subscriber();
    of.invoicing = Invoicing::ByCore;
    append_new(&store, &bench.sample.records(&of, of.segment(0), 1)).await;
    let unsealed = store.unsealed(of.tenant, None, ALL).await;
    assert_eq!(unsealed.unwrap(), []);
}

pub(super) const HELD: [Held; 3] = [Held::Rejected, Held::Unknown, Held::Parked];

/// Seals a batch, sends it twice, and lets it come to a state in which it is held; as it was sealed.
pub(super) async fn come_to(bench: &Bench, store: &Shared, of: &Subscriber, held: Held) -> Batch {
    let batch = sealed(bench, store, of, 1).await;
    assert_eq!(fences(store, of).await, [(batch.id, 1)]);
    let again = Verdict::Again {
        due_at: START,
        first_sent_at: Some(START),
    };
    settle(store, batch.id, 1, &again, true).await;
    assert_eq!(fences(store, of).await, [(batch.id, 2)]);
    let reason = "nobody knows".to_owned();
    let state = match held {
        Held::Rejected => BatchState::Rejected { reason },
        Held::Unknown => BatchState::Unknown { reason },
        Held::Parked => BatchState::Parked { reason },
    };
    settle(store, batch.id, 2, &settled(state), true).await;
    batch
}

/// Appends so many units and seals all that is not sealed of the first month's sum.
pub(super) async fn sealed(bench: &Bench, store: &Shared, of: &Subscriber, units: i64) -> Batch {
    append_new(store, &[bench.sample.record(of, of.segment(0), units)]).await;
    let batch = piece(store, of).await;
    assert_eq!(store.seal(&batch).await.unwrap(), Sealed::New);
    batch
}

async fn piece(store: &Shared, of: &Subscriber) -> Batch {
    let sum = sum(store, of.tenant, own(of, 0)).await;
    batch(of.tenant, &sum.unwrap())
}

/// Claims all there is, and answers what and under which fences.
pub(super) async fn fences(store: &Shared, of: &Subscriber) -> Vec<(BatchId, u64)> {
    let claimed = store.claim_batches(of.tenant, START, CLAIM).await.unwrap();
    claimed
        .iter()
        .map(|batch| (batch.id, batch.fence))
        .collect()
}

pub(super) async fn settle(
    store: &Shared,
    batch: BatchId,
    fence: u64,
    verdict: &Verdict,
    held: bool,
) {
    let settled = store.settle_batch(batch, fence, verdict).await.unwrap();
    assert_eq!(settled, held, "fence {fence}, {verdict:?}");
}
