//! A subscription to call with.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use super::super::*;
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::consumer::Buyer;
use crate::entropy::Entropy;
use crate::ids::{ChangeSetId, MeterId, PlanVersionId, ProductId};
use crate::invoice::Invoicing;
use crate::key::{ApiKey, KeyKind, Pepper, PresentedKey};
use crate::memory::MemoryStore;
use crate::period::{Cycle, Schedule};
use crate::plan::{
    Billing, MeteringPolicy, Overage, PlanTerms, PlanVersion, QuotaDraft, QuotaWindow, Rate,
    RateWindow, TermsDraft,
};
use crate::product::{Meter, Product, ProductState};
use crate::store::{Applied, ChangeSet, Fact, Ledger, QuotaCounter, Quotas, Rows, StoreExt, Write};
use crate::subscription::{PlanChange, Subscription, SubscriptionState, Timeline};
use crate::usage::{Ending, Outcome, UsageRecord};

pub(super) const DONE: Outcome = Outcome {
    status: Some(200),
    ending: Ending::Complete,
};
pub(super) const FAILED: Outcome = Outcome {
    status: Some(500),
    ending: Ending::Complete,
};

pub(super) struct World {
    pub(super) store: Arc<MemoryStore>,
    pub(super) clock: Clock,
    pub(super) time: ManualClock,
    pub(super) entropy: Arc<Entropy>,
    pub(super) gatekeeper: Gatekeeper,
    pub(super) meter: Meter,
    pub(super) subscription: Subscription,
    pub(super) headers: HeaderMap,
}

pub(super) fn limits(per_minute: u64, per_month: u64, overage: Overage) -> (Rate, QuotaDraft) {
    let rate = Rate::Calendar {
        window: RateWindow::Minute,
        max: per_minute,
    };
    let quota = QuotaDraft::calls(QuotaWindow::Month, per_month, overage);
    (rate, quota)
}

fn limit(draft: &mut TermsDraft, limits: (Rate, QuotaDraft)) {
    draft.rates = vec![limits.0];
    draft.quotas = vec![limits.1];
}

impl World {
    pub(super) async fn new(limits: (Rate, QuotaDraft)) -> Self {
        Self::with(|draft| limit(draft, limits)).await
    }

    /// With these terms.
    pub(super) async fn with(terms: impl FnOnce(&mut TermsDraft) + Send) -> Self {
        let start: Timestamp = "2026-06-10T12:00:00Z".parse().unwrap();
        let (clock, time) = Clock::manual(start);
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let entropy = Arc::new(Entropy::seeded(3));
        let pepper = Pepper::new(&[7; 16]).unwrap();
        let gatekeeper = gatekeeper(&store, &clock, &entropy);
        let meter = Meter::requests(entropy.id::<MeterId>(start)).unwrap();
        let product = product(&entropy, &meter);
        let version = version(&entropy, &product, &meter, terms);
        let subscription = subscription(&entropy, &product, &version);
        let id = entropy.id(start);
        let presented = PresentedKey::generate(KeyKind::Live, id, &entropy);
        let key = ApiKey {
            id,
            tenant: product.tenant,
            consumer: subscription.consumer,
            subscriptions: vec![subscription.id],
            digest: presented.digest(&pepper),
            hint: presented.hint(),
            created_at: start,
            revoked_at: None,
        };
        let value = HeaderValue::from_str(presented.reveal().reveal()).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-api-key", value);
        let world = Self {
            store,
            clock,
            time,
            entropy,
            gatekeeper,
            meter,
            subscription: subscription.clone(),
            headers,
        };
        world.insert(&product).await;
        world.insert(&version).await;
        world.insert(&subscription).await;
        world.insert(&key).await;
        world
    }

    pub(super) async fn write(&self, write: Write) {
        let id: ChangeSetId = self.entropy.id(self.clock.now());
        let mut change = ChangeSet::new(id, self.clock.now());
        change.writes.push(write);
        assert_eq!(self.store.apply(&change).await.unwrap(), Applied::New);
    }

    pub(super) async fn insert<T: Fact>(&self, fact: &T) {
        self.write(Write::insert(fact).unwrap()).await;
    }

    pub(super) async fn change(&self, change: impl FnOnce(&mut Subscription) + Send) {
        let of = &self.subscription;
        let mut stored = self
            .store
            .fact::<Subscription>(of.tenant, of.id)
            .await
            .unwrap()
            .unwrap();
        change(&mut stored.fact);
        self.write(stored.write().unwrap()).await;
        self.gatekeeper.refresh().await.unwrap();
    }

    /// The same product under other limits, from an instant on.
    pub(super) async fn change_plan(
        &self,
        at: Timestamp,
        limits: (Rate, QuotaDraft),
    ) -> PlanVersionId {
        let of = &self.subscription;
        let product = self.store.fact::<Product>(of.tenant, of.product).await;
        let version = version(
            &self.entropy,
            &product.unwrap().unwrap().fact,
            &self.meter,
            |draft| limit(draft, limits),
        );
        let version_id = version.id;
        self.insert(&version).await;
        self.change(|it| {
            it.timeline.changes.push(PlanChange {
                at,
                version: version_id,
                prorated: false,
            });
        })
        .await;
        version_id
    }

