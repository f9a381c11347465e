//! Puts products on sale at an engine, and takes them off.
//!
//! An engine is asked between changes here, and not by way of an intent: whoever asked waits for
//! the answer, and asks again where none came.

use std::collections::BTreeMap;

use super::operations::chain;
use super::references::thing;
use super::{ATTEMPTS_MAX, FlowError, Monetizer};
use crate::engine::{CancelMode, Enabled, IdempotencyKey};
use crate::ids::{PlanVersionId, ProductId, SubscriptionId, TenantId, TypedId};
use crate::plan::{Billing, Plan, PlanState, PlanVersion};
use crate::product::{Monetization, Product};
use crate::reference::ObjectKind;
use crate::store::{Index, RowKey, StoreExt};

/// What enabling has done, plan version by plan version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnableReport {
    /// Whether anything is new; doing it again changes nothing and is no failure.
    pub changed: bool,
    /// How each version in force stands at the engine.
    pub plans: BTreeMap<PlanVersionId, PlanEnabled>,
}

/// How a plan version stands at the engine after enabling.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum PlanEnabled {
    /// It is new there.
    Created,
    /// It was there.
    Existing,
    /// It could not be made; the others stand all the same.
    Failed {
        /// Why.
        reason: String,
    },
}

/// What becomes of live subscriptions when a product is taken off sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum DisableMode {
    /// Nothing: disabling is refused while there are any.
    #[default]
    Refuse,
    /// They are cancelled now.
    CancelAll,
    /// They are cancelled with their current periods.
    RunOut,
}

/// What disabling has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disabled {
    /// Whether it was enabled before.
    pub changed: bool,
    /// Subscriptions that were cancelled.
    pub cancelled: Vec<SubscriptionId>,
}

impl Monetizer {
    /// Puts a product and its plans on sale at the tenant's engine (WSO2: `enableMonetization`).
    /// Doing it again after plans were added makes those known.
    ///
    /// 1. The attributes are checked against the engine's descriptor.
    /// 2. The engine is asked what it has on sale, and to put on sale what it has not, under a key that
    ///    names those versions and the product's version.
    /// 3. What it calls each of them is written, a change each.
    /// 4. The product is marked as on sale, with its attributes; again, where the engine was asked for
    ///    anything and has refused nothing, so that what is taken off sale there later is asked for under
    ///    another key, and what it has refused under the same.
    ///
    /// A crash before the last step is mended by asking again: the engine recognises the key, and what
    /// was written is found.
    ///
    /// # Errors
    /// [`FlowError::NotFound`]; [`FlowError::Field`] for an attribute that the engine needs or
    /// does not know, before it is called; [`FlowError::Engine`], [`FlowError::Store`].
    pub async fn enable_monetization(
        &self,
        tenant: TenantId,
        product: ProductId,
        attributes: &BTreeMap<String, String>,
    ) -> Result<EnableReport, FlowError> {
        let (_, engine) = self.engine_of(tenant).await?;
        let attributes = engine.descriptor.check_attributes(attributes)?;
        let stored = self.must::<Product>(tenant, product).await?;
        let place = self.place(tenant, engine, product).await?;
        let versions = self.versions_on_sale(tenant, product).await?;
        let mut plans = BTreeMap::new();
        let mut missing = Vec::new();
        let on_sale = if versions.is_empty() {
            BTreeMap::new()
        } else {
            let key = IdempotencyKey::new(format!("on-sale:{product}"));
            let cx = self.context(tenant, place.account.clone(), key);
            engine.billing.plan_mapping(&cx, product).await?
        };
        for version in versions {
            let object = thing(tenant, ObjectKind::Plan, version.id);
            let known = self.reference(&place, object).await?;
            // What was taken off sale here has to be put on sale again, and so has what was taken off there.
            let is_on_sale = stored.fact.monetization.is_some() && known.is_some();
            if is_on_sale && on_sale.get(&version.id) == known.as_ref() {
                plans.insert(version.id, PlanEnabled::Existing);
            } else {
                missing.push(version);
            }
        }
        if !missing.is_empty() {
            // The key names what is asked for and since which change of the product, so that
            // asking for more, or again after it was off sale, is another call.
            let ids: Vec<u8> = missing
                .iter()
                .flat_map(|version| *version.id.uuid().as_bytes())
                .collect();
            let asked = PlanVersionId::derived(&[&ids]);
            let key = format!("enable:{product}:{}:{asked}", stored.version);
            let cx = self.context(tenant, place.account.clone(), IdempotencyKey::new(key));
            let answers = engine
                .billing
                .enable_monetization(&cx, &stored.fact, &missing)
                .await?;
            for (id, enabled) in answers {
                let (external, enabled) = match enabled {
                    Enabled::Created(external) => (Some(external), PlanEnabled::Created),
                    Enabled::Existing(external) => (Some(external), PlanEnabled::Existing),
                    Enabled::Failed(error) => (
                        None,
                        PlanEnabled::Failed {
                            reason: chain(&error),
                        },
                    ),
                };
                if let Some(external) = external {
                    self.remember(&place, thing(tenant, ObjectKind::Plan, id), &external)
                        .await?;
                }
                plans.insert(id, enabled);
            }
        }
        let is_failed = |plan: &PlanEnabled| matches!(plan, PlanEnabled::Failed { .. });
        let renewed = !missing.is_empty() && !plans.values().any(is_failed);
        let newly = self
            .set_monetization(tenant, product, Some(attributes), renewed)
            .await?;
        let changed = newly || plans.values().any(|plan| *plan == PlanEnabled::Created);
        Ok(EnableReport { changed, plans })
    }

