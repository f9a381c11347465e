//! A market over the fake Stripe, with a gate before it.

use std::sync::Arc;

use monetization_conformance::market::admit;
use monetization_conformance::store::FaultyStore;
use monetization_conformance::stripe::FakeStripe;
use monetization_conformance::stripe::fake::{Answer, Request, SECRET_KEY};
use monetization_core::entropy::Entropy;
use monetization_core::ids::SubscriptionId;
use monetization_core::invoice::Invoicing;
use monetization_core::key::Pepper;
use monetization_core::memory::MemoryStore;
use monetization_core::runtime::{Denial, Gatekeeper, GatekeeperOptions};
use monetization_core::store::Store;
use serde_json::Value;

use crate::market::{Market, PEPPER};
use crate::stripe::StripeFixture;

/// What is sold, and Stripe, as its owner sees it.
pub struct Shop {
    pub market: Market,
    pub stripe: Arc<FakeStripe>,
}

impl Shop {
    /// With so many subscribers to a plan of these terms, which Stripe invoices.
    pub async fn open(terms: &str, subscribers: u64) -> Self {
        let mut shop = Self::empty().await;
        let plan = shop.market.sell(terms).await;
        for _ in 0..subscribers {
            shop.market.subscribe(&plan).await;
        }
        shop.market.settle().await;
        shop
    }

    /// With nothing on sale.
    pub async fn empty() -> Self {
        let fixture = StripeFixture::start().await;
        let stripe = fixture.faults();
        let market = Market::new(fixture, Invoicing::ByEngine).await;
        Self { market, stripe }
    }

    /// With nothing on sale, over a store that fails when it is told to.
    pub async fn over_faulty_store() -> (Self, Arc<FaultyStore>) {
        let mut faulty = None;
        let over = async |clock| {
            let store = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new(clock))));
            faulty = Some(Arc::clone(&store));
            let store: Arc<dyn Store> = store;
            store
        };
        let fixture = StripeFixture::start().await;
        let stripe = fixture.faults();
        let market = Market::over(fixture, Invoicing::ByEngine, over).await;
        (Self { market, stripe }, faulty.unwrap())
    }

    /// The only subscriber.
    pub fn only(&self) -> SubscriptionId {
        let [only] = self.market.subscriptions.as_slice() else {
            panic!("there are {}", self.market.subscriptions.len());
        };
        *only
    }

    /// Whether a call of a subscriber's would be let through.
    pub async fn admit(&self, subscriber: usize) -> Result<(), Denial> {
        let gatekeeper = Gatekeeper::new(
            Arc::clone(&self.market.store),
            self.market.clock.clone(),
            Arc::new(Entropy::system()),
            Pepper::new(&PEPPER).unwrap(),
            GatekeeperOptions::default(),
        );
        let (key, now) = (&self.market.keys[subscriber], self.market.monetizer.now());
        admit(&gatekeeper, key, now).await.map(drop)
    }

    /// What the account has of a kind, oldest first.
    pub fn at_stripe(&self, kind: &str) -> Vec<Value> {
        self.stripe.fake().objects(kind)
    }

    /// What Stripe's invoices ask for, oldest first, as it counts money.
    pub fn totals_at_stripe(&self) -> Vec<i64> {
        let invoices = self.at_stripe("invoice");
        let totals = invoices.iter().map(|it| it["total"].as_i64().unwrap());
        totals.collect()
    }

    /// What the account's owner does by hand.
    pub fn by_hand(&self, request: Request) -> Answer {
        let mut request = request.key(SECRET_KEY);
        if request.method != "GET" {
            request = request.idempotent("by hand");
        }
        let answer = self.stripe.fake().answer(&request);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer
    }

    /// How many requests of this method and path Stripe has seen.
    pub fn asked(&self, method: &str, path: &str) -> usize {
        let seen = self.stripe.requests();
        let asked = seen
            .iter()
            .filter(|it| it.method == method && it.path == path);
        asked.count()
    }
}
