//! The request path over a store in memory.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use super::*;
use crate::clock::Timestamp;
use crate::key::{ApiKey, KeyKind, Pepper, PresentedKey};
use crate::memory::MemoryStore;
use crate::plan::Overage;
use crate::store::{Ledger, QuotaCounter, StoreExt};
use crate::subscription::Subscription;
use crate::usage::Ending;
use world::*;

mod blocks;
mod demand;
mod shared;
mod silence;
mod world;

#[tokio::test]
async fn a_key_that_was_made_a_moment_ago_is_known_at_once() {
    let world = World::new(limits(5, 100, Overage::Strict)).await;
    world.gatekeeper.refresh().await.unwrap();
    assert!(world.admit().await.is_ok());
    let id = world.entropy.id(world.clock.now());
    let presented = PresentedKey::generate(KeyKind::Live, id, &world.entropy);
    let key = ApiKey {
        id,
        tenant: world.subscription.tenant,
        consumer: world.subscription.consumer,
        subscriptions: vec![world.subscription.id],
        digest: presented.digest(&Pepper::new(&[7; 16]).unwrap()),
        hint: presented.hint(),
        created_at: world.clock.now(),
        revoked_at: None,
    };
    let mut headers = HeaderMap::new();
    let value = HeaderValue::from_str(presented.reveal().reveal()).unwrap();
    headers.insert("x-api-key", value);
    let target = Target {
        product: "weather",
        method: "GET",
        path: "/",
    };
    let now = world.clock.now();
    let early = world.gatekeeper.admit(&headers, &target, now).await;
    assert_eq!(
        early.unwrap_err(),
        Denial::Unauthenticated(Unauthenticated::Invalid)
    );
    world.insert(&key).await;
    assert!(world.gatekeeper.admit(&headers, &target, now).await.is_ok());
}

#[tokio::test]
async fn counters_outlive_every_change_of_the_subscription() {
    let world = World::new(limits(5, 100, Overage::Strict)).await;
    for _ in 0..3 {
        world.admit().await.unwrap().settle_in_background(DONE);
        world
            .change(|it| it.application = Some("Another".parse().unwrap()))
            .await;
    }
    assert_eq!(world.pass().await, 2);
}

#[tokio::test]
async fn older_news_never_replaces_newer() {
    let world = World::new(limits(5, 100, Overage::Strict)).await;
    world.gatekeeper.refresh().await.unwrap();
    let permit = world.admit().await.unwrap();
    let terms = permit.held().gate.terms().clone().unwrap();
    let copy = |seq| gate::Terms {
        seq,
        subscription: terms.subscription.clone(),
        identity: terms.identity.clone(),
        product: Arc::clone(&terms.product),
        versions: terms.versions.clone(),
    };
    permit.held().gate.set_terms(copy(terms.seq - 1));
    assert_eq!(permit.held().gate.terms().as_ref().unwrap().seq, terms.seq);
    permit.held().gate.set_terms(copy(terms.seq + 1));
    assert_eq!(
        permit.held().gate.terms().as_ref().unwrap().seq,
        terms.seq + 1
    );
}

#[tokio::test]
async fn a_plan_change_takes_effect_at_its_instant_and_leaves_calls_under_way_alone() {
    let world = World::new(limits(5, 100, Overage::Strict)).await;
    let at: Timestamp = "2026-06-10T12:01:00Z".parse().unwrap();
    let version = world.change_plan(at, limits(2, 100, Overage::Strict)).await;
    let before = world.admit().await.unwrap();
    assert_eq!(world.pass().await, 4);
    world.time.advance(Duration::from_secs(60));
    let after = world.admit().await.unwrap();
    assert_eq!(world.pass().await, 1);
    before.settle_in_background(DONE);
    after.settle_in_background(DONE);
    world.stop(&world.gatekeeper).await;
    let of = &world.subscription;
    let changed = world.store.fact::<Subscription>(of.tenant, of.id).await;
    let changed = changed.unwrap().unwrap().fact;
    let ends = [Duration::from_micros(1), Duration::ZERO];
    let mut counts = Vec::new();
    for before in ends {
        let before = i64::try_from(before.as_micros()).unwrap();
        let instant = Timestamp::from_micros(at.as_micros() - before);
        let segment = changed.segment_at(instant).unwrap();
        let records = world.store.records(of.tenant, segment.id, None, usize::MAX);
        let records = records.await.unwrap();
        assert!(records.iter().all(|record| record.segment == segment));
        counts.push((segment.version, records.len()));
    }
    let first = of.timeline.first;
    assert_eq!(counts, [(first, 5), (version, 2)]);
    assert_eq!(world.counter().await.committed, 7);
}

#[tokio::test]
async fn a_raised_quota_opens_a_subscription_that_was_used_up() {
    let world = World::new(limits(100, 3, Overage::Strict)).await;
    assert_eq!(world.pass().await, 3);
    let now = world.clock.now();
    world
        .change_plan(now, limits(100, 5, Overage::Strict))
        .await;
    assert_eq!(world.pass().await, 2);
}

#[tokio::test]
async fn a_lowered_quota_holds_for_units_that_were_handed_out_before() {
    let world = World::new(limits(1_000, 1_000, Overage::Strict)).await;
    let mut under_way = Vec::new();
    for _ in 0..10 {
        under_way.push(world.admit().await.unwrap());
    }
    let lower = limits(1_000, 12, Overage::Strict);
    world.change_plan(world.clock.now(), lower).await;
    // Ten are taken of the block that is too large now: it can go back once they have ended.
    assert_eq!(world.pass().await, 0);
    for permit in under_way {
        permit.settle_in_background(DONE);
    }
    let running = tokio::spawn(world.gatekeeper.clone().run(sleep()));
    while world.gatekeeper.committer().backlog() > 0 {
        tokio::task::yield_now().await;
    }
    world.time.advance(Duration::from_secs(1));
    assert_eq!(world.pass().await, 2);
    world.gatekeeper.shutdown();
    running.await.unwrap();
    assert_eq!(world.counter().await.committed, 12);
}

