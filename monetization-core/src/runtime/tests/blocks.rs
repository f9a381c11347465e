//! Blocks of strict quotas: lost behind the gate's back, and given back when they are not spent.

use super::*;
use crate::ids::LeaseId;
use crate::store::{Quotas, Refusal};

/// The block that a call spends from.
fn block_of(permit: &Permit) -> LeaseId {
    permit.held().record.spent[0].lease.unwrap()
}

/// A gate holds a block that others take back, as a store does for a process that seems dead.
struct Lost {
    world: World,
    running: tokio::task::JoinHandle<()>,
    recorded: u64,
}

impl Lost {
    async fn block() -> Self {
        let world = World::new(limits(1_000, 1_000, Overage::Strict)).await;
        let running = tokio::spawn(world.gatekeeper.clone().run(sleep()));
        let mut lost = Self {
            world,
            running,
            recorded: 0,
        };
        // Blocks double, so that the latest has some units left.
        for _ in 0..20 {
            assert_eq!(lost.call().await, Ok(Committed::New));
        }
        let (tenant, world) = (lost.world.subscription.tenant, &lost.world);
        let permit = world.admit().await.unwrap();
        world.store.settle(tenant, block_of(&permit)).await.unwrap();
        permit.abandon();
        lost
    }

    async fn call(&mut self) -> Result<Committed, NotRecorded> {
        let permit = self.world.admit().await.unwrap();
        let answer = permit.settle(DONE).await;
        self.recorded += u64::from(answer.is_ok());
        answer
    }

    /// Every unit that is recorded is out of the counter, and no other.
    async fn end(self) {
        self.world.gatekeeper.shutdown();
        self.running.await.unwrap();
        let counter = self.world.counter().await;
        assert_eq!(
            (counter.committed, counter.leased),
            (self.recorded, self.recorded)
        );
    }
}

#[tokio::test]
async fn a_block_that_was_taken_back_costs_the_calls_under_way_and_no_more_r_q3() {
    let mut lost = Lost::block().await;
    let mut under_way = Vec::new();
    for _ in 0..3 {
        under_way.push(lost.world.admit().await.unwrap());
    }
    let refused = Err(NotRecorded::Refused(Refusal::LeaseClosed));
    let first = under_way.remove(0);
    let gone = block_of(&first);
    assert_eq!(first.settle(DONE).await, refused);
    for _ in 0..5 {
        let next = lost.world.admit().await.unwrap();
        assert_ne!(block_of(&next), gone);
        assert_eq!(next.settle(DONE).await, Ok(Committed::New));
        lost.recorded += 1;
    }
    // What comes back of a call that is not billed does not fill the block again.
    assert_eq!(under_way.remove(0).settle(FAILED).await, Ok(Committed::New));
    assert_eq!(under_way.remove(0).settle(DONE).await, refused);
    assert_eq!(lost.call().await, Ok(Committed::New));
    lost.end().await;
}

#[tokio::test]
async fn who_slept_through_the_loss_of_a_block_loses_no_call_r_q3() {
    let mut lost = Lost::block().await;
    lost.world.time.advance(Duration::from_secs(2));
    for _ in 0..5 {
        assert_eq!(lost.call().await, Ok(Committed::New));
    }
    lost.end().await;
}

#[tokio::test]
async fn what_is_not_spent_within_two_seconds_goes_back() {
    let world = World::new(limits(1_000, 1_000, Overage::Strict)).await;
    let running = tokio::spawn(world.gatekeeper.clone().run(sleep()));
    for _ in 0..20 {
        world.admit().await.unwrap().settle_in_background(DONE);
    }
    let long = world.admit().await.unwrap();
    let leased = world.counter().await.leased;
    assert!(
        (22..=42).contains(&leased),
        "{leased} were taken for 21 calls"
    );
    world.time.advance(Duration::from_millis(1_999));
    rest().await;
    assert_eq!(world.counter().await.leased, leased);
    world.time.advance(Duration::from_millis(1));
    rest().await;
    assert_eq!(world.counter().await.leased, leased, "a call is under way");
    long.settle_in_background(DONE);
    rest().await;
    assert_eq!(world.counter().await.leased, 21);
    world.gatekeeper.shutdown();
    running.await.unwrap();
}

#[tokio::test]
async fn calls_that_wait_for_a_block_ask_for_it_together() {
    let world = Arc::new(World::new(limits(1_000, 1_000, Overage::Strict)).await);
    world.gatekeeper.refresh().await.unwrap();
    let calls = (0..50).map(|_| world.admit());
    let permits = futures::future::join_all(calls).await;
    let blocks: std::collections::BTreeSet<_> = permits
        .iter()
        .map(|permit| block_of(permit.as_ref().unwrap()))
        .collect();
    assert!(blocks.len() <= 7, "{} blocks for 50 calls", blocks.len());
}

async fn rest() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn calls_that_take_long_keep_no_unit_from_others() {
    let world = World::new(limits(1_000, 40, Overage::Strict)).await;
    let mut under_way = Vec::new();
    for _ in 0..20 {
        under_way.push(world.admit().await.unwrap());
    }
    world.time.advance(Duration::from_secs(2));
    while let Ok(permit) = world.admit().await {
        under_way.push(permit);
    }
    assert_eq!(under_way.len(), 40);
}
