//! R-W4: the seven messages of a life at Stripe, heard in every order, twice, and again.
//!
//! Stripe lives that life before anybody hears of it; each order is heard in a market of its own, which
//! has the same names.

use std::collections::BTreeSet;

use monetization_conformance::engine::Message;
use monetization_conformance::stripe::fake::{Request, SECRET_KEY};
use monetization_conformance::{seed, size_in_ci};
use monetization_core::flows::FlowError;
use monetization_core::ids::SubscriptionId;
use monetization_core::invoice::{Invoice, InvoiceState};
use monetization_core::subscription::{BlockReason, Subscription, SubscriptionState};

use crate::market::{DAY, FIXED, HOUR, Market};
use crate::stripe::{StripeFixture, message};

/// Those that are heard: three of each of two invoices, and the end.
const KINDS: [&str; 4] = [
    "invoice.created",
    "invoice.payment_failed",
    "invoice.paid",
    "customer.subscription.deleted",
];
/// All orders of seven.
const ORDERS: usize = 5_040;

#[tokio::test]
async fn the_messages_of_a_life_at_stripe_end_in_one_state_in_whichever_order_they_come_r_w4() {
    let expected = Unheard::new().await.heard(&order(0)).await;
    let ((state, blocks), invoices) = &expected;
    assert_eq!((*state, blocks.len()), (SubscriptionState::Ended, 0));
    let states: Vec<InvoiceState> = invoices.iter().map(|it| it.state).collect();
    assert_eq!(states, [InvoiceState::Paid, InvoiceState::Paid]);
    let step = ORDERS / size_in_ci(20, 200, ORDERS);
    let first = usize::try_from(seed()).unwrap() % step;
    for number in (first..ORDERS).step_by(step) {
        let heard = Unheard::new().await.heard(&order(number)).await;
        assert_eq!(heard, expected, "order {number}: {:?}", order(number));
    }
}

/// Where a subscription is in its life, and what stops its calls.
type Standing = (SubscriptionState, BTreeSet<BlockReason>);

/// A life of which nobody has heard yet.
struct Unheard {
    market: Market,
    id: SubscriptionId,
    messages: Vec<Message>,
}

impl Unheard {
    async fn new() -> Self {
        let fixture = StripeFixture::start().await;
        let stripe = fixture.faults();
        let market = Market::open(fixture, FIXED, 1).await;
        let id = market.subscriptions[0];
        let external = market.external(id).await;
        let fail_and_pay = || {
            let invoices = stripe.fake().objects("invoice");
            let is_open = |it: &&serde_json::Value| it["status"] == "open";
            let open = invoices.iter().find(is_open).unwrap();
            let open = open["id"].as_str().unwrap();
            stripe.fail_payment(open).unwrap();
            stripe.pay(open).unwrap();
        };
        fail_and_pay();
        market.pass_until("2026-02-01T02:00:00Z").await;
        // By then it is past due.
        market.pass(15 * DAY).await;
        fail_and_pay();
        market.pass(HOUR).await;
        let end = Request::delete(&format!("/v1/subscriptions/{external}"), "")
            .key(SECRET_KEY)
            .idempotent("end");
        assert_eq!(stripe.fake().answer(&end).status, 200);
        let mut told = stripe.deliveries();
        told.retain(|it| KINDS.contains(&it.kind.as_str()));
        let messages: Vec<Message> = told.iter().map(|it| message(it, stripe.now())).collect();
        assert_eq!(messages.len(), 7, "{told:?}");
        Self {
            market,
            id,
            messages,
        }
    }

    /// Hears of all of it in this order; what cannot be matched yet is sent again, as Stripe does, and
    /// in the end all of it once more.
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
        self.market.pass(HOUR).await;
        self.market.monetizer.run_jobs().await.unwrap();
        let Subscription { state, blocks, .. } = self.market.subscription(self.id).await;
        ((state, blocks), self.market.invoices(self.id).await)
    }

    async fn hear(&self, place: usize) -> bool {
        match self.market.take(&self.messages[place]).await {
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

#[test]
fn every_number_is_another_order() {
    let all: BTreeSet<Vec<usize>> = (0..ORDERS).map(order).collect();
    assert_eq!(all.len(), ORDERS);
}