#[tokio::test]
async fn an_abandoned_call_gives_everything_back_and_leaves_no_record() {
    let world = World::new(limits(5, 5, Overage::Strict)).await;
    for _ in 0..20 {
        let permit = world.admit().await.unwrap();
        let left = permit
            .standings()
            .as_slice()
            .iter()
            .map(|standing| standing.remaining);
        assert_eq!(left.collect::<Vec<_>>(), [4, 4]);
        permit.abandon();
    }
    assert_eq!(world.gatekeeper.committer().backlog(), 0);
    world.stop(&world.gatekeeper).await;
    assert_eq!(world.records().await, []);
    assert_eq!(world.counter().await, QuotaCounter::default());
}

#[tokio::test]
async fn a_permit_that_is_dropped_is_recorded_as_failed() {
    let world = World::new(limits(5, 5, Overage::Strict)).await;
    drop(world.admit().await.unwrap());
    world.stop(&world.gatekeeper).await;
    let records = world.records().await;
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].outcome.unwrap().ending, Ending::Failed);
    assert_eq!(records[0].counted[0].quantity.scaled(), 0);
    // The plan gives the unit of an unbilled call back.
    assert_eq!(world.counter().await, QuotaCounter::default());
}

#[tokio::test]
async fn what_is_not_billed_can_be_spent_again() {
    let world = World::new(limits(100, 4, Overage::Strict)).await;
    for _ in 0..10 {
        world.admit().await.unwrap().settle_in_background(FAILED);
    }
    assert_eq!(world.pass().await, 4);
    world.stop(&world.gatekeeper).await;
    assert_eq!(world.records().await.len(), 14);
    assert_eq!(world.counter().await.committed, 4);
}

#[tokio::test]
async fn at_the_end_every_block_goes_back_with_what_nobody_spent() {
    let world = World::new(limits(1_000, 1_000, Overage::Strict)).await;
    for _ in 0..8 {
        world.admit().await.unwrap().settle_in_background(DONE);
    }
    assert!(world.counter().await.leased > 8, "a block is out");
    world.stop(&world.gatekeeper).await;
    let counter = world.counter().await;
    assert_eq!((counter.committed, counter.leased), (8, 8));
    assert!(matches!(world.admit().await, Err(Denial::Busy { .. })));
}

#[tokio::test]
async fn two_processes_share_a_strict_quota_and_lose_no_unit_of_it() {
    let world = World::new(limits(1_000, 41, Overage::Strict)).await;
    let other = gatekeeper(&world.store, &world.clock, &world.entropy);
    let mut passed = 0;
    for call in 0..200 {
        let by = if call % 3 == 0 {
            &other
        } else {
            &world.gatekeeper
        };
        match world.admit_by(by).await {
            Ok(permit) => {
                permit.settle_in_background(DONE);
                passed += 1;
            }
            Err(denial) => assert!(matches!(denial, Denial::Limited(_)), "{denial}"),
        }
    }
    assert_eq!(passed, 41);
    world.stop(&world.gatekeeper).await;
    world.stop(&other).await;
    let counter = world.counter().await;
    assert_eq!((counter.committed, counter.leased), (41, 41));
}

#[tokio::test]
async fn a_loose_quota_goes_on_from_what_was_committed_before() {
    let world = World::new(limits(1_000, 10, Overage::Loose)).await;
    for _ in 0..6 {
        world.admit().await.unwrap().settle_in_background(DONE);
    }
    world.stop(&world.gatekeeper).await;
    let next = gatekeeper(&world.store, &world.clock, &world.entropy);
    let permit = world.admit_by(&next).await.unwrap();
    assert_eq!(permit.standings().as_slice()[1].remaining, 3);
}

#[tokio::test]
async fn a_full_queue_takes_nothing_of_any_limit() {
    let world = World::new(limits(5, 5, Overage::Strict)).await;
    let options = GatekeeperOptions {
        committer: CommitterOptions {
            queue_max: 2,
            ..CommitterOptions::default()
        },
        ..GatekeeperOptions::default()
    };
    let narrow = Gatekeeper::new(
        Arc::<MemoryStore>::clone(&world.store),
        world.clock.clone(),
        Arc::clone(&world.entropy),
        Pepper::new(&[7; 16]).unwrap(),
        options,
    );
    let first = world.admit_by(&narrow).await.unwrap();
    let second = world.admit_by(&narrow).await.unwrap();
    for _ in 0..10 {
        assert!(matches!(
            world.admit_by(&narrow).await,
            Err(Denial::Busy { .. })
        ));
    }
    first.abandon();
    let third = world.admit_by(&narrow).await.unwrap();
    let left = third
        .standings()
        .as_slice()
        .iter()
        .map(|standing| standing.remaining);
    assert_eq!(left.collect::<Vec<_>>(), [3, 3]);
    drop((second, third));
}

#[tokio::test]
async fn a_record_is_written_once_however_often_it_is_told() {
    let world = World::new(limits(5, 5, Overage::Strict)).await;
    let settlement = world.admit().await.unwrap().settle(DONE);
    world.stop(&world.gatekeeper).await;
    assert_eq!(settlement.await, Ok(Committed::New));
    let record = world.records().await.remove(0);
    let again = world.store.append(&[record]).await.unwrap();
    assert_eq!(again, [crate::store::Appended::Duplicate]);
    assert_eq!(world.counter().await.committed, 1);
}
