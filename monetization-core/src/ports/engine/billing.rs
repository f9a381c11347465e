use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{EngineContext, EngineError};
use crate::clock::{Span, Timestamp};
use crate::consumer::Consumer;
use crate::ids::{PlanVersionId, ProductId, SubscriptionId};
use crate::period::Schedule;
use crate::plan::PlanVersion;
use crate::product::Product;
use crate::store::Port;
use crate::text::ForeignId;

/// Plans, customers and subscriptions at a billing provider.
///
/// Every method makes one attempt and may be repeated with the same key. The comments name the
/// method of WSO2's interface that each one mirrors.
///
/// # Implementing
/// Every call carries an [`EngineContext`]: whose it is, what to sign in with, the key, and how
/// long it may take. Look the key up first, or give it to a provider that does; then do the one
/// thing; then answer with the provider's name for it. An object that is there already is success.
///
/// A provider that keeps everything in its own memory, knows no plans and takes nobody's money:
///
/// ```
/// use std::collections::{BTreeMap, BTreeSet};
/// use std::sync::{Arc, Mutex, PoisonError};
///
/// use monetization_core::consumer::Consumer;
/// use monetization_core::engine::*;
/// use monetization_core::ids::{PlanVersionId, ProductId, TypedId};
/// use monetization_core::plan::PlanVersion;
/// use monetization_core::product::Product;
/// use monetization_core::text::ForeignId;
///
/// type Answer<T> = Result<T, EngineError>;
///
/// #[derive(Debug, Default)]
/// struct Ledgerless {
///     plans: Mutex<BTreeSet<ForeignId>>,
/// }
///
/// impl Ledgerless {
///     /// Ids of ours are good names there: making one twice is making one.
///     fn name(id: impl TypedId) -> Answer<ForeignId> {
///         let name = id.to_string().parse();
///         name.map_err(|error| EngineError::new(EngineErrorKind::Permanent, "no name").because(error))
///     }
/// }
///
/// #[async_trait::async_trait]
/// impl BillingEngine for Ledgerless {
///     async fn create_billing_plan(&self, _: &EngineContext, plan: &PlanVersion) -> Answer<ForeignId> {
///         let name = Self::name(plan.id)?;
///         self.plans.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone());
///         Ok(name)
///     }
///
///     async fn update_billing_plan(
///         &self, cx: &EngineContext, before: &ForeignId, next: &PlanVersion,
///     ) -> Answer<ForeignId> {
///         // The next one first: a crash between the two leaves one plan too many, never none.
///         let next = self.create_billing_plan(cx, next).await?;
///         self.delete_billing_plan(cx, before).await?;
///         Ok(next)
///     }
///
///     async fn delete_billing_plan(&self, _: &EngineContext, plan: &ForeignId) -> Answer<Removal> {
///         let removed = self.plans.lock().unwrap_or_else(PoisonError::into_inner).remove(plan);
///         Ok(if removed { Removal::Deleted } else { Removal::AlreadyGone })
///     }
///
///     async fn enable_monetization(
///         &self, cx: &EngineContext, _: &Product, plans: &[PlanVersion],
///     ) -> Answer<BTreeMap<PlanVersionId, Enabled>> {
///         let mut enabled = BTreeMap::new();
///         for plan in plans {
///             // One that fails does not undo the others.
///             let made = match self.create_billing_plan(cx, plan).await {
///                 Ok(name) => Enabled::Created(name),
///                 Err(error) => Enabled::Failed(error),
///             };
///             enabled.insert(plan.id, made);
///         }
///         Ok(enabled)
///     }
///
///     async fn disable_monetization(
///         &self, cx: &EngineContext, _: ProductId, plans: &[ForeignId],
///     ) -> Answer<Removal> {
///         for plan in plans {
///             self.delete_billing_plan(cx, plan).await?;
///         }
///         Ok(Removal::Deleted)
///     }
///
///     async fn plan_mapping(
///         &self, _: &EngineContext, _: ProductId,
///     ) -> Answer<BTreeMap<PlanVersionId, ForeignId>> {
///         Ok(BTreeMap::new())
///     }
///
///     async fn ensure_customer(&self, _: &EngineContext, of: &Consumer) -> Answer<ForeignId> {
///         Self::name(of.id)
///     }
///
///     async fn create_subscription(
///         &self, _: &EngineContext, new: &NewSubscription,
///     ) -> Answer<SubscriptionStart> {
///         Ok(SubscriptionStart { external: Self::name(new.subscription)?, payment_url: None })
///     }
///
///     async fn change_subscription(
///         &self, _: &EngineContext, _: &ForeignId, to: &PlanSwitch,
///     ) -> Answer<()> {
///         let known = self.plans.lock().unwrap_or_else(PoisonError::into_inner).contains(&to.plan);
///         let unknown = || EngineError::new(EngineErrorKind::NotFound, "there is no such plan");
///         if known { Ok(()) } else { Err(unknown()) }
///     }
///
///     async fn cancel_subscription(
///         &self, _: &EngineContext, _: &ForeignId, _: CancelMode,
///     ) -> Answer<Removal> {
///         Ok(Removal::AlreadyGone)
///     }
///
///     async fn subscription(
///         &self, _: &EngineContext, _: &ForeignId,
///     ) -> Answer<Option<SubscriptionSnapshot>> {
///         Ok(None)
///     }
/// }
///
/// // It is one part of the bundle; what it does not hand over cannot be called.
/// let mut descriptor = monetization_core::engine::none().descriptor;
/// descriptor.id = "ledgerless".parse()?;
/// let billing: Arc<dyn BillingEngine> = Arc::new(Ledgerless::default());
/// let engine = Engine {
///     descriptor, billing, usage: None, invoices: None, statements: None, portal: None,
///     webhooks: None, feed: None,
/// };
///
/// # use futures::FutureExt;
/// # async {
/// let cx = EngineContext {
///     tenant: TypedId::derived(&[b"t"]),
///     credentials: None,
///     account: None,
///     key: IdempotencyKey::new("cancel:sub_1"),
///     repeated: false,
///     timeout: std::time::Duration::from_secs(30),
/// };
/// let gone = engine.billing.delete_billing_plan(&cx, &"plan_1".parse()?).await?;
/// assert_eq!(gone, Removal::AlreadyGone);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }.now_or_never().ok_or("it waited")??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[async_trait]
pub trait BillingEngine: Port {
    /// Makes a plan version known (WSO2: `createBillingPlan`).
    ///
    /// # Errors
    /// [`EngineError`].
    async fn create_billing_plan(
        &self,
        cx: &EngineContext,
        plan: &PlanVersion,
    ) -> Result<ForeignId, EngineError>;

