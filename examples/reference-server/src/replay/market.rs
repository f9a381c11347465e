//! A marketplace of one plan, in memory and on clocks by hand.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use http::header::HeaderValue;
use monetization_core::clock::{Clock, ManualClock, Timestamp};
use monetization_core::consumer::Buyer;
use monetization_core::engine::CancelMode;
use monetization_core::entropy::Entropy;
use monetization_core::field::FieldError;
use monetization_core::flows::{
    Engines, FlowError, Monetizer, NewPlan, NewProduct, NewTenant, Order, ProductChange, Settings,
    WebhookEndpoint,
};
use monetization_core::ids::{PlanId, SubscriptionId, TenantId};
use monetization_core::invoice::Invoicing;
use monetization_core::key::Pepper;
use monetization_core::memory::MemoryStore;
use monetization_core::period::TimeZone;
use monetization_core::plan::{Approval, PlanTerms};
use monetization_core::product::{Product, ProductState};
use monetization_core::runtime::{API_KEY, CommitterOptions, Gatekeeper, GatekeeperOptions};
use monetization_core::store::{Store, StoreExt};
use monetization_core::subscription::{Subscription, SubscriptionState};
use monetization_engine_mock::provider::{PaymentBehaviour, Rules};
use monetization_engine_mock::{Control, MockEngine, MockOptions};

use super::witness::Witness;
use super::{Offer, ReplayError};
use crate::task::Task;

/// What the API of the log is called.
pub(super) const SLUG: &str = "api";
/// More calls than are ever under way at once.
const QUEUE_MAX: usize = 100_000;

/// One product, one plan, and everybody who has subscribed to it at the same instant: the first of the
/// log. There the clock of the flows stands, until everything is closed; the gate's goes on with the
/// log.
pub(super) struct Market {
    pub(super) store: Arc<dyn Store>,
    pub(super) witness: Option<Arc<Witness>>,
    pub(super) gatekeeper: Gatekeeper,
    pub(super) terms: PlanTerms,
    pub(super) tenant: TenantId,
    pub(super) product: Product,
    monetizer: Monetizer,
    provider: Control,
    plan: PlanId,
    /// The time of the flows.
    time: ManualClock,
    gate_clock: Clock,
    gate_time: ManualClock,
    subscribed: usize,
    _running: Task,
}

/// Somebody who has subscribed and paid what was due.
pub(super) struct Subscriber {
    pub(super) subscription: SubscriptionId,
    /// Of each call: the key.
    pub(super) headers: HeaderMap,
}

impl Market {
    pub(super) async fn open(
        offer: &Offer,
        start: Timestamp,
        traced: bool,
    ) -> Result<Self, ReplayError> {
        let (clock, time) = Clock::manual(start);
        let (gate_clock, gate_time) = Clock::manual(start);
        // The same log and plan make the same keys, ids and result.
        let entropy = Arc::new(Entropy::seeded(0));
        let pepper = Pepper::random(&entropy);
        let ledger = MemoryStore::without_records(clock.clone());
        let witness = traced.then(|| Arc::new(Witness::over(ledger)));
        let store: Arc<dyn Store> = match &witness {
            Some(witness) => Arc::<Witness>::clone(witness),
            None => Arc::new(MemoryStore::without_records(clock.clone())),
        };
        let rules = Rules {
            payment: PaymentBehaviour::Automatically,
            ..Rules::default()
        };
        let mock = MockEngine::open(MockOptions::in_memory(start).with_rules(rules))?;
        let monetizer = Monetizer::new(
            Arc::clone(&store),
            Engines::new([mock.engine()]),
            clock,
            Arc::clone(&entropy),
            pepper.clone(),
        );
        let (tenant, product) = put_on_sale(&monetizer, offer).await?;
        let new = NewPlan {
            product: product.id,
            name: offer.name.clone(),
            approval: Approval::Automatic,
            terms: offer.terms.clone(),
        };
        let (plan, version) = monetizer.create_plan(tenant, new).await?;
        let options = GatekeeperOptions {
            // Whoever changes something here says so; process time is the log's.
            stale_after: Duration::MAX,
            poll_every: Duration::from_secs(366 * 86_400),
            committer: CommitterOptions {
                queue_max: QUEUE_MAX,
                ..CommitterOptions::default()
            },
            ..GatekeeperOptions::default()
        };
        let gatekeeper = Gatekeeper::new(
            Arc::clone(&store),
            gate_clock.clone(),
            entropy,
            pepper,
            options,
        );
        gatekeeper.refresh().await?;
        let running = Task::spawn(gatekeeper.clone().run(Arc::new(sleep)));
        Ok(Self {
            store,
            witness,
            gatekeeper,
            terms: version.terms,
            tenant,
            product,
            monetizer,
            provider: mock.control(),
            plan: plan.id,
            time,
            gate_clock,
            gate_time,
            subscribed: 0,
            _running: running,
        })
    }

