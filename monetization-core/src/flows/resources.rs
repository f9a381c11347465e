//! The operations that a product consists of.
//!
//! Their identifiers never change: quotas, meters and bundles name them. What a call of one leads to may.

use std::collections::BTreeSet;

use super::{ATTEMPTS_MAX, FlowError, Monetizer};
use crate::field::FieldError;
use crate::ids::{PlanVersionId, ProductId, TenantId};
use crate::plan::{Plan, PlanVersion, QuotaCounts};
use crate::product::{Meter, Method, Product, Resource};
use crate::routing::Routes;
use crate::store::{Index, RowKey, StoreExt, Stored};
use crate::subscription::SubscriptionState;
use crate::text::{ForeignId, Name, Prose, Slug};

/// What is to change about an operation; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceChange {
    /// Its HTTP method.
    pub method: Option<Method>,
    /// Its path below the product's.
    pub path: Option<ForeignId>,
    /// Its name.
    pub name: Option<Name>,
    /// What it does.
    pub description: Option<Prose>,
}

impl Monetizer {
    /// Adds an operation to a product. The first one closes everything that is none.
    ///
    /// # Errors
    /// [`FlowError::InUse`] where the identifier is used, [`FlowError::Field`] for a path that is no
    /// pattern or leads where another does, [`FlowError::NotFound`], [`FlowError::Store`].
    pub async fn add_resource(
        &self,
        tenant: TenantId,
        product: ProductId,
        resource: Resource,
    ) -> Result<Product, FlowError> {
        self.edit_resources(tenant, product, |all| {
            if all.len() >= Product::RESOURCES_MAX {
                let problem = format!("too many: allowed are {}", Product::RESOURCES_MAX);
                return Err(FieldError::new("resources", problem).into());
            }
            if all.iter().any(|it| it.identifier == resource.identifier) {
                let problem = format!(
                    "{} is there already: allowed is an identifier of its own",
                    resource.identifier
                );
                return Err(FlowError::InUse { problem });
            }
            all.push(resource.clone());
            Ok(())
        })
        .await
    }

    /// Changes an operation from the next call on.
    ///
    /// # Errors
    /// As [`add_resource`](Self::add_resource); [`FlowError::NotFound`] where it is not there.
    pub async fn change_resource(
        &self,
        tenant: TenantId,
        product: ProductId,
        identifier: &Slug,
        wish: &ResourceChange,
    ) -> Result<Product, FlowError> {
        self.edit_resources(tenant, product, |all| {
            let mut found = all.iter_mut().filter(|it| it.identifier == *identifier);
            let resource = found.next().ok_or_else(|| not_found(identifier))?;
            resource.method = wish.method.unwrap_or(resource.method);
            if let Some(path) = &wish.path {
                resource.path = path.clone();
            }
            if let Some(name) = &wish.name {
                resource.name = name.clone();
            }
            if wish.description.is_some() {
                resource.description.clone_from(&wish.description);
            }
            Ok(())
        })
        .await
    }

    /// Takes an operation out of a product.
    ///
    /// # Errors
    /// [`FlowError::InUse`] while a meter counts its calls, or a plan version that can be subscribed to or
    /// that somebody is on or will be, or where it is the only one, which would open everything;
    /// [`FlowError::NotFound`], [`FlowError::Store`].
    pub async fn remove_resource(
        &self,
        tenant: TenantId,
        product: ProductId,
        identifier: &Slug,
    ) -> Result<Product, FlowError> {
        for _ in 0..ATTEMPTS_MAX {
            let mut stored = self.must::<Product>(tenant, product).await?;
            if let Some(user) = self.user_of(&stored.fact, identifier).await? {
                let problem = format!("{user} calls of {identifier}: change it first");
                return Err(FlowError::InUse { problem });
            }
            let all = &mut stored.fact.resources;
            let before = all.len();
            all.retain(|resource| resource.identifier != *identifier);
            match all.len() {
                after if after == before => return Err(not_found(identifier)),
                0 => {
                    let problem = format!(
                        "{identifier} is the only one, and without any every path would be open: add another first"
                    );
                    return Err(FlowError::InUse { problem });
                }
                _ => {}
            }
            if self.write_resources(&stored).await? {
                return Ok(stored.fact);
            }
        }
        Err(FlowError::Contended)
    }

    /// What of a product counts calls of this operation or covers it, if anything does. Whoever makes another
    /// version of a plan writes the product as well, so that it is of the same version as what was looked
    /// at. Calls of bundles are left only under versions that sell them.
    async fn user_of(
        &self,
        product: &Product,
        identifier: &Slug,
    ) -> Result<Option<String>, FlowError> {
        let counts = |meter: &&Meter| meter.filter.resources.contains(identifier);
        if let Some(meter) = product.meters.iter().find(counts) {
            return Ok(Some(format!("the meter {} counts", meter.name)));
        }
        let tenant = product.tenant;
        let key = RowKey::new(Index::PlansOfProduct, product.id);
        let plans = self.store.facts_by::<Plan>(tenant, key).await?;
        let mut versions: BTreeSet<PlanVersionId> =
            plans.iter().map(|plan| plan.fact.current).collect();
        for subscription in self.live_subscriptions(tenant, product.id).await? {
            if subscription.fact.state != SubscriptionState::Draining {
                versions.extend(subscription.fact.timeline.versions_from(self.now()));
            }
        }
        for version in versions {
            let version = self.must::<PlanVersion>(tenant, version).await?.fact;
            let terms = &version.terms;
            let counted = QuotaCounts::Resource(identifier.clone());
            let limits = terms.quotas().iter().any(|quota| quota.counts == counted);
            let covers = terms.resources().contains(identifier);
            if limits || covers || terms.sells_bundles_of(identifier) {
                let does = if covers { "covers" } else { "counts" };
                let (number, name) = (version.number, version.name);
                return Ok(Some(format!("version {number} of the plan {name} {does}")));
            }
        }
        Ok(None)
    }

    async fn edit_resources(
        &self,
        tenant: TenantId,
        product: ProductId,
        edit: impl Fn(&mut Vec<Resource>) -> Result<(), FlowError> + Send + Sync,
    ) -> Result<Product, FlowError> {
        for _ in 0..ATTEMPTS_MAX {
            let mut stored = self.must::<Product>(tenant, product).await?;
            edit(&mut stored.fact.resources)?;
            if self.write_resources(&stored).await? {
                return Ok(stored.fact);
            }
        }
        Err(FlowError::Contended)
    }

    /// Writes a product whose operations lead to different places; `false` where it was changed meanwhile.
    async fn write_resources(&self, product: &Stored<Product>) -> Result<bool, FlowError> {
        Routes::new(&product.fact.resources)?;
        let mut change = self.change();
        change.writes.push(product.write()?);
        self.apply(&change).await
    }
}

fn not_found(identifier: &Slug) -> FlowError {
    FlowError::NotFound {
        id: identifier.to_string(),
    }
}