    /// Makes the next version known, then archives the one before: running subscriptions keep
    /// theirs (WSO2: `updateBillingPlan`, which deletes first).
    ///
    /// # Errors
    /// [`EngineError`].
    async fn update_billing_plan(
        &self,
        cx: &EngineContext,
        before: &ForeignId,
        next: &PlanVersion,
    ) -> Result<ForeignId, EngineError>;

    /// Takes a plan version off sale (WSO2: `deleteBillingPlan`).
    ///
    /// # Errors
    /// [`EngineError`]; that it does not exist is [`Removal::AlreadyGone`] and no error.
    async fn delete_billing_plan(
        &self,
        cx: &EngineContext,
        plan: &ForeignId,
    ) -> Result<Removal, EngineError>;

    /// Makes a product and its plan versions known, each by itself: one that fails does not
    /// undo the others, and those that are known already stay (WSO2: `enableMonetization`).
    ///
    /// # Errors
    /// [`EngineError`] where nothing could be done at all.
    async fn enable_monetization(
        &self,
        cx: &EngineContext,
        product: &Product,
        plans: &[PlanVersion],
    ) -> Result<BTreeMap<PlanVersionId, Enabled>, EngineError>;

    /// Takes a product and these plans off sale (WSO2: `disableMonetization`). Whether anybody
    /// is subscribed is core's question, asked before.
    ///
    /// # Errors
    /// [`EngineError`].
    async fn disable_monetization(
        &self,
        cx: &EngineContext,
        product: ProductId,
        plans: &[ForeignId],
    ) -> Result<Removal, EngineError>;

    /// Which plan versions of a product the provider has on sale (WSO2:
    /// `getMonetizedPoliciesToPlanMapping`, which asks its own table instead).
    ///
    /// # Errors
    /// [`EngineError`].
    async fn plan_mapping(
        &self,
        cx: &EngineContext,
        product: ProductId,
    ) -> Result<BTreeMap<PlanVersionId, ForeignId>, EngineError>;

    /// Makes a consumer known, once.
    ///
    /// # Errors
    /// [`EngineError`].
    async fn ensure_customer(
        &self,
        cx: &EngineContext,
        consumer: &Consumer,
    ) -> Result<ForeignId, EngineError>;

