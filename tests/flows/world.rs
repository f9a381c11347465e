//! A marketplace to try things in: a store, the mock provider, a gate, and a clock by hand.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use monetization_conformance::market;
use monetization_core::clock::{Clock, ManualClock, Timestamp};
use monetization_core::consumer::Consumer;
use monetization_core::engine::{CancelMode, EngineContext, IdempotencyKey};
use monetization_core::entropy::Entropy;
use monetization_core::flows::{
    Engines, FlowError, Monetizer, NewPlan, NewProduct, NewTenant, Order, Ordered, Settings,
    WebhookEndpoint,
};
use monetization_core::ids::{SubscriptionId, TenantId};
use monetization_core::invoice::{Invoice, InvoiceState, Invoicing};
use monetization_core::key::Pepper;
use monetization_core::memory::MemoryStore;
use monetization_core::plan::{Approval, Plan, PlanVersion};
use monetization_core::product::Product;
use monetization_core::runtime::{Denial, Gatekeeper, GatekeeperOptions, Permit};
use monetization_core::secret::Secret;
use monetization_core::store::{Batch, Index, JobStart, JobState, RowKey, Store, StoreExt};
use monetization_core::subscription::Subscription;
use monetization_core::tenant::Tenant;
use monetization_core::text::ForeignId;
use monetization_core::usage::{Ending, Outcome};
use monetization_engine_mock::{Control, MockEngine};
use tokio::task::JoinHandle;

/// Noon on the first of January 2026.
pub const START: &str = "2026-01-01T12:00:00Z";
pub const HOUR: Duration = Duration::from_secs(3_600);
/// What the product counts beside calls.
const METERS: [&str; 7] = [
    r#"{"name": "documents", "decimals": 2}"#,
    r#"{"name": "sales", "unit": "amount", "decimals": 2}"#,
    r#"{"name": "seats", "aggregation": "max"}"#,
    r#"{"name": "level", "aggregation": "last"}"#,
    r#"{"name": "users", "aggregation": "unique"}"#,
    r#"{"name": "uploads", "aggregation": "count"}"#,
    r#"{"name": "tokens", "unit": "tokens", "source": {"response_header": "x-tokens"}}"#,
];
pub const DAY: Duration = Duration::from_secs(86_400);

pub struct World {
    pub monetizer: Monetizer,
    pub gatekeeper: Gatekeeper,
    pub running: JoinHandle<()>,
    pub store: Arc<dyn Store>,
    pub provider: Control,
    pub clock: Clock,
    pub time: ManualClock,
    pub tenant: Tenant,
    pub product: Product,
    pub consumer: Consumer,
}

impl World {
    pub async fn new(invoicing: Invoicing) -> Self {
        Self::over(invoicing, |clock| Arc::new(MemoryStore::new(clock))).await
    }

    /// Over the store that `store` makes with the world's clock, which claims go by.
    pub async fn over(invoicing: Invoicing, store: impl FnOnce(Clock) -> Arc<dyn Store>) -> Self {
        let (clock, time) = Clock::manual(text(START));
        let store = store(clock.clone());
        Self::on(invoicing, (clock, time), store).await
    }

    /// On this clock and over this store.
    pub async fn on(
        invoicing: Invoicing,
        (clock, time): (Clock, ManualClock),
        store: Arc<dyn Store>,
    ) -> Self {
        let mock = MockEngine::in_memory(clock.now());
        let entropy = Arc::new(Entropy::seeded(7));
        let pepper = Pepper::new(&[7; 32]).unwrap();
        let engines = Engines::new([mock.engine(), monetization_core::engine::none()]);
        let settings = Settings {
            closing_grace: Duration::ZERO,
            ..Settings::default()
        };
        let monetizer = Monetizer::new(
            Arc::clone(&store),
            engines,
            clock.clone(),
            Arc::clone(&entropy),
            pepper.clone(),
        )
        .with_settings(settings);
        let (tenant, product, consumer) = opened(&monetizer, invoicing).await;
        let gatekeeper = Gatekeeper::new(
            Arc::clone(&store),
            clock.clone(),
            entropy,
            pepper,
            GatekeeperOptions::default(),
        );
        let running = tokio::spawn(gatekeeper.clone().run(Arc::new(sleep)));
        let provider = mock.control();
        Self {
            monetizer,
            gatekeeper,
            running,
            store,
            provider,
            clock,
            time,
            tenant,
            product,
            consumer,
        }
    }

    pub fn tenant_id(&self) -> TenantId {
        self.tenant.id
    }

