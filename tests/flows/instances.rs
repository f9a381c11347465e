//! Several gates over one store.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use monetization_core::invoice::Invoicing;
use monetization_core::runtime::GatekeeperOptions;

use crate::checking::Tampered;
use crate::database::Database;
use crate::world::{World, ok};

const HUNDRED: &str = r#"{"billing":"free","currency":"USD","cycle":"month",
    "quotas":[{"window":"month","max":100,"overage":"strict"}]}"#;

/// F6: 64 callers with ten calls each, at two gates that take turns in being asked first.
async fn sixty_four_callers_have_a_hundred_calls<D: Tampered>() {
    let database = D::begin().await;
    let world = Arc::new(World::kept_in(&database, Invoicing::ByCore).await);
    let (subscription, key) = world.subscriber(HUNDRED).await;
    let other = world.gate(&world.clock, GatekeeperOptions::default()).0;
    let gates = [world.gatekeeper.clone(), other];
    let passed = Arc::new(AtomicUsize::new(0));
    let callers = (0..64).map(|caller| {
        let (world, key, gates) = (Arc::clone(&world), key.clone(), gates.clone());
        let passed = Arc::clone(&passed);
        tokio::spawn(async move {
            for call in 0..10 {
                // What one has leased and does not need is the other's only when it is given back.
                for gate in [(caller + call) % 2, (caller + call + 1) % 2] {
                    if let Ok(permit) = world.admit_at(&gates[gate], &key).await {
                        permit.settle(ok()).durable().await.unwrap();
                        passed.fetch_add(1, Ordering::Relaxed);
                        break;
                    }
                }
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    assert_eq!(passed.load(Ordering::Relaxed), 100);
    let segment = subscription.segment_at(world.clock.now()).unwrap();
    let sums = world.store.sums(world.tenant_id(), segment.id).await;
    assert_eq!(sums.unwrap()[0].total.scaled(), 100);
    assert_eq!(database.broken().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_640_calls_at_two_gates_a_hundred_pass_f6() {
    sixty_four_callers_have_a_hundred_calls::<Database>().await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn of_640_calls_at_two_gates_over_one_database_a_hundred_pass_f6() {
    sixty_four_callers_have_a_hundred_calls::<monetization_conformance::postgres::Database>().await;
}
