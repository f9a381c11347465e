//! Faults at every call of the provider in turn.

use std::time::Duration;

use monetization_core::invoice::{InvoiceState, Invoicing};
use monetization_core::subscription::SubscriptionState;
use monetization_engine_mock::faults::{Fault, Injection};

use crate::world::{World, cents};

const FIXED: &str =
    r#"{"billing":"fixed","currency":"USD","cycle":"month","base_price":"25","setup_fee":"5"}"#;

#[tokio::test]
async fn a_fault_at_any_call_of_the_provider_charges_once_and_opens_access() {
    for invoicing in [Invoicing::ByCore, Invoicing::ByEngine] {
        for fault in [Fault::LoseReply, Fault::NotSent] {
            for call in 0..4 {
                let world = World::new(invoicing).await;
                let (plan, _) = world.plan(FIXED).await;
                world
                    .provider
                    .inject(Injection::next(fault.clone()).after(call));
                let ordered = world.subscribe(&plan).await;
                for _ in 0..3 {
                    world.settle().await;
                    world.pass(Duration::from_secs(600)).await;
                }
                world.pay_all().await;
                let id = ordered.subscription.id;
                let state = world.subscription(id).await.state;
                assert_eq!(
                    state,
                    SubscriptionState::Active,
                    "{invoicing:?} {fault:?} {call}"
                );
                let paid: Vec<i64> = world
                    .provider
                    .invoices()
                    .iter()
                    .filter(|invoice| invoice.state == InvoiceState::Paid)
                    .map(|invoice| invoice.total.minor())
                    .collect();
                assert_eq!(paid, [3_000], "{invoicing:?} {fault:?} {call}");
                assert_eq!(
                    world
                        .invoices(id)
                        .await
                        .iter()
                        .map(cents)
                        .collect::<Vec<_>>(),
                    [3_000]
                );
            }
        }
    }
}

#[tokio::test]
async fn news_that_comes_twice_and_in_reverse_ends_the_same() {
    for (twice, reversed) in [(true, false), (false, true), (true, true)] {
        let world = World::new(Invoicing::ByEngine).await;
        world
            .provider
            .disturb_deliveries(monetization_engine_mock::Disturbance { twice, reversed });
        let (subscription, key) = world.subscriber(FIXED).await;
        assert_eq!(subscription.state, SubscriptionState::Active);
        world.calls(&key, 1).await;
        assert_eq!(world.invoices(subscription.id).await.len(), 1);
    }
}
