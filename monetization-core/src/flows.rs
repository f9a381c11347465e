//! Flows: the only places that hold a store and an engine together.
//!
//! A [`Monetizer`] reads facts, asks pure decisions, and writes what they say in one change; what
//! is to be done at an engine is written down in the same change and carried out afterwards by
//! [`Monetizer::carry_out_operations`]. Every flow is safe to run again at any point: after a
//! crash, a lost reply, or beside another process that does the same. None of them sleeps; jobs
//! return when they are due again.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::engine::{Engine, EngineContext, IdempotencyKey};
use crate::entropy::Entropy;
use crate::ids::{TenantId, TypedId};
use crate::key::Pepper;
use crate::secret::Secret;
use crate::store::{Applied, ChangeSet, Conflict, Fact, Store, StoreErrorKind, StoreExt, Stored};
use crate::tenant::Tenant;
use crate::text::{ForeignId, Slug};

pub use catalogue::{NewPlan, NewProduct, ProductChange};
pub use closing::Closed;
pub use engines::{Engines, UnknownEngine};
pub use error::FlowError;
pub use ingesting::{Ingested, UsageEvent};
pub use jobs::JobsReport;
pub use monetizing::{DisableMode, Disabled, EnableReport, PlanEnabled};
pub use operations::OperationsReport;
pub use parties::NewTenant;
pub use publishing::PublishReport;
pub use statements::{MeterUse, Statement};
pub use subscribing::{Order, Ordered};
pub use webhooks::TakenIn;

mod catalogue;
mod changing;
mod closing;
mod engines;
mod error;
mod ingesting;
mod invoicing;
mod jobs;
mod keys;
mod monetizing;
mod operations;
mod parties;
mod publishing;
mod references;
mod statements;
mod subscribing;
mod webhooks;

/// Everything that is done with a store and an engine. Clones share both.
#[derive(Clone)]
pub struct Monetizer {
    store: Arc<dyn Store>,
    engines: Engines,
    clock: Clock,
    entropy: Arc<Entropy>,
    pepper: Pepper,
    settings: Settings,
}

/// What a [`Monetizer`] goes by.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long after its end a period is closed, so that use that was under way is in it.
    pub closing_grace: Duration,
    /// How far ahead of now a plan change takes effect at the earliest: longer than any gateway
    /// may go without news.
    pub change_notice: Duration,
    /// How long a call of an engine may take.
    pub engine_timeout: Duration,
    /// What tenants sign in to their engine with.
    pub credentials: BTreeMap<TenantId, Secret>,
}

impl Default for Settings {
    /// Half an hour, two seconds, 30 seconds, and no credentials.
    fn default() -> Self {
        Self {
            closing_grace: Duration::from_secs(30 * 60),
            change_notice: Duration::from_secs(2),
            engine_timeout: Duration::from_secs(30),
            credentials: BTreeMap::new(),
        }
    }
}

/// How often a flow reads and decides again because somebody else was quicker.
const ATTEMPTS_MAX: usize = 16;

impl Monetizer {
    /// Works with this store and these engines.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        engines: Engines,
        clock: Clock,
        entropy: Arc<Entropy>,
        pepper: Pepper,
    ) -> Self {
        Self {
            store,
            engines,
            clock,
            entropy,
            pepper,
            settings: Settings::default(),
        }
    }

    /// Goes by these settings instead of the default ones.
    #[must_use]
    pub fn with_settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// The store it works with.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The engines it works with.
    #[must_use]
    pub fn engines(&self) -> &Engines {
        &self.engines
    }

    /// The business time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn id<T: TypedId>(&self) -> T {
        self.entropy.id(self.clock.now())
    }

    fn change(&self) -> ChangeSet {
        ChangeSet::new(self.id(), self.clock.now())
    }

    /// The tenant's fact of this id.
    async fn must<T: Fact>(&self, tenant: TenantId, id: T::Id) -> Result<Stored<T>, FlowError> {
        let found = self.store.fact::<T>(tenant, id).await?;
        found.ok_or_else(|| FlowError::NotFound { id: id.to_string() })
    }

    async fn engine_of(&self, tenant: TenantId) -> Result<(Tenant, &Engine), FlowError> {
        let tenant = self.must::<Tenant>(tenant, tenant).await?.fact;
        let engine = self.engines.choose(&tenant.engine)?;
        Ok((tenant, engine))
    }

    fn context(
        &self,
        tenant: TenantId,
        account: Option<ForeignId>,
        key: IdempotencyKey,
    ) -> EngineContext {
        let credentials = self.settings.credentials.get(&tenant).cloned();
        EngineContext {
            tenant,
            credentials,
            account,
            key,
            timeout: self.settings.engine_timeout,
        }
    }

    /// Writes a change; `false` where a row has been changed meanwhile and the flow has to read
    /// and decide again. A change whose reply was lost is written again, which is recognised.
    async fn apply(&self, change: &ChangeSet) -> Result<bool, FlowError> {
        let mut lost = 0;
        let applied = loop {
            match self.store.apply(change).await {
                Err(error) if error.kind() == StoreErrorKind::Unknown && lost < ATTEMPTS_MAX => {
                    lost = lost.saturating_add(1);
                }
                answer => break answer?,
            }
        };
        match applied {
            Applied::New | Applied::Again => Ok(true),
            Applied::Refused(Conflict::Version { .. }) => Ok(false),
            Applied::Refused(conflict) => Err(conflict.into()),
        }
    }
}

impl fmt::Debug for Monetizer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Monetizer")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

/// The name of the job that publishes use.
fn publish_job() -> Result<Slug, FlowError> {
    "publish-usage"
        .parse()
        .map_err(|error| FlowError::Field(crate::field::FieldError::new("job", error)))
}
