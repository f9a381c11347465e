//! R-W3: one message, delivered to many at once, by processes that share a database.

use std::sync::Arc;

use monetization_conformance::store::{Fault, FaultyStore};
use monetization_conformance::{polled, size};
use monetization_core::flows::{FlowError, Monetizer, WebhookEndpoint};
use monetization_core::ids::SubscriptionId;
use monetization_core::invoice::{InvoiceState, Invoicing};
use monetization_core::secret::Secret;
use monetization_core::store::Store;
use monetization_core::subscription::SubscriptionState;
use monetization_engine_mock::webhooks::Delivery;
use tokio::task::JoinSet;

use crate::database::Database;
use crate::nodes::{Shared, node};
use crate::world::{World, text};

const FIXED: &str = r#"{"billing":"fixed","currency":"USD","cycle":"month","base_price":"25"}"#;
const AT_ONCE: usize = 8;
/// More polls than taking a message in needs where nothing is in its way.
const POLLS: usize = 12;

/// A marketplace, several processes that serve it, and payments nobody has heard of.
struct Paid<D> {
    world: World,
    houses: Vec<Monetizer>,
    /// Fails where it is told to: what those beside the first read and write.
    beside: Arc<FaultyStore>,
    subscriptions: Vec<SubscriptionId>,
    messages: Vec<Delivery>,
    secrets: Vec<Secret>,
    database: D,
}

impl<D: Shared> Paid<D> {
    async fn new(payments: usize, houses: usize) -> Self {
        let database = D::begin().await;
        let world = World::kept_in(&database, Invoicing::ByCore).await;
        let beside = database.open_beside(&world.clock).await;
        let beside = Arc::new(FaultyStore::new(beside));
        let mut all = vec![world.monetizer.clone()];
        while all.len() < houses {
            let store: Arc<dyn Store> = match all.len() {
                1 => Arc::<FaultyStore>::clone(&beside),
                _ => database.open_beside(&world.clock).await,
            };
            all.push(node(store, &world.clock, all.len()));
        }
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
            houses: all,
            beside,
            secrets: world.provider.webhook_secrets(),
            world,
            subscriptions,
            messages,
            database,
        }
    }

    /// Every message to all of them at once, `AT_ONCE` times each; how many of them were new.
    async fn deliver_all(&self) -> usize {
        let mut new = 0;
        for pair in self.messages.chunks(2) {
            let mut under_way = JoinSet::new();
            for turn in 0..AT_ONCE * self.houses.len() {
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
        assert_eq!(self.database.broken().await, [""; 0]);
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

/// All of them deliver, and one effect is seen of each.
async fn delivered_at_once<D: Shared>(payments: usize, houses: usize) {
    let paid = Paid::<D>::new(payments, houses).await;
    assert_eq!(paid.deliver_all().await, payments);
    paid.assert_all_paid().await;
    assert_eq!(paid.deliver_all().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_delivered_eight_times_at_once_to_two_have_one_effect_each_r_w3() {
    delivered_at_once::<Database>(size(200, 1_000), 2).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn messages_delivered_eight_times_at_once_to_each_of_three_have_one_effect_each_r_w3() {
    delivered_at_once::<monetization_conformance::postgres::Database>(size(50, 1_000), 3).await;
}

/// Whoever takes a message in is gone at a random point of it; the provider, which has heard
/// nothing, sends it again.
async fn broken_off<D: Shared>(payments: usize, houses: usize) {
    let paid = Paid::<D>::new(payments, houses).await;
    let (mut answered, mut broken_off) = (0, 0);
    for (round, message) in paid.messages.iter().enumerate() {
        let house = paid.houses[round % houses].clone();
        let taking = deliver(house, message.clone(), paid.secrets.clone());
        match polled(taking, 1 + round * 7 % POLLS).await {
            Some(is_new) => {
                assert!(is_new);
                answered += 1;
            }
            None => broken_off += 1,
        }
    }
    assert!(broken_off > 0, "none was broken off");
    let new = paid.deliver_all().await;
    assert!(answered > 0 && new > 0, "{answered} answered, {new} new");
    assert!(new <= broken_off, "{new} of {broken_off}");
    paid.assert_all_paid().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_that_breaks_off_anywhere_loses_no_message_r_w3() {
    broken_off::<Database>(size(100, 1_000), 2).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn a_delivery_to_one_of_three_that_breaks_off_anywhere_loses_no_message_r_w3() {
    broken_off::<monetization_conformance::postgres::Database>(size(100, 1_000), 3).await;
}

/// The store fails at each of its calls in turn, before it has done anything and after it has done
/// all: mark and effect are both there or both missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_fails_at_any_call_loses_no_message_r_w3() {
    let paid = Paid::<Database>::new(24, 2).await;
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
