//! A marketplace over any engine: its subscribers report use, which the engine invoices.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use monetization_conformance::engine::{CANARY, Fixture, Message};
use monetization_conformance::market;
use monetization_conformance::sample::text;
use monetization_core::clock::{Clock, ManualClock, Timestamp};
use monetization_core::engine::{EngineContext, IdempotencyKey};
use monetization_core::entropy::Entropy;
use monetization_core::flows::{
    EnableReport, Engines, FlowError, Ingested, Monetizer, NewProduct, NewTenant, ReconcileReport,
    Settings, TakenIn, WebhookEndpoint,
};
use monetization_core::ids::{SubscriptionId, TenantId, TypedId};
use monetization_core::invoice::{Invoice, Invoicing};
use monetization_core::key::Pepper;
use monetization_core::memory::MemoryStore;
use monetization_core::plan::Plan;
use monetization_core::product::Product;
use monetization_core::reference::{ObjectKind, Place, Reference};
use monetization_core::secret::Secret;
use monetization_core::store::{
    Batch, Index, JobStart, JobState, Listing, RowKey, Store, StoreExt, Uuid,
};
use monetization_core::subscription::{Subscription, SubscriptionState};
use monetization_core::text::{ForeignId, Slug};

pub const METERED: &str = r#"{"billing":"metered","currency":"USD","cycle":"month",
    "usage":[{"meter":"requests","unit_price":"0.01"}]}"#;
pub const FIXED: &str = r#"{"billing":"fixed","currency":"USD","cycle":"month","base_price":"25"}"#;
/// Of whoever issues keys, and of the gates that know them.
pub const PEPPER: [u8; 32] = [7; 32];
pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(3_600);
pub const DAY: Duration = Duration::from_secs(86_400);

pub struct Market {
    pub fixture: Box<dyn Fixture>,
    pub monetizer: Monetizer,
    pub store: Arc<dyn Store>,
    pub clock: Clock,
    pub time: ManualClock,
    pub tenant: TenantId,
    pub product: Product,
    pub subscriptions: Vec<SubscriptionId>,
    pub keys: Vec<Secret>,
    reported: AtomicU64,
}

impl Market {
    /// With so many subscribers to a plan of these terms.
    pub async fn open(fixture: impl Fixture, terms: &str, subscribers: u64) -> Self {
        let mut market = Self::new(fixture, Invoicing::ByEngine).await;
        let plan = market.sell(terms).await;
        for _ in 0..subscribers {
            market.subscribe(&plan).await;
        }
        market
    }

    /// With a product that has no plan yet.
    pub async fn new(fixture: impl Fixture, invoicing: Invoicing) -> Self {
        let memory = async |clock| {
            let memory: Arc<dyn Store> = Arc::new(MemoryStore::new(clock));
            memory
        };
        Self::over(fixture, invoicing, memory).await
    }

    /// Over the store that `store` makes with the market's clock.
    pub async fn over(
        fixture: impl Fixture,
        invoicing: Invoicing,
        store: impl AsyncFnOnce(Clock) -> Arc<dyn Store>,
    ) -> Self {
        let (clock, time) = Clock::manual(fixture.now().await);
        let store = store(clock.clone()).await;
        let settings = Settings::default();
        let credentials = settings.credentials.clone();
        let monetizer = Monetizer::new(
            Arc::clone(&store),
            Engines::new([fixture.engine()]),
            clock.clone(),
            Arc::new(Entropy::seeded(7)),
            Pepper::new(&PEPPER).unwrap(),
        )
        .with_settings(settings);
        let new = NewTenant {
            name: text("market"),
            engine: fixture.engine().descriptor.id,
            invoicing,
            payment_days: 7,
            grace_days: 0,
        };
        let tenant = monetizer.create_tenant(new).await.unwrap().id;
        credentials.exchange(tenant, Some(Secret::new(CANARY)));
        let product = active_product(&monetizer, tenant, "weather", None).await;
        Self {
            fixture: Box::new(fixture),
            monetizer,
            store,
            clock,
            time,
            tenant,
            product,
            subscriptions: Vec::new(),
            keys: Vec::new(),
            reported: AtomicU64::default(),
        }
    }

    /// Puts a plan of these terms on sale.
    pub async fn sell(&self, terms: &str) -> Plan {
        let plan = self.plan(terms).await;
        self.enable().await;
        plan
    }

    /// A plan of these terms, which the engine does not know yet.
    pub async fn plan(&self, terms: &str) -> Plan {
        let new = market::new_plan(self.product.id, serde_json::from_str(terms).unwrap());
        let (plan, _) = self.monetizer.create_plan(self.tenant, new).await.unwrap();
        plan
    }

