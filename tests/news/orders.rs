//! R-W4: the seven messages of a life, of the mock and of Stripe: heard in every order, again and again, and
//! mixed.
//!
//! The provider lives that life before anybody hears of it; each order is heard in a market of its own, which
//! has the same names.

use std::collections::BTreeSet;
use std::sync::Arc;

use monetization_conformance::engine::Message;
use monetization_conformance::sample::{START, Sample};
use monetization_conformance::stripe::FakeStripe;
use monetization_conformance::stripe::fake::{Request, SECRET_KEY};
use monetization_conformance::{seed, size_in_ci};
use monetization_core::engine::CancelMode;
use monetization_core::flows::FlowError;
use monetization_core::ids::SubscriptionId;
use monetization_core::invoice::{Invoice, InvoiceState};
use monetization_core::subscription::{BlockReason, Subscription, SubscriptionState};
use monetization_engine_mock::{Control, MockEngine};

use crate::market::{DAY, FIXED, HOUR, Market};
use crate::mock::MockFixture;
use crate::stripe::{StripeFixture, message};

/// Three of each of two invoices, and the end.
const MESSAGES: usize = 7;
/// Those of Stripe's that are heard.
const KINDS: [&str; 4] = [
    "invoice.created",
    "invoice.payment_failed",
    "invoice.paid",
    "customer.subscription.deleted",
];
/// All orders of seven.
const ORDERS: usize = 5_040;
/// How often a message comes, at most.
const TIMES: u64 = 4;

#[tokio::test]
async fn the_messages_of_a_life_end_in_one_state_in_whichever_order_they_come_r_w4() {
    in_every_order(Whose::TheMocks, size_in_ci(40, 200, ORDERS)).await;
}

#[tokio::test]
async fn the_messages_of_a_life_at_stripe_end_in_one_state_in_whichever_order_they_come_r_w4() {
    in_every_order(Whose::Stripes, size_in_ci(20, 200, ORDERS)).await;
}

#[tokio::test]
async fn the_messages_of_a_life_end_in_one_state_however_often_and_mixed_they_come_r_w4() {
    however_often(Whose::TheMocks, size_in_ci(40, 200, 50_000)).await;
}

#[tokio::test]
async fn the_messages_of_a_life_at_stripe_end_in_one_state_however_often_and_mixed_they_come_r_w4()
{
    however_often(Whose::Stripes, size_in_ci(20, 200, 50_000)).await;
}

/// So many of all orders, spread over them.
async fn in_every_order(whose: Whose, count: usize) {
    let expected = one_state(whose).await;
    let step = ORDERS / count;
    let first = usize::try_from(seed()).unwrap() % step;
    for number in (first..ORDERS).step_by(step) {
        let heard = Unheard::new(whose).await.heard(&order(number)).await;
        assert_eq!(heard, expected, "order {number}: {:?}", order(number));
    }
}

/// Each several times, and all in an order of the dice.
async fn however_often(whose: Whose, count: usize) {
    let expected = one_state(whose).await;
    for number in (seed()..).take(count) {
        let mixed = mixed(&Sample::seeded(number));
        let heard = Unheard::new(whose).await.heard(&mixed).await;
        assert_eq!(heard, expected, "seed {number}: {mixed:?}");
    }
}

/// What the life comes to where it is heard of as it was lived.
async fn one_state(whose: Whose) -> (Standing, Vec<Invoice>) {
    let one = Unheard::new(whose).await.heard(&order(0)).await;
    let ((state, blocks), invoices) = &one;
    assert_eq!((*state, blocks.len()), (SubscriptionState::Ended, 0));
    let states: Vec<InvoiceState> = invoices.iter().map(|it| it.state).collect();
    assert_eq!(states, [InvoiceState::Paid, InvoiceState::Paid]);
    one
}

/// Where a subscription is in its life, and what stops its calls.
type Standing = (SubscriptionState, BTreeSet<BlockReason>);

/// Whose messages they are.
#[derive(Debug, Clone, Copy)]
enum Whose {
    TheMocks,
    Stripes,
}

/// The provider's side of the life.
enum Provider {
    Mock(Control),
    Stripe(Arc<FakeStripe>),
}

impl Provider {
    /// With a market of one subscriber.
    async fn of(whose: Whose) -> (Self, Market) {
        match whose {
            Whose::TheMocks => {
                let mock = MockEngine::in_memory(START);
                let fixture = MockFixture::of(&mock, |engine| engine);
                let market = Market::open(fixture, FIXED, 1).await;
                (Self::Mock(mock.control()), market)
            }
            Whose::Stripes => {
                let fixture = StripeFixture::start().await;
                let stripe = fixture.faults();
                (Self::Stripe(stripe), Market::open(fixture, FIXED, 1).await)
            }
        }
    }

