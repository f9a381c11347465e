//! The request path over the flows: limits, quotas, news.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use monetization_conformance::size;
use monetization_conformance::store::FaultyStore;
use monetization_core::entropy::Entropy;
use monetization_core::ids::ApiKeyId;
use monetization_core::invoice::Invoicing;
use monetization_core::key::{KeyKind, PresentedKey};
use monetization_core::memory::MemoryStore;
use monetization_core::runtime::{Decided, Denial, Target, Unauthenticated};
use monetization_core::usage::{Ending, Outcome};

use crate::world::{World, ok, text};

fn limited(result: Result<(), Denial>) -> (bool, String) {
    match result {
        Err(Denial::Limited(limited)) => (limited.quota, limited.retry_at.unwrap().to_string()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_quota_and_a_rate_refuse_each_in_its_own_time_b6() {
    let world = World::new(Invoicing::ByCore).await;
    let (_, key) = world
        .subscriber(
            r#"{"billing":"free","currency":"USD","cycle":"month",
                "rates":[{"kind":"calendar","window":"minute","max":2}],
                "quotas":[{"window":"month","max":3,"overage":"strict"}]}"#,
        )
        .await;
    world.calls(&key, 2).await;
    assert_eq!(
        limited(world.call(&key).await),
        (false, "2026-01-01T12:01:00Z".to_owned())
    );
    world.pass(Duration::from_secs(60)).await;
    world.calls(&key, 1).await;
    assert_eq!(
        limited(world.call(&key).await),
        (true, "2026-02-01T00:00:00Z".to_owned())
    );
    world.pass_until("2026-02-01T00:00:00Z").await;
    world.calls(&key, 1).await;
}

#[tokio::test]
async fn a_burst_is_refused_without_touching_the_quota_b20() {
    let world = World::new(Invoicing::ByCore).await;
    let (subscription, key) = world
        .subscriber(
            r#"{"billing":"free","currency":"USD","cycle":"month",
                "rates":[{"kind":"calendar","window":"second","max":5}],
                "quotas":[{"window":"day","max":1000,"overage":"strict"}]}"#,
        )
        .await;
    world.calls(&key, 5).await;
    assert!(!limited(world.call(&key).await).0);
    let window = monetization_core::plan::QuotaWindow::Day.containing(
        world.clock.now(),
        subscription.timeline.schedule.period(0).unwrap(),
    );
    let counter = world
        .store
        .quota(
            world.tenant_id(),
            subscription.id,
            monetization_core::plan::QuotaWindow::Day.into(),
            window,
        )
        .await
        .unwrap();
    assert_eq!(counter.committed, 5);
}

#[tokio::test]
async fn fifty_refused_calls_leave_the_remaining_count_unchanged_f5() {
    let world = World::new(Invoicing::ByCore).await;
    let (_, key) = world
        .subscriber(
            r#"{"billing":"free","currency":"USD","cycle":"month",
                "rates":[{"kind":"calendar","window":"minute","max":2}],
                "quotas":[{"window":"month","max":100,"overage":"strict"}]}"#,
        )
        .await;
    world.calls(&key, 2).await;
    for _ in 0..50 {
        assert!(world.call(&key).await.is_err());
    }
    world.pass(Duration::from_secs(60)).await;
    let permit = world.admit(&key).await.unwrap();
    let month = permit.standings().as_slice().last().unwrap().remaining;
    assert_eq!(month, 97);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strict_quota_lets_exactly_its_limit_through_r_q2() {
    let world = Arc::new(World::new(Invoicing::ByCore).await);
    let (_, key) = world
        .subscriber(
            r#"{"billing":"free","currency":"USD","cycle":"month",
                "quotas":[{"window":"month","max":137,"overage":"strict"}]}"#,
        )
        .await;
    let tasks = (0..64).map(|_| {
        let (world, key) = (Arc::clone(&world), key.clone());
        tokio::spawn(async move {
            let mut passed = 0;
            for _ in 0..10 {
                passed += usize::from(world.call(&key).await.is_ok());
            }
            passed
        })
    });
    let mut passed = 0;
    for task in tasks.collect::<Vec<_>>() {
        passed += task.await.unwrap();
    }
    assert_eq!(passed, 137);
}

