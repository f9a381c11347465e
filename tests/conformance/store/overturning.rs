//! Batches that do not count after all: [`Overturned`] in a change.

use std::time::Duration;

use monetization_core::reference::{Mode, Realm};
use monetization_core::store::{
    Applied, Batch, BatchState, Conflict, Decision, Fate, Held, Overturn, Overturned, Verdict,
};

use super::Bench;
use super::batches::{come_to, fences, sealed, settle};
use super::steps::{ALL, MINUTE, Shared, apply, apply_new};
use crate::sample::{START, Subscriber, settled, text};

/// It is among those that somebody has to decide about, and knows since when the engine may have it.
pub async fn a_batch_that_is_refused_later_is_held_with_the_reason(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let batch = confirmed(bench, &store, &of).await;
    overturn(bench, &store, rejected(&batch)).await;
    let wanted = Batch {
        state: rejected(&batch).overturn.state(),
        attempts: 1,
        first_sent_at: Some(START),
        settled_at: Some(START),
        fence: 2,
        ..batch.clone()
    };
    let held = store.held_batches(of.tenant, None, ALL).await.unwrap();
    assert_eq!(held, [wanted]);
    assert_eq!(fences(&store, &of).await, []);
    // Whoever has confirmed it says so again, because the reply was lost.
    settle(&store, batch.id, 1, &settled(BatchState::Confirmed), false).await;
    let again = Decision::new(Fate::SendAgain, "the engine has forgotten it", START);
    let decided = store.decide_batch(of.tenant, batch.id, Held::Rejected, &again);
    assert!(decided.await.unwrap());
    assert_eq!(fences(&store, &of).await, [(batch.id, 3)]);
}

/// The message was quicker than the answer: the answer is not written any more. The engine may know it
/// since the later of when it was first sent and what the message tells.
pub async fn a_claim_on_a_batch_that_is_refused_meanwhile_confirms_nothing(bench: &Bench) {
    let confirmed = settled(BatchState::Confirmed);
    let again = Verdict::Again {
        due_at: START,
        first_sent_at: Some(START.saturating_sub(MINUTE)),
    };
    for lapses in [false, true] {
        let store = bench.open().await;
        let of = bench.sample.subscriber();
        let batch = sealed(bench, &store, &of, 1).await;
        assert_eq!(fences(&store, &of).await, [(batch.id, 1)]);
        settle(&store, batch.id, 1, &again, true).await;
        assert_eq!(fences(&store, &of).await, [(batch.id, 2)]);
        if lapses {
            bench.advance(MINUTE + Duration::from_secs(1));
        }
        overturn(bench, &store, rejected(&batch)).await;
        for verdict in [&confirmed, &again] {
            settle(&store, batch.id, 2, verdict, false).await;
        }
        let kept = read(&store, &of).await;
        assert_eq!(kept.state, rejected(&batch).overturn.state());
        assert_eq!(kept.first_sent_at, Some(START));
        assert_eq!(fences(&store, &of).await, []);
    }
}

/// It ends there: nobody sends it, and nobody has to decide about it.
pub async fn a_batch_that_is_taken_back_is_written_off_with_the_reason(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let batch = confirmed(bench, &store, &of).await;
    overturn(bench, &store, taken_back(&batch)).await;
    let kept = read(&store, &of).await;
    assert_eq!(kept.state, BatchState::WrittenOff);
    assert_eq!(kept.decided_because.as_deref(), Some("charged by mistake"));
    assert_eq!(fences(&store, &of).await, []);
    let held = store.held_batches(of.tenant, None, ALL).await;
    assert_eq!(held.unwrap(), []);
    // What the engine says of it afterwards changes nothing.
    overturn(bench, &store, rejected(&batch)).await;
    assert_eq!(read(&store, &of).await, kept);
}

/// One that was never sent, one of somebody else's or elsewhere, one that was decided about, one that is
/// held already; and the change is written all the same.
pub async fn a_batch_that_it_does_not_fit_stays_as_it_is(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let fresh = sealed(bench, &store, &of, 1).await;
    stays(bench, &store, &of, rejected(&fresh)).await;
    stays(bench, &store, &of, taken_back(&fresh)).await;
    assert_eq!(fences(&store, &of).await, [(fresh.id, 1)]);
    stays(bench, &store, &of, taken_back(&fresh)).await;
    settle(&store, fresh.id, 1, &settled(BatchState::Confirmed), true).await;

    let mut other_engine = rejected(&fresh);
    other_engine.place.engine = text("other");
    let mut own_account = rejected(&fresh);
    own_account.place.account = None;
    let in_realm = |account: &str, mode| Overturned {
        realm: Realm {
            account: text(account),
            mode,
        },
        ..rejected(&fresh)
    };
    let other_realm = in_realm("acct_other", fresh.realm.mode);
    let other_mode = in_realm(fresh.realm.account.as_str(), Mode::Test);
    let mut anothers = taken_back(&fresh);
    anothers.overturn = Overturn::WrittenOff {
        tenant: bench.sample.id(),
        because: "not theirs".to_owned(),
    };
    for elsewhere in [other_engine, own_account, other_realm, other_mode, anothers] {
        stays(bench, &store, &of, elsewhere).await;
    }

    for (held, fate) in [
        (Held::Rejected, None),
        (Held::Unknown, Some(Fate::Confirmed)),
        (Held::Parked, Some(Fate::WrittenOff)),
        (Held::Rejected, Some(Fate::SendAgain)),
    ] {
        let of = bench.sample.subscriber();
        let batch = come_to(bench, &store, &of, held).await;
        if let Some(fate) = fate {
            let decision = Decision::new(fate, "asked", START);
            let decided = store.decide_batch(of.tenant, batch.id, held, &decision);
            assert!(decided.await.unwrap());
        }
        stays(bench, &store, &of, rejected(&batch)).await;
    }
    overturn(bench, &store, rejected(&fresh)).await;
    assert!(read(&store, &of).await.state.held().is_some(), "it fits");
}

