//! Flows: the only places that hold a store and an engine together.
//!
//! A [`Monetizer`] reads facts, asks pure decisions, and writes what they say in one change; what
//! is to be done at an engine is written down in the same change and carried out afterwards by
//! [`Monetizer::carry_out_operations`]. Every flow is safe to run again at any point: after a
//! crash, a lost reply, or beside another process that does the same. None of them sleeps; jobs
//! return when they are due again.
//!
//! Every flow has the same shape. It reads facts with their versions, decides, and applies one
//! change set under an id of its own:
//!
//! | what happens | what follows |
//! |---|---|
//! | the change is written | the flow goes on, or is done |
//! | its reply is lost | the same change is applied again, and recognised |
//! | a row was changed meanwhile | the flow reads and decides again, a few times |
//! | the process dies before | nothing has happened |
//! | the process dies after | what is missing is found by whoever runs the flow again |
//!
//! An engine is asked outside of any change. What core has promised to do there is an
//! [`Intent`](crate::intent::Intent) in the change that promised it; what the engine calls things
//! is a [`Reference`](crate::reference::Reference), written as soon as it has said so.
//!
//! | module | flow | its runs |
//! |---|---|---|
//! | parties | tenants, publishers, consumers, tokens | by request |
//! | catalogue | products and plans | by request |
//! | monetizing | on sale and off sale at an engine | by request |
//! | subscribing, changing | subscriptions | by request |
//! | keys | API keys | by request |
//! | ingesting | reported use | by request |
//! | crediting | credits of invoices | by request |
//! | paying | the engine's own pages for consumers | by request |
//! | statements | what was used and is owed | by request, reads only |
//! | unbilled | use that nobody is billed for | by request, reads only |
//! | closing | ends of periods, invoices, what is past due | a job |
//! | operations | intents; those that were given up are resumed by request | a job |
//! | publishing | batches, also after a restore | a job of its own |
//! | reconciling | what engines have counted, batches that are held | by request |
//! | withdrawing | reports that are taken back | by request |
//! | webhooks | messages of engines | by message |
//! | catching up | messages that never arrived | a job of its own |

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::engine::{Engine, EngineContext, IdempotencyKey};
use crate::entropy::Entropy;
use crate::ids::{SubscriptionId, TenantId, TypedId};
use crate::key::Pepper;
use crate::store::{
    Applied, ChangeSet, Conflict, Fact, Kind, Listing, Store, StoreErrorKind, StoreExt, Stored,
};
use crate::subscription::Subscription;
use crate::tenant::Tenant;
use crate::text::{ForeignId, Slug};

pub use bundling::Bought;
pub use catalogue::{NewPlan, NewProduct, ProductChange};
pub use catching_up::CaughtUp;
pub use closing::Closed;
pub use credentials::Credentials;
pub use crediting::NewCredit;
pub use engines::{Engines, UnknownEngine};
pub use error::FlowError;
pub use ingesting::{Ingested, UsageEvent};
pub use jobs::JobsReport;
pub use monetizing::{DisableMode, Disabled, EnableReport, PlanEnabled};
pub use operations::OperationsReport;
pub use parties::{Beginning, Begun, NewTenant};
pub use publishing::{PublishReport, RestoreReport};
pub use reconciling::{Difference, ReconcileReport};
pub use resources::ResourceChange;
pub use revenue::{Earned, Revenue, RevenueQuestion, RevenueRow};
pub use statements::{LimitUse, MeterUse, Statement};
pub use subscribing::{Order, Ordered};
pub use unbilled::{TooLate, Unbilled};
pub use webhooks::{Rejected, TakenIn, WebhookEndpoint};

mod bundling;
mod catalogue;
mod catching_up;
mod changing;
mod closing;
mod credentials;
mod crediting;
mod dunning;
mod engines;
mod error;
mod ingesting;
mod invoicing;
mod jobs;
mod keys;
mod monetizing;
mod operations;
mod parties;
mod paying;
mod publishing;
mod reconciling;
mod references;
mod replanning;
mod resources;
mod revenue;
mod statements;
mod subscribing;
mod unbilled;
mod webhooks;
mod withdrawing;

