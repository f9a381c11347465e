//! A store that is away for a while: the gates close with it, or stay open within what is known.

use std::sync::Arc;
use std::time::Duration;

use monetization_conformance::store::FaultyStore;
use monetization_core::entropy::Entropy;
use monetization_core::ids::ApiKeyId;
use monetization_core::invoice::Invoicing;
use monetization_core::key::{KeyKind, PresentedKey};
use monetization_core::memory::MemoryStore;
use monetization_core::runtime::{Denial, GatekeeperOptions};
use monetization_core::secret::Secret;
use monetization_core::subscription::Subscription;

use crate::world::{World, ok};

const RATED: &str = r#"{"billing":"free","currency":"USD","cycle":"month",
    "rates":[{"kind":"calendar","window":"hour","max":5}],
    "quotas":[{"window":"month","max":2,"overage":"loose"}]}"#;
const STRICT: &str = r#"{"billing":"free","currency":"USD","cycle":"month",
    "quotas":[{"window":"month","max":100,"overage":"strict"}]}"#;

/// A world, and its store, which can be stopped.
async fn world() -> (World, Arc<FaultyStore>) {
    let mut faulty = None;
    let world = World::over(Invoicing::ByCore, |clock| {
        let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new(clock))));
        faulty = Some(Arc::clone(&store));
        store
    });
    let world = world.await;
    (world, faulty.unwrap())
}

#[tokio::test]
async fn gates_close_with_their_store_and_lose_no_record_f4() {
    let (world, store) = world().await;
    let mut subscribers = Vec::new();
    for terms in [RATED, STRICT] {
        let (subscription, key) = world.subscriber(terms).await;
        // The second leaves a unit in its block.
        world.calls(&key, 2).await;
        subscribers.push((subscription, key));
    }
    store.set_away(true);
    let mut under_way = Vec::new();
    for (_, key) in &subscribers {
        let permit = world.admit(key).await.unwrap();
        let mut settlement = Box::pin(permit.settle(ok()).durable());
        assert!(futures::poll!(&mut settlement).is_pending());
        under_way.push(settlement);
    }
    world.time.advance(Duration::from_secs(2));
    for (_, key) in &subscribers {
        is_busy(&world.admit(key).await);
    }
    assert!(!world.gatekeeper.outlasts_the_store());
    store.set_away(false);
    for settlement in under_way {
        settlement.await.unwrap();
    }
    for (subscription, key) in &subscribers {
        world.calls(key, 1).await;
        assert_eq!(recorded(&world, subscription).await, 4);
    }
}

#[tokio::test]
async fn gates_that_outlast_their_store_let_in_what_is_known_to_be_within_limits_f4() {
    let (world, store) = world().await;
    let options = GatekeeperOptions {
        without_store_max: Duration::from_secs(60),
        ..GatekeeperOptions::default()
    };
    let (gatekeeper, running) = world.gate(&world.clock, options);
    let (rated, key) = world.subscriber(RATED).await;
    let (strict, strict_key) = world.subscriber(STRICT).await;
    let admit = async |key: &Secret| World::admit_when(&gatekeeper, key, world.clock.now()).await;
    for key in [&key, &strict_key] {
        let permit = admit(key).await.unwrap();
        permit.settle(ok()).durable().await.unwrap();
    }
    store.set_away(true);
    world.time.advance(Duration::from_secs(30));
    assert!(gatekeeper.outlasts_the_store());
    for _ in 0..4 {
        admit(&key).await.unwrap().settle_in_background(ok());
    }
    assert!(matches!(admit(&key).await, Err(Denial::Limited(_))));
    is_busy(&admit(&strict_key).await);
    let id: ApiKeyId = Entropy::seeded(1).id(world.clock.now());
    let unheard_of = PresentedKey::generate(KeyKind::Live, id, &Entropy::seeded(2));
    is_busy(&admit(&unheard_of.reveal()).await);
    world.time.advance(Duration::from_secs(3_600));
    assert!(!gatekeeper.outlasts_the_store());
    is_busy(&admit(&key).await);
    store.set_away(false);
    admit(&key).await.unwrap().settle_in_background(ok());
    gatekeeper.shutdown();
    running.await.unwrap();
    assert_eq!(recorded(&world, &rated).await, 6);
    assert_eq!(recorded(&world, &strict).await, 1);
}

fn is_busy<T: std::fmt::Debug>(admitted: &Result<T, Denial>) {
    assert!(matches!(admitted, Err(Denial::Busy { .. })), "{admitted:?}");
}

async fn recorded(world: &World, of: &Subscription) -> usize {
    let segment = of.segment_at(world.clock.now()).unwrap().id;
    let records = world.store.records(of.tenant, segment, None, usize::MAX);
    records.await.unwrap().len()
}
