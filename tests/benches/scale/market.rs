//! Very many subscriptions to one plan.

use std::sync::Arc;

use monetization_core::clock::Clock;
use monetization_core::engine::Engine;
use monetization_core::entropy::Entropy;
use monetization_core::ids::{ApiKeyId, ChangeSetId, MeterId};
use monetization_core::invoice::Invoicing;
use monetization_core::key::{ApiKey, KeyKind, Pepper, PresentedKey};
use monetization_core::product::{Meter, Product};
use monetization_core::store::{Applied, ChangeSet, Store, StoreExt, Write};
use monetization_core::storefront::Storefront;
use monetization_core::subscription::{Subscription, SubscriptionState};

/// Subscriptions that are written in one change.
const CHANGE: usize = 100;

pub(crate) struct Market {
    pub(crate) shop: Storefront,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) entropy: Arc<Entropy>,
    pub(crate) pepper: Pepper,
    pub(crate) meter: MeterId,
    /// What the others are copies of, but for their ids.
    first: Subscription,
}

impl Market {
    /// One product on these terms, and one that has subscribed to it.
    pub(crate) async fn open(
        store: Arc<dyn Store>,
        engine: Engine,
        clock: Clock,
        terms: &str,
    ) -> Self {
        let entropy = Arc::new(Entropy::seeded(7));
        let pepper = Pepper::random(&entropy);
        let shop = Storefront::open(Arc::clone(&store), engine, clock, pepper.clone());
        let shop = shop.await.unwrap();
        let terms = serde_json::from_str(terms).unwrap();
        let plan = shop.sell("weather", terms).await.unwrap();
        let (mut first, _) = shop.subscribe("acme", plan).await.unwrap();
        first.state = SubscriptionState::Active;
        first.invoicing = Invoicing::ByCore;
        let product = store.fact::<Product>(first.tenant, first.product);
        let product = product.await.unwrap().unwrap().fact;
        Self {
            meter: product.meter(Meter::REQUESTS).unwrap().id,
            shop,
            store,
            entropy,
            pepper,
            first,
        }
    }

    /// So many more subscriptions, as flows leave them.
    pub(crate) async fn subscriptions(&self, count: usize) -> Vec<Subscription> {
        let one = |_| Subscription {
            id: self.entropy.id(self.first.created_at),
            ..self.first.clone()
        };
        let all: Vec<Subscription> = (0..count).map(one).collect();
        for some in all.chunks(CHANGE) {
            let writes = some.iter().map(|it| Write::insert(it).unwrap());
            self.write(writes.collect()).await;
        }
        all
    }

    /// So many more subscriptions with a key each; answers the texts of the keys.
    pub(crate) async fn keys(&self, count: usize) -> Vec<String> {
        let mut texts = Vec::with_capacity(count);
        while texts.len() < count {
            let now = self.first.created_at;
            let mut writes = Vec::with_capacity(2 * CHANGE);
            for _ in 0..CHANGE {
                let subscription = Subscription {
                    id: self.entropy.id(now),
                    ..self.first.clone()
                };
                let id: ApiKeyId = self.entropy.id(now);
                let presented = PresentedKey::generate(KeyKind::Live, id, &self.entropy);
                let key = ApiKey {
                    id,
                    tenant: subscription.tenant,
                    consumer: subscription.consumer,
                    subscriptions: vec![subscription.id],
                    digest: presented.digest(&self.pepper),
                    hint: presented.hint(),
                    created_at: now,
                    revoked_at: None,
                };
                writes.push(Write::insert(&subscription).unwrap());
                writes.push(Write::insert(&key).unwrap());
                texts.push(presented.reveal().reveal().to_owned());
            }
            self.write(writes).await;
        }
        texts
    }

    async fn write(&self, writes: Vec<Write>) {
        let id: ChangeSetId = self.entropy.id(self.first.created_at);
        let mut change = ChangeSet::new(id, self.first.created_at);
        change.writes = writes;
        assert_eq!(self.store.apply(&change).await.unwrap(), Applied::New);
    }
}