    /// Takes a product off sale at the tenant's engine (WSO2: `disableMonetization`).
    ///
    /// Live subscriptions first, as the mode says; then the product's mark is taken off; then the
    /// engine is asked to take its plans off sale. Where the last step is not reached nobody can
    /// subscribe here all the same, and doing it again asks the engine again.
    ///
    /// # Errors
    /// [`FlowError::InUse`] with the subscriptions while there are any and the mode is to refuse;
    /// [`FlowError::NotFound`], [`FlowError::Engine`], [`FlowError::Store`].
    pub async fn disable_monetization(
        &self,
        tenant: TenantId,
        product: ProductId,
        mode: DisableMode,
    ) -> Result<Disabled, FlowError> {
        let stored = self.must::<Product>(tenant, product).await?;
        let mut live = Vec::new();
        // What is off sale here has been through this; only the engine may not have heard of it.
        if stored.fact.monetization.is_some() {
            let subscriptions = self.live_subscriptions(tenant, product).await?;
            live.extend(subscriptions.into_iter().map(|stored| stored.fact.id));
        }
        match mode {
            DisableMode::Refuse if !live.is_empty() => {
                let list = live
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", ");
                let problem = format!(
                    "{} subscriptions are live ({list}): say what becomes of them",
                    live.len()
                );
                return Err(FlowError::InUse { problem });
            }
            DisableMode::Refuse => {}
            DisableMode::CancelAll | DisableMode::RunOut => {
                let mode = if mode == DisableMode::RunOut {
                    CancelMode::AtPeriodEnd
                } else {
                    CancelMode::Now
                };
                for id in &live {
                    self.cancel(tenant, *id, mode).await?;
                }
            }
        }
        // Off sale here first: nobody can subscribe while it goes off sale there.
        let changed = self.set_monetization(tenant, product, None, false).await?;
        let (_, engine) = self.engine_of(tenant).await?;
        let place = self.place(tenant, engine, product).await?;
        let mut externals = Vec::new();
        for version in self.versions_on_sale(tenant, product).await? {
            externals.extend(
                self.reference(&place, thing(tenant, ObjectKind::Plan, version.id))
                    .await?,
            );
        }
        if externals.is_empty() {
            return Ok(Disabled {
                changed,
                cancelled: live,
            });
        }
        let cx = self.context(
            tenant,
            place.account,
            IdempotencyKey::new(format!("disable:{product}:{}", stored.version)),
        );
        engine
            .billing
            .disable_monetization(&cx, product, &externals)
            .await?;
        Ok(Disabled {
            changed,
            cancelled: live,
        })
    }

    /// Which plan versions of a product are known at the engine (WSO2:
    /// `getMonetizedPoliciesToPlanMapping`), from our own references.
    ///
    /// # Errors
    /// [`FlowError::NotFound`], [`FlowError::Store`].
    pub async fn plan_mapping(
        &self,
        tenant: TenantId,
        product: ProductId,
    ) -> Result<BTreeMap<PlanVersionId, crate::text::ForeignId>, FlowError> {
        let (_, engine) = self.engine_of(tenant).await?;
        let place = self.place(tenant, engine, product).await?;
        let mut mapping = BTreeMap::new();
        for version in self.versions_on_sale(tenant, product).await? {
            if let Some(external) = self
                .reference(&place, thing(tenant, ObjectKind::Plan, version.id))
                .await?
            {
                mapping.insert(version.id, external);
            }
        }
        Ok(mapping)
    }

    /// The versions that new subscribers would get and that have a price.
    async fn versions_on_sale(
        &self,
        tenant: TenantId,
        product: ProductId,
    ) -> Result<Vec<PlanVersion>, FlowError> {
        let key = RowKey::new(Index::PlansOfProduct, product);
        let mut versions = Vec::new();
        for plan in self.store.facts_by::<Plan>(tenant, key).await? {
            if plan.fact.state != PlanState::Archived {
                let version = self
                    .must::<PlanVersion>(tenant, plan.fact.current)
                    .await?
                    .fact;
                if version.terms.billing() != Billing::Free {
                    versions.push(version);
                }
            }
        }
        Ok(versions)
    }

    /// Answers whether that changes anything. What is `renewed` is written also as it was.
    async fn set_monetization(
        &self,
        tenant: TenantId,
        product: ProductId,
        attributes: Option<BTreeMap<String, String>>,
        renewed: bool,
    ) -> Result<bool, FlowError> {
        for _ in 0..ATTEMPTS_MAX {
            let mut stored = self.must::<Product>(tenant, product).await?;
            let known = stored
                .fact
                .monetization
                .as_ref()
                .map(|known| &known.attributes);
            let is_new = known != attributes.as_ref();
            if !is_new && !renewed {
                return Ok(false);
            }
            let enabled_at = self.now();
            stored.fact.monetization = attributes.clone().map(|attributes| Monetization {
                attributes,
                enabled_at,
            });
            let mut change = self.change();
            change.writes.push(stored.write()?);
            if self.apply(&change).await? {
                return Ok(is_new);
            }
        }
        Err(FlowError::Contended)
    }
}