#[tokio::test]
async fn an_unbilled_call_gives_its_unit_back_and_is_recorded_with_nothing() {
    let world = World::new(Invoicing::ByCore).await;
    let (subscription, key) = world
        .subscriber(
            r#"{"billing":"metered","currency":"USD","cycle":"month",
                "usage":[{"meter":"requests","unit_price":"1"}],
                "quotas":[{"window":"month","max":1,"overage":"strict"}]}"#,
        )
        .await;
    for ending in [Ending::Complete, Ending::UpstreamBroke, Ending::NoAnswer] {
        let permit = world.admit(&key).await.unwrap();
        permit
            .settle(Outcome {
                status: Some(500),
                ending,
            })
            .durable()
            .await
            .unwrap();
    }
    drop(world.admit(&key).await.unwrap());
    world.calls(&key, 1).await;
    assert!(world.call(&key).await.is_err());
    let segment = subscription.segment_at(world.clock.now()).unwrap();
    let records = world
        .store
        .records(world.tenant_id(), segment.id, None, 10)
        .await
        .unwrap();
    let counted: i64 = records
        .iter()
        .map(|record| record.counted[0].quantity.scaled())
        .sum();
    assert_eq!((records.len(), counted), (5, 1));
}

#[tokio::test]
async fn an_abandoned_call_leaves_no_trace() {
    let world = World::new(Invoicing::ByCore).await;
    let (subscription, key) = world
        .subscriber(
            r#"{"billing":"free","currency":"USD","cycle":"month",
                "rates":[{"kind":"calendar","window":"minute","max":1}],
                "quotas":[{"window":"month","max":1,"overage":"strict"}]}"#,
        )
        .await;
    world.admit(&key).await.unwrap().abandon();
    let permit = world.admit(&key).await.unwrap();
    assert!(world.admit(&key).await.is_err());
    permit.settle(ok()).durable().await.unwrap();
    let segment = subscription.segment_at(world.clock.now()).unwrap();
    let records = world
        .store
        .records(world.tenant_id(), segment.id, None, 10)
        .await
        .unwrap();
    assert_eq!(records.len(), 1);
}

#[tokio::test]
async fn a_shutdown_gives_unspent_units_of_a_strict_quota_back() {
    let mut world = World::new(Invoicing::ByCore).await;
    let (_, key) = world
        .subscriber(
            r#"{"billing":"free","currency":"USD","cycle":"month",
                "quotas":[{"window":"month","max":20,"overage":"strict"}]}"#,
        )
        .await;
    world.calls(&key, 3).await;
    let entropy = Arc::new(Entropy::seeded(8));
    let pepper = monetization_core::key::Pepper::new(&[7; 32]).unwrap();
    world.gatekeeper.shutdown();
    (&mut world.running).await.unwrap();
    let second = monetization_core::runtime::Gatekeeper::new(
        Arc::clone(&world.store),
        world.clock.clone(),
        entropy,
        pepper,
        Default::default(),
    );
    tokio::spawn(second.clone().run(Arc::new(crate::world::sleep)));
    let mut headers = HeaderMap::new();
    headers.insert(
        "authorization",
        text::<HeaderValue>(&format!("Bearer {}", key.reveal())),
    );
    let target = Target {
        product: "weather",
        method: "GET",
        path: "/",
    };
    let mut passed = 0;
    while let Ok(permit) = second.admit(&headers, &target, world.clock.now()).await {
        permit.settle(ok()).durable().await.unwrap();
        passed += 1;
    }
    assert_eq!(passed, 17);
}

