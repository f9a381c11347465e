//! A marketplace over Stripe whose processes come and go.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use monetization_conformance::market;
use monetization_conformance::sample::text;
use monetization_conformance::stripe::FakeStripe;
use monetization_conformance::stripe::fake::Delivery;
use monetization_core::flows::{
    FlowError, Monetizer, NewTenant, Order, PublishReport, WebhookEndpoint,
};
use monetization_core::ids::{ConsumerId, PlanId, SubscriptionId, TenantId};
use monetization_core::invoice::{Invoice, InvoiceState, Invoicing};
use monetization_core::secret::Secret;
use monetization_core::store::{Batch, Index, JobStart, JobState, RowKey, StoreExt};
use monetization_core::subscription::{Segment, Subscription};

use crate::outside::{Outside, Process};

pub const MINUTE: Duration = Duration::from_secs(60);
pub const HOUR: Duration = Duration::from_secs(3_600);

/// Where use is reported.
pub const EVENTS: &str = "/v1/billing/meter_events";

/// By the call, and nothing else; a year long, so that no period ends.
pub const METERED: &str = r#"{"billing":"metered","currency":"USD","cycle":"year",
    "usage":[{"meter":"requests","unit_price":"0.01"}]}"#;

pub struct Shop {
    pub outside: Outside,
    process: Option<Process>,
    pub invoicing: Invoicing,
    pub tenant: TenantId,
    pub plans: Vec<PlanId>,
    reported: AtomicU32,
    untold: Mutex<VecDeque<Delivery>>,
}

impl Shop {
    /// With plans of these terms on sale.
    pub async fn open(outside: Outside, invoicing: Invoicing, terms: &[&str]) -> Self {
        let process = outside.process().await;
        let monetizer = &process.monetizer;
        let new = NewTenant {
            name: text("market"),
            engine: text("stripe"),
            invoicing,
            payment_days: 14,
            grace_days: 0,
        };
        let tenant = monetizer.create_tenant(new).await.unwrap().id;
        outside.sign_in(tenant, Outside::KEY);
        let plans = on_sale(monetizer, tenant, terms).await;
        Self {
            outside,
            invoicing,
            tenant,
            plans,
            process: Some(process),
            reported: AtomicU32::default(),
            untold: Mutex::default(),
        }
    }

    pub fn stripe(&self) -> &FakeStripe {
        &self.outside.stripe
    }

    pub fn monetizer(&self) -> &Monetizer {
        &self.process().monetizer
    }

    pub fn process(&self) -> &Process {
        self.process.as_ref().unwrap()
    }

    /// Another process takes the place of this one, of which nothing is left.
    pub async fn restart(&mut self) {
        // A file is owned by one process at a time.
        self.process = None;
        self.process = Some(self.outside.process().await);
    }

    /// A process whose calls of Stripe may take so long takes the place of this one.
    pub async fn be_patient_for(&mut self, time: Duration) {
        self.outside.patience = time;
        self.restart().await;
    }

    pub async fn consumer(&self) -> ConsumerId {
        let made = self
            .monetizer()
            .create_consumer(self.tenant, text("consumer"), Vec::new());
        made.await.unwrap().id
    }

    pub fn order(&self, consumer: ConsumerId, plan: PlanId) -> Order {
        Order {
            request_key: Some(text("order-1")),
            ..market::order(consumer, plan)
        }
    }

    /// Somebody new subscribes to the first plan and pays what is due.
    pub async fn subscriber(&self) -> SubscriptionId {
        self.subscriber_with_key().await.0
    }

    /// The same, with what their calls are made with.
    pub async fn subscriber_with_key(&self) -> (SubscriptionId, Secret) {
        let order = Order {
            request_key: None,
            ..self.order(self.consumer().await, self.plans[0])
        };
        let ordered = self
            .monetizer()
            .subscribe(self.tenant, order)
            .await
            .unwrap();
        self.settle().await;
        self.pay(ordered.subscription.id).await;
        (ordered.subscription.id, ordered.key.unwrap().1)
    }

    /// Lets time pass here and at Stripe.
    pub fn pass(&self, time: Duration) {
        self.outside.pass(time);
    }

    pub fn pass_until(&self, instant: &str) {
        let instant: monetization_core::clock::Timestamp = text(instant);
        let now = self.outside.clock.now();
        self.outside.pass(instant.saturating_since(now));
    }

    /// Reports use that was recorded elsewhere, of now.
    pub async fn use_units(&self, of: SubscriptionId, units: u64) {
        let number = self.reported.fetch_add(1, Ordering::AcqRel);
        let events = [market::used_elsewhere(
            &number.to_string(),
            of,
            ("requests", units),
        )];
        let taken = self.monetizer().ingest(self.tenant, &events);
        taken.await.unwrap();
    }

    /// Publishes, where nobody else does.
    pub async fn publish(&self) -> Option<PublishReport> {
        self.try_to_publish().await.unwrap()
    }

    /// The same, where Stripe may not be reached at all.
    pub async fn try_to_publish(&self) -> Result<Option<PublishReport>, FlowError> {
        match self.monetizer().start_publishing(self.tenant).await? {
            JobStart::Started(run) => {
                let published = self.monetizer().publish(self.tenant, run);
                published.await.map(Some)
            }
            JobStart::Busy(_) => Ok(None),
        }
    }

    /// How a run of publishing has ended.
    pub async fn published(&self) -> JobState {
        self.publish().await.unwrap().run.state
    }

