//! A marketplace of one publisher: what a program needs that sells its own API.
//!
//! It puts the parts together that a larger marketplace handles one by one: a tenant and a
//! publisher, a [`Monetizer`] for what is sold and billed, a [`Gatekeeper`] for the calls.
//!
//! ```
//! use monetization_core::storefront::Storefront;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let shop = Storefront::in_memory(monetization_core::engine::none()).await?;
//! let terms = r#"{"billing": "free", "currency": "EUR", "cycle": "month",
//!     "rates": [{"kind": "calendar", "window": "second", "max": 10}]}"#;
//! let plan = shop.sell("weather", serde_json::from_str(terms)?).await?;
//! let (subscription, key) = shop.subscribe("acme", plan).await?;
//! assert_eq!(subscription.plan, plan);
//! assert!(key.reveal().starts_with("mk_live_"));
//!
//! // What the short way leaves out is there all the same.
//! let stopped = shop.monetizer().block(shop.tenant(), subscription.id).await?;
//! assert!(!stopped.blocks.is_empty());
//! // A plan with a price needs an engine that collects it.
//! let terms = r#"{"billing": "fixed", "currency": "EUR", "cycle": "month", "base_price": "9"}"#;
//! let paid = shop.sell("radar", serde_json::from_str(terms)?).await?;
//! assert!(shop.subscribe("acme", paid).await.is_err());
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Clock;
use crate::consumer::Buyer;
use crate::engine::Engine;
use crate::entropy::Entropy;
use crate::field::FieldError;
use crate::flows::{
    Engines, FlowError, JobsReport, Monetizer, NewPlan, NewProduct, NewTenant, Order, ProductChange,
};
use crate::ids::{PlanId, PublisherId, TenantId};
use crate::invoice::Invoicing;
use crate::key::Pepper;
use crate::memory::MemoryStore;
use crate::period::TimeZone;
use crate::plan::{Approval, TermsDraft};
use crate::product::{Product, ProductState};
use crate::runtime::{Gatekeeper, GatekeeperOptions, Sleep};
use crate::secret::Secret;
use crate::store::{Index, Kind, Listing, RowKey, Store, StoreExt, Stored};
use crate::subscription::Subscription;
use crate::tenant::{Publisher, Tenant};

/// A marketplace of one publisher.
///
/// Clones are the same marketplace. Who invoices follows from the engine: core where it can collect
/// finished invoices, otherwise the engine itself.
#[derive(Debug, Clone)]
pub struct Storefront {
    monetizer: Monetizer,
    gatekeeper: Gatekeeper,
    clock: Clock,
    tenant: TenantId,
    publisher: PublisherId,
}