/// An engine that refuses it a second time is believed; what it has told of the first sending is not, however
/// late that comes.
pub async fn a_batch_that_was_sent_again_is_refused_by_later_news_only(bench: &Bench) {
    let decided_at = START.saturating_add(MINUTE);
    for confirms in [false, true] {
        let store = bench.open().await;
        let of = bench.sample.subscriber();
        let batch = confirmed(bench, &store, &of).await;
        overturn(bench, &store, rejected(&batch)).await;
        let again = Decision::new(Fate::SendAgain, "it was mended", decided_at);
        let decided = store.decide_batch(of.tenant, batch.id, Held::Rejected, &again);
        assert!(decided.await.unwrap());
        assert_eq!(fences(&store, &of).await, [(batch.id, 3)]);
        if confirms {
            let confirmed = settled(BatchState::Confirmed);
            settle(&store, batch.id, 3, &confirmed, true).await;
        }
        let at = |sent_by| Overturned {
            sent_by,
            ..rejected(&batch)
        };
        let before = decided_at.saturating_sub(Duration::from_secs(1));
        stays(bench, &store, &of, at(before)).await;
        overturn(bench, &store, at(decided_at)).await;
        let kept = read(&store, &of).await;
        assert_eq!(kept.state, rejected(&batch).overturn.state());
        assert_eq!(kept.first_sent_at, Some(decided_at));
        // Somebody who finds that the engine has it says so for good.
        let has_it = Decision::new(Fate::Confirmed, "it is on the invoice", decided_at);
        let decided = store.decide_batch(of.tenant, batch.id, Held::Rejected, &has_it);
        assert!(decided.await.unwrap());
        stays(bench, &store, &of, at(decided_at.saturating_add(MINUTE))).await;
    }
}

/// News that were taken in before, say.
pub async fn a_change_that_is_refused_overturns_nothing(bench: &Bench) {
    let store = bench.open().await;
    let of = bench.sample.subscriber();
    let batch = confirmed(bench, &store, &of).await;
    let mut change = bench.sample.change();
    change.inbox = Some((text("mock"), text("evt_seen")));
    apply_new(&store, &change).await;
    let mut again = bench.sample.change();
    again.inbox = change.inbox;
    again.overturned = vec![rejected(&batch)];
    let refused = Applied::Refused(Conflict::Seen);
    assert_eq!(apply(&store, &again).await, refused);
    assert_eq!(read(&store, &of).await.state, BatchState::Confirmed);
}

fn rejected(batch: &Batch) -> Overturned {
    Overturned {
        batch: batch.id,
        place: batch.place.clone(),
        realm: batch.realm.clone(),
        overturn: Overturn::Rejected {
            reason: "no such customer".to_owned(),
        },
        sent_by: START,
    }
}

fn taken_back(batch: &Batch) -> Overturned {
    Overturned {
        overturn: Overturn::WrittenOff {
            tenant: batch.tenant,
            because: "charged by mistake".to_owned(),
        },
        ..rejected(batch)
    }
}

/// Seals a batch that the engine takes at once; as it was sealed.
async fn confirmed(bench: &Bench, store: &Shared, of: &Subscriber) -> Batch {
    let batch = sealed(bench, store, of, 1).await;
    assert_eq!(fences(store, of).await, [(batch.id, 1)]);
    settle(store, batch.id, 1, &settled(BatchState::Confirmed), true).await;
    batch
}

async fn overturn(bench: &Bench, store: &Shared, overturned: Overturned) {
    let mut change = bench.sample.change();
    change.overturned = vec![overturned];
    apply_new(store, &change).await;
}

async fn stays(bench: &Bench, store: &Shared, of: &Subscriber, overturned: Overturned) {
    let before = read(store, of).await;
    overturn(bench, store, overturned).await;
    assert_eq!(read(store, of).await, before);
}

/// The only batch of the first month.
async fn read(store: &Shared, of: &Subscriber) -> Batch {
    let mut batches = store.batches(of.tenant, of.segment(0).id).await.unwrap();
    assert_eq!(batches.len(), 1);
    batches.remove(0)
}
