//! One subscriber with four limits behind the layer.

use std::sync::Arc;

use monetization_core::clock::Clock;
use monetization_core::entropy::Entropy;
use monetization_core::ids::{ChangeSetId, MeterId};
use monetization_core::key::Pepper;
use monetization_core::money::Quantity;
use monetization_core::plan::{Overage, QuotaDraft, QuotaWindow, Rate, RateWindow};
use monetization_core::runtime::{Gatekeeper, GatekeeperOptions};
use monetization_core::store::{Applied, ChangeSet, Store, Write};
use monetization_core::subscription::Subscription;
use monetization_core::usage::{Counted, Ending, Outcome, Spent, UsageRecord};
use monetization_gateway_tower::{LayerOptions, MonetizationLayer, TokioRuntime};

use market::{Offer, facts, key_to};

#[path = "../../tests/layer/support/market.rs"]
mod market;

pub(crate) struct World {
    gatekeeper: Gatekeeper,
    clock: Clock,
    entropy: Arc<Entropy>,
    subscription: Subscription,
    meter: MeterId,
    pub(crate) key: String,
}

impl World {
    pub(crate) async fn new(store: Arc<dyn Store>) -> Self {
        let (clock, entropy) = (Clock::system(), Arc::new(Entropy::system()));
        let pepper = Pepper::new(b"a pepper for benches").unwrap();
        let offer = Offer {
            // More than a run has calls, and as many as the peer lets through.
            rates: [RateWindow::Second, RateWindow::Minute, RateWindow::Hour]
                .map(|window| Rate::Calendar {
                    window,
                    max: 10_000_000,
                })
                .to_vec(),
            quotas: vec![QuotaDraft::calls(
                QuotaWindow::Month,
                10_000_000,
                Overage::Loose,
            )],
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
        let shared = Arc::clone(&entropy);
        let gatekeeper = Gatekeeper::new(store, clock.clone(), shared, pepper, options);
        gatekeeper.refresh().await.unwrap();
        let running = gatekeeper.clone().run(Arc::new(TokioRuntime::current()));
        drop(tokio::spawn(running));
        Self {
            gatekeeper,
            clock,
            entropy,
            subscription,
            meter: product.meters[0].id,
            key: text,
        }
    }

    /// A record as a call through the layer leaves it.
    pub(crate) fn record(&self) -> UsageRecord {
        let now = self.clock.now();
        let segment = self.subscription.segment_at(now).unwrap();
        UsageRecord {
            id: self.entropy.id(now),
            tenant: self.subscription.tenant,
            segment,
            occurred_at: now,
            recorded_at: now,
            resource: None,
            outcome: Some(Outcome {
                status: Some(200),
                ending: Ending::Complete,
            }),
            counted: vec![Counted::new(self.meter, Quantity::from_scaled(1))],
            spent: vec![Spent {
                quota: QuotaWindow::Month.into(),
                window: QuotaWindow::Month.containing(now, segment.period),
                lease: None,
                units: 1,
            }],
            event: None,
        }
    }

    pub(crate) fn layer(&self, options: LayerOptions) -> MonetizationLayer {
        MonetizationLayer::new(self.gatekeeper.clone(), self.clock.clone(), options)
    }
}
