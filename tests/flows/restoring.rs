//! A database that is put back from a back-up, under a provider that goes on.

use std::collections::BTreeSet;
use std::time::Duration;

use monetization_conformance::market;
use monetization_conformance::restoring::{beyond, left_over, often, publish_restored};
use monetization_core::entropy::Entropy;
use monetization_core::flows::RestoreReport;
use monetization_core::ids::{BatchId, SubscriptionId};
use monetization_core::invoice::Invoicing;
use monetization_engine_mock::faults::{Fault, Injection};
use monetization_engine_mock::transport::Operation;

use crate::database::{Database, Kept};
use crate::world::{HOUR, World, below};

const METERED: &str = r#"{"billing":"metered","currency":"USD","cycle":"year",
    "usage":[{"meter":"requests","unit_price":"0.01"}]}"#;

struct Life {
    world: World,
    subscription: SubscriptionId,
    entropy: Entropy,
    events: u32,
    /// Units that the ledger has.
    used: i64,
}

impl Life {
    async fn begin(database: &Database, seed: u64) -> Self {
        let world = World::kept_in(database, Invoicing::ByEngine).await;
        let (subscription, _) = world.subscriber(METERED).await;
        Self {
            world,
            subscription: subscription.id,
            entropy: Entropy::seeded(seed),
            events: 0,
            used: 0,
        }
    }

    fn below(&self, end: u8) -> u8 {
        below(&self.entropy, end)
    }

    async fn live(&mut self, steps: u8) {
        for _ in 0..steps {
            match self.below(8) {
                0..=2 => self.use_some().await,
                3 | 4 => self.publish().await,
                5 => self.publish_with(Fault::LoseReply).await,
                6 => self.publish_with(Fault::NotSent).await,
                _ => {
                    let minutes = u32::from(self.below(90));
                    self.world.pass(Duration::from_secs(60) * minutes).await;
                }
            }
        }
    }

    async fn use_some(&mut self) {
        self.events += 1;
        let quantity = 1 + self.below(5);
        let event = market::used_elsewhere(
            &self.events.to_string(),
            self.subscription,
            ("requests", quantity.into()),
        );
        let tenant = self.world.tenant_id();
        self.world.monetizer.ingest(tenant, &[event]).await.unwrap();
        self.used += i64::from(quantity);
    }

    async fn publish(&self) {
        self.world.publish().await;
    }

    async fn publish_with(&self, fault: Fault) {
        let injection = Injection::next(fault).on(Operation::TakeUsage);
        self.world.provider.inject(injection);
        self.world.publish().await;
        self.world.provider.clear_faults();
    }

    async fn publish_restored(&self) -> RestoreReport {
        publish_restored(&self.world.monetizer, self.world.tenant_id()).await
    }

    /// Publishes until nothing is on its way; answers how much is left for an operator.
    async fn publish_all(&self) -> i64 {
        for _ in 0..3 {
            self.world.pass(HOUR).await;
            self.publish().await;
        }
        left_over(&self.world.batches().await)
    }

    /// How much the provider has of what was used after the first `known` units.
    async fn arrived_beyond(&self, known: i64) -> i64 {
        let there = &self.world.provider.subscriptions()[0];
        let arrived: BTreeSet<BatchId> = there.records.iter().map(|it| it.identifier).collect();
        let batches = self.world.batches().await.into_iter();
        beyond(known, batches.filter(|it| arrived.contains(&it.id)))
    }
}

/// A life that is set back to the middle of it; whether each unit of it was counted once in the end.
async fn set_back(seed: u64, hours: u32) -> bool {
    let database = Database::new();
    let mut life = Life::begin(&database, seed).await;
    life.live(12).await;
    let (backup, known) = (database.backed_up().await, life.used);
    life.live(12).await;
    life.world.pass(HOUR * hours).await;
    let gone = life.arrived_beyond(known).await;

    life.world.move_to(backup.open(&life.world.clock).await);
    life.used = known;
    let restored = life.publish_restored().await.reconciled;
    life.use_some().await;
    life.use_some().await;
    let left = life.publish_all().await;
    let (counted, due) = (life.world.counted(), life.used + gone);
    let story = format!("seed {seed}, {hours} h: {counted} of {due}, {left} left: {restored:?}");
    assert_eq!(restored.failed, [], "{story}");
    assert!(counted <= due, "{story}");
    // What the engine's count alone has decided is told, and only that may have gone to the customer.
    let decided: BTreeSet<BatchId> = restored.decided.iter().map(|(id, _)| *id).collect();
    let batches = life.world.batches().await.into_iter();
    let by_the_count = batches.filter(|batch| decided.contains(&batch.id));
    let doubtful: i64 = by_the_count
        .map(|batch| batch.quantity().unwrap().scaled())
        .sum();
    assert!(counted + left + doubtful >= due, "{story}");
    if gone > 0 || left > 0 {
        assert_eq!(restored.differing.len(), 1, "{story}");
    }
    assert_eq!(backup.broken().await, Vec::<String>::new(), "{story}");
    counted == due
}

#[tokio::test]
async fn a_restored_database_reports_nothing_twice_and_tells_what_it_cannot_know_r_p10() {
    often(async |seed| set_back(seed, 0).await).await;
}

#[tokio::test]
async fn a_restored_database_reports_nothing_twice_to_an_engine_that_forgot_r_p10() {
    often(async |seed| set_back(seed, 30).await).await;
}

/// What has to be shown of a restore is that it would go wrong without the run that is made for it.
#[tokio::test]
async fn a_restored_database_that_publishes_as_ever_would_report_twice() {
    let database = Database::new();
    let mut life = Life::begin(&database, 1).await;
    life.use_some().await;
    let (backup, known) = (database.backed_up().await, life.used);
    life.use_some().await;
    life.publish().await;
    let all = life.used;
    life.world.move_to(backup.open(&life.world.clock).await);
    life.publish().await;
    assert_eq!(life.world.counted(), all + known);
}
