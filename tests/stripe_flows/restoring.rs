//! A database that is put back from a back-up, under a Stripe that goes on.

use std::collections::BTreeSet;

use monetization_conformance::restoring::{beyond, left_over, often, publish_restored};
use monetization_conformance::sample::Sample;
use monetization_conformance::stripe::faults::{Fault, Plan};
use monetization_core::clock::Timestamp;
use monetization_core::flows::RestoreReport;
use monetization_core::ids::{BatchId, SubscriptionId};
use monetization_core::invoice::Invoicing;
use monetization_core::store::Fate;

use crate::database::{Database, Kept};
use crate::outside::{Base, Outside};
use crate::shop::{EVENTS, HOUR, METERED, MINUTE, Shop};

/// A subscriber of whom use is reported, now and then in vain.
struct Life {
    shop: Shop,
    subscription: SubscriptionId,
    dice: Sample,
}

impl Life {
    async fn begin(seed: u64) -> Self {
        let outside = Outside::on_file(seed).await;
        let shop = Shop::open(outside, Invoicing::ByEngine, &[METERED]).await;
        Self {
            subscription: shop.subscriber().await,
            shop,
            dice: Sample::seeded(seed),
        }
    }

    async fn live(&self, steps: u32) {
        for _ in 0..steps {
            match self.dice.below(8) {
                0..=2 => self.use_some().await,
                3 | 4 => drop(self.shop.publish().await),
                5 => self.publish_in_vain(Plan::after(Fault::Drop)).await,
                6 => self.publish_in_vain(Plan::before(Fault::Drop)).await,
                _ => self
                    .shop
                    .pass(MINUTE * u32::try_from(self.dice.below(90)).unwrap()),
            }
        }
    }

    async fn use_some(&self) {
        self.shop
            .use_units(self.subscription, 1 + self.dice.below(5))
            .await;
    }

    async fn publish_in_vain(&self, plan: Plan) {
        self.shop.stripe().plan(plan.on("POST", EVENTS));
        self.shop.publish().await;
        self.shop.stripe().clear_faults();
    }

    async fn used(&self) -> i64 {
        i64::try_from(self.shop.recorded(self.subscription).await).unwrap()
    }

    fn counted(&self) -> i64 {
        i64::try_from(self.shop.counted()).unwrap()
    }

    /// How much Stripe has of what was used after the first `known` units.
    async fn arrived_beyond(&self, known: i64) -> i64 {
        let counted = self.shop.stripe().counted().into_iter();
        let arrived: BTreeSet<String> = counted.map(|it| it.identifier).collect();
        let batches = self.shop.batches(self.subscription).await.into_iter();
        beyond(
            known,
            batches.filter(|it| arrived.contains(&it.id.to_string())),
        )
    }

    async fn put_back(&mut self, backup: Database) {
        self.shop.outside.base = Base::File(backup);
        self.shop.restart().await;
    }

    async fn publish_restored(&self) -> RestoreReport {
        publish_restored(self.shop.monetizer(), self.shop.tenant).await
    }

    /// Publishes until nothing is on its way, and compares as soon as Stripe has counted; answers what was
    /// decided by that.
    async fn publish_all(&self) -> Vec<(BatchId, Fate)> {
        let mut decided = Vec::new();
        for _ in 0..3 {
            self.shop.pass(HOUR);
            let monetizer = self.shop.monetizer();
            let compared = monetizer.reconcile(self.shop.tenant, Timestamp::MIN).await;
            decided.extend(compared.unwrap().decided);
            self.shop.publish().await;
        }
        decided
    }

    /// How much is left for an operator.
    async fn left(&self) -> i64 {
        left_over(&self.shop.batches(self.subscription).await)
    }

    fn database(&self) -> &Database {
        match &self.shop.outside.base {
            Base::File(database) => database,
            Base::Memory(_) => panic!("it is on no file"),
        }
    }
}

/// A life that is set back to the middle of it; whether each unit of it was counted once in the end.
async fn set_back(seed: u64, hours: u32) -> bool {
    let mut life = Life::begin(seed).await;
    life.live(12).await;
    let (backup, known) = (life.database().backed_up().await, life.used().await);
    life.live(12).await;
    life.shop.pass(HOUR * hours);
    let gone = life.arrived_beyond(known).await;

    life.put_back(backup).await;
    let mut decided = life.publish_restored().await.reconciled.decided;
    life.use_some().await;
    life.use_some().await;
    decided.extend(life.publish_all().await);
    let (counted, left, due) = (life.counted(), life.left().await, life.used().await + gone);
    let story = format!("seed {seed}, {hours} h: {counted} of {due}, {left} left: {decided:?}");
    assert!(counted <= due, "{story}");
    // What Stripe's count alone has decided is told, and only that may have gone to the customer.
    let decided: BTreeSet<BatchId> = decided.iter().map(|(id, _)| *id).collect();
    let batches = life.shop.batches(life.subscription).await.into_iter();
    let by_the_count = batches.filter(|batch| decided.contains(&batch.id));
    let doubtful = by_the_count.map(|batch| batch.quantity().unwrap().scaled());
    assert!(counted + left + doubtful.sum::<i64>() >= due, "{story}");
    assert_eq!(
        life.database().broken().await,
        Vec::<String>::new(),
        "{story}"
    );
    counted == due
}

#[tokio::test]
async fn a_restored_database_reports_nothing_to_stripe_twice_r_p10() {
    often(async |seed| set_back(seed, 0).await).await;
}

#[tokio::test]
async fn a_restored_database_reports_nothing_twice_to_a_stripe_that_forgot_r_p10() {
    often(async |seed| set_back(seed, 30).await).await;
}

/// A back-up from before the first use: nothing tells at the restore that the engine has any.
#[tokio::test]
async fn use_after_a_restore_is_not_taken_for_use_that_was_lost_r_p10() {
    let mut life = Life::begin(1).await;
    let backup = life.database().backed_up().await;
    life.shop.use_units(life.subscription, 9).await;
    life.shop.publish().await;
    assert_eq!(life.counted(), 9);
    life.put_back(backup).await;
    life.publish_restored().await;
    // The same piece of the same sum, and other use.
    life.shop.use_units(life.subscription, 9).await;
    life.publish_all().await;
    assert_eq!((life.left().await, life.counted()), (0, 9 + 9));
}

/// What has to be shown of a restore is that it would go wrong without the run that is made for it.
#[tokio::test]
async fn a_restored_database_that_publishes_to_stripe_as_ever_would_report_twice() {
    let mut life = Life::begin(1).await;
    life.use_some().await;
    let (backup, known) = (life.database().backed_up().await, life.used().await);
    life.use_some().await;
    life.shop.publish().await;
    let all = life.used().await;
    life.put_back(backup).await;
    life.shop.publish().await;
    assert_eq!(life.counted(), all + known);
}
