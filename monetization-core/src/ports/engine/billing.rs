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

    /// Moves a subscription to another plan from its next period on. It stays the same
    /// subscription.
    ///
    /// # Errors
    /// [`EngineError`].
    async fn change_subscription(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
        plan: &ForeignId,
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

/// When a subscription ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum CancelMode {
    /// At once; use that is not invoiced yet is invoiced.
    Now,
    /// With its current period.
    AtPeriodEnd,
}
