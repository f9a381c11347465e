//! Blocks of strict quotas over a store whose replies get lost: what was handed out counts as
//! spent until it is known to be left over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use monetization_conformance::sample::Sample;
use monetization_conformance::size;
use monetization_conformance::store::{Fault, FaultyStore, Script};
use monetization_core::clock::{Clock, ManualClock};
use monetization_core::ids::TypedId;
use monetization_core::invoice::Invoicing;
use monetization_core::memory::MemoryStore;
use monetization_core::plan::QuotaWindow;
use monetization_core::runtime::{Denial, Gatekeeper, GatekeeperOptions};
use monetization_core::secret::Secret;
use monetization_core::store::Store;
use monetization_core::subscription::Subscription;
use monetization_store_sqlite::{SqliteOptions, SqliteStore, Synchronous};

use crate::world::{START, World, ok, text};

const QUOTA: u64 = 40;
/// Calls of one subscription at once.
const AT_ONCE: u64 = 4;

/// Loses one reply of twenty while it is told to.
#[derive(Debug)]
struct Losing {
    dice: Sample,
    is_on: AtomicBool,
    lost: AtomicUsize,
}

#[async_trait]
impl Script for Losing {
    async fn before(&self) -> Option<Fault> {
        let loses = self.is_on.load(Ordering::Acquire) && self.dice.below(20) == 0;
        loses.then(|| {
            self.lost.fetch_add(1, Ordering::AcqRel);
            Fault::After
        })
    }

    async fn after(&self) {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_equal_the_ledger_though_replies_of_a_store_in_memory_get_lost_r_q5() {
    let clock = Clock::manual(text(START));
    let store = Arc::new(MemoryStore::new(clock.0.clone()));
    spend_while_replies_get_lost(clock, store, size(40, 2_000)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_equal_the_ledger_though_replies_of_a_file_get_lost_r_q5() {
    let directory = tempfile::tempdir().unwrap();
    let clock = Clock::manual(text(START));
    let options = SqliteOptions::new(directory.path().join("market.db"))
        .with_synchronous(Synchronous::Normal)
        .with_clock(clock.0.clone());
    let store = Arc::new(SqliteStore::open(&options).await.unwrap());
    spend_while_replies_get_lost(clock, store, size(20, 500)).await;
}

/// A block whose reply is lost is out, whether or not anybody will ever spend from it.
#[tokio::test]
async fn a_block_whose_reply_is_lost_counts_as_spent_until_it_is_given_back_r_q5() {
    let (clock, time) = Clock::manual(text(START));
    let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new(clock.clone()))));
    let mut world = World::on(Invoicing::ByCore, (clock, time), store.clone()).await;
    let (subscription, key) = world.subscriber(&terms()).await;
    assert_eq!(counter(&world, &subscription).await, (0, 0));
    store.fail_call(store.calls() + 1, Fault::After);
    assert!(matches!(world.admit(&key).await, Err(Denial::Busy { .. })));
    // The first block has one unit.
    assert_eq!(counter(&world, &subscription).await, (0, 1));
    // The same wish again: no second block.
    let permit = world.admit(&key).await.unwrap();
    assert_eq!(counter(&world, &subscription).await, (0, 1));
    drop(permit);
    world.gatekeeper.shutdown();
    (&mut world.running).await.unwrap();
    assert_eq!(counter(&world, &subscription).await, (0, 0));
}

/// Half of what each may have is called for, everything is given back, and the rest is called for
/// at another gate, until nothing is left.
async fn spend_while_replies_get_lost(
    clock: (Clock, ManualClock),
    store: Arc<dyn Store>,
    subscribers: usize,
) {
    let losing = Arc::new(Losing {
        dice: Sample::seeded(5),
        is_on: AtomicBool::new(false),
        lost: AtomicUsize::new(0),
    });
    let store = FaultyStore::new(store).with_script(Arc::clone(&losing) as Arc<dyn Script>);
    let world = Arc::new(World::on(Invoicing::ByCore, clock, Arc::new(store)).await);
    let mut subscribed = Vec::new();
    for _ in 0..subscribers {
        subscribed.push(world.subscriber(&terms()).await);
    }
    for demand in [QUOTA / 2, QUOTA] {
        let (gatekeeper, running) = world.gate(&world.clock, GatekeeperOptions::default());
        losing.is_on.store(true, Ordering::Release);
        let calls = subscribed.iter().map(|(subscription, key)| {
            let caller = Caller {
                world: Arc::clone(&world),
                gatekeeper: gatekeeper.clone(),
                key: key.clone(),
            };
            let subscription = subscription.clone();
            tokio::spawn(async move { caller.spend(&subscription, demand).await })
        });
        for call in calls.collect::<Vec<_>>() {
            call.await.unwrap();
        }
        losing.is_on.store(false, Ordering::Release);
        gatekeeper.shutdown();
        running.await.unwrap();
        for (subscription, _) in &subscribed {
            let spent = (demand, demand);
            assert_eq!(counter(&world, subscription).await, spent);
            assert_eq!(recorded(&world, subscription).await, demand);
        }
    }
    let lost = losing.lost.load(Ordering::Acquire);
    assert!(lost > subscribers, "{lost} replies were lost");
}

/// Somebody who calls at one gate.
struct Caller {
    world: Arc<World>,
    gatekeeper: Gatekeeper,
    key: Secret,
}

impl Caller {
    /// Calls until so many units are recorded in all, then, where that is all there is, is refused.
    async fn spend(&self, subscription: &Subscription, demand: u64) {
        let mut at_once = FuturesUnordered::new();
        while recorded(&self.world, subscription).await < demand {
            let left = demand - recorded(&self.world, subscription).await;
            at_once.extend((0..left.min(AT_ONCE)).map(|_| self.call()));
            while at_once.next().await.is_some() {}
            // What was refused while others held the last units may be free again.
            self.world.time.advance(Duration::from_millis(1));
        }
        if demand == QUOTA {
            let refused = loop {
                match self.world.admit_at(&self.gatekeeper, &self.key).await {
                    Err(Denial::Busy { .. }) => {}
                    other => break other,
                }
            };
            assert!(matches!(refused, Err(Denial::Limited(_))), "{refused:?}");
        }
    }

    /// One call; some are given up before they are forwarded.
    async fn call(&self) {
        if let Ok(permit) = self.world.admit_at(&self.gatekeeper, &self.key).await {
            if permit.record().uuid().as_bytes()[15] % 8 == 0 {
                permit.abandon();
            } else {
                permit.settle(ok()).durable().await.unwrap();
            }
        }
    }
}

fn terms() -> String {
    format!(
        r#"{{"billing":"free","currency":"USD","cycle":"month",
            "quotas":[{{"window":"period","max":{QUOTA},"overage":"strict"}}]}}"#
    )
}

/// Units that are committed, and units that are leased.
async fn counter(world: &World, of: &Subscription) -> (u64, u64) {
    let window = of.segment_at(world.clock.now()).unwrap().period;
    let counter = world
        .store
        .quota(of.tenant, of.id, QuotaWindow::Period.into(), window)
        .await
        .unwrap();
    (counter.committed, counter.leased)
}

async fn recorded(world: &World, of: &Subscription) -> u64 {
    let segment = of.segment_at(world.clock.now()).unwrap().id;
    loop {
        let records = world.store.records(of.tenant, segment, None, usize::MAX);
        if let Ok(records) = records.await {
            return records.len() as u64;
        }
    }
}
