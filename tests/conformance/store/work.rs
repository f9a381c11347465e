//! Operations for the engine: claimed, put off, brought to an end.

use std::slice;
use std::time::Duration;

use futures::future::join_all;
use monetization_core::ids::{IntentId, TenantId};
use monetization_core::intent::{Intent, IntentState, ParkedIntent, Parking};
use monetization_core::store::{Applied, Claim, Conflict, Finished};

use super::Bench;
use super::steps::{ALL, CLAIM, MINUTE, Shared, apply, apply_new};
use crate::sample::START;

/// From its due date on, whoever it belongs to, as it was written and under the first fence.
pub async fn an_operation_is_claimed_once_it_is_due(bench: &Bench) {
    let store = bench.open().await;
    let mut intent = bench.sample.intent(bench.sample.id());
    intent.due_at = START.saturating_add(MINUTE);
    add(bench, &store, slice::from_ref(&intent)).await;
    let too_early = intent.due_at.saturating_sub(Duration::from_micros(1));
    let claimed = store.claim_intents(too_early, CLAIM).await.unwrap();
    assert_eq!(claimed, []);
    let claimed = store.claim_intents(intent.due_at, CLAIM).await.unwrap();
    assert_eq!(claimed, [(intent, 1)]);
}

/// Of all tenants, the one that has waited longest first, at most so many.
pub async fn operations_are_claimed_oldest_first(bench: &Bench) {
    let store = bench.open().await;
    let mut wanted = Vec::new();
    for minute in 0..5 {
        let mut intent = bench.sample.intent(bench.sample.id());
        intent.due_at = START.saturating_add(minute * MINUTE);
        add(bench, &store, slice::from_ref(&intent)).await;
        wanted.push((intent, 1));
    }
    let two = Claim { limit: 2, ..CLAIM };
    let now = START.saturating_add(5 * MINUTE);
    for chunk in wanted.chunks(2) {
        let claimed = store.claim_intents(now, two).await.unwrap();
        assert_eq!(claimed, chunk);
    }
}

/// An operation that is written again stays as it was, claimed, put off or done.
pub async fn an_operation_that_exists_stays_as_it_is(bench: &Bench) {
    let store = bench.open().await;
    let intent = bench.sample.intent(bench.sample.id());
    let mut later = intent.clone();
    later.due_at = START.saturating_add(MINUTE);
    later.attempts = 7;
    add(bench, &store, &[intent.clone(), later.clone()]).await;
    add(bench, &store, slice::from_ref(&later)).await;
    let claimed = store.claim_intents(START, CLAIM).await.unwrap();
    assert_eq!(claimed, [(intent.clone(), 1)]);
    add(bench, &store, slice::from_ref(&intent)).await;
    assert_eq!(claims(&store).await, []);
    finish(bench, &store, intent.id, 1, Applied::New).await;
    add(bench, &store, &[later]).await;
    bench.advance(10 * MINUTE);
    let claimed = store
        .claim_intents(START.saturating_add(MINUTE), CLAIM)
        .await;
    assert_eq!(claimed.unwrap(), []);
}

/// A claim holds until its lease has passed on the store's own time; the next one has the next
/// fence.
pub async fn a_claimed_operation_is_claimed_again_once_its_claim_lapsed(bench: &Bench) {
    let store = bench.open().await;
    let intent = bench.sample.intent(bench.sample.id());
    add(bench, &store, slice::from_ref(&intent)).await;
    for fence in 1..=3 {
        assert_eq!(claims(&store).await, [(intent.id, fence)]);
        let later = START.saturating_add(10 * MINUTE);
        assert_eq!(store.claim_intents(later, CLAIM).await.unwrap(), []);
        bench.advance(MINUTE - Duration::from_micros(1));
        assert_eq!(claims(&store).await, []);
        bench.advance(Duration::from_micros(1));
    }
}

