use std::collections::BTreeMap;

use async_trait::async_trait;
use monetization_core::consumer::Consumer;
use monetization_core::engine::{
    BillingEngine, CancelMode, Enabled, EngineContext, EngineError, EngineErrorKind,
    NewSubscription, PlanSwitch, Removal, SubscriptionSnapshot, SubscriptionStart,
};
use monetization_core::ids::{PlanVersionId, ProductId};
use monetization_core::plan::PlanVersion;
use monetization_core::product::Product;
use monetization_core::text::ForeignId;

use super::{Broken, Flaw};

#[async_trait]
impl BillingEngine for Broken {
    async fn create_billing_plan(
        &self,
        cx: &EngineContext,
        plan: &PlanVersion,
    ) -> Result<ForeignId, EngineError> {
        let plan = self.priced(plan);
        self.answer(
            self.inner
                .billing
                .create_billing_plan(&self.cx(cx), &plan)
                .await,
        )
    }

    async fn update_billing_plan(
        &self,
        cx: &EngineContext,
        before: &ForeignId,
        next: &PlanVersion,
    ) -> Result<ForeignId, EngineError> {
        let billing = &self.inner.billing;
        if self.has(Flaw::DeletesFirst) {
            let first = EngineContext {
                key: cx.key.step("delete"),
                ..cx.clone()
            };
            billing.delete_billing_plan(&first, before).await?;
            return billing.create_billing_plan(cx, next).await;
        }
        self.answer(
            billing
                .update_billing_plan(&self.cx(cx), before, next)
                .await,
        )
    }

    async fn delete_billing_plan(
        &self,
        cx: &EngineContext,
        plan: &ForeignId,
    ) -> Result<Removal, EngineError> {
        self.answer(
            self.inner
                .billing
                .delete_billing_plan(&self.cx(cx), plan)
                .await,
        )
    }

    async fn enable_monetization(
        &self,
        cx: &EngineContext,
        product: &Product,
        plans: &[PlanVersion],
    ) -> Result<BTreeMap<PlanVersionId, Enabled>, EngineError> {
        let enabled = self
            .inner
            .billing
            .enable_monetization(&self.cx(cx), product, plans)
            .await?;
        let said = enabled.into_iter().map(|(plan, outcome)| match outcome {
            Enabled::Existing(there) if self.has(Flaw::EnablesAnew) => {
                (plan, Enabled::Created(there))
            }
            outcome => (plan, outcome),
        });
        Ok(said.collect())
    }

    async fn disable_monetization(
        &self,
        cx: &EngineContext,
        product: ProductId,
        plans: &[ForeignId],
    ) -> Result<Removal, EngineError> {
        self.answer(
            self.inner
                .billing
                .disable_monetization(&self.cx(cx), product, plans)
                .await,
        )
    }

    async fn plan_mapping(
        &self,
        cx: &EngineContext,
        product: ProductId,
    ) -> Result<BTreeMap<PlanVersionId, ForeignId>, EngineError> {
        self.inner.billing.plan_mapping(&self.cx(cx), product).await
    }

    async fn ensure_customer(
        &self,
        cx: &EngineContext,
        consumer: &Consumer,
    ) -> Result<ForeignId, EngineError> {
        self.answer(
            self.inner
                .billing
                .ensure_customer(&self.cx(cx), consumer)
                .await,
        )
    }

    async fn create_subscription(
        &self,
        cx: &EngineContext,
        new: &NewSubscription,
    ) -> Result<SubscriptionStart, EngineError> {
        self.answer(
            self.inner
                .billing
                .create_subscription(&self.cx(cx), new)
                .await,
        )
    }

    async fn change_subscription(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
        to: &PlanSwitch,
    ) -> Result<(), EngineError> {
        self.answer(
            self.inner
                .billing
                .change_subscription(&self.cx(cx), subscription, to)
                .await,
        )
    }

    async fn cancel_subscription(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
        mode: CancelMode,
    ) -> Result<Removal, EngineError> {
        match self
            .inner
            .billing
            .cancel_subscription(&self.cx(cx), subscription, mode)
            .await
        {
            Ok(Removal::AlreadyGone) if self.has(Flaw::CannotEndTheMissing) => Err(
                EngineError::new(EngineErrorKind::NotFound, "no such subscription"),
            ),
            answer => self.answer(answer),
        }
    }

    async fn subscription(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
    ) -> Result<Option<SubscriptionSnapshot>, EngineError> {
        self.inner
            .billing
            .subscription(&self.cx(cx), subscription)
            .await
    }
}