impl Storefront {
    /// A marketplace that is gone with the process, on the machine's clock: to try things out.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn in_memory(engine: Engine) -> Result<Self, FlowError> {
        let pepper = Pepper::random(&Entropy::system());
        let store = Arc::new(MemoryStore::default());
        Self::open(store, engine, Clock::system(), pepper).await
    }

    /// Opens the marketplace that this store holds, or makes it there.
    ///
    /// `pepper` is what keys are digested with: keep it outside of the store, and keep it, since
    /// without it no key that was issued is good any more.
    ///
    /// # Errors
    /// [`FlowError::Store`].
    pub async fn open(
        store: Arc<dyn Store>,
        engine: Engine,
        clock: Clock,
        pepper: Pepper,
    ) -> Result<Self, FlowError> {
        let entropy = Arc::new(Entropy::system());
        let id = engine.descriptor.id.clone();
        let invoicing = if engine.invoices.is_some() {
            Invoicing::ByCore
        } else {
            Invoicing::ByEngine
        };
        let options = GatekeeperOptions::default();
        let gatekeeper = Gatekeeper::new(
            Arc::clone(&store),
            clock.clone(),
            Arc::clone(&entropy),
            pepper.clone(),
            options,
        );
        let engines = Engines::new([engine]);
        let monetizer = Monetizer::new(Arc::clone(&store), engines, clock.clone(), entropy, pepper);
        let tenants = store.all(Kind::Tenant, None, 1).await?;
        let tenant = match tenants.first() {
            Some(row) => Stored::<Tenant>::read(row)?.fact.id,
            None => {
                let name = parse("name", "storefront")?;
                let new = NewTenant {
                    name,
                    engine: id,
                    invoicing,
                    payment_days: 7,
                    grace_days: 0,
                };
                monetizer.create_tenant(new).await?.id
            }
        };
        let listing = Listing {
            kind: Kind::Publisher,
            key: None,
            after: None,
            limit: 1,
        };
        let publisher = match store.rows(tenant, &listing).await?.first() {
            Some(row) => Stored::<Publisher>::read(row)?.fact.id,
            None => {
                monetizer
                    .create_publisher(tenant, parse("name", "storefront")?, None)
                    .await?
                    .id
            }
        };
        Ok(Self {
            monetizer,
            gatekeeper,
            clock,
            tenant,
            publisher,
        })
    }

    /// Puts a plan of a product on sale. The product is made with its first plan; a program that
    /// serves it itself need not say where.
    ///
    /// # Errors
    /// [`FlowError::Field`] for terms that make no sense, [`FlowError::Engine`],
    /// [`FlowError::Store`].
    pub async fn sell(&self, product: &str, terms: TermsDraft) -> Result<PlanId, FlowError> {
        let product = self.product(product).await?;
        let name = parse("product", product.slug.as_str())?;
        let new = NewPlan {
            product: product.id,
            name,
            approval: Approval::Automatic,
            terms,
        };
        let (plan, _) = self.monetizer.create_plan(self.tenant, new).await?;
        self.monetizer
            .enable_monetization(self.tenant, product.id, &BTreeMap::new())
            .await?;
        Ok(plan.id)
    }

    /// Subscribes a new consumer to a plan; answers the key to call with, which is told only here.
    ///
    /// # Errors
    /// As [`Monetizer::subscribe`].
    pub async fn subscribe(
        &self,
        consumer: &str,
        plan: PlanId,
    ) -> Result<(Subscription, Secret), FlowError> {
        let name = parse("consumer", consumer)?;
        let consumer = self
            .monetizer
            .create_consumer(self.tenant, name, Vec::new())
            .await?;
        let id = consumer.id.to_string();
        let buyer = Buyer {
            user_id: parse("buyer", &id)?,
            name: parse("buyer", &id)?,
        };
        let order = Order {
            consumer: consumer.id,
            buyer,
            application: None,
            plan,
            time_zone: TimeZone::UTC,
            request_key: None,
        };
        let ordered = self.monetizer.subscribe(self.tenant, order).await?;
        self.gatekeeper.refresh().await?;
        // The order is new and its plan asks for no approval, so it has a key.
        let (_, secret) = ordered.key.ok_or(FlowError::Contended)?;
        Ok((ordered.subscription, secret))
    }

    /// Everything that has to run beside the calls, jobs included. Spawn it once; it ends after
    /// [`Gatekeeper::shutdown`].
    pub async fn run(self, sleep: impl Sleep) {
        let sleep: Arc<dyn Sleep> = Arc::new(sleep);
        let jobs = async {
            loop {
                // What fails is tried again in a moment: the store tells by the gatekeeper, the
                // engine by the operations that wait.
                drop(self.jobs().await);
                sleep.sleep(Duration::from_secs(1)).await;
            }
        };
        let calls = self.gatekeeper.clone().run(Arc::clone(&sleep));
        futures::pin_mut!(jobs, calls);
        let _ended = futures::future::select(calls, jobs).await;
    }

    /// One round of the jobs that [`run`](Self::run) runs.
    ///
    /// # Errors
    /// As [`Monetizer::run_jobs`].
    pub async fn jobs(&self) -> Result<JobsReport, FlowError> {
        self.monetizer.run_jobs().await
    }

    /// The clock it goes by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The marketplace's tenant.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// What decides about calls.
    #[must_use]
    pub fn gatekeeper(&self) -> &Gatekeeper {
        &self.gatekeeper
    }

    /// What sells and bills.
    #[must_use]
    pub fn monetizer(&self) -> &Monetizer {
        &self.monetizer
    }

    async fn product(&self, slug: &str) -> Result<Product, FlowError> {
        let key = RowKey::new(Index::ProductSlug, slug);
        if let Some(known) = self
            .monetizer
            .store()
            .fact_by::<Product>(self.tenant, key)
            .await?
        {
            return Ok(known.fact);
        }
        let new = NewProduct {
            publisher: self.publisher,
            slug: parse("product", slug)?,
            name: parse("product", slug)?,
            description: parse("description", "")?,
            gateway_endpoint: parse("gateway_endpoint", "http://localhost")?,
            resources: Vec::new(),
            meters: Vec::new(),
        };
        let product = self.monetizer.create_product(self.tenant, new).await?;
        let active = ProductChange {
            state: Some(ProductState::Active),
            ..ProductChange::default()
        };
        self.monetizer
            .change_product(self.tenant, product.id, active)
            .await
    }
}

fn parse<T: std::str::FromStr<Err: std::fmt::Display>>(
    field: &str,
    text: &str,
) -> Result<T, FieldError> {
    text.parse().map_err(|error| FieldError::new(field, error))
}