/// Eight runners at once: no operation goes to two of them, none is left.
pub async fn concurrent_claims_share_no_operation(bench: &Bench) {
    let store = bench.open().await;
    let intents: Vec<Intent> = (0..40)
        .map(|_| bench.sample.intent(bench.sample.id()))
        .collect();
    add(bench, &store, &intents).await;
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let store = Shared::clone(&store);
            bench.spawn(async move {
                let some = Claim { limit: 3, ..CLAIM };
                let mut claimed = Vec::new();
                loop {
                    let intents = store.claim_intents(START, some).await.unwrap();
                    if intents.is_empty() {
                        return claimed;
                    }
                    claimed.extend(intents.into_iter().map(|(intent, _)| intent.id));
                }
            })
        })
        .collect();
    let mut claimed = join_all(tasks).await.concat();
    let mut wanted: Vec<IntentId> = intents.iter().map(|intent| intent.id).collect();
    claimed.sort();
    wanted.sort();
    assert_eq!(claimed, wanted);
}

/// It waits for its new due date, counts the attempt and is free to be claimed at once then.
pub async fn an_operation_put_off_waits_until_it_is_due(bench: &Bench) {
    let store = bench.open().await;
    let mut intent = bench.sample.intent(bench.sample.id());
    add(bench, &store, slice::from_ref(&intent)).await;
    assert_eq!(claims(&store).await, [(intent.id, 1)]);
    intent.due_at = START.saturating_add(MINUTE);
    intent.attempts = 1;
    let postponed = store.postpone_intent(intent.id, 1, intent.due_at).await;
    assert!(postponed.unwrap());
    let too_early = intent.due_at.saturating_sub(Duration::from_micros(1));
    assert_eq!(store.claim_intents(too_early, CLAIM).await.unwrap(), []);
    let claimed = store.claim_intents(intent.due_at, CLAIM).await.unwrap();
    assert_eq!(claimed, [(intent, 2)]);
}

/// Who lost the claim puts nothing off.
pub async fn putting_off_under_an_old_fence_changes_nothing(bench: &Bench) {
    let store = bench.open().await;
    let intent = bench.sample.intent(bench.sample.id());
    add(bench, &store, slice::from_ref(&intent)).await;
    assert_eq!(claims(&store).await, [(intent.id, 1)]);
    bench.advance(MINUTE);
    assert_eq!(claims(&store).await, [(intent.id, 2)]);
    let due_at = START.saturating_add(100 * MINUTE);
    for fence in [0, 1, 3] {
        let postponed = store.postpone_intent(intent.id, fence, due_at).await;
        assert!(!postponed.unwrap(), "fence {fence}");
    }
    let unknown = store.postpone_intent(bench.sample.id(), 1, due_at).await;
    assert!(!unknown.unwrap());
    bench.advance(MINUTE);
    let claimed = store.claim_intents(START, CLAIM).await.unwrap();
    assert_eq!(claimed, [(intent, 3)]);
}

/// An operation that is done is never claimed again.
pub async fn an_operation_that_is_done_is_not_claimed_again(bench: &Bench) {
    let store = bench.open().await;
    let intent = bench.sample.intent(bench.sample.id());
    add(bench, &store, slice::from_ref(&intent)).await;
    assert_eq!(claims(&store).await, [(intent.id, 1)]);
    assert!(store.has_unfinished_intents(intent.tenant).await.unwrap());
    let another: TenantId = bench.sample.id();
    assert!(!store.has_unfinished_intents(another).await.unwrap());
    assert_eq!(state(&store, &intent).await, Some(IntentState::Open));
    finish(bench, &store, intent.id, 1, Applied::New).await;
    bench.advance(10 * MINUTE);
    assert_eq!(claims(&store).await, []);
    assert_eq!(parked(&store, intent.tenant).await, []);
    assert_eq!(state(&store, &intent).await, Some(IntentState::Done));
    assert!(!store.has_unfinished_intents(intent.tenant).await.unwrap());
}

