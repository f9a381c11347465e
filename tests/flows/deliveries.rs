//! R-W3: one message, delivered to many at once, by two processes on one file.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use monetization_conformance::size;
use monetization_conformance::store::{Fault, FaultyStore};
use monetization_core::clock::Clock;
use monetization_core::entropy::Entropy;
use monetization_core::flows::{Engines, FlowError, Monetizer, WebhookEndpoint};
use monetization_core::ids::SubscriptionId;
use monetization_core::invoice::{InvoiceState, Invoicing};
use monetization_core::key::Pepper;
use monetization_core::secret::Secret;
use monetization_core::store::Store;
use monetization_core::subscription::SubscriptionState;
use monetization_engine_mock::MockEngine;
use monetization_engine_mock::webhooks::Delivery;
use monetization_store_sqlite::{SqliteOptions, SqliteStore, Synchronous};
use tokio::task::JoinSet;

use crate::world::{START, World, text};

const FIXED: &str = r#"{"billing":"fixed","currency":"USD","cycle":"month","base_price":"25"}"#;
const AT_ONCE: usize = 8;

/// A marketplace on a file, its owner and somebody beside it, and payments nobody has heard of.
struct Paid {
    world: World,
    houses: [Monetizer; 2],
    /// Fails where it is told to: what the one beside the owner reads and writes.
    beside: Arc<FaultyStore>,
    subscriptions: Vec<SubscriptionId>,
    messages: Vec<Delivery>,
    secrets: Vec<Secret>,
    _directory: tempfile::TempDir,
}

impl Paid {
    async fn new(payments: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (clock, time) = Clock::manual(text(START));
        let options = SqliteOptions::new(directory.path().join("market.db"))
            .with_clock(clock.clone())
            .with_synchronous(Synchronous::Normal);
        let owner: Arc<dyn Store> = Arc::new(SqliteStore::open(&options).await.unwrap());
        let world = World::on(Invoicing::ByCore, (clock.clone(), time), owner).await;
        let beside = SqliteStore::open_beside(&options).await.unwrap();
        let beside = Arc::new(FaultyStore::new(Arc::new(beside)));
        let shared: Arc<dyn Store> = Arc::<FaultyStore>::clone(&beside);
        let second = Monetizer::new(
            shared,
            Engines::new([MockEngine::in_memory(clock.now()).engine()]),
            clock,
            Arc::new(Entropy::seeded(8)),
            Pepper::new(&[7; 32]).unwrap(),
        );
        let (plan, _) = world.plan(FIXED).await;
        let mut subscriptions = Vec::new();
        for _ in 0..payments {
            subscriptions.push(world.subscribe(&plan).await.subscription.id);
        }
        while world.provider.invoices().len() < payments {
            world.settle().await;
        }
        world.settle().await;
        for invoice in world.provider.invoices() {
            world.provider.pay(invoice.id.as_str()).unwrap();
        }
        let messages = world.provider.deliveries();
        assert_eq!(messages.len(), payments);
        Self {
            houses: [world.monetizer.clone(), second],
            beside,
            secrets: world.provider.webhook_secrets(),
            world,
            subscriptions,
            messages,
            _directory: directory,
        }
    }

    /// Every message to both at once, `AT_ONCE` times; how many of them were new.
    async fn deliver_all(&self) -> usize {
        let mut new = 0;
        for pair in self.messages.chunks(2) {
            let mut under_way = JoinSet::new();
            for turn in 0..AT_ONCE {
                for message in pair {
                    let house = self.houses[turn % self.houses.len()].clone();
                    under_way.spawn(deliver(house, message.clone(), self.secrets.clone()));
                }
            }
            for is_new in under_way.join_all().await {
                new += usize::from(is_new);
            }
        }
        new
    }

    /// Each payment has had its effect on its invoice and its subscription, once.
    async fn assert_all_paid(&self) {
        assert_eq!(self.subscriptions.len(), self.messages.len());
        for id in self.subscriptions.iter().copied() {
            let state = self.world.subscription(id).await.state;
            assert_eq!(state, SubscriptionState::Active);
            let invoices = self.world.invoices(id).await;
            let states: Vec<_> = invoices.iter().map(|invoice| invoice.state).collect();
            assert_eq!(states, [InvoiceState::Paid]);
        }
    }
}

/// As a provider does: whatever is not taken in is sent again.
async fn deliver(house: Monetizer, message: Delivery, secrets: Vec<Secret>) -> bool {
    loop {
        let mock = text("mock");
        let taking = house.take_in(
            WebhookEndpoint::new(&mock, &secrets),
            &message.headers,
            &message.body,
        );
        match taking.await {
            Ok(taken) => return taken.new,
            Err(FlowError::Contended) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_delivered_eight_times_at_once_to_two_have_one_effect_each_r_w3() {
    let payments = size(200, 1_000);
    let paid = Paid::new(payments).await;
    assert_eq!(paid.deliver_all().await, payments);
    paid.assert_all_paid().await;
    assert_eq!(paid.deliver_all().await, 0);
}

/// Whoever takes a message in is gone at a random point of it; the provider, which has heard
/// nothing, sends it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_that_breaks_off_anywhere_loses_no_message_r_w3() {
    let payments = size(100, 1_000);
    let paid = Paid::new(payments).await;
    let (mut answered, mut broken_off) = (0, 0);
    for (round, message) in paid.messages.iter().enumerate() {
        let house = paid.houses[round % 2].clone();
        let mut taking = pin!(deliver(house, message.clone(), paid.secrets.clone()));
        let mut is_done = false;
        for _ in 0..round * 7 % 60 {
            if let Poll::Ready(is_new) = futures::poll!(&mut taking) {
                assert!(is_new);
                is_done = true;
                break;
            }
            tokio::task::yield_now().await;
        }
        if is_done {
            answered += 1;
        } else {
            broken_off += 1;
        }
    }
    assert!(broken_off > 0, "none was broken off");
    let new = paid.deliver_all().await;
    println!("{answered} answered, {broken_off} broken off, {new} of them before their effect");
    assert!(new > 0 && new <= broken_off, "{new} of {broken_off}");
    paid.assert_all_paid().await;
}

/// The store fails at each of its calls in turn, before it has done anything and after it has done
/// all: mark and effect are both there or both missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_fails_at_any_call_loses_no_message_r_w3() {
    let paid = Paid::new(24).await;
    let beside = &paid.houses[1];
    let (mut failed, mut call, mut is_through) = (0, 0, false);
    for (round, message) in paid.messages.iter().enumerate() {
        let fault = [Fault::Before, Fault::After][round % 2];
        call += u64::from(round % 2 == 0);
        let fault_at = paid.beside.calls() + call;
        paid.beside.fail_call(fault_at, fault);
        let mock = text("mock");
        let taking = || {
            beside.take_in(
                WebhookEndpoint::new(&mock, &paid.secrets),
                &message.headers,
                &message.body,
            )
        };
        match taking().await {
            // It was not met, or what was lost was only the reply, which was asked for again.
            Ok(taken) => {
                assert!(taken.new);
                is_through |= paid.beside.calls() < fault_at;
            }
            Err(FlowError::Store(_)) => {
                failed += 1;
                assert!(taking().await.unwrap().new);
            }
            Err(error) => panic!("{error:?}"),
        }
        if is_through {
            break;
        }
        assert!(!taking().await.unwrap().new);
    }
    assert!(is_through && failed > 2, "{failed} failed");
}