    pub async fn enable(&self) -> EnableReport {
        self.monetizer
            .enable_monetization(self.tenant, self.product.id, &BTreeMap::new())
            .await
            .unwrap()
    }

    pub async fn subscribe(&mut self, plan: &Plan) {
        let consumer = self
            .monetizer
            .create_consumer(self.tenant, text("consumer"), Vec::new())
            .await
            .unwrap();
        let order = market::order(consumer.id, plan.id);
        let ordered = self.monetizer.subscribe(self.tenant, order).await.unwrap();
        self.monetizer.run_jobs().await.unwrap();
        self.subscriptions.push(ordered.subscription.id);
        self.keys.push(ordered.key.unwrap().1);
    }

    pub fn engine(&self) -> Slug {
        self.fixture.engine().descriptor.id
    }

    /// Lets time pass here and at the provider.
    pub async fn pass(&self, time: Duration) {
        self.fixture.advance(time).await;
        self.time.advance(time);
    }

    pub async fn pass_until(&self, instant: &str) {
        let instant: Timestamp = text(instant);
        self.pass(instant.saturating_since(self.monetizer.now()))
            .await;
    }

    /// Runs what is due and hears what the engine says of it.
    pub async fn settle(&self) {
        for _ in 0..3 {
            self.monetizer.run_jobs().await.unwrap();
            self.hear(&self.fixture.messages().await).await;
        }
    }

    /// Each subscriber uses so many units now.
    pub async fn use_of_each(&self, units: u64) {
        for subscription in &self.subscriptions {
            self.used(*subscription, "requests", units).await;
        }
    }

    /// A subscriber uses so many units of a meter now.
    pub async fn used(&self, subscription: SubscriptionId, meter: &str, units: u64) {
        let number = self.reported.fetch_add(1, Ordering::Relaxed);
        let event = market::used_elsewhere(&number.to_string(), subscription, (meter, units));
        let taken = self.monetizer.ingest(self.tenant, &[event]).await;
        assert_eq!(taken.unwrap(), [Ingested::Accepted]);
    }

    pub async fn publish(&self) -> JobState {
        let started = self.monetizer.start_publishing(self.tenant).await.unwrap();
        let JobStart::Started(run) = started else {
            panic!("{started:?}");
        };
        let report = self.monetizer.publish(self.tenant, run).await.unwrap();
        report.run.state
    }

    /// Takes messages in that came to the tenant's endpoint, as far as they are about anything here.
    pub async fn hear(&self, messages: &[Message]) -> Vec<TakenIn> {
        self.hear_by(&[self.fixture.webhook_secret()], messages)
            .await
    }

