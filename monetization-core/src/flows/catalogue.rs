//! Products and plans.
//!
//! Nothing here asks an engine: what is made becomes known there when the product is put on sale,
//! or with the first subscription that needs it.

use super::{ATTEMPTS_MAX, FlowError, Monetizer};
use crate::engine::CancelMode;
use crate::field::FieldError;
use crate::ids::{MeterId, PlanId, ProductId, PublisherId, TenantId};
use crate::plan::{Approval, Plan, PlanState, PlanTerms, PlanVersion, TermsDraft};
use crate::product::{MeterDraft, Product, ProductState, Resource};
use crate::routing::Routes;
use crate::store::{Index, RowKey, StoreExt, Stored, Write};
use crate::subscription::Subscription;
use crate::tenant::Publisher;
use crate::text::{Endpoint, Name, Prose, Slug};

/// A product that is to be made. It begins as a draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProduct {
    /// Who owns it.
    pub publisher: PublisherId,
    /// The first segment of its path at the gateway.
    pub slug: Slug,
    /// Its name.
    pub name: Name,
    /// What it is.
    pub description: Prose,
    /// Where it is served.
    pub gateway_endpoint: Endpoint,
    /// What it consists of; empty for everything below its endpoint.
    pub resources: Vec<Resource>,
    /// What it counts beside calls.
    pub meters: Vec<MeterDraft>,
}

/// What is to change about a product; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProductChange {
    /// Its name.
    pub name: Option<Name>,
    /// What it is.
    pub description: Option<Prose>,
    /// Where it is served.
    pub gateway_endpoint: Option<Endpoint>,
    /// Where it is in its life.
    pub state: Option<ProductState>,
}

/// A plan that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPlan {
    /// What it is a plan of.
    pub product: ProductId,
    /// Its name.
    pub name: Name,
    /// How subscriptions come into force.
    pub approval: Approval,
    /// What it costs and allows.
    pub terms: TermsDraft,
}

impl Monetizer {
    /// Makes a product, as a draft, with the meter `requests` and those it names.
    ///
    /// One change with one row.
    ///
    /// # Errors
    /// [`FlowError::Field`], [`FlowError::Conflict`] where the slug is taken, [`FlowError::Store`].
    pub async fn create_product(
        &self,
        tenant: TenantId,
        new: NewProduct,
    ) -> Result<Product, FlowError> {
        self.must::<Publisher>(tenant, new.publisher).await?;
        Routes::new(&new.resources)?;
        if new.resources.len() > Product::RESOURCES_MAX {
            let problem = format!(
                "too many operations: allowed are {}",
                Product::RESOURCES_MAX
            );
            return Err(FieldError::new("resources", problem).into());
        }
        let id = |_: &str| self.id::<MeterId>();
        let meters = MeterDraft::check_all(new.meters, &new.resources, id)?;
        let product = Product {
            id: self.id(),
            tenant,
            publisher: new.publisher,
            slug: new.slug,
            name: new.name,
            description: new.description,
            gateway_endpoint: new.gateway_endpoint,
            state: ProductState::Draft,
            meters,
            resources: new.resources,
            monetization: None,
            created_at: self.now(),
        };
        self.insert(&product).await?;
        Ok(product)
    }

    /// Changes a product. Its plans stay as they are; a new endpoint holds from the next call
    /// that a gateway with the news forwards.
    ///
    /// # Errors
    /// [`FlowError::NotFound`], [`FlowError::Illegal`] for a move its life does not know,
    /// [`FlowError::InUse`] for archiving while there are subscriptions, [`FlowError::Store`].
    pub async fn change_product(
        &self,
        tenant: TenantId,
        product: ProductId,
        wish: ProductChange,
    ) -> Result<Product, FlowError> {
        if wish.state == Some(ProductState::Archived) {
            self.refuse_while_subscribed(tenant, product).await?;
        }
        for _ in 0..ATTEMPTS_MAX {
            let mut stored = self.must::<Product>(tenant, product).await?;
            let fact = &mut stored.fact;
            if let Some(state) = wish.state {
                fact.state = fact.state.to(state)?;
            }
            if let Some(name) = &wish.name {
                fact.name = name.clone();
            }
            if let Some(description) = &wish.description {
                fact.description = description.clone();
            }
            if let Some(endpoint) = &wish.gateway_endpoint {
                fact.gateway_endpoint = endpoint.clone();
            }
            let mut change = self.change();
            change.writes.push(stored.write()?);
            if self.apply(&change).await? {
                return Ok(stored.fact);
            }
        }
        Err(FlowError::Contended)
    }

    /// Takes a product out of service for good. What was used and billed stays on record.
    ///
    /// Where subscriptions are cancelled with it each is a change of its own, and the product's state
    /// the last one: a crash between leaves the rest to whoever archives it again.
    ///
    /// # Errors
    /// [`FlowError::InUse`] while there are subscriptions, unless they are to be cancelled with
    /// it; otherwise as [`change_product`](Self::change_product).
    pub async fn archive_product(
        &self,
        tenant: TenantId,
        product: ProductId,
        cancel_subscriptions: bool,
    ) -> Result<Product, FlowError> {
        self.must::<Product>(tenant, product).await?;
        if cancel_subscriptions {
            for subscription in self.live_subscriptions(tenant, product).await? {
                self.cancel(tenant, subscription.fact.id, CancelMode::Now)
                    .await?;
            }
        }
        let wish = ProductChange {
            state: Some(ProductState::Archived),
            ..ProductChange::default()
        };
        self.change_product(tenant, product, wish).await
    }

