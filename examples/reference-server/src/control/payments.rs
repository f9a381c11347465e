//! What consumers pay with, and what is given back to them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use monetization_core::engine::Page;
use monetization_core::field::FieldError;
use monetization_core::flows::NewCredit;
use monetization_core::ids::{InvoiceId, SubscriptionId};
use monetization_core::invoice::CreditTo;
use monetization_core::money::Money;
use monetization_core::text::{ForeignId, PageUrl, Prose};
use serde::{Deserialize, Serialize};

use super::input::{Caller, Id, Json};
use super::invoices::InvoiceView;
use super::problem::Problem;
use super::subscriptions::request_key;
use crate::app::App;

/// A credit that is to be given.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CreditBody {
    /// In the invoice's currency.
    credit: String,
    /// For the consumer to read.
    reason: Prose,
    #[serde(default)]
    to: CreditTo,
    /// Recognises the order when it is sent again, as the header `Idempotency-Key` does.
    request_key: Option<ForeignId>,
}

/// A page that somebody wants to visit.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageBody {
    page: Page,
    /// Where it leads back to.
    return_url: PageUrl,
}

/// Where a page is.
#[derive(Debug, Serialize)]
pub(super) struct PageView {
    url: String,
}

/// Credits a part of an invoice, or all that is left of it.
pub(super) async fn credit(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<InvoiceId>,
    headers: HeaderMap,
    Json(body): Json<CreditBody>,
) -> Result<Response, Problem> {
    let invoice = app.own_invoice(caller, id).await?;
    let amount = Money::parse(&body.credit, invoice.currency);
    let Some(key) = request_key(&headers, body.request_key)? else {
        let problem =
            "say one, or the header Idempotency-Key: a credit is never given twice by mistake";
        return Err(FieldError::new("request_key", problem).into());
    };
    let order = NewCredit {
        amount: amount.map_err(|error| FieldError::new("credit", error))?,
        reason: body.reason,
        to: body.to,
        request_key: Some(key),
    };
    let count = invoice.credits.len();
    let credited = app.monetizer.credit_invoice(caller.tenant, id, &order);
    let is_new = credited.await?.credits.len() > count;
    app.carry_out_soon().await;
    let invoice = app.own_invoice(caller, id).await?;
    let product = app.product_of(&invoice).await?;
    let view = InvoiceView::new(invoice, product.as_ref());
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, axum::Json(view)).into_response())
}

/// Where the consumer of a subscription finds a page of the engine's.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<SubscriptionId>,
    Json(body): Json<PageBody>,
) -> Result<axum::Json<PageView>, Problem> {
    app.own_subscription(caller, id).await?;
    let url = app
        .monetizer
        .page_url(caller.tenant, id, body.page, &body.return_url);
    let url = url.await?;
    Ok(axum::Json(PageView { url }))
}
