//! Plans, products, customers and subscriptions.
//!
//! An operation of one step carries the caller's key as it is; one of several has a key for each
//! step, made of the caller's, so that repeating the whole repeats each step under its own key
//! and an interruption anywhere is mended by doing it all again.
//!
//! Enabling a product looks first at what is on sale and makes only what is missing. Done again
//! it changes nothing, also long after the provider has forgotten the keys; and a plan that could
//! not be made is reported beside those that could.

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

use super::{Client, unexpected};
use crate::mock::CONNECTED_ACCOUNT;
use crate::provider::{Gone, Order, Query, Reply, StartSubscription, When};

impl Client {
    /// The plan's name, and whether it was known before.
    async fn ensure_plan(
        &self,
        cx: &EngineContext,
        plan: &PlanVersion,
    ) -> Result<(ForeignId, bool), EngineError> {
        let plan = Box::new(plan.clone());
        match self.order(cx, Order::EnsurePlan { plan }).await? {
            Reply::Plan { plan, existed } => Ok((plan, existed)),
            other => Err(unexpected(&other)),
        }
    }

    /// Carries out an order that takes something away.
    pub(super) async fn remove(
        &self,
        cx: &EngineContext,
        order: Order,
    ) -> Result<Removal, EngineError> {
        match self.order(cx, order).await? {
            Reply::Removed(Gone::Archived) => Ok(Removal::Archived),
            Reply::Removed(Gone::Deleted) => Ok(Removal::Deleted),
            Reply::Removed(Gone::AlreadyGone) => Ok(Removal::AlreadyGone),
            other => Err(unexpected(&other)),
        }
    }
}

/// The same call under another key: an operation of several steps has a key for each.
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
    let message = "it names another account than the call is for";
    Err(EngineError::new(
        EngineErrorKind::Misconfigured { attribute },
        message,
    ))
}

#[async_trait]
impl BillingEngine for Client {
    async fn create_billing_plan(
        &self,
        cx: &EngineContext,
        plan: &PlanVersion,
    ) -> Result<ForeignId, EngineError> {
        self.ensure_plan(cx, plan).await.map(|(plan, _)| plan)
    }

    async fn update_billing_plan(
        &self,
        cx: &EngineContext,
        before: &ForeignId,
        next: &PlanVersion,
    ) -> Result<ForeignId, EngineError> {
        let (made, _) = self
            .ensure_plan(&keyed(cx, cx.key.step("next")), next)
            .await?;
        let plan = before.clone();
        let retired = keyed(cx, cx.key.step("before"));
        self.remove(&retired, Order::RetirePlan { plan }).await?;
        Ok(made)
    }

    async fn delete_billing_plan(
        &self,
        cx: &EngineContext,
        plan: &ForeignId,
    ) -> Result<Removal, EngineError> {
        let plan = plan.clone();
        self.remove(cx, Order::RetirePlan { plan }).await
    }

    async fn enable_monetization(
        &self,
        cx: &EngineContext,
        product: &Product,
        plans: &[PlanVersion],
    ) -> Result<BTreeMap<PlanVersionId, Enabled>, EngineError> {
        check_account(cx, product)?;
        let order = Order::EnsureProduct {
            product: product.id,
            name: product.name.clone(),
        };
        self.order(&keyed(cx, cx.key.step("product")), order)
            .await?;
        let known = self.plan_mapping(cx, product.id).await?;
        let mut enabled = BTreeMap::new();
        for plan in plans {
            let outcome = match known.get(&plan.id) {
                Some(external) => Enabled::Existing(external.clone()),
                None => match self
                    .ensure_plan(&keyed(cx, cx.key.step(plan.id)), plan)
                    .await
                {
                    Ok((external, true)) => Enabled::Existing(external),
                    Ok((external, false)) => Enabled::Created(external),
                    Err(error) => Enabled::Failed(error),
                },
            };
            enabled.insert(plan.id, outcome);
        }
        Ok(enabled)
    }

    async fn disable_monetization(
        &self,
        cx: &EngineContext,
        product: ProductId,
        plans: &[ForeignId],
    ) -> Result<Removal, EngineError> {
        let mut removals = Vec::with_capacity(plans.len());
        for plan in plans {
            let plan = plan.clone();
            let cx = keyed(cx, cx.key.step(&plan));
            removals.push(self.remove(&cx, Order::RetirePlan { plan }).await?);
        }
        let order = Order::RetireProduct { product };
        removals.push(
            self.remove(&keyed(cx, cx.key.step("product")), order)
                .await?,
        );
        Ok(if removals.contains(&Removal::Archived) {
            Removal::Archived
        } else if removals.contains(&Removal::Deleted) {
            Removal::Deleted
        } else {
            Removal::AlreadyGone
        })
    }

    async fn plan_mapping(
        &self,
        cx: &EngineContext,
        product: ProductId,
    ) -> Result<BTreeMap<PlanVersionId, ForeignId>, EngineError> {
        match self.ask(cx, Query::Plans { product }).await? {
            Reply::Mapping(mapping) => Ok(mapping),
            other => Err(unexpected(&other)),
        }
    }

    async fn ensure_customer(
        &self,
        cx: &EngineContext,
        consumer: &Consumer,
    ) -> Result<ForeignId, EngineError> {
        let order = Order::EnsureCustomer {
            consumer: consumer.id,
            name: consumer.name.clone(),
        };
        match self.order(cx, order).await? {
            Reply::Named(customer) => Ok(customer),
            other => Err(unexpected(&other)),
        }
    }

    async fn create_subscription(
        &self,
        cx: &EngineContext,
        new: &NewSubscription,
    ) -> Result<SubscriptionStart, EngineError> {
        let start = StartSubscription {
            subscription: new.subscription,
            customer: new.customer.clone(),
            plan: new.plan.clone(),
            schedule: new.schedule.clone(),
        };
        match self.order(cx, Order::StartSubscription(start)).await? {
            Reply::Started { object, link } => Ok(SubscriptionStart {
                external: object,
                payment_url: self.payment_url(link.as_ref()),
            }),
            other => Err(unexpected(&other)),
        }
    }

    async fn change_subscription(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
        to: &PlanSwitch,
    ) -> Result<(), EngineError> {
        let order = Order::ChangePlan {
            subscription: subscription.clone(),
            plan: to.plan.clone(),
            when: to.mode.into(),
            at: to.at,
        };
        match self.order(cx, order).await? {
            Reply::Done => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    async fn cancel_subscription(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
        mode: CancelMode,
    ) -> Result<Removal, EngineError> {
        let (when, ended_at) = match mode {
            CancelMode::Now => (When::Now, None),
            CancelMode::AtPeriodEnd => (When::PeriodEnd, None),
            CancelMode::Since(ended_at) => (When::Now, Some(ended_at)),
        };
        let order = Order::EndSubscription {
            subscription: subscription.clone(),
            when,
            ended_at,
        };
        self.remove(cx, order).await
    }

    async fn subscription(
        &self,
        cx: &EngineContext,
        subscription: &ForeignId,
    ) -> Result<Option<SubscriptionSnapshot>, EngineError> {
        let subscription = subscription.clone();
        match self.ask(cx, Query::Subscription { subscription }).await? {
            Reply::Subscription(stated) => Ok(stated.map(|stated| SubscriptionSnapshot {
                subscription: stated.subscription,
                live: stated.live,
                first_paid: stated.first_paid,
                period: stated.period,
                ends_at: stated.ends_at,
            })),
            other => Err(unexpected(&other)),
        }
    }
}