    pub(super) async fn admit_by(&self, gatekeeper: &Gatekeeper) -> Result<Permit, Denial> {
        let target = Target {
            product: "weather",
            method: "GET",
            path: "/",
        };
        gatekeeper
            .admit(&self.headers, &target, self.clock.now())
            .await
    }

    pub(super) async fn admit(&self) -> Result<Permit, Denial> {
        self.admit_by(&self.gatekeeper).await
    }

    /// How many calls pass before one is refused, each brought to its end.
    pub(super) async fn pass(&self) -> usize {
        let mut passed = 0;
        while let Ok(permit) = self.admit().await {
            permit.settle_in_background(DONE);
            passed += 1;
        }
        passed
    }

    pub(super) async fn counter(&self) -> QuotaCounter {
        let of = &self.subscription;
        let segment = of.segment_at(self.clock.now()).unwrap();
        let window = QuotaWindow::Month.containing(self.clock.now(), segment.period);
        let counter = self
            .store
            .quota(of.tenant, of.id, QuotaWindow::Month.into(), window);
        counter.await.unwrap()
    }

    pub(super) async fn records(&self) -> Vec<UsageRecord> {
        let of = &self.subscription;
        let segment = of.segment_at(self.clock.now()).unwrap();
        let records = self.store.records(of.tenant, segment.id, None, usize::MAX);
        records.await.unwrap()
    }

    /// Ends this gatekeeper: everything under way is written and blocks go back.
    pub(super) async fn stop(&self, gatekeeper: &Gatekeeper) {
        gatekeeper.shutdown();
        gatekeeper.clone().run(sleep()).await;
    }
}

/// Yields to the others for as long as it is asked to wait.
pub(super) fn sleep() -> Arc<dyn Sleep> {
    Arc::new(|_: Duration| -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::task::yield_now())
    })
}

pub(super) fn gatekeeper(
    store: &Arc<MemoryStore>,
    clock: &Clock,
    entropy: &Arc<Entropy>,
) -> Gatekeeper {
    Gatekeeper::new(
        Arc::<MemoryStore>::clone(store),
        clock.clone(),
        Arc::clone(entropy),
        Pepper::new(&[7; 16]).unwrap(),
        GatekeeperOptions::default(),
    )
}

pub(super) fn product(entropy: &Entropy, meter: &Meter) -> Product {
    let created_at = "2026-01-01T00:00:00Z".parse().unwrap();
    Product {
        id: entropy.id::<ProductId>(created_at),
        tenant: entropy.id(created_at),
        publisher: entropy.id(created_at),
        slug: "weather".parse().unwrap(),
        name: "Weather".parse().unwrap(),
        description: "".parse().unwrap(),
        gateway_endpoint: "http://127.0.0.1:9000".parse().unwrap(),
        state: ProductState::Active,
        meters: vec![meter.clone()],
        resources: Vec::new(),
        monetization: None,
        created_at,
    }
}

pub(super) fn version(
    entropy: &Entropy,
    of: &Product,
    meter: &Meter,
    terms: impl FnOnce(&mut TermsDraft),
) -> PlanVersion {
    let mut draft = TermsDraft::new(Billing::Free, "EUR".parse().unwrap(), Cycle::MONTH);
    terms(&mut draft);
    draft.metering = MeteringPolicy::default();
    let id: PlanVersionId = entropy.id(of.created_at);
    PlanVersion {
        id,
        tenant: of.tenant,
        product: of.id,
        plan: entropy.id(of.created_at),
        number: 1,
        name: "Plan".parse().unwrap(),
        terms: PlanTerms::new(draft, std::slice::from_ref(meter)).unwrap(),
        created_at: of.created_at,
    }
}

pub(super) fn subscription(entropy: &Entropy, of: &Product, version: &PlanVersion) -> Subscription {
    let schedule = Schedule::new(of.created_at, Cycle::MONTH);
    Subscription {
        id: entropy.id(of.created_at),
        tenant: of.tenant,
        consumer: entropy.id(of.created_at),
        buyer: Buyer {
            user_id: "user-17".parse().unwrap(),
            name: "ada".parse().unwrap(),
        },
        application: None,
        product: of.id,
        plan: version.plan,
        plan_changes: 0,
        invoicing: Invoicing::ByCore,
        state: SubscriptionState::Active,
        blocks: BTreeSet::new(),
        timeline: Timeline::starting(schedule, version.id),
        closed_periods: 0,
        request_key: None,
        rejected_because: None,
        prepaid: std::collections::BTreeMap::new(),
        payment_url: None,
        created_at: of.created_at,
    }
}