    /// The same, where they are signed with any of these secrets.
    pub async fn hear_by(&self, secrets: &[Secret], messages: &[Message]) -> Vec<TakenIn> {
        let mut taken = Vec::new();
        for message in messages {
            match self.take_with(&self.monetizer, secrets, message).await {
                Ok(heard) => taken.push(heard),
                Err(FlowError::Unmatched { .. }) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        taken
    }

    /// Takes one message in that came to the tenant's endpoint.
    pub async fn take(&self, message: &Message) -> Result<TakenIn, FlowError> {
        let secrets = [self.fixture.webhook_secret()];
        self.take_with(&self.monetizer, &secrets, message).await
    }

    /// Takes one message in, by any of these secrets.
    pub async fn take_with(
        &self,
        monetizer: &Monetizer,
        secrets: &[Secret],
        message: &Message,
    ) -> Result<TakenIn, FlowError> {
        let engine = self.engine();
        let endpoint = WebhookEndpoint {
            tenant: Some(self.tenant),
            ..WebhookEndpoint::new(&engine, secrets)
        };
        monetizer
            .take_in(endpoint, &message.headers, &message.body)
            .await
    }

    /// How often each thing here was written.
    pub async fn versions(&self) -> Vec<(Uuid, u64)> {
        let rows = self.store.changes(0, 1_000).await.unwrap();
        rows.into_iter().map(|row| (row.id, row.version)).collect()
    }

    /// Every subscriber follows the link of the first invoice, and pays.
    pub async fn pay_all(&self) {
        let statements = self.fixture.engine().statements.unwrap();
        for id in &self.subscriptions {
            let external = self.external(*id).await;
            let invoices = statements.list(&self.cx(), &external).await.unwrap();
            let link = invoices[0].payment_url.as_ref().unwrap();
            self.fixture.pay(link).await;
        }
    }

    /// Every subscriber pays what is known here to be open.
    pub async fn pay_open(&self) {
        for id in &self.subscriptions {
            for invoice in self.invoices(*id).await {
                if let Some(link) = &invoice.payment_url {
                    self.fixture.pay(link).await;
                }
            }
        }
        self.settle().await;
    }

    pub async fn active(&self) -> usize {
        let mut active = 0;
        for id in &self.subscriptions {
            let state = self.subscription(*id).await.state;
            active += usize::from(state == SubscriptionState::Active);
        }
        active
    }

    /// Oldest first.
    pub async fn invoices(&self, of: SubscriptionId) -> Vec<Invoice> {
        let key = RowKey::new(Index::InvoicesOfSubscription, of);
        let stored = self.store.facts_by::<Invoice>(self.tenant, key).await;
        let stored = stored.unwrap().into_iter();
        let mut invoices: Vec<Invoice> = stored.map(|stored| stored.fact).collect();
        invoices.sort_by_key(|invoice| invoice.issued_at);
        invoices
    }

    /// What the invoices come to, oldest first, in minor units.
    pub async fn totals(&self, of: SubscriptionId) -> Vec<i64> {
        let invoices = self.invoices(of).await.into_iter();
        invoices.map(|invoice| invoice.total.minor()).collect()
    }

    pub async fn subscription(&self, id: SubscriptionId) -> Subscription {
        let found = self.store.fact::<Subscription>(self.tenant, id).await;
        found.unwrap().unwrap().fact
    }

    /// Every batch of the first segments.
    pub async fn batches(&self) -> Vec<Batch> {
        let mut batches = Vec::new();
        for id in &self.subscriptions {
            let subscription = self.subscription(*id).await;
            let segment = subscription.segment_at(subscription.created_at).unwrap();
            let of_segment = self.store.batches(self.tenant, segment.id).await;
            batches.extend(of_segment.unwrap());
        }
        batches
    }

    pub async fn held(&self) -> Vec<Batch> {
        let mut held = Vec::new();
        loop {
            let after = held.last().map(|last: &Batch| last.id);
            let page = self
                .store
                .held_batches(self.tenant, after, Listing::LIMIT_MAX);
            let page = page.await.unwrap();
            if page.is_empty() {
                return held;
            }
            held.extend(page);
        }
    }

    pub async fn reconcile(&self) -> ReconcileReport {
        let since = self.monetizer.now().saturating_sub(DAY * 3);
        let report = self.monetizer.reconcile(self.tenant, since).await.unwrap();
        assert_eq!(report.failed, []);
        report
    }

    /// What the engine has counted for all subscribers in their first periods.
    pub async fn counted(&self) -> i64 {
        let limits = self.fixture.engine().descriptor.limits;
        self.pass(limits.counts_within).await;
        let mut counted = 0;
        for id in &self.subscriptions {
            let subscription = self.subscription(*id).await;
            assert_eq!(subscription.state, SubscriptionState::Active);
            let period = subscription.timeline.schedule.period(0).unwrap();
            let external = self.external(*id).await;
            let (cx, usage) = (self.cx(), self.fixture.engine().usage.unwrap());
            let meter = &self.product.meters[0];
            let sum = usage.summary(&cx, &external, meter, period).await;
            counted += sum.unwrap().scaled();
        }
        counted
    }

    /// What the engine calls a subscription.
    pub async fn external(&self, id: SubscriptionId) -> ForeignId {
        let place = Place {
            engine: self.engine(),
            account: None,
        };
        let reference = place.reference(self.tenant, ObjectKind::Subscription, id.uuid());
        let found = self.store.fact::<Reference>(self.tenant, reference).await;
        found.unwrap().unwrap().fact.external
    }

    pub fn cx(&self) -> EngineContext {
        EngineContext {
            tenant: self.tenant,
            credentials: Some(Secret::new(CANARY)),
            account: None,
            key: IdempotencyKey::new("look"),
            repeated: false,
            timeout: HOUR,
        }
    }
}

/// A product that anybody may subscribe to, of a publisher with this account.
pub async fn active_product(
    monetizer: &Monetizer,
    tenant: TenantId,
    slug: &str,
    account: Option<ForeignId>,
) -> Product {
    let publisher = monetizer.create_publisher(tenant, text("publisher"), account);
    let new = NewProduct {
        meters: vec![serde_json::from_str(r#"{"name": "documents"}"#).unwrap()],
        ..market::new_product(publisher.await.unwrap().id, slug)
    };
    market::open_product(monetizer, tenant, new).await
}