    /// Lets the gate's time go on to this instant.
    pub(super) fn go_on(&self, to: Timestamp) {
        self.gate_time
            .advance(to.saturating_since(self.gate_clock.now()));
    }

    /// So many more subscribe, as of the first instant of the log, and pay what is due then.
    pub(super) async fn subscribe(&mut self, count: usize) -> Result<Vec<Subscriber>, ReplayError> {
        let mut subscribers = Vec::with_capacity(count);
        for _ in 0..count {
            self.subscribed = self.subscribed.saturating_add(1);
            subscribers.push(self.subscribe_one().await?);
        }
        self.monetizer.carry_out_operations().await?;
        let secrets = self.provider.webhook_secrets();
        let engine = parse("engine", "mock")?;
        for message in self.provider.take_deliveries()? {
            self.monetizer
                .take_in(
                    WebhookEndpoint::new(&engine, &secrets),
                    &message.headers,
                    &message.body,
                )
                .await?;
        }
        if let Some(last) = subscribers.last() {
            let subscription = self.subscription(last.subscription).await?;
            if subscription.state != SubscriptionState::Active {
                return Err(ReplayError::Unpaid(subscription.state));
            }
        }
        self.gatekeeper.refresh().await?;
        Ok(subscribers)
    }

    /// Ends every subscription with the period that `last` lies in, and closes all periods.
    pub(super) async fn close(
        &self,
        subscribers: impl Iterator<Item = SubscriptionId>,
        last: Timestamp,
    ) -> Result<(), ReplayError> {
        self.time.set(last);
        let mut end = last;
        for id in subscribers {
            let mode = CancelMode::AtPeriodEnd;
            let ending = self.monetizer.cancel(self.tenant, id, mode).await?;
            end = end.max(ending.timeline.ends_at.unwrap_or(end));
        }
        self.time
            .set(end.saturating_add(Settings::default().closing_grace));
        let closed = self.monetizer.close_due().await?;
        match closed.parked.into_iter().next() {
            Some((_, because)) => Err(ReplayError::NotClosed(because)),
            None if closed.ended == self.subscribed => Ok(()),
            None => Err(ReplayError::NotClosed("a subscription goes on".to_owned())),
        }
    }

    pub(super) async fn subscription(
        &self,
        id: SubscriptionId,
    ) -> Result<Subscription, ReplayError> {
        let found = self.store.fact::<Subscription>(self.tenant, id).await?;
        let missing = || FlowError::NotFound { id: id.to_string() };
        Ok(found.ok_or_else(missing)?.fact)
    }

    async fn subscribe_one(&self) -> Result<Subscriber, ReplayError> {
        // What the log calls them may be anything; here they have names.
        let name = format!("consumer-{}", self.subscribed);
        let consumer = self
            .monetizer
            .create_consumer(self.tenant, parse("name", &name)?, Vec::new())
            .await?;
        let order = Order {
            consumer: consumer.id,
            buyer: Buyer {
                user_id: parse("buyer", &name)?,
                name: parse("buyer", &name)?,
            },
            application: None,
            plan: self.plan,
            request_key: None,
            time_zone: TimeZone::UTC,
        };
        let ordered = self.monetizer.subscribe(self.tenant, order).await?;
        let (_, secret) = ordered.key.ok_or(FlowError::Contended)?;
        let key = HeaderValue::from_str(secret.reveal());
        let key = key.map_err(|error| FieldError::new("key", error))?;
        Ok(Subscriber {
            subscription: ordered.subscription.id,
            headers: HeaderMap::from_iter([(API_KEY, key)]),
        })
    }
}

async fn put_on_sale(
    monetizer: &Monetizer,
    offer: &Offer,
) -> Result<(TenantId, Product), ReplayError> {
    let new = NewTenant {
        name: parse("name", "Replay")?,
        engine: parse("engine", "mock")?,
        invoicing: Invoicing::ByCore,
        payment_days: 14,
        grace_days: 0,
    };
    let tenant = monetizer.create_tenant(new).await?.id;
    let publisher = monetizer
        .create_publisher(tenant, parse("name", "Publisher")?, None)
        .await?;
    let new = NewProduct {
        publisher: publisher.id,
        slug: parse("slug", SLUG)?,
        name: parse("name", "The API of the log")?,
        description: parse("description", "")?,
        gateway_endpoint: parse("gateway_endpoint", "http://localhost")?,
        resources: offer.resources.clone(),
        meters: offer.meters.clone(),
    };
    let product = monetizer.create_product(tenant, new).await?;
    let active = ProductChange {
        state: Some(ProductState::Active),
        ..ProductChange::default()
    };
    monetizer.change_product(tenant, product.id, active).await?;
    monetizer
        .enable_monetization(tenant, product.id, &BTreeMap::new())
        .await?;
    Ok((tenant, product))
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
    field: &str,
    text: &str,
) -> Result<T, FieldError> {
    text.parse().map_err(|error| FieldError::new(field, error))
}

fn sleep(length: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(tokio::time::sleep(length))
}
