//! Plans, customers and subscriptions: what the port asks for, in the words of a session.
//!
//! Each plan of a product is enabled by itself, under a key of its own: one that fails is told beside
//! those that could be made. A product is nothing at Stripe but the metadata of its plans.

use std::collections::BTreeMap;

use async_trait::async_trait;
use monetization_core::consumer::Consumer;
use monetization_core::engine::{
    BillingEngine, CancelMode, Enabled, EngineContext, EngineError, EngineErrorKind,
    IdempotencyKey, NewSubscription, PlanSwitch, Removal, SubscriptionSnapshot, SubscriptionStart,
};
use monetization_core::ids::{PlanVersionId, ProductId};
use monetization_core::plan::PlanVersion;
use monetization_core::product::Product;
use monetization_core::text::ForeignId;
use stripe_product::product::ListProduct;

use super::starting::Collected;
use super::{Client, foreign};
use crate::answer::Product as StripeProduct;
use crate::descriptor::CONNECTED_ACCOUNT;
use crate::names;
use crate::session::page;

/// The same call under the key of one of its steps.
fn keyed(cx: &EngineContext, key: IdempotencyKey) -> EngineContext {
    EngineContext { key, ..cx.clone() }
}

/// A product whose attributes name one account must not be sold through another.
fn check_account(cx: &EngineContext, product: &Product) -> Result<(), EngineError> {
    let attributes = product
        .monetization
        .as_ref()
        .map(|monetization| &monetization.attributes);
    let named = attributes.and_then(|attributes| attributes.get(CONNECTED_ACCOUNT));
    let account = cx.account.as_ref().map(ForeignId::as_str);
    if named.is_none_or(|named| Some(named.as_str()) == account) {
        return Ok(());
    }
    let attribute = CONNECTED_ACCOUNT.to_owned();
    let kind = EngineErrorKind::Misconfigured { attribute };
    Err(EngineError::new(
        kind,
        "it names another account than the call is for",
    ))
}

#[async_trait]
impl BillingEngine for Client {
    async fn create_billing_plan(
        &self,
        cx: &EngineContext,
        plan: &PlanVersion,
    ) -> Result<ForeignId, EngineError> {
        let made = self.session(cx).put_on_sale(plan).await?;
        Ok(made.external)
    }

    async fn update_billing_plan(
        &self,
        cx: &EngineContext,
        before: &ForeignId,
        next: &PlanVersion,
    ) -> Result<ForeignId, EngineError> {
        let session = self.session(cx);
        let (making, retiring) = (
            keyed(cx, cx.key.step("next")),
            keyed(cx, cx.key.step("before")),
        );
        let made = session.with(&making).put_on_sale(next).await?;
        session.with(&retiring).take_off_sale(before).await?;
        Ok(made.external)
    }

    async fn delete_billing_plan(
        &self,
        cx: &EngineContext,
        plan: &ForeignId,
    ) -> Result<Removal, EngineError> {
        self.session(cx).take_off_sale(plan).await
    }

    async fn enable_monetization(
        &self,
        cx: &EngineContext,
        product: &Product,
        plans: &[PlanVersion],
    ) -> Result<BTreeMap<PlanVersionId, Enabled>, EngineError> {
        check_account(cx, product)?;
        self.transport.credentials(cx)?;
        let session = self.session(cx);
        let mut enabled = BTreeMap::new();
        for plan in plans {
            let cx = keyed(cx, cx.key.step(plan.id));
            let outcome = match session.with(&cx).put_on_sale(plan).await {
                Ok(made) if made.existed => Enabled::Existing(made.external),
                Ok(made) => Enabled::Created(made.external),
                Err(error) => Enabled::Failed(error),
            };
            enabled.insert(plan.id, outcome);
        }
        Ok(enabled)
    }

    async fn disable_monetization(
        &self,
        cx: &EngineContext,
        _product: ProductId,
        plans: &[ForeignId],
    ) -> Result<Removal, EngineError> {
        let session = self.session(cx);
        let mut removal = Removal::AlreadyGone;
        for plan in plans {
            let cx = keyed(cx, cx.key.step(plan));
            if session.with(&cx).take_off_sale(plan).await? != Removal::AlreadyGone {
                removal = Removal::Archived;
            }
        }
        Ok(removal)
    }

    async fn plan_mapping(
        &self,
        cx: &EngineContext,
        product: ProductId,
    ) -> Result<BTreeMap<PlanVersionId, ForeignId>, EngineError> {
        let ours = product.to_string();
        let on_sale: Vec<StripeProduct> = self
            .session(cx)
            .all(|after| page!(ListProduct::new().active(true), after))
            .await?;
        let mut mapping = BTreeMap::new();
        for found in on_sale {
            let is_ours = found.metadata.get(names::PRODUCT) == Some(&ours);
            if let Some(plan) = found.id.parse().ok().filter(|_| is_ours) {
                mapping.insert(plan, foreign(&found.id)?);
            }
        }
        Ok(mapping)
    }

    async fn ensure_customer(
        &self,
        cx: &EngineContext,
        consumer: &Consumer,
    ) -> Result<ForeignId, EngineError> {
        self.session(cx).customer(consumer).await
    }

    async fn create_subscription(
        &self,
        cx: &EngineContext,
        new: &NewSubscription,
    ) -> Result<SubscriptionStart, EngineError> {
        let collected = Collected {
            days_until_due: self.days_until_due,
            fee_percent: self.fee_percent(cx),
        };
        self.session(cx).start(new, collected).await
    }

    async fn change_subscription(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
        to: &PlanSwitch,
    ) -> Result<(), EngineError> {
        self.session(cx).change(subscription, to).await
    }

    async fn cancel_subscription(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
        mode: CancelMode,
    ) -> Result<Removal, EngineError> {
        self.session(cx).cancel(subscription, mode).await
    }

    async fn subscription(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
    ) -> Result<Option<SubscriptionSnapshot>, EngineError> {
        self.session(cx).snapshot(subscription).await
    }
}