    /// Runs jobs and takes in what Stripe tells, until nothing is left to do.
    pub async fn settle(&self) {
        for _ in 0..3 {
            self.monetizer().run_jobs().await.unwrap();
            self.hear().await;
        }
    }

    /// Takes in what Stripe tells; what cannot be matched yet it tells again later, and what a process
    /// has died over, too.
    pub async fn hear(&self) {
        self.untold().extend(self.stripe().deliveries());
        let mut left = VecDeque::new();
        loop {
            let Some(delivery) = self.untold().front().cloned() else {
                break;
            };
            let taken = self.take_in(&delivery).await;
            self.untold().pop_front();
            match taken {
                Ok(()) => {}
                Err(FlowError::Unmatched { .. }) => left.push_back(delivery),
                Err(error) => panic!("{error:?}"),
            }
        }
        *self.untold() = left;
    }

    fn untold(&self) -> MutexGuard<'_, VecDeque<Delivery>> {
        self.untold.lock().unwrap()
    }

    async fn take_in(&self, delivery: &Delivery) -> Result<(), FlowError> {
        let signature = HeaderValue::from_str(&delivery.signature(self.stripe().now()));
        let mut headers = HeaderMap::new();
        headers.insert("stripe-signature", signature.unwrap());
        let (stripe, secrets) = (text("stripe"), [self.outside.secret.clone()]);
        let endpoint = WebhookEndpoint {
            tenant: Some(self.tenant),
            ..WebhookEndpoint::new(&stripe, &secrets)
        };
        let taken = self
            .monetizer()
            .take_in(endpoint, &headers, delivery.body.as_bytes());
        taken.await.map(drop)
    }

    /// Pays every open invoice of a subscription at Stripe, and hears of it.
    pub async fn pay(&self, of: SubscriptionId) {
        for invoice in self.invoices(of).await {
            if matches!(invoice.state, InvoiceState::Open | InvoiceState::PastDue) {
                self.stripe().pay(&self.external(&invoice)).unwrap();
            }
        }
        self.settle().await;
    }

    /// What Stripe calls an invoice that is to be paid: its page is named after it.
    pub fn external(&self, invoice: &Invoice) -> String {
        let url = invoice.payment_url.as_ref().unwrap();
        url.rsplit('/').next().unwrap().to_owned()
    }

    pub async fn subscription(&self, id: SubscriptionId) -> Subscription {
        let found = self
            .process()
            .store
            .fact::<Subscription>(self.tenant, id)
            .await;
        found.unwrap().unwrap().fact
    }

    pub async fn invoices(&self, of: SubscriptionId) -> Vec<Invoice> {
        let key = RowKey::new(Index::InvoicesOfSubscription, of);
        let stored = self
            .process()
            .store
            .facts_by::<Invoice>(self.tenant, key)
            .await;
        let mut all: Vec<Invoice> = stored.unwrap().into_iter().map(|it| it.fact).collect();
        all.sort_by_key(|invoice| invoice.issued_at);
        all
    }

    /// What a subscription has been cut into by now.
    pub async fn segments(&self, of: SubscriptionId) -> Vec<Segment> {
        let (of, now) = (self.subscription(of).await, self.outside.clock.now());
        let next = |before: &Segment| of.segment_at(before.span.end.min(now));
        let mut segments: Vec<Segment> = Vec::new();
        let mut following = of.segment_at(of.created_at);
        while let Some(segment) = following.filter(|it| segments.last() != Some(it)) {
            following = next(&segment);
            segments.push(segment);
        }
        segments
    }

    /// Every batch of a subscription.
    pub async fn batches(&self, of: SubscriptionId) -> Vec<Batch> {
        let mut batches = Vec::new();
        for segment in self.segments(of).await {
            let of_segment = self.process().store.batches(self.tenant, segment.id).await;
            batches.extend(of_segment.unwrap());
        }
        batches
    }

    /// What was used by what the ledger says.
    pub async fn recorded(&self, of: SubscriptionId) -> u64 {
        let mut units = 0;
        for segment in self.segments(of).await {
            let records = self
                .process()
                .store
                .records(self.tenant, segment.id, None, usize::MAX);
            let counted = records.await.unwrap().into_iter().flat_map(|it| it.counted);
            units += counted.map(|it| it.quantity.scaled()).sum::<i64>();
        }
        u64::try_from(units).unwrap()
    }

    pub async fn held(&self) -> Vec<Batch> {
        let held = self.process().store.held_batches(self.tenant, None, 1_000);
        held.await.unwrap()
    }

    /// What Stripe has counted in all.
    pub fn counted(&self) -> u64 {
        let counted = self.stripe().counted().into_iter();
        counted
            .map(|it| it.value.to_string().parse::<u64>().unwrap())
            .sum()
    }
}

/// A product on sale with plans of these terms.
async fn on_sale(monetizer: &Monetizer, tenant: TenantId, terms: &[&str]) -> Vec<PlanId> {
    let publisher = monetizer.create_publisher(tenant, text("publisher"), None);
    let new = market::new_product(publisher.await.unwrap().id, market::WEATHER);
    let product = market::open_product(monetizer, tenant, new).await;
    let mut plans = Vec::new();
    for terms in terms {
        let new = market::new_plan(product.id, serde_json::from_str(terms).unwrap());
        plans.push(monetizer.create_plan(tenant, new).await.unwrap().0.id);
    }
    monetizer
        .enable_monetization(tenant, product.id, &BTreeMap::new())
        .await
        .unwrap();
    plans
}
