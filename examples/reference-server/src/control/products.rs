use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use monetization_core::clock::Timestamp;
use monetization_core::field::FieldError;
use monetization_core::flows::{NewProduct, ProductChange};
use monetization_core::ids::{MeterId, ProductId, PublisherId};
use monetization_core::money::Scale;
use monetization_core::product::{
    Aggregation, CallFilter, Meter, MeterDraft, Method, Product, ProductState, Resource, Source,
    Unit,
};
use monetization_core::store::{Index, RowKey};
use monetization_core::tenant::Role;
use monetization_core::text::{Endpoint, ForeignId, Name, Prose, Slug};
use serde::{Deserialize, Serialize};

use super::input::{Caller, Id, Json, Params};
use super::page::{List, Page};
use super::problem::Problem;
use crate::app::App;

/// A product that is to be made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProductBody {
    /// Who owns it; a publisher's own where it is left out.
    publisher: Option<PublisherId>,
    slug: Slug,
    name: Name,
    description: Prose,
    gateway_endpoint: Endpoint,
    #[serde(default)]
    resources: Vec<ResourceDto>,
    #[serde(default)]
    meters: Vec<MeterDraft>,
}

/// One operation of a product.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResourceDto {
    identifier: Slug,
    method: Method,
    path: ForeignId,
    name: Name,
    #[serde(default)]
    description: Option<Prose>,
}

/// What is to change about a product.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProductPatch {
    name: Option<Name>,
    description: Option<Prose>,
    gateway_endpoint: Option<Endpoint>,
    status: Option<ProductState>,
}

/// That a product is really to go, and what becomes of its subscriptions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Removal {
    #[serde(default)]
    confirm: bool,
    #[serde(default)]
    cancel_subscriptions: bool,
}

/// A product, as those see it who manage it.
#[derive(Debug, Serialize)]
pub(super) struct ProductView {
    id: ProductId,
    publisher: PublisherId,
    slug: Slug,
    name: Name,
    description: Prose,
    gateway_endpoint: Endpoint,
    status: ProductState,
    monetized: bool,
    meters: Vec<MeterView>,
    resources: Vec<ResourceDto>,
    created_at: Timestamp,
}

/// What a product counts.
#[derive(Debug, Serialize)]
pub(super) struct MeterView {
    id: MeterId,
    name: Slug,
    unit: Unit,
    decimals: Scale,
    source: Source,
    aggregation: Aggregation,
    filter: CallFilter,
}

pub(super) async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(body): Json<ProductBody>,
) -> Result<Response, Problem> {
    let publisher = owner(caller, body.publisher)?;
    let new = NewProduct {
        publisher,
        slug: body.slug,
        name: body.name,
        description: body.description,
        gateway_endpoint: body.gateway_endpoint,
        resources: body.resources.into_iter().map(Into::into).collect(),
        meters: body.meters,
    };
    let product = app.monetizer.create_product(caller.tenant, new).await?;
    Ok((StatusCode::CREATED, axum::Json(ProductView::from(product))).into_response())
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(page): Params<Page>,
) -> Result<axum::Json<List<ProductView>>, Problem> {
    let key = match caller.role {
        Role::Publisher { publisher } => Some(RowKey::new(Index::ProductsOfPublisher, publisher)),
        Role::PlatformOwner | Role::Developer { .. } => None,
    };
    let list = page.read::<Product, _>(app.store(), (caller.tenant, key), |_| true, Into::into);
    Ok(axum::Json(list.await?))
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<ProductId>,
) -> Result<axum::Json<ProductView>, Problem> {
    Ok(axum::Json(app.own_product(caller, id).await?.into()))
}

pub(super) async fn change(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<ProductId>,
    Json(patch): Json<ProductPatch>,
) -> Result<axum::Json<ProductView>, Problem> {
    app.own_product(caller, id).await?;
    let wish = ProductChange {
        name: patch.name,
        description: patch.description,
        gateway_endpoint: patch.gateway_endpoint,
        state: patch.status,
    };
    let product = app
        .monetizer
        .change_product(caller.tenant, id, wish)
        .await?;
    Ok(axum::Json(product.into()))
}

pub(super) async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<ProductId>,
    Params(removal): Params<Removal>,
) -> Result<axum::Json<ProductView>, Problem> {
    app.own_product(caller, id).await?;
    if !removal.confirm {
        let problem = "nothing was removed: add confirm=true to remove the product for good";
        return Err(Problem::conflict("not_confirmed", problem));
    }
    let cancel = removal.cancel_subscriptions;
    let product = app
        .monetizer
        .archive_product(caller.tenant, id, cancel)
        .await?;
    Ok(axum::Json(product.into()))
}

fn owner(caller: Caller, named: Option<PublisherId>) -> Result<PublisherId, Problem> {
    match (caller.role, named) {
        (Role::Publisher { publisher }, named) if named.is_none_or(|named| named == publisher) => {
            Ok(publisher)
        }
        (Role::PlatformOwner, Some(named)) => Ok(named),
        (Role::PlatformOwner, None) => {
            let problem = "say which publisher owns it";
            Err(FieldError::new("publisher", problem).into())
        }
        _ => Err(Problem::not_found()),
    }
}

impl From<ResourceDto> for Resource {
    fn from(dto: ResourceDto) -> Self {
        Self {
            identifier: dto.identifier,
            method: dto.method,
            path: dto.path,
            name: dto.name,
            description: dto.description,
        }
    }
}

impl From<Resource> for ResourceDto {
    fn from(resource: Resource) -> Self {
        Self {
            identifier: resource.identifier,
            method: resource.method,
            path: resource.path,
            name: resource.name,
            description: resource.description,
        }
    }
}

impl From<Meter> for MeterView {
    fn from(meter: Meter) -> Self {
        Self {
            id: meter.id,
            name: meter.name,
            unit: meter.unit,
            decimals: meter.scale,
            source: meter.source,
            aggregation: meter.aggregation,
            filter: meter.filter,
        }
    }
}

impl From<Product> for ProductView {
    fn from(product: Product) -> Self {
        Self {
            id: product.id,
            publisher: product.publisher,
            slug: product.slug,
            name: product.name,
            description: product.description,
            gateway_endpoint: product.gateway_endpoint,
            status: product.state,
            monetized: product.monetization.is_some(),
            meters: product.meters.into_iter().map(Into::into).collect(),
            resources: product.resources.into_iter().map(Into::into).collect(),
            created_at: product.created_at,
        }
    }
}