    /// Makes a plan with its first version.
    ///
    /// One change with both rows, and with the product as it is: there is no plan without a version, and
    /// none of operations that are taken out meanwhile. Neither is known to the engine
    /// until the product is put on sale again, or somebody subscribes.
    ///
    /// # Errors
    /// [`FlowError::NotFound`], [`FlowError::Field`] for terms that make no sense,
    /// [`FlowError::Store`].
    pub async fn create_plan(
        &self,
        tenant: TenantId,
        new: NewPlan,
    ) -> Result<(Plan, PlanVersion), FlowError> {
        for _ in 0..ATTEMPTS_MAX {
            let product = self.must::<Product>(tenant, new.product).await?;
            let id = self.id::<PlanId>();
            let version = self.version(&product.fact, (id, 1), &new.name, new.terms.clone())?;
            let plan = Plan {
                id,
                tenant,
                product: product.fact.id,
                name: new.name.clone(),
                state: PlanState::Active,
                current: version.id,
                number: 1,
                approval: new.approval,
                created_at: self.now(),
            };
            let mut change = self.change();
            change.writes.push(Write::insert(&version)?);
            change.writes.push(Write::insert(&plan)?);
            // As it is: whoever takes an operation out of it meanwhile has not seen this plan.
            change.writes.push(product.write()?);
            if self.apply(&change).await? {
                return Ok((plan, version));
            }
        }
        Err(FlowError::Contended)
    }

    /// Makes the next version of a plan: what new subscribers get. Those who have an earlier one
    /// keep it until they are migrated.
    ///
    /// # Errors
    /// As [`create_plan`](Self::create_plan); the currency and the cycle of a plan stay.
    pub async fn revise_plan(
        &self,
        tenant: TenantId,
        plan: PlanId,
        terms: TermsDraft,
    ) -> Result<(Plan, PlanVersion), FlowError> {
        for _ in 0..ATTEMPTS_MAX {
            let mut stored = self.must::<Plan>(tenant, plan).await?;
            let product = self.must::<Product>(tenant, stored.fact.product).await?;
            let before = self
                .must::<PlanVersion>(tenant, stored.fact.current)
                .await?
                .fact;
            let number = stored.fact.number.saturating_add(1);
            let name = &stored.fact.name;
            let version = self.version(&product.fact, (plan, number), name, terms.clone())?;
            let kept = [
                (
                    "currency",
                    before.terms.currency() == version.terms.currency(),
                ),
                ("cycle", before.terms.cycle() == version.terms.cycle()),
                (
                    "alignment",
                    before.terms.alignment() == version.terms.alignment(),
                ),
            ];
            if let Some((field, _)) = kept.into_iter().find(|(_, same)| !same) {
                let problem =
                    "it stays the same in every version of a plan: make another plan instead";
                return Err(FieldError::new(field, problem).into());
            }
            stored.fact.current = version.id;
            stored.fact.number = number;
            let mut change = self.change();
            change.writes.push(Write::insert(&version)?);
            change.writes.push(stored.write()?);
            // As for a plan that is made.
            change.writes.push(product.write()?);
            if self.apply(&change).await? {
                return Ok((stored.fact, version));
            }
        }
        Err(FlowError::Contended)
    }

    /// Puts a plan on sale, takes it off, or hides it. Its subscribers keep it.
    ///
    /// # Errors
    /// [`FlowError::NotFound`], [`FlowError::Store`].
    pub async fn set_plan_state(
        &self,
        tenant: TenantId,
        plan: PlanId,
        state: PlanState,
    ) -> Result<Plan, FlowError> {
        for _ in 0..ATTEMPTS_MAX {
            let mut stored = self.must::<Plan>(tenant, plan).await?;
            stored.fact.state = state;
            let mut change = self.change();
            change.writes.push(stored.write()?);
            if self.apply(&change).await? {
                return Ok(stored.fact);
            }
        }
        Err(FlowError::Contended)
    }

    /// The subscriptions of a product that are not over.
    pub(super) async fn live_subscriptions(
        &self,
        tenant: TenantId,
        product: ProductId,
    ) -> Result<Vec<Stored<Subscription>>, FlowError> {
        let key = RowKey::new(Index::SubscriptionsOfProduct, product);
        let mut all = self.store.facts_by::<Subscription>(tenant, key).await?;
        all.retain(|stored| !stored.fact.state.is_final());
        Ok(all)
    }

    async fn refuse_while_subscribed(
        &self,
        tenant: TenantId,
        product: ProductId,
    ) -> Result<(), FlowError> {
        let mut live = self.live_subscriptions(tenant, product).await?;
        live.retain(|stored| stored.fact.state != crate::subscription::SubscriptionState::Draining);
        if live.is_empty() {
            return Ok(());
        }
        let problem = format!(
            "{} subscriptions are live: cancel them first, or say cancel_subscriptions",
            live.len()
        );
        Err(FlowError::InUse { problem })
    }

    fn version(
        &self,
        product: &Product,
        (plan, number): (PlanId, u32),
        name: &Name,
        terms: TermsDraft,
    ) -> Result<PlanVersion, FlowError> {
        Ok(PlanVersion {
            id: self.id(),
            tenant: product.tenant,
            product: product.id,
            plan,
            number,
            name: name.clone(),
            terms: PlanTerms::new(terms, product)?,
            created_at: self.now(),
        })
    }
}