/// Everything that is done with a store and an engine. Clones share both.
///
/// Every method that names a tenant answers for that tenant alone: what belongs to another is
/// [`FlowError::NotFound`]. Instants are business time, UTC; amounts are in the currency of the
/// plan they come from.
///
/// ```
/// use std::sync::Arc;
/// use monetization_core::clock::Clock;
/// use monetization_core::engine;
/// use monetization_core::entropy::Entropy;
/// use monetization_core::flows::{Engines, FlowError, Monetizer, NewTenant};
/// use monetization_core::ids::{PlanId, TypedId};
/// use monetization_core::invoice::Invoicing;
/// use monetization_core::key::Pepper;
/// use monetization_core::memory::MemoryStore;
/// use monetization_core::plan::PlanState;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (clock, _) = Clock::manual("2026-03-01T00:00:00Z".parse()?);
/// let entropy = Arc::new(Entropy::seeded(1));
/// let pepper = Pepper::random(&entropy);
/// let store = Arc::new(MemoryStore::new(clock.clone()));
/// let monetizer = Monetizer::new(store, Engines::new([engine::none()]), clock, entropy, pepper);
///
/// let market = monetizer.create_tenant(NewTenant {
///     name: "Market".parse()?,
///     engine: "none".parse()?,
///     invoicing: Invoicing::ByCore,
///     payment_days: 14,
///     grace_days: 0,
/// }).await?;
/// assert_eq!(market.created_at, monetizer.now());
///
/// let nowhere = PlanId::derived(&[b"nowhere"]);
/// let error = monetizer.set_plan_state(market.id, nowhere, PlanState::Archived).await;
/// assert!(matches!(error, Err(FlowError::NotFound { .. })));
/// # Ok(())
/// # }
/// ```
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
///
/// All durations but `engine_timeout` and `publish_lease` are of business time.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long after its end a period is closed, so that use that was under way is in it.
    pub closing_grace: Duration,
    /// How far ahead of now a plan change takes effect at the earliest: longer than any gateway
    /// may go without news.
    pub change_notice: Duration,
    /// How long a call of an engine may take.
    pub engine_timeout: Duration,
    /// For how long a run of publishing that nobody hears of keeps others from starting, and keeps
    /// the batches that it has claimed. The store measures it by its clock, the run itself by the
    /// uptime of its process: what it has not begun to send by then it leaves to others.
    pub publish_lease: Duration,
    /// What of a report looks like a mistake rather than use.
    pub suspicious: Suspicious,
    /// What tenants sign in to their engine with.
    pub credentials: Credentials,
}

impl Default for Settings {
    /// Half an hour, two seconds, 30 seconds, a minute, ten million units, and no credentials.
    fn default() -> Self {
        Self {
            closing_grace: Duration::from_secs(30 * 60),
            change_notice: Duration::from_secs(2),
            engine_timeout: Duration::from_secs(30),
            publish_lease: Duration::from_secs(60),
            suspicious: Suspicious::default(),
            credentials: Credentials::default(),
        }
    }
}

/// What of a report looks like a mistake rather than use: it is held back before it is sent, and so
/// is all further use of that subscription and meter, until somebody decides that it is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suspicious {
    /// A report of at most so many units of its meter never is.
    pub units_min: u64,
    /// A larger one is where it is so many times the largest that the engine has confirmed in this
    /// segment and the one before it.
    pub times: u32,
}

impl Default for Suspicious {
    /// More than ten million units, and a hundred times what was confirmed.
    fn default() -> Self {
        Self {
            units_min: 10_000_000,
            times: 100,
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

    /// An empty change under an id of its own, decided now.
    fn change(&self) -> ChangeSet {
        ChangeSet::new(self.id(), self.clock.now())
    }

    /// The tenant's fact of this id.
    async fn must<T: Fact>(&self, tenant: TenantId, id: T::Id) -> Result<Stored<T>, FlowError> {
        let found = self.store.fact::<T>(tenant, id).await?;
        found.ok_or_else(|| FlowError::NotFound { id: id.to_string() })
    }

    /// The next page of the tenant's subscriptions, in the order of their ids; `None` after the last.
    async fn subscriptions_after(
        &self,
        tenant: TenantId,
        after: &mut Option<SubscriptionId>,
    ) -> Result<Option<Vec<Subscription>>, FlowError> {
        let listing = Listing {
            kind: Kind::Subscription,
            key: None,
            after: after.map(TypedId::uuid),
            limit: Listing::LIMIT_MAX,
        };
        let mut page = Vec::new();
        for row in &self.store.rows(tenant, &listing).await? {
            page.push(Stored::<Subscription>::read(row)?.fact);
        }
        *after = page.last().map(|last| last.id);
        Ok(after.map(|_| page))
    }

    /// The tenant and the engine that it names.
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
        let credentials = self.settings.credentials.of(tenant);
        EngineContext {
            tenant,
            credentials,
            account,
            key,
            repeated: true,
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