    /// Starts a subscription that the provider invoices (WSO2: `monetizeSubscription`).
    ///
    /// # Errors
    /// [`EngineError`].
    async fn create_subscription(
        &self,
        cx: &EngineContext,
        new: &NewSubscription,
    ) -> Result<SubscriptionStart, EngineError>;

    /// Moves a subscription to another plan. It stays the same subscription: there is never a second
    /// one. The last word holds, also where an earlier change waits for the next period; moving to the
    /// plan that is in force takes that back.
    ///
    /// # Errors
    /// [`EngineError`].
    async fn change_subscription(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
        to: &PlanSwitch,
    ) -> Result<(), EngineError>;

    /// Ends a subscription (WSO2: `deleteMonetizedSubscription`).
    ///
    /// # Errors
    /// [`EngineError`]; that it does not exist is [`Removal::AlreadyGone`] and no error.
    async fn cancel_subscription(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
        mode: CancelMode,
    ) -> Result<Removal, EngineError>;

    /// How a subscription stands; `None` where the provider has none of that name.
    ///
    /// # Errors
    /// [`EngineError`].
    async fn subscription(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
    ) -> Result<Option<SubscriptionSnapshot>, EngineError>;
}

/// A subscription that is to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSubscription {
    /// What it is here.
    pub subscription: SubscriptionId,
    /// Who pays, as the provider calls them.
    pub customer: ForeignId,
    /// What for, as the provider calls it.
    pub plan: ForeignId,
    /// Its billing periods, so that both sides have the same.
    pub schedule: Schedule,
    /// Whether it was cancelled before it was made. What an earlier call may have made is asked for, so that
    /// it can be taken back, and nobody is charged for it.
    pub is_cancelled: bool,
}

/// A plan that a subscription moves to.
///
/// What of it is used before is rated by the plan before. Changed now, the base price of what is left
/// of the period is charged, and that of the plan before is credited. The subscription keeps its name, its
/// periods and its customer.
///
/// ```
/// use monetization_core::engine::{ChangeMode, PlanSwitch};
///
/// let upgrade = PlanSwitch {
///     plan: "plan_large".parse()?,
///     mode: ChangeMode::Now,
///     at: "2026-03-11T00:00:05Z".parse()?,
/// };
/// assert_ne!(upgrade.mode, ChangeMode::AtPeriodEnd);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanSwitch {
    /// The plan, as the provider calls it.
    pub plan: ForeignId,
    /// When.
    pub mode: ChangeMode,
    /// The instant from which on it holds here.
    pub at: Timestamp,
}

/// A subscription that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionStart {
    /// What the provider calls it.
    pub external: ForeignId,
    /// Where the consumer pays what is due first; `None` where nothing is due.
    pub payment_url: Option<String>,
}

/// How a subscription stands at the provider.
///
/// Instants are the provider's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionSnapshot {
    /// What it is here, as the provider was told.
    pub subscription: SubscriptionId,
    /// Whether it lives.
    pub live: bool,
    /// What is due before the first call is paid, or nothing was due.
    pub first_paid: bool,
    /// Its current billing period there.
    pub period: Span,
    /// When it was or will be ended.
    pub ends_at: Option<Timestamp>,
}

/// How a plan version became known.
///
/// Both of the first two count as success; the third is told plan by plan.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Enabled {
    /// It is new there.
    Created(ForeignId),
    /// It was there.
    Existing(ForeignId),
    /// It could not be made.
    Failed(EngineError),
}

/// How an object went.
///
/// All three are success: the object can no longer be bought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Removal {
    /// It is kept, and no longer on sale.
    Archived,
    /// It is gone.
    Deleted,
    /// It was not there.
    AlreadyGone,
}

/// When a subscription moves to another plan.
///
/// | | use of the running period | base price of the running period |
/// |---|---|---|
/// | `Now` | before by the old plan, after by the new one | what is left: the old one credited, the new one charged |
/// | `AtPeriodEnd` | by the old plan | stays |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum ChangeMode {
    /// At once, in the middle of its period.
    Now,
    /// With its next period.
    AtPeriodEnd,
}

/// When a subscription ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum CancelMode {
    /// At once; use that is not invoiced yet is invoiced.
    Now,
    /// With its current period.
    AtPeriodEnd,
    /// It has ended already, at this instant: at once, and what the provider has billed of periods that begin
    /// from then on, because it hears of the end late, is taken back. Flows say so to providers; said to a flow
    /// it is `Now`.
    Since(Timestamp),
}