    /// The newest invoice is not paid at first.
    fn fail_and_pay(&self) {
        match self {
            Self::Mock(control) => {
                let newest = control.invoices().pop().unwrap().id;
                control.fail_payment(newest.as_str()).unwrap();
                control.pay(newest.as_str()).unwrap();
            }
            Self::Stripe(stripe) => {
                let newest = stripe.fake().objects("invoice").pop().unwrap();
                let newest = newest["id"].as_str().unwrap();
                stripe.fail_payment(newest).unwrap();
                stripe.pay(newest).unwrap();
            }
        }
    }

    /// It ends the subscription by itself.
    async fn end(&self, market: &Market) {
        let external = market.external(market.subscriptions[0]).await;
        match self {
            Self::Mock(_) => {
                let billing = market.fixture.engine().billing;
                let cx = market.cx();
                let ended = billing.cancel_subscription(&cx, &external, CancelMode::Now);
                ended.await.unwrap();
            }
            Self::Stripe(stripe) => {
                let end = Request::delete(&format!("/v1/subscriptions/{external}"), "")
                    .key(SECRET_KEY)
                    .idempotent("end");
                assert_eq!(stripe.fake().answer(&end).status, 200);
            }
        }
    }

    /// All that it has told, signed now.
    async fn told(&self, market: &Market) -> Vec<Message> {
        match self {
            Self::Mock(_) => market.fixture.messages().await,
            Self::Stripe(stripe) => {
                let told = stripe.deliveries().into_iter();
                let told = told.filter(|it| KINDS.contains(&it.kind.as_str()));
                told.map(|it| message(&it, stripe.now())).collect()
            }
        }
    }
}

/// A life of which nobody has heard yet.
struct Unheard {
    market: Market,
    id: SubscriptionId,
    messages: Vec<Message>,
}

impl Unheard {
    async fn new(whose: Whose) -> Self {
        let (provider, market) = Provider::of(whose).await;
        provider.fail_and_pay();
        market.pass_until("2026-02-01T02:00:00Z").await;
        if matches!(provider, Provider::Stripe(_)) {
            // By then it is past due, which it is with the mock once a payment has failed.
            market.pass(15 * DAY).await;
        }
        provider.fail_and_pay();
        market.pass(HOUR).await;
        provider.end(&market).await;
        let messages = provider.told(&market).await;
        assert_eq!(messages.len(), MESSAGES);
        Self {
            id: market.subscriptions[0],
            market,
            messages,
        }
    }

    /// Hears of all of it in this order; what cannot be matched yet is sent again, as a provider does, and
    /// in the end all of it once more. Each message is news once.
    async fn heard(&self, order: &[usize]) -> (Standing, Vec<Invoice>) {
        let mut waiting: Vec<usize> = order.to_vec();
        let mut news = [0; MESSAGES];
        while !waiting.is_empty() {
            let mut left = Vec::new();
            for place in &waiting {
                match self.is_news(*place).await {
                    Some(is_new) => news[*place] += u32::from(is_new),
                    None => left.push(*place),
                }
            }
            assert!(left.len() < waiting.len(), "nobody is told of {left:?}");
            waiting = left;
        }
        assert_eq!(news, [1; MESSAGES]);
        for place in order {
            assert_eq!(self.is_news(*place).await, Some(false));
        }
        self.market.pass(HOUR).await;
        self.market.monetizer.run_jobs().await.unwrap();
        let Subscription { state, blocks, .. } = self.market.subscription(self.id).await;
        ((state, blocks), self.market.invoices(self.id).await)
    }

    /// Whether nobody had heard of it; `None` where it cannot be matched yet.
    async fn is_news(&self, place: usize) -> Option<bool> {
        match self.market.take(&self.messages[place]).await {
            Ok(taken) => Some(taken.new),
            Err(FlowError::Unmatched { .. }) => None,
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// The order of this number: as many as there are, each once.
fn order(mut number: usize) -> Vec<usize> {
    let mut left: Vec<usize> = (0..MESSAGES).collect();
    let mut order = Vec::new();
    while !left.is_empty() {
        order.push(left.remove(number % left.len()));
        number /= left.len() + 1;
    }
    order
}

/// Each message once or several times, in any order.
fn mixed(dice: &Sample) -> Vec<usize> {
    let mut left = Vec::new();
    for place in 0..MESSAGES {
        for _ in 0..=dice.below(TIMES) {
            left.push(place);
        }
    }
    let mut mixed = Vec::new();
    while !left.is_empty() {
        let next = usize::try_from(dice.below(left.len() as u64)).unwrap();
        mixed.push(left.swap_remove(next));
    }
    mixed
}

#[test]
fn every_number_is_another_order() {
    let all: BTreeSet<Vec<usize>> = (0..ORDERS).map(order).collect();
    assert_eq!(all.len(), ORDERS);
}