    pub async fn plan(&self, terms: &str) -> (Plan, PlanVersion) {
        self.plan_with(terms, Approval::Automatic).await
    }

    pub async fn plan_with(&self, terms: &str, approval: Approval) -> (Plan, PlanVersion) {
        let new = NewPlan {
            approval,
            ..market::new_plan(self.product.id, serde_json::from_str(terms).unwrap())
        };
        self.monetizer
            .create_plan(self.tenant.id, new)
            .await
            .unwrap()
    }

    pub fn order(&self, plan: &Plan) -> Order {
        market::order(self.consumer.id, plan.id)
    }

    pub async fn subscribe(&self, plan: &Plan) -> Ordered {
        self.monetizer
            .subscribe(self.tenant.id, self.order(plan))
            .await
            .unwrap()
    }

    /// Subscribes to a plan of these terms and pays what is due; answers the key.
    pub async fn subscriber(&self, terms: &str) -> (Subscription, Secret) {
        let (plan, _) = self.plan(terms).await;
        let ordered = self.subscribe(&plan).await;
        self.settle().await;
        self.pay_all().await;
        let subscription = self.subscription(ordered.subscription.id).await;
        (subscription, ordered.key.unwrap().1)
    }

    pub async fn subscription(&self, id: SubscriptionId) -> Subscription {
        self.store
            .fact::<Subscription>(self.tenant.id, id)
            .await
            .unwrap()
            .unwrap()
            .fact
    }

    pub async fn invoices(&self, of: SubscriptionId) -> Vec<Invoice> {
        let key = RowKey::new(Index::InvoicesOfSubscription, of);
        let mut all = self
            .store
            .facts_by::<Invoice>(self.tenant.id, key)
            .await
            .unwrap();
        all.sort_by_key(|stored| stored.fact.issued_at);
        all.into_iter().map(|stored| stored.fact).collect()
    }

    /// Runs jobs and hears the provider's news until nothing is left to do.
    pub async fn settle(&self) {
        for _ in 0..8 {
            self.monetizer.run_jobs().await.unwrap();
            self.hear_news().await;
        }
        self.gatekeeper.refresh().await.unwrap();
    }

