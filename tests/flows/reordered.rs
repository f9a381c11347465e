//! R-W4: the seven messages of a life of a subscription, heard in every order, twice, and again.
//!
//! The provider lives its life before anybody hears of it; worlds are made of the same seed, so that
//! all of them have the same names and the same messages.

use std::collections::BTreeSet;

use monetization_conformance::{seed, size_in_ci};
use monetization_core::entropy::Entropy;
use monetization_core::flows::{FlowError, WebhookEndpoint};
use monetization_core::ids::SubscriptionId;
use monetization_core::invoice::{Invoice, InvoiceState, Invoicing};
use monetization_core::subscription::{BlockReason, Subscription, SubscriptionState};
use monetization_engine_mock::webhooks::Delivery;

use crate::world::{HOUR, World, below, text};

const FIXED: &str = r#"{"billing":"fixed","currency":"USD","cycle":"month","base_price":"25"}"#;
/// All orders of seven.
const ORDERS: usize = 5_040;

/// Where a subscription is in its life, and what stops its calls.
type Standing = (SubscriptionState, BTreeSet<BlockReason>);

/// A life of which nobody has heard yet.
struct Unheard {
    world: World,
    id: SubscriptionId,
    messages: Vec<Delivery>,
}

impl Unheard {
    async fn new() -> Self {
        let world = World::new(Invoicing::ByEngine).await;
        let (plan, _) = world.plan(FIXED).await;
        let id = world.subscribe(&plan).await.subscription.id;
        world.monetizer.run_jobs().await.unwrap();
        let provider = &world.provider;
        let newest = || provider.invoices().pop().unwrap().id;
        provider.fail_payment(newest().as_str()).unwrap();
        provider.pay(newest().as_str()).unwrap();
        world.pass_until("2026-02-01T14:00:00Z").await;
        provider.fail_payment(newest().as_str()).unwrap();
        provider.pay(newest().as_str()).unwrap();
        world.pass(HOUR).await;
        world.end_there().await;
        let messages = provider.deliveries();
        assert_eq!(messages.len(), 7);
        Self {
            world,
            id,
            messages,
        }
    }

    /// Hears of all of it in this order; what cannot be matched yet is sent again, as a provider does,
    /// and in the end all of it once more.
    async fn heard(&self, order: &[usize]) -> (Standing, Vec<Invoice>) {
        let mut waiting: Vec<usize> = order.to_vec();
        while !waiting.is_empty() {
            let mut left = Vec::new();
            for place in &waiting {
                if !self.hear(*place).await {
                    left.push(*place);
                }
            }
            assert!(left.len() < waiting.len(), "nobody is told of {left:?}");
            waiting = left;
        }
        for place in order {
            assert!(self.hear(*place).await);
        }
        self.world.settle().await;
        let Subscription { state, blocks, .. } = self.world.subscription(self.id).await;
        ((state, blocks), self.world.invoices(self.id).await)
    }

    async fn hear(&self, place: usize) -> bool {
        let message = &self.messages[place];
        let secrets = self.world.provider.webhook_secrets();
        let engine = text("mock");
        let taken = self.world.monetizer.take_in(
            WebhookEndpoint::new(&engine, &secrets),
            &message.headers,
            &message.body,
        );
        match taken.await {
            Ok(_) => true,
            Err(FlowError::Unmatched { .. }) => false,
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// The order of this number: as many as there are, each once.
fn order(mut number: usize) -> Vec<usize> {
    let mut left: Vec<usize> = (0..7).collect();
    let mut order = Vec::new();
    while !left.is_empty() {
        order.push(left.remove(number % left.len()));
        number /= left.len() + 1;
    }
    order
}

#[tokio::test]
async fn the_messages_of_a_life_end_in_one_state_in_whichever_order_they_come_r_w4() {
    let expected = Unheard::new().await.heard(&order(0)).await;
    let ((state, blocks), invoices) = &expected;
    assert_eq!((*state, blocks.len()), (SubscriptionState::Ended, 0));
    assert!(invoices.iter().all(|it| it.state == InvoiceState::Paid));
    let entropy = Entropy::seeded(seed());
    let step = ORDERS / size_in_ci(40, 200, ORDERS);
    let first = usize::from(below(&entropy, u8::try_from(step.min(250)).unwrap()));
    for number in (first..ORDERS).step_by(step) {
        let heard = Unheard::new().await.heard(&order(number)).await;
        assert_eq!(heard, expected, "order {number}: {:?}", order(number));
    }
}

#[test]
fn every_number_is_another_order() {
    let all: BTreeSet<Vec<usize>> = (0..ORDERS).map(order).collect();
    assert_eq!(all.len(), ORDERS);
}