/// Neither who lost the claim, nor who never had one, ends an operation.
pub async fn finishing_without_the_claim_is_refused(bench: &Bench) {
    let store = bench.open().await;
    let intent = bench.sample.intent(bench.sample.id());
    add(bench, &store, slice::from_ref(&intent)).await;
    let fenced = || Applied::Refused(Conflict::Fenced { intent: intent.id });
    finish(bench, &store, intent.id, 0, fenced()).await;
    assert_eq!(claims(&store).await, [(intent.id, 1)]);
    bench.advance(MINUTE);
    assert_eq!(claims(&store).await, [(intent.id, 2)]);
    for fence in [0, 1, 3] {
        finish(bench, &store, intent.id, fence, fenced()).await;
    }
    finish(bench, &store, intent.id, 2, Applied::New).await;
}

/// Of two runners that both think they hold the claim, one ends the operation.
pub async fn an_operation_is_finished_once(bench: &Bench) {
    let store = bench.open().await;
    let intent = bench.sample.intent(bench.sample.id());
    add(bench, &store, slice::from_ref(&intent)).await;
    assert_eq!(claims(&store).await, [(intent.id, 1)]);
    let tasks = (0..8).map(|_| {
        let mut change = bench.sample.change();
        change.finished = vec![finished(intent.id, 1, None)];
        let store = Shared::clone(&store);
        bench.spawn(async move { apply(&store, &change).await })
    });
    let answers = join_all(tasks.collect::<Vec<_>>()).await;
    let new = answers.iter().filter(|answer| **answer == Applied::New);
    assert_eq!(new.count(), 1, "{answers:?}");
}

/// What was given up is listed for its tenant, page by page, with the reason and since when, and not
/// claimed: it is not to be carried out any more.
pub async fn an_operation_given_up_is_listed_with_its_reason(bench: &Bench) {
    let store = bench.open().await;
    let tenant: TenantId = bench.sample.id();
    let intents = [tenant, tenant, bench.sample.id()].map(|of| bench.sample.intent(of));
    add(bench, &store, &intents).await;
    assert_eq!(claims(&store).await.len(), 3);
    let mut wanted = Vec::new();
    for (intent, reason) in intents
        .iter()
        .zip(["it's over — no card", "second", "third"])
    {
        let parking = park(bench, &store, intent.id, 1, reason).await;
        wanted.push(given_up(intent, &parking));
        let state = state(&store, intent).await;
        assert_eq!(state, Some(IntentState::Parked(parking)));
    }
    wanted.truncate(2);
    wanted.sort_by_key(|parked| parked.intent.id);
    assert_eq!(parked(&store, tenant).await, wanted);
    let first = store.parked_intents(tenant, None, 1).await.unwrap();
    assert_eq!(first, wanted[..1]);
    let after = Some(first[0].intent.id);
    let second = store.parked_intents(tenant, after, ALL).await.unwrap();
    assert_eq!(second, wanted[1..]);
    bench.advance(10 * MINUTE);
    assert_eq!(claims(&store).await, []);
    assert!(!store.has_unfinished_intents(tenant).await.unwrap());
}

/// It is carried out again under the next fence, with no try counted, and may be given up again.
pub async fn an_operation_given_up_is_claimed_once_it_is_resumed(bench: &Bench) {
    let store = bench.open().await;
    let mut intent = bench.sample.intent(bench.sample.id());
    let later = START.saturating_add(MINUTE);
    add(bench, &store, slice::from_ref(&intent)).await;
    assert_eq!(claims(&store).await, [(intent.id, 1)]);
    park(bench, &store, intent.id, 1, "no card").await;
    assert_eq!(claims(&store).await, []);
    resume(&store, &intent, true).await;
    assert_eq!(parked(&store, intent.tenant).await, []);
    assert!(store.has_unfinished_intents(intent.tenant).await.unwrap());
    assert_eq!(claims(&store).await, [], "it is not due yet");
    intent.due_at = later;
    let claimed = store.claim_intents(later, CLAIM).await.unwrap();
    assert_eq!(claimed, [(intent.clone(), 2)]);
    let parking = park(bench, &store, intent.id, 2, "still no card").await;
    let wanted = [given_up(&intent, &parking)];
    assert_eq!(parked(&store, intent.tenant).await, wanted);
}