    /// Takes the provider's messages in; what cannot be matched yet it sends again later.
    pub async fn hear_news(&self) {
        let secrets = self.provider.webhook_secrets();
        for message in self.provider.deliveries() {
            let taken = self
                .monetizer
                .take_in(
                    WebhookEndpoint::new(&text("mock"), &secrets),
                    &message.headers,
                    &message.body,
                )
                .await;
            match taken {
                Ok(_) => self.provider.delivered(&[message.id]).unwrap(),
                Err(FlowError::Unmatched { .. }) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    }

    /// Pays every open invoice at the provider and hears of it.
    pub async fn pay_all(&self) {
        for invoice in self.provider.invoices() {
            if matches!(invoice.state, InvoiceState::Open | InvoiceState::PastDue) {
                self.provider.pay(invoice.id.as_str()).unwrap();
            }
        }
        self.settle().await;
    }

    /// Lets time pass here and at the provider.
    pub async fn pass(&self, time: Duration) {
        self.time.advance(time);
        self.provider.set(self.clock.now()).unwrap();
        self.gatekeeper.refresh().await.unwrap();
    }

    pub async fn pass_until(&self, instant: &str) {
        let instant: Timestamp = text(instant);
        self.pass(instant.saturating_since(self.clock.now())).await;
    }

    pub async fn admit(&self, key: &Secret) -> Result<Permit, Denial> {
        self.admit_at(&self.gatekeeper, key).await
    }

    /// A call at another gate than the world's own.
    pub async fn admit_at(&self, gatekeeper: &Gatekeeper, key: &Secret) -> Result<Permit, Denial> {
        Self::admit_when(gatekeeper, key, self.clock.now()).await
    }

    /// A call at a gate whose clock says that it is `now`.
    pub async fn admit_when(
        gatekeeper: &Gatekeeper,
        key: &Secret,
        now: Timestamp,
    ) -> Result<Permit, Denial> {
        market::admit(gatekeeper, key, now).await
    }

    /// Another gate, with a clock and options of its own, and its work in the background.
    pub fn gate(&self, clock: &Clock, options: GatekeeperOptions) -> (Gatekeeper, JoinHandle<()>) {
        self.gate_over(Arc::clone(&self.store), clock, options)
    }

    /// As [`gate`](Self::gate), with a store of its own on what this world has.
    pub fn gate_over(
        &self,
        store: Arc<dyn Store>,
        clock: &Clock,
        options: GatekeeperOptions,
    ) -> (Gatekeeper, JoinHandle<()>) {
        let gatekeeper = Gatekeeper::new(
            store,
            clock.clone(),
            Arc::new(Entropy::system()),
            Pepper::new(&[7; 32]).unwrap(),
            options,
        );
        let running = tokio::spawn(gatekeeper.clone().run(Arc::new(sleep)));
        (gatekeeper, running)
    }

    /// A call that the upstream answers with 200, recorded before this returns.
    pub async fn call(&self, key: &Secret) -> Result<(), Denial> {
        let permit = self.admit(key).await?;
        permit.settle(ok()).durable().await.unwrap();
        Ok(())
    }

    pub async fn calls(&self, key: &Secret, count: usize) {
        for _ in 0..count {
            self.call(key).await.unwrap();
        }
    }

    pub async fn cancel(&self, id: SubscriptionId, mode: CancelMode) -> Subscription {
        self.monetizer
            .cancel(self.tenant.id, id, mode)
            .await
            .unwrap()
    }
}

impl World {
    pub async fn publish(&self) -> JobState {
        match self
            .monetizer
            .start_publishing(self.tenant_id())
            .await
            .unwrap()
        {
            JobStart::Started(run) => {
                self.monetizer
                    .publish(self.tenant_id(), run)
                    .await
                    .unwrap()
                    .run
                    .state
            }
            JobStart::Busy(run) => panic!("{run:?}"),
        }
    }

    /// Lets the provider end its only subscription by itself, at once.
    pub async fn end_there(&self) {
        let engine = self.monetizer.engines().choose(&text("mock")).unwrap();
        let cx = EngineContext {
            tenant: self.tenant_id(),
            credentials: None,
            account: None,
            key: IdempotencyKey::new("the provider ends it"),
            repeated: false,
            timeout: Duration::from_secs(1),
        };
        let (billing, external) = (&engine.billing, self.external());
        let ended = billing.cancel_subscription(&cx, &external, CancelMode::Now);
        ended.await.unwrap();
    }

    pub fn external(&self) -> ForeignId {
        self.provider.subscriptions()[0].id.clone()
    }

    /// What the provider has counted, of every meter.
    pub fn counted(&self) -> i64 {
        let meter = self.product.meters[0].id;
        self.provider
            .usage(&self.external(), meter)
            .map_or(0, |quantity| quantity.scaled())
    }

    /// The batches of the only subscription's first segment.
    pub async fn batches(&self) -> Vec<Batch> {
        let there = &self.provider.subscriptions()[0];
        let subscription = self.subscription(there.ours()).await;
        let segment = subscription.segment_at(subscription.created_at).unwrap();
        self.store
            .batches(self.tenant_id(), segment.id)
            .await
            .unwrap()
    }
}

/// A tenant with a product on sale, and a consumer.
async fn opened(monetizer: &Monetizer, invoicing: Invoicing) -> (Tenant, Product, Consumer) {
    let new = NewTenant {
        name: text("market"),
        engine: text("mock"),
        invoicing,
        payment_days: 7,
        grace_days: 0,
    };
    let tenant = monetizer.create_tenant(new).await.unwrap();
    let publisher = monetizer
        .create_publisher(tenant.id, text("publisher"), None)
        .await
        .unwrap();
    let new = NewProduct {
        meters: METERS
            .map(|json| serde_json::from_str(json).unwrap())
            .to_vec(),
        ..market::new_product(publisher.id, market::WEATHER)
    };
    let product = market::open_product(monetizer, tenant.id, new).await;
    monetizer
        .enable_monetization(tenant.id, product.id, &BTreeMap::new())
        .await
        .unwrap();
    let consumer = monetizer
        .create_consumer(tenant.id, text("consumer"), Vec::new())
        .await
        .unwrap();
    (tenant, product, consumer)
}

pub fn ok() -> Outcome {
    Outcome {
        status: Some(200),
        ending: Ending::Complete,
    }
}

pub fn text<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

/// A number below `end`, at random.
pub fn below(entropy: &Entropy, end: u8) -> u8 {
    let mut byte = [0];
    entropy.fill(&mut byte);
    byte[0] % end
}

/// What is owed in all, in cents.
pub fn cents(invoice: &Invoice) -> i64 {
    invoice.total.minor()
}

pub fn sleep(length: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(tokio::time::sleep(length))
}
