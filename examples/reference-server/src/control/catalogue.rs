use std::sync::Arc;

use axum::extract::State;
use monetization_core::ids::ProductId;
use monetization_core::plan::{Plan, PlanState, PlanVersion};
use monetization_core::product::Product;
use monetization_core::store::{Index, RowKey, StoreExt};
use monetization_core::text::{Name, Prose, Slug};
use serde::Serialize;

use super::input::{Id, Params};
use super::page::{List, Page};
use super::plans::PlanView;
use super::problem::Problem;
use super::products::ResourceDto;
use crate::app::App;

/// A product as everybody sees it: what it is and what it costs, and nothing of where it is
/// served.
#[derive(Debug, Serialize)]
pub(super) struct OfferView {
    id: ProductId,
    slug: Slug,
    name: Name,
    description: Prose,
    /// Where it is called at the gateway.
    path: String,
    resources: Vec<ResourceDto>,
    /// The plans that can be subscribed to.
    plans: Vec<PlanView>,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Params(page): Params<Page>,
) -> Result<axum::Json<List<OfferView>>, Problem> {
    let on_sale = |product: &Product| product.state.is_on_sale();
    let products = page
        .read(app.store(), (app.tenant, None), on_sale, |product| product)
        .await?;
    let mut plans = Vec::with_capacity(products.items.len());
    for product in &products.items {
        plans.push(app.plans_on_sale(product).await?);
    }
    let mut plans = plans.into_iter();
    Ok(axum::Json(products.map(|product| {
        OfferView::new(product, plans.next().unwrap_or_default())
    })))
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Id(id): Id<ProductId>,
) -> Result<axum::Json<OfferView>, Problem> {
    let found = app.store().fact::<Product>(app.tenant, id).await?;
    let product = found
        .map(|stored| stored.fact)
        .filter(|product| product.state.is_on_sale())
        .ok_or_else(Problem::not_found)?;
    let plans = app.plans_on_sale(&product).await?;
    Ok(axum::Json(OfferView::new(product, plans)))
}

impl App {
    async fn plans_on_sale(&self, product: &Product) -> Result<Vec<PlanView>, Problem> {
        let key = RowKey::new(Index::PlansOfProduct, product.id);
        let plans = self.store().facts_by::<Plan>(product.tenant, key).await?;
        let mut views = Vec::with_capacity(plans.len());
        for plan in plans {
            if plan.fact.state != PlanState::Active {
                continue;
            }
            let current = plan.fact.current;
            let version = self.store().fact::<PlanVersion>(product.tenant, current);
            if let Some(version) = version.await? {
                views.push(PlanView::new(plan.fact, &version.fact));
            }
        }
        Ok(views)
    }
}

impl OfferView {
    fn new(product: Product, plans: Vec<PlanView>) -> Self {
        Self {
            id: product.id,
            path: format!("/{}", product.slug),
            slug: product.slug,
            name: product.name,
            description: product.description,
            resources: product.resources.into_iter().map(Into::into).collect(),
            plans,
        }
    }
}
