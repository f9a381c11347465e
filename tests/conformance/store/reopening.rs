//! What a store that keeps things has to show after its process died.

use std::slice;

use monetization_core::ids::LeaseId;
use monetization_core::store::{
    Appended, Applied, BatchState, Conflict, Finished, Index, JobRun, JobStart, JobState, Kind,
    LeaseAnswer, QuotaCounter, Refusal, RowKey, Sealed, Verdict,
};
use monetization_core::usage::{ForeignEvent, Tally, UsageRecord};

use super::Bench;
use super::observed::observe;
use super::steps::{
    ALL, CLAIM, HOUR, MINUTE, Shared, append, append_new, apply, apply_new, change_of, counter,
    granted, insert, insert_all, own, sum, total,
};
use crate::sample::{START, Subscriber, batch, settled, text};

/// Facts, use, counters, batches, operations given up, jobs: every read tells the same.
pub async fn what_was_written_is_there(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    write_some_of_all(bench, &store, &of).await;
    let name = text("publish");
    let mut run = match store
        .start_job(of.tenant, &name, START, MINUTE)
        .await
        .unwrap()
    {
        JobStart::Started(run) => run,
        JobStart::Busy(run) => unreachable!("{run:?} is in the way"),
    };
    run.state = JobState::Incomplete;
    run.ended_at = Some(START);
    (run.done, run.failed) = (4, 2);
    assert!(
        store
            .keep_job(of.tenant, &name, &run, MINUTE)
            .await
            .unwrap()
    );
    let before = observe(store.as_ref(), &[of]).await;
    drop(store);

    let store = bench.open().await;
    let after = observe(store.as_ref(), &[of]).await;
    assert_eq!(after, before);
    assert_eq!(store.last_job(of.tenant, &name).await.unwrap(), Some(run));
}

/// Whose reply was lost with the process: a change, its event, an append, a seal, a settlement.
pub async fn repeated_writes_are_recognised(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let mut change = change_of(bench, [insert(&bench.sample.row(of.tenant, Kind::Product))]);
    change.inbox = Some((text("mock"), text("evt_1")));
    apply_new(&store, &change).await;
    let (record, other) = (event(bench, &of, b"one"), event(bench, &of, b"two"));
    append_new(&store, slice::from_ref(&record)).await;
    let piece = batch(
        of.tenant,
        &sum(&store, of.tenant, own(&of, 0)).await.unwrap(),
    );
    assert_eq!(store.seal(&piece).await.unwrap(), Sealed::New);
    store.claim_batches(of.tenant, START, CLAIM).await.unwrap();
    let verdict = settled(BatchState::Confirmed);
    assert!(store.settle_batch(piece.id, 1, &verdict).await.unwrap());
    drop(store);

    let store = bench.open().await;
    assert_eq!(apply(&store, &change).await, Applied::Again);
    let mut same_event = bench.sample.change();
    same_event.inbox = change.inbox;
    let seen = Applied::Refused(Conflict::Seen);
    assert_eq!(apply(&store, &same_event).await, seen);
    assert_eq!(append(&store, &record).await, Appended::Duplicate);
    assert_eq!(append(&store, &other).await, Appended::Conflict);
    assert_eq!(store.seal(&piece).await.unwrap(), Sealed::Again);
    assert!(store.settle_batch(piece.id, 1, &verdict).await.unwrap());
    let kept = store.batches(of.tenant, of.segment(0).id).await.unwrap();
    assert_eq!(kept[0].attempts, 1);
}

/// What a dead owner had taken and not spent is free again, and nobody spends it any more; the
/// blocks of whoever lives are left alone.
pub async fn blocks_of_a_dead_owner_come_back(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let (spent_from, _) = granted(bench, &store, &of, 100, 10).await;
    let (untouched, _) = granted(bench, &store, &of, 100, 10).await;
    let (settled, _) = granted(bench, &store, &of, 100, 10).await;
    append_new(&store, &[spending(bench, &of, spent_from, 3)]).await;
    store.settle(of.tenant, settled).await.unwrap();
    drop(store);

    // A store that others share knows by the time alone that one of them is gone.
    bench.advance(HOUR);
    let store = bench.open().await;
    let leased = |committed, leased| QuotaCounter { committed, leased };
    assert_eq!(
        counter(&store, &of).await,
        leased(3, 20),
        "not before it is asked"
    );
    let (own_block, _) = granted(bench, &store, &of, 100, 5).await;
    assert_eq!(store.settle_orphans().await.unwrap(), 2);
    assert_eq!(store.settle_orphans().await.unwrap(), 0);
    assert_eq!(counter(&store, &of).await, leased(3, 3 + 5));
    for lease in [spent_from, untouched, settled] {
        let answer = append(&store, &spending(bench, &of, lease, 1)).await;
        assert_eq!(answer, Appended::Refused(Refusal::LeaseClosed));
    }
    append_new(&store, &[spending(bench, &of, own_block, 5)]).await;
    let answer = store.lease(&bench.sample.lease(&of, 8, 1)).await.unwrap();
    assert_eq!(answer, LeaseAnswer::Exhausted { outstanding: 0 });
}