#[tokio::test]
async fn junk_keys_never_reach_the_store_r_a5() {
    let mut faulty = None;
    let world = World::over(Invoicing::ByCore, |clock| {
        let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new(clock))));
        faulty = Some(Arc::clone(&store));
        store
    })
    .await;
    let (_, key) = world
        .subscriber(r#"{"billing":"free","currency":"USD","cycle":"month"}"#)
        .await;
    let calls = faulty.as_ref().unwrap().calls();
    let target = Target {
        product: "weather",
        method: "GET",
        path: "/",
    };
    let entropy = Entropy::seeded(1);
    for _ in 0..size(20_000, 1_000_000) {
        let mut junk = key.reveal().as_bytes().to_vec();
        let mut bits = [0_u8; 2];
        entropy.fill(&mut bits);
        let place = 8 + usize::from(bits[0]) % (junk.len() - 8);
        if junk[place] == b'_' {
            continue;
        }
        let other = b'0' + bits[1] % 10;
        if junk[place] == other {
            continue;
        }
        junk[place] = other;
        let mut headers = HeaderMap::new();
        headers.insert("x-api-key", HeaderValue::from_bytes(&junk).unwrap());
        let decided = world
            .gatekeeper
            .decide(&headers, &target, world.clock.now());
        let invalid = Denial::Unauthenticated(Unauthenticated::Invalid);
        assert!(matches!(decided, Decided::Denied(denial) if denial == invalid));
    }
    assert_eq!(faulty.unwrap().calls(), calls);
}

/// Whoever knows how keys are made can make up keys with a right checksum.
#[tokio::test]
async fn made_up_keys_reach_the_store_a_hundred_times_a_second_and_real_ones_still_pass_r_a5() {
    let mut faulty = None;
    let world = World::over(Invoicing::ByCore, |clock| {
        let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new(clock))));
        faulty = Some(Arc::clone(&store));
        store
    })
    .await;
    let free = r#"{"billing":"free","currency":"USD","cycle":"month"}"#;
    let (_, old) = world.subscriber(free).await;
    let faulty = faulty.unwrap();
    let target = Target {
        product: "weather",
        method: "GET",
        path: "/",
    };
    let admit = async |key: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("x-api-key", HeaderValue::from_str(key).unwrap());
        let now = world.clock.now();
        world.gatekeeper.admit(&headers, &target, now).await
    };
    admit(old.reveal()).await.unwrap().abandon();
    let calls = faulty.calls();
    let entropy = Entropy::seeded(1);
    let (mut invalid, mut busy) = (0, 0);
    for _ in 0..2_000 {
        let id: ApiKeyId = entropy.id(world.clock.now());
        let made_up = PresentedKey::generate(KeyKind::Live, id, &entropy).reveal();
        match admit(made_up.reveal()).await.unwrap_err() {
            Denial::Unauthenticated(Unauthenticated::Invalid) => invalid += 1,
            Denial::Busy { .. } => busy += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!((invalid, busy), (100, 1_900));
    assert!(faulty.calls() - calls <= 100);
    admit(old.reveal()).await.unwrap().abandon();
    let (_, new) = world.subscriber(free).await;
    world.pass(Duration::from_millis(10)).await;
    admit(new.reveal()).await.unwrap().abandon();
}

#[tokio::test]
async fn the_last_unit_goes_to_one_taker_r_q2() {
    for _ in 0..size(50, 1_000) {
        let world = Arc::new(World::new(Invoicing::ByCore).await);
        let (_, key) = world
            .subscriber(
                r#"{"billing":"free","currency":"USD","cycle":"month",
                    "quotas":[{"window":"month","max":1,"overage":"strict"}]}"#,
            )
            .await;
        let takers = (0..200).map(|_| {
            let (world, key) = (Arc::clone(&world), key.clone());
            tokio::spawn(async move { world.call(&key).await.is_ok() })
        });
        let mut passed = 0;
        for taker in takers.collect::<Vec<_>>() {
            passed += usize::from(taker.await.unwrap());
        }
        assert_eq!(passed, 1);
    }
}
