//! The operations that a product consists of.
//!
//! Their identifiers never change: quotas, meters and bundles name them. What a call of one leads to may.

use super::{ATTEMPTS_MAX, FlowError, Monetizer};
use crate::field::FieldError;
use crate::ids::{ProductId, TenantId};
use crate::plan::{Plan, PlanVersion, QuotaCounts};
use crate::product::{Method, Product, Resource};
use crate::routing::Routes;
use crate::store::{Index, RowKey, StoreExt};
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
    /// [`FlowError::InUse`] while a meter or the current version of a plan counts its calls, or where it
    /// is the only one, which would open everything; [`FlowError::NotFound`], [`FlowError::Store`].
    pub async fn remove_resource(
        &self,
        tenant: TenantId,
        product: ProductId,
        identifier: &Slug,
    ) -> Result<Product, FlowError> {
        let fact = self.must::<Product>(tenant, product).await?.fact;
        let mut users: Vec<String> = Vec::new();
        let meters = fact.meters.iter();
        let meters = meters.filter(|meter| meter.filter.resources.contains(identifier));
        users.extend(meters.map(|meter| format!("the meter {}", meter.name)));
        let key = RowKey::new(Index::PlansOfProduct, product);
        for plan in self.store.facts_by::<Plan>(tenant, key).await? {
            let version = self.must::<PlanVersion>(tenant, plan.fact.current).await?;
            let terms = &version.fact.terms;
            let counted = QuotaCounts::Resource(identifier.clone());
            let is_counted = terms.quotas().iter().any(|quota| quota.counts == counted)
                || terms.bundles().iter().any(|it| it.resource == *identifier);
            users.extend(is_counted.then(|| format!("the plan {}", plan.fact.name)));
        }
        if let Some(user) = users.first() {
            let problem = format!("{user} counts calls of {identifier}: change it first");
            return Err(FlowError::InUse { problem });
        }
        self.edit_resources(tenant, product, |all| {
            let before = all.len();
            all.retain(|resource| resource.identifier != *identifier);
            match all.len() {
                after if after == before => Err(not_found(identifier)),
                0 => Err(FlowError::InUse {
                    problem: format!(
                        "{identifier} is the only one, and without any every path would be open: add another first"
                    ),
                }),
                _ => Ok(()),
            }
        })
        .await
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
            Routes::new(&stored.fact.resources)?;
            let mut change = self.change();
            change.writes.push(stored.write()?);
            if self.apply(&change).await? {
                return Ok(stored.fact);
            }
        }
        Err(FlowError::Contended)
    }
}

fn not_found(identifier: &Slug) -> FlowError {
    FlowError::NotFound {
        id: identifier.to_string(),
    }
}