/// Nobody knows whether the claimed work was done: it waits for its lease to lapse, and then
/// has the next fence.
pub async fn claims_and_fences_outlive_the_process(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let mut change = bench.sample.change();
    change.intents = vec![bench.sample.intent(of.tenant)];
    apply_new(&store, &change).await;
    append_new(&store, &bench.sample.records(&of, of.segment(0), 1)).await;
    let piece = batch(
        of.tenant,
        &sum(&store, of.tenant, own(&of, 0)).await.unwrap(),
    );
    assert_eq!(store.seal(&piece).await.unwrap(), Sealed::New);
    let publish = text("publish");
    assert_eq!(claim_all(&store, &of).await, (vec![1], vec![1]));
    store
        .start_job(of.tenant, &publish, START, MINUTE)
        .await
        .unwrap();
    drop(store);

    let store = bench.open().await;
    assert_eq!(claim_all(&store, &of).await, (vec![], vec![]));
    let start = store.start_job(of.tenant, &publish, START, MINUTE).await;
    assert!(
        matches!(start, Ok(JobStart::Busy(JobRun { fence: 1, .. }))),
        "{start:?}"
    );
    bench.advance(MINUTE);
    assert_eq!(claim_all(&store, &of).await, (vec![2], vec![2]));
    let start = store.start_job(of.tenant, &publish, START, MINUTE).await;
    assert!(
        matches!(start, Ok(JobStart::Started(JobRun { fence: 2, .. }))),
        "{start:?}"
    );
}

/// A gate that read up to somewhere before goes on from there.
pub async fn the_change_sequence_goes_on(bench: &Bench) {
    let store = bench.open().await;
    let tenant = bench.sample.id();
    let row = bench.sample.row(tenant, Kind::Product);
    insert_all(bench, &store, &[row]).await;
    let read_up_to = store.changes(0, ALL).await.unwrap()[0].seq;
    drop(store);

    let store = bench.open().await;
    let row = bench.sample.row(tenant, Kind::Plan);
    insert_all(bench, &store, slice::from_ref(&row)).await;
    let changes = store.changes(read_up_to, ALL).await.unwrap();
    assert_eq!(
        changes.iter().map(|row| row.id).collect::<Vec<_>>(),
        [row.id]
    );
}

/// Late use finds its way to a successor that has no row yet.
pub async fn what_was_closed_stays_closed(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let mut change = bench.sample.change();
    change.closings = vec![of.closing(0), of.closing(1)];
    apply_new(&store, &change).await;
    drop(store);

    let store = bench.open().await;
    append_new(&store, &bench.sample.records(&of, of.segment(0), 3)).await;
    let mut late = own(&of, 0);
    assert_eq!(total(&store, of.tenant, late).await, 0);
    late.segment = of.segment(2).id;
    assert_eq!(total(&store, of.tenant, late).await, 3);
}

async fn write_some_of_all(bench: &Bench, store: &Shared, of: &Subscriber) {
    let mut row = bench.sample.row(of.tenant, Kind::Reference);
    row.keys = vec![RowKey::new(Index::ReferenceExternal, "cus_1")];
    row.due_at = Some(START);
    let mut change = change_of(bench, [insert(&row)]);
    change.intents = vec![bench.sample.intent(of.tenant)];
    apply_new(store, &change).await;
    let (lease, _) = granted(bench, store, of, 100, 10).await;
    append_new(
        store,
        &[spending(bench, of, lease, 4), event(bench, of, b"one")],
    )
    .await;
    let piece = batch(of.tenant, &sum(store, of.tenant, own(of, 0)).await.unwrap());
    assert_eq!(store.seal(&piece).await.unwrap(), Sealed::New);
    assert_eq!(claim_all(store, of).await, (vec![1], vec![1]));
    let verdict = Verdict::Again {
        due_at: START,
        first_sent_at: Some(START),
    };
    assert!(store.settle_batch(piece.id, 1, &verdict).await.unwrap());
    let mut end = bench.sample.change();
    end.finished = vec![Finished {
        intent: change.intents[0].id,
        fence: 1,
        parked_because: Some("it was refused".to_owned()),
    }];
    end.closings = vec![of.closing(0)];
    apply_new(store, &end).await;
    append_new(store, &bench.sample.records(of, of.segment(0), 2)).await;
}

/// The fences of the operations and of the batches that could be claimed.
async fn claim_all(store: &Shared, of: &Subscriber) -> (Vec<u64>, Vec<u64>) {
    let intents = store.claim_intents(START, CLAIM).await.unwrap();
    let batches = store.claim_batches(of.tenant, START, CLAIM).await.unwrap();
    let of_intents = intents.iter().map(|(_, fence)| *fence).collect();
    (
        of_intents,
        batches.iter().map(|batch| batch.fence).collect(),
    )
}

fn event(bench: &Bench, of: &Subscriber, content: &[u8]) -> UsageRecord {
    let mut record = bench.sample.record(of, of.segment(0), 1);
    let event = ForeignEvent::new(text("crm"), text("evt-1"), content);
    record.id = event.record(of.tenant);
    record.event = Some(event);
    record
}

fn spending(bench: &Bench, of: &Subscriber, lease: LeaseId, units: u64) -> UsageRecord {
    let mut record = bench.sample.record(of, of.segment(0), 1);
    record.spent = vec![of.spent(Some(lease), units)];
    record
}

/// The greatest so far is still the greatest so far.
pub async fn what_was_tallied_is_remembered(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let greatest = |units| {
        let mut record = bench.sample.record(&of, of.segment(0), units);
        record.counted[0].tally = Tally::Max;
        record
    };
    append_new(&store, &[greatest(5)]).await;
    drop(store);

    let store = bench.open().await;
    append_new(&store, &[greatest(3), greatest(7)]).await;
    assert_eq!(total(&store, of.tenant, own(&of, 0)).await, 7);
}
