use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{
    BillingEngine, CancelMode, Enabled, Engine, EngineContext, EngineDescriptor, EngineError,
    EngineErrorKind, EngineLimits, NewSubscription, PlanSwitch, PriceShapes, Removal,
    SubscriptionSnapshot, SubscriptionStart,
};
use crate::consumer::Consumer;
use crate::ids::{PlanVersionId, ProductId, TypedId};
use crate::plan::PlanVersion;
use crate::product::Product;
use crate::text::ForeignId;

/// An engine for deployments that only meter and limit (WSO2: `DefaultMonetizationImpl`).
///
/// It collects nothing and so invoices nothing: only free plans can be subscribed to. Whatever
/// is asked of it succeeds without a trace.
///
/// ```
/// let engine = monetization_core::engine::none();
/// assert_eq!(engine.descriptor.id.as_str(), "none");
/// assert!(engine.webhooks.is_none() && engine.statements.is_none());
/// ```
///
/// # Panics
/// Never: its id is a name.
#[must_use]
pub fn none() -> Engine {
    let id = "none".parse();
    Engine {
        descriptor: EngineDescriptor {
            #[expect(clippy::unwrap_used, reason = "`none` is a name")]
            id: id.unwrap(),
            api_version: env!("CARGO_PKG_VERSION").to_owned(),
            attributes: Vec::new(),
            limits: EngineLimits {
                deduplicates_for: Duration::ZERO,
                withdraws_for: None,
                counts_within: Duration::ZERO,
                age_max: Duration::ZERO,
                ahead_max: Duration::ZERO,
                batch_max: 1,
                grace: Duration::ZERO,
            },
            shapes: PriceShapes {
                base: false,
                setup: false,
                per_unit: false,
                included: false,
                graduated: false,
                volume: false,
                stairstep: false,
                package: false,
                commitment: false,
                trial: false,
                calendar: false,
                further: |_| Ok(()),
            },
        },
        billing: Arc::new(NoEngine),
        usage: None,
        invoices: None,
        statements: None,
        portal: None,
        webhooks: None,
        feed: None,
    }
}

#[derive(Debug)]
struct NoEngine;

/// What an object would be called: our id for it.
fn named(id: impl TypedId) -> Result<ForeignId, EngineError> {
    let name = id.to_string().parse();
    name.map_err(|error| {
        EngineError::new(EngineErrorKind::Permanent, "no name for it").because(error)
    })
}

#[async_trait]
impl BillingEngine for NoEngine {
    async fn create_billing_plan(
        &self,
        _cx: &EngineContext,
        plan: &PlanVersion,
    ) -> Result<ForeignId, EngineError> {
        named(plan.id)
    }

    async fn update_billing_plan(
        &self,
        _cx: &EngineContext,
        _before: &ForeignId,
        next: &PlanVersion,
    ) -> Result<ForeignId, EngineError> {
        named(next.id)
    }

    async fn delete_billing_plan(
        &self,
        _cx: &EngineContext,
        _plan: &ForeignId,
    ) -> Result<Removal, EngineError> {
        Ok(Removal::AlreadyGone)
    }

    async fn enable_monetization(
        &self,
        _cx: &EngineContext,
        _product: &Product,
        plans: &[PlanVersion],
    ) -> Result<BTreeMap<PlanVersionId, Enabled>, EngineError> {
        plans
            .iter()
            .map(|plan| Ok((plan.id, Enabled::Existing(named(plan.id)?))))
            .collect()
    }

    async fn disable_monetization(
        &self,
        _cx: &EngineContext,
        _product: ProductId,
        _plans: &[ForeignId],
    ) -> Result<Removal, EngineError> {
        Ok(Removal::AlreadyGone)
    }

    async fn plan_mapping(
        &self,
        _cx: &EngineContext,
        _product: ProductId,
    ) -> Result<BTreeMap<PlanVersionId, ForeignId>, EngineError> {
        Ok(BTreeMap::new())
    }

    async fn ensure_customer(
        &self,
        _cx: &EngineContext,
        consumer: &Consumer,
    ) -> Result<ForeignId, EngineError> {
        named(consumer.id)
    }

    async fn create_subscription(
        &self,
        _cx: &EngineContext,
        new: &NewSubscription,
    ) -> Result<SubscriptionStart, EngineError> {
        Ok(SubscriptionStart {
            external: named(new.subscription)?,
            payment_url: None,
        })
    }

    async fn change_subscription(
        &self,
        _cx: &EngineContext,
        _subscription: &ForeignId,
        _to: &PlanSwitch,
    ) -> Result<(), EngineError> {
        Ok(())
    }

    async fn cancel_subscription(
        &self,
        _cx: &EngineContext,
        _subscription: &ForeignId,
        _mode: CancelMode,
    ) -> Result<Removal, EngineError> {
        Ok(Removal::AlreadyGone)
    }

    async fn subscription(
        &self,
        _cx: &EngineContext,
        _subscription: &ForeignId,
    ) -> Result<Option<SubscriptionSnapshot>, EngineError> {
        Ok(None)
    }
}