/// Not what is open, claimed, resumed already, done, of another tenant or not there.
pub async fn nothing_but_an_operation_given_up_is_resumed(bench: &Bench) {
    let store = bench.open().await;
    let intent = bench.sample.intent(bench.sample.id());
    resume(&store, &intent, false).await;
    add(bench, &store, slice::from_ref(&intent)).await;
    resume(&store, &intent, false).await;
    assert_eq!(claims(&store).await, [(intent.id, 1)]);
    resume(&store, &intent, false).await;
    park(bench, &store, intent.id, 1, "no card").await;
    let mut strangers = intent.clone();
    strangers.tenant = bench.sample.id();
    resume(&store, &strangers, false).await;
    resume(&store, &intent, true).await;
    resume(&store, &intent, false).await;
    let later = START.saturating_add(MINUTE);
    let claimed = store.claim_intents(later, CLAIM).await.unwrap();
    assert_eq!(claimed.len(), 1);
    finish(bench, &store, intent.id, 2, Applied::New).await;
    resume(&store, &intent, false).await;
}

/// Neither of those of other tenants nor of those that were never written.
pub async fn the_state_of_an_operation_is_told_to_its_tenant_alone(bench: &Bench) {
    let store = bench.open().await;
    let intent = bench.sample.intent(bench.sample.id());
    assert_eq!(state(&store, &intent).await, None);
    add(bench, &store, slice::from_ref(&intent)).await;
    assert_eq!(state(&store, &intent).await, Some(IntentState::Open));
    let stranger = store.intent_state(bench.sample.id(), intent.id).await;
    assert_eq!(stranger.unwrap(), None);
}

async fn state(store: &Shared, of: &Intent) -> Option<IntentState> {
    store.intent_state(of.tenant, of.id).await.unwrap()
}

async fn parked(store: &Shared, tenant: TenantId) -> Vec<ParkedIntent> {
    store.parked_intents(tenant, None, ALL).await.unwrap()
}

/// Has an operation that is parked carried out a minute from the start; whether it was parked.
async fn resume(store: &Shared, intent: &Intent, wanted: bool) {
    let later = START.saturating_add(MINUTE);
    let resumed = store.resume_intent(intent.tenant, intent.id, later).await;
    assert_eq!(resumed.unwrap(), wanted);
}

/// Gives an operation up that was claimed.
async fn park(
    bench: &Bench,
    store: &Shared,
    intent: IntentId,
    fence: u64,
    reason: &str,
) -> Parking {
    let mut change = bench.sample.change();
    change.at = START.saturating_add(7 * MINUTE);
    change.finished = vec![finished(intent, fence, Some(reason))];
    apply_new(store, &change).await;
    Parking {
        reason: reason.to_owned(),
        parked_at: change.at,
    }
}

fn given_up(intent: &Intent, parking: &Parking) -> ParkedIntent {
    ParkedIntent {
        intent: Intent {
            attempts: 1,
            ..intent.clone()
        },
        parking: parking.clone(),
    }
}

async fn add(bench: &Bench, store: &Shared, intents: &[Intent]) {
    let mut change = bench.sample.change();
    change.intents = intents.to_vec();
    apply_new(store, &change).await;
}

/// Claims all there is, and answers what and under which fences.
async fn claims(store: &Shared) -> Vec<(IntentId, u64)> {
    let claimed = store.claim_intents(START, CLAIM).await.unwrap();
    let ids = claimed
        .into_iter()
        .map(|(intent, fence)| (intent.id, fence));
    ids.collect()
}

async fn finish(bench: &Bench, store: &Shared, intent: IntentId, fence: u64, wanted: Applied) {
    let mut change = bench.sample.change();
    change.finished = vec![finished(intent, fence, None)];
    assert_eq!(apply(store, &change).await, wanted, "fence {fence}");
}

fn finished(intent: IntentId, fence: u64, parked_because: Option<&str>) -> Finished {
    Finished {
        intent,
        fence,
        parked_because: parked_because.map(str::to_owned),
    }
}
