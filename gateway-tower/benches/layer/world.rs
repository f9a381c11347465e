//! One subscriber with four limits behind the layer.

use std::sync::Arc;

use monetization_core::clock::Clock;
use monetization_core::entropy::Entropy;
use monetization_core::ids::ChangeSetId;
use monetization_core::key::Pepper;
use monetization_core::plan::{Overage, Quota, QuotaWindow, Rate, RateWindow};
use monetization_core::runtime::{Gatekeeper, GatekeeperOptions};
use monetization_core::store::{Applied, ChangeSet, Store, Write};
use monetization_gateway_tower::{LayerOptions, MonetizationLayer, TokioRuntime};

use market::{Offer, facts, key_to};

#[path = "../../tests/layer/support/market.rs"]
mod market;

pub(crate) struct World {
    gatekeeper: Gatekeeper,
    clock: Clock,
    pub(crate) key: String,
}

impl World {
    pub(crate) async fn new(store: Arc<dyn Store>) -> Self {
        let (clock, entropy) = (Clock::system(), Arc::new(Entropy::system()));
        let pepper = Pepper::new(b"a pepper for benches").unwrap();
        let offer = Offer {
            rates: [RateWindow::Second, RateWindow::Minute, RateWindow::Hour]
                .map(|window| Rate::Calendar {
                    window,
                    max: 1_000_000_000,
                })
                .to_vec(),
            quotas: vec![Quota {
                window: QuotaWindow::Month,
                max: 1_000_000_000,
                overage: Overage::Loose,
            }],
            ..Offer::default()
        };
        let (product, version, subscription) = facts(&offer, &entropy);
        let (key, text) = key_to(&subscription, &entropy, &pepper);
        let id: ChangeSetId = entropy.id(clock.now());
        let mut change = ChangeSet::new(id, clock.now());
        change.writes = vec![
            Write::insert(&product).unwrap(),
            Write::insert(&version).unwrap(),
            Write::insert(&subscription).unwrap(),
            Write::insert(&key).unwrap(),
        ];
        assert_eq!(store.apply(&change).await.unwrap(), Applied::New);
        let options = GatekeeperOptions::default();
        let gatekeeper = Gatekeeper::new(store, clock.clone(), entropy, pepper, options);
        gatekeeper.refresh().await.unwrap();
        let running = gatekeeper.clone().run(Arc::new(TokioRuntime::current()));
        drop(tokio::spawn(running));
        Self {
            gatekeeper,
            clock,
            key: text,
        }
    }

    pub(crate) fn layer(&self, options: LayerOptions) -> MonetizationLayer {
        MonetizationLayer::new(self.gatekeeper.clone(), self.clock.clone(), options)
    }
}
