//! A marketplace, in memory if nothing else is said, and several gatekeepers that let its consumers in.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use monetization_conformance::market;
use monetization_core::clock::Clock;
use monetization_core::entropy::Entropy;
use monetization_core::key::Pepper;
use monetization_core::memory::MemoryStore;
use monetization_core::rates::SharedRates;
use monetization_core::runtime::{Beside, Denial, Gatekeeper, GatekeeperOptions, Permit};
use monetization_core::secret::Secret;
use monetization_core::store::Store;
use monetization_core::storefront::Storefront;
use monetization_core::usage::{Ending, Outcome};

pub(crate) const DONE: Outcome = Outcome {
    status: Some(200),
    ending: Ending::Complete,
};

pub(crate) struct Shop {
    store: Arc<dyn Store>,
    storefront: Storefront,
    pub(crate) clock: Clock,
    pepper: Pepper,
}

fn sleep(length: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(tokio::time::sleep(length))
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::open_over(Arc::new(MemoryStore::without_records(Clock::system()))).await
    }

    /// The same over a store that is new.
    pub(crate) async fn open_over(store: Arc<dyn Store>) -> Self {
        let clock = Clock::system();
        let pepper = Pepper::random(&Entropy::system());
        let kept = Arc::clone(&store);
        let engine = monetization_core::engine::none();
        let storefront = Storefront::open(kept, engine, clock.clone(), pepper.clone());
        Self {
            storefront: storefront.await.unwrap(),
            store,
            clock,
            pepper,
        }
    }

    /// A key to a free plan with these limits, the words of its JSON.
    pub(crate) async fn subscriber(&self, limits: &str) -> Secret {
        let terms =
            format!(r#"{{"billing": "free", "currency": "USD", "cycle": "month", {limits}}}"#);
        let terms = serde_json::from_str(&terms).unwrap();
        let plan = self.storefront.sell(market::WEATHER, terms).await.unwrap();
        self.storefront.subscribe("acme", plan).await.unwrap().1
    }

    /// A gatekeeper that runs until it is shut down.
    pub(crate) fn gatekeeper(&self, rates: Option<Arc<dyn SharedRates>>) -> Gatekeeper {
        self.gatekeeper_over(Arc::clone(&self.store), rates)
    }

    /// The same by another opening of the store, as another process has it.
    pub(crate) fn gatekeeper_over(
        &self,
        store: Arc<dyn Store>,
        rates: Option<Arc<dyn SharedRates>>,
    ) -> Gatekeeper {
        let gatekeeper = Gatekeeper::with(
            store,
            (self.clock.clone(), Arc::new(Entropy::system())),
            self.pepper.clone(),
            GatekeeperOptions::default(),
            Beside {
                rates,
                ..Beside::default()
            },
        );
        tokio::spawn(gatekeeper.clone().run(Arc::new(sleep)));
        gatekeeper
    }

    pub(crate) async fn admit(&self, by: &Gatekeeper, key: &Secret) -> Result<Permit, Denial> {
        market::admit(by, key, self.clock.now()).await
    }

    /// Whether a call passes, which is then brought to its end.
    pub(crate) async fn call(&self, by: &Gatekeeper, key: &Secret) -> bool {
        self.try_call(by, key).await.unwrap()
    }

    /// The same where the store may be too busy to answer: the call comes again when it is told to.
    pub(crate) async fn call_until_answered(&self, by: &Gatekeeper, key: &Secret) -> bool {
        loop {
            match self.try_call(by, key).await {
                Ok(passes) => return passes,
                Err(Denial::Busy { retry_after }) => tokio::time::sleep(retry_after).await,
                Err(denial) => panic!("{denial:?}"),
            }
        }
    }

    async fn try_call(&self, by: &Gatekeeper, key: &Secret) -> Result<bool, Denial> {
        match self.admit(by, key).await {
            Ok(permit) => {
                permit.settle_in_background(DONE);
                Ok(true)
            }
            Err(Denial::Limited(_)) => Ok(false),
            Err(denial) => Err(denial),
        }
    }
}

/// Calls in flight at each gatekeeper.
const IN_FLIGHT: u64 = 8;

/// Offers so many calls to the gatekeepers at once, evenly, and says how many passed.
pub(crate) async fn offer(
    shop: &Arc<Shop>,
    gatekeepers: &[Gatekeeper],
    key: &Secret,
    calls: u64,
) -> u64 {
    let callers = gatekeepers.len() as u64 * IN_FLIGHT;
    let mut tasks = Vec::new();
    for (at, by) in (0..callers).zip(gatekeepers.iter().cycle()) {
        let (shop, by, key) = (Arc::clone(shop), by.clone(), key.clone());
        let calls = calls / callers + u64::from(at < calls % callers);
        tasks.push(tokio::spawn(async move {
            let mut passed = 0;
            for _ in 0..calls {
                passed += u64::from(shop.call(&by, &key).await);
            }
            passed
        }));
    }
    let mut passed = 0;
    for task in tasks {
        passed += task.await.unwrap();
    }
    passed
}
