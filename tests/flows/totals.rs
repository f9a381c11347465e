//! Nothing is lost on the way: what was used is what the engine has counted, or it is listed.

use std::collections::BTreeMap;

use monetization_conformance::market;
use monetization_core::engine::CancelMode;
use monetization_core::flows::Ingested;
use monetization_core::ids::{MeterId, SubscriptionId};
use monetization_core::invoice::Invoicing;
use monetization_core::plan::Plan;
use monetization_core::product::Meter;
use monetization_core::store::JobState;
use monetization_engine_mock::faults::{Fault, Injection, RecordFault};
use monetization_engine_mock::transport::Operation;

use crate::world::{DAY, HOUR, World, text};

const METERED: &str = r#"{"billing":"metered","currency":"USD","cycle":"month",
    "usage":[{"meter":"requests","unit_price":"0.01"}]}"#;

impl World {
    /// Another product, on sale by a plan of its own.
    async fn another_product(&self, number: usize) -> (Plan, MeterId) {
        let (tenant, monetizer) = (self.tenant_id(), &self.monetizer);
        let new = market::new_product(self.product.publisher, &format!("product-{number}"));
        let product = market::open_product(monetizer, tenant, new).await;
        let new = market::new_plan(product.id, serde_json::from_str(METERED).unwrap());
        let (plan, _) = monetizer.create_plan(tenant, new).await.unwrap();
        let none = BTreeMap::new();
        let enabled = monetizer.enable_monetization(tenant, product.id, &none);
        enabled.await.unwrap();
        (plan, product.meter(Meter::REQUESTS).unwrap().id)
    }

    async fn report(&self, of: SubscriptionId, id: &str, quantity: i64) -> Ingested {
        let units = u64::try_from(quantity).unwrap();
        let event = market::used_elsewhere(id, of, ("requests", units));
        let answers = self.monetizer.ingest(self.tenant_id(), &[event]).await;
        answers.unwrap().remove(0)
    }
}

#[tokio::test]
async fn of_37_subscriptions_to_13_products_each_total_is_the_engines_e9() {
    let world = World::new(Invoicing::ByEngine).await;
    let mut used: BTreeMap<SubscriptionId, (MeterId, i64)> = BTreeMap::new();
    for number in 0..13 {
        let (plan, meter) = world.another_product(number).await;
        for _ in 0..37 {
            let id = world.subscribe(&plan).await.subscription.id;
            used.insert(id, (meter, 0));
        }
    }
    world.settle().await;
    for (round, fault) in [RecordFault::NotTaken, RecordFault::ReceiptLost]
        .into_iter()
        .enumerate()
    {
        for (index, (id, (_, total))) in used.iter_mut().enumerate() {
            let quantity = i64::try_from(1 + (index * 7 + round) % 100).unwrap();
            let event = format!("{round}-{index}");
            assert_eq!(
                world.report(*id, &event, quantity).await,
                Ingested::Accepted
            );
            *total += quantity;
        }
        let fault = Fault::Record { index: 36, fault };
        let injection = Injection::next(fault).on(Operation::TakeUsage);
        world.provider.inject(injection.times(3));
        assert_eq!(world.publish().await, JobState::Incomplete);
        world.pass(HOUR).await;
        assert_eq!(world.publish().await, JobState::Succeeded);
    }
    let counted: BTreeMap<SubscriptionId, (MeterId, i64)> = world
        .provider
        .subscriptions()
        .iter()
        .map(|there| {
            let (meter, _) = used[&there.ours()];
            let counted = world.provider.usage(&there.id, meter).unwrap();
            (there.ours(), (meter, counted.scaled()))
        })
        .collect();
    assert_eq!(counted.len(), 37 * 13);
    assert_eq!(counted, used);
    let unbilled = world.monetizer.unbilled(world.tenant_id()).await.unwrap();
    assert_eq!((unbilled.after_the_end, unbilled.held), (vec![], vec![]));
}

#[tokio::test]
async fn use_after_the_last_invoice_is_listed_and_not_lost_e9() {
    let world = World::new(Invoicing::ByCore).await;
    let (subscription, key) = world.subscriber(METERED).await;
    world.calls(&key, 4).await;
    world.cancel(subscription.id, CancelMode::Now).await;
    world.pass(DAY).await;
    world.settle().await;
    let late = world.report(subscription.id, "late", 7).await;
    assert_eq!(late, Ingested::Accepted);
    let unbilled = world.monetizer.unbilled(world.tenant_id()).await.unwrap();
    let [too_late] = unbilled.after_the_end.as_slice() else {
        panic!("{unbilled:?}");
    };
    assert_eq!(too_late.subscription, subscription.id);
    assert_eq!(too_late.quantity.scaled(), 7);
    let nobody = world.report(text("sub_00000000000000000000000000000000"), "1", 1);
    assert!(
        matches!(nobody.await, Ingested::Refused(_)),
        "it is told so"
    );
}
