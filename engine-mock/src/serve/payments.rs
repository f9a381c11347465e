//! What customers do: they pay, or do not.

use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::Desk;
use super::input::{Json, Named};
use super::problem::Problem;
use crate::pages::ShownPage;
use crate::provider::{Payment, PaymentBehaviour, PaymentOutcome};

/// What a customer does about an invoice.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PaymentBody {
    /// The invoice's name, its payment link or the link's token.
    what: String,
    payment: Payment,
}

/// How that ended.
#[derive(Debug, Serialize)]
pub(super) struct PaymentView {
    outcome: PaymentOutcome,
}

/// How a customer pays from now on.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BehaviourBody {
    behaviour: PaymentBehaviour,
}

/// A customer pays or fails to. That it cannot be paid is an outcome and no problem.
pub(super) async fn settle(
    State(desk): State<Desk>,
    Json(body): Json<PaymentBody>,
) -> Result<axum::Json<PaymentView>, Problem> {
    let outcome = match body.payment {
        Payment::Pays => desk.control.pay(&body.what),
        Payment::Fails => desk.control.fail_payment(&body.what),
    }?;
    Ok(axum::Json(PaymentView { outcome }))
}

/// A customer pays in another way the next time money is asked for.
pub(super) async fn behave(
    State(desk): State<Desk>,
    Named(customer): Named,
    Json(body): Json<BehaviourBody>,
) -> Result<axum::Json<BehaviourBody>, Problem> {
    let behaviour = body.behaviour;
    desk.control.set_payment_behaviour(&customer, behaviour)?;
    Ok(axum::Json(body))
}

/// The page behind a link.
pub(super) async fn page(State(desk): State<Desk>, Path(token): Path<String>) -> Response {
    written(desk.control.page(&token))
}

/// Does what the page is for, and says on it how that ended.
pub(super) async fn submit(
    State(desk): State<Desk>,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    Ok(written(desk.control.submit(&token)?))
}

fn written(page: ShownPage) -> Response {
    (page.status, page.headers, Html(page.html)).into_response()
}
