//! A change is written whole or not at all, whatever stands against it and wherever.

use std::slice;

use monetization_core::intent::Intent;
use monetization_core::store::{
    Applied, ChangeSet, Conflict, Finished, Index, Kind, RowKey, Write,
};

use super::Bench;
use super::observed::{Observed, observe};
use super::steps::{CLAIM, Shared, apply, apply_new, change_of, insert, insert_all, update};
use crate::sample::{START, Subscriber, text};

const WRITES: usize = 4;

/// A row that has been changed meanwhile, first, last or between.
pub async fn a_version_conflict_at_any_place_leaves_nothing(bench: &Bench) {
    let scene = Scene::set(bench).await;
    for place in 0..=WRITES {
        let stale = update(&bench.sample.row(scene.of.tenant, Kind::Plan));
        let conflict = Conflict::Version {
            kind: stale.row.kind,
            id: stale.row.id,
        };
        scene.refuses_with(bench, place, stale, conflict).await;
    }
}

/// A value that is taken, first, last or between.
pub async fn a_taken_value_at_any_place_leaves_nothing(bench: &Bench) {
    let scene = Scene::set(bench).await;
    let mut holder = bench.sample.row(scene.of.tenant, Kind::Product);
    holder.keys = vec![RowKey::new(Index::ProductSlug, "taken")];
    insert_all(bench, &scene.store, slice::from_ref(&holder)).await;
    for place in 0..=WRITES {
        let mut second = bench.sample.row(scene.of.tenant, Kind::Product);
        second.keys = vec![
            RowKey::new(Index::ProductsOfPublisher, "free"),
            RowKey::new(Index::ProductSlug, "taken"),
        ];
        let conflict = Conflict::Taken {
            index: Index::ProductSlug,
            value: "taken".to_owned(),
            holder: holder.id,
        };
        let second = insert(&second);
        scene.refuses_with(bench, place, second, conflict).await;
    }
}

/// An event that has been taken in before.
pub async fn a_seen_event_leaves_nothing(bench: &Bench) {
    let scene = Scene::set(bench).await;
    let mut first = bench.sample.change();
    first.inbox = Some((text("mock"), text("evt_seen")));
    apply_new(&scene.store, &first).await;
    let mut change = scene.change(bench);
    change.inbox = first.inbox;
    scene.refuses(change, Conflict::Seen).await;
}

/// A claim that was lost, before and after one that still stands.
pub async fn a_lost_claim_at_any_place_leaves_nothing(bench: &Bench) {
    let scene = Scene::set(bench).await;
    for place in 0..=1 {
        let mut change = scene.change(bench);
        let lost = Finished {
            intent: bench.sample.id(),
            fence: 1,
            parked_because: None,
        };
        let conflict = Conflict::Fenced {
            intent: lost.intent,
        };
        change.finished.insert(place, lost);
        scene.refuses(change, conflict).await;
    }
}

/// Without the conflict the same change is written, all of it.
pub async fn a_change_without_conflict_is_written_whole(bench: &Bench) {
    let scene = Scene::set(bench).await;
    let change = scene.change(bench);
    apply_new(&scene.store, &change).await;
    for write in &change.writes {
        let row = scene
            .store
            .find(write.row.kind, write.row.id)
            .await
            .unwrap();
        assert_eq!(row.map(|row| row.version), Some(write.row.version));
    }
    let closed = scene.store.segment(scene.of.tenant, scene.of.segment(0).id);
    let closed = closed.await.unwrap().unwrap();
    assert_eq!(closed.successor, Some(scene.of.segment(1).id));
    bench.advance(CLAIM.lease);
    let claimed = scene.store.claim_intents(START, CLAIM).await.unwrap();
    let claimed: Vec<&Intent> = claimed.iter().map(|(intent, _)| intent).collect();
    assert_eq!(claimed, [&change.intents[0]], "only the new one is left");
    let mut seen = bench.sample.change();
    seen.inbox = change.inbox;
    let refused = apply(&scene.store, &seen).await;
    assert_eq!(refused, Applied::Refused(Conflict::Seen));
}

/// A store with a claimed operation and rows that a change touches.
struct Scene {
    store: Shared,
    of: Subscriber,
    claimed: (Intent, u64),
    changed: Vec<Write>,
}

impl Scene {
    async fn set(bench: &Bench) -> Self {
        let store = bench.open().await;
        let of = bench.sample.subscriber();
        let rows =
            [Kind::Product, Kind::Subscription].map(|kind| bench.sample.row(of.tenant, kind));
        let mut change = change_of(bench, rows.iter().map(insert));
        change.intents = vec![bench.sample.intent(of.tenant)];
        apply_new(&store, &change).await;
        let mut claimed = store.claim_intents(START, CLAIM).await.unwrap();
        Self {
            store,
            of,
            claimed: claimed.remove(0),
            changed: rows.iter().map(update).collect(),
        }
    }

    /// A change that does one of everything and fits.
    fn change(&self, bench: &Bench) -> ChangeSet {
        let new =
            [Kind::Invoice, Kind::Reference].map(|kind| bench.sample.row(self.of.tenant, kind));
        let mut change = change_of(bench, new.iter().map(insert));
        change.writes.extend(self.changed.clone());
        assert_eq!(change.writes.len(), WRITES);
        change.closings = vec![self.of.closing(0)];
        change.intents = vec![bench.sample.intent(self.of.tenant)];
        change.finished = vec![Finished {
            intent: self.claimed.0.id,
            fence: self.claimed.1,
            parked_because: None,
        }];
        change.inbox = Some((text("mock"), text("evt_new")));
        change
    }

    async fn refuses_with(&self, bench: &Bench, place: usize, write: Write, conflict: Conflict) {
        let mut change = self.change(bench);
        change.writes.insert(place, write);
        self.refuses(change, conflict).await;
    }

    /// The change is refused, and then nothing of it is there: no row, no closing, no new
    /// operation, no ended one, no mark of the event, no id.
    async fn refuses(&self, change: ChangeSet, conflict: Conflict) {
        let before = self.observe().await;
        let refused = Applied::Refused(conflict.clone());
        assert_eq!(apply(&self.store, &change).await, refused);
        assert_eq!(self.observe().await, before, "{conflict:?}");
        assert_eq!(apply(&self.store, &change).await, refused, "its id is free");
        let operation = self.store.claim_intents(START, CLAIM).await.unwrap();
        assert_eq!(
            operation,
            [],
            "the claimed one is claimed, there is no other"
        );
    }

    async fn observe(&self) -> Observed {
        observe(self.store.as_ref(), &[self.of]).await
    }
}
