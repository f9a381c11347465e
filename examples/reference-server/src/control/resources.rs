//! The operations of a product, and bundles of calls of them.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use monetization_core::field::FieldError;
use monetization_core::flows::{Bought, ResourceChange};
use monetization_core::ids::{ProductId, SubscriptionId};
use monetization_core::product::Method;
use monetization_core::text::{ForeignId, Name, Prose, Slug};
use serde::Deserialize;

use super::input::{Caller, Id, Json};
use super::invoices::InvoiceView;
use super::problem::Problem;
use super::products::{ProductView, ResourceDto};
use super::subscriptions::request_key;
use crate::app::App;

/// What is to change about an operation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResourcePatch {
    /// May be repeated; it never changes.
    identifier: Option<Slug>,
    method: Option<Method>,
    path: Option<ForeignId>,
    name: Option<Name>,
    description: Option<Prose>,
}

/// Which bundle of the plan is bought.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PurchaseBody {
    bundle: Slug,
    /// Recognises the order when it is sent again, as the header `Idempotency-Key` does.
    request_key: Option<ForeignId>,
}

pub(super) async fn add(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(product): Id<ProductId>,
    Json(body): Json<ResourceDto>,
) -> Result<Response, Problem> {
    app.own_product(caller, product).await?;
    let added = app
        .monetizer
        .add_resource(caller.tenant, product, body.into());
    let view = ProductView::from(added.await?);
    Ok((StatusCode::CREATED, axum::Json(view)).into_response())
}

pub(super) async fn change(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((product, identifier)): Path<(String, String)>,
    Json(patch): Json<ResourcePatch>,
) -> Result<axum::Json<ProductView>, Problem> {
    let (product, identifier) = named(&product, &identifier)?;
    app.own_product(caller, product).await?;
    if patch.identifier.is_some_and(|other| other != identifier) {
        let problem = format!("it never changes: allowed is {identifier}, or nothing");
        return Err(FieldError::new("identifier", problem).into());
    }
    let wish = ResourceChange {
        method: patch.method,
        path: patch.path,
        name: patch.name,
        description: patch.description,
    };
    let changed = app
        .monetizer
        .change_resource(caller.tenant, product, &identifier, &wish);
    Ok(axum::Json(changed.await?.into()))
}

pub(super) async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((product, identifier)): Path<(String, String)>,
) -> Result<axum::Json<ProductView>, Problem> {
    let (product, identifier) = named(&product, &identifier)?;
    app.own_product(caller, product).await?;
    let removed = app
        .monetizer
        .remove_resource(caller.tenant, product, &identifier);
    Ok(axum::Json(removed.await?.into()))
}

/// Buys a bundle: an invoice, and the calls once it is paid.
pub(super) async fn buy(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<SubscriptionId>,
    headers: HeaderMap,
    Json(body): Json<PurchaseBody>,
) -> Result<Response, Problem> {
    app.own_subscription(caller, id).await?;
    let key = request_key(&headers, body.request_key)?;
    let bought = app
        .monetizer
        .buy_bundle(caller.tenant, id, &body.bundle, key.as_ref());
    let Bought { invoice, new } = bought.await?;
    app.carry_out_soon().await;
    let invoice = app.own_invoice(caller, invoice.id).await?;
    let product = app.product_of(&invoice).await?;
    let view = InvoiceView::new(invoice, product.as_ref());
    let status = if new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, axum::Json(view)).into_response())
}

/// What the path names; nothing is there under what is no name.
fn named(product: &str, identifier: &str) -> Result<(ProductId, Slug), Problem> {
    let product = product.parse().map_err(|_| Problem::not_found())?;
    let identifier = identifier.parse().map_err(|_| Problem::not_found())?;
    Ok((product, identifier))
}
