//! What customers do: they pay, or do not.

use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use serde::{Deserialize, Serialize};

use super::Desk;
use super::input::{Json, Named};
use super::problem::Problem;
use crate::control::ControlError;
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

/// The page is the same wherever its link leads: only paying tells.
pub(super) async fn page() -> Response {
    written(
        "<p>You are about to pay an invoice of the mock provider. No money moves.</p>\
         <form method=\"post\"><button>Pay</button></form>",
    )
}

/// Pays by the page, and says on it how that ended.
pub(super) async fn pay(
    State(desk): State<Desk>,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    let (status, said) = match desk.control.pay(&token) {
        Ok(PaymentOutcome::Paid) => (StatusCode::OK, "Paid. Thank you."),
        Ok(PaymentOutcome::AlreadyPaid) => (StatusCode::OK, "It was paid before."),
        Ok(PaymentOutcome::Declined) => (StatusCode::PAYMENT_REQUIRED, "The payment was declined."),
        Ok(PaymentOutcome::NotPayable) => (StatusCode::CONFLICT, "It cannot be paid."),
        Ok(PaymentOutcome::LinkExpired) => (StatusCode::GONE, "The link has expired."),
        Err(ControlError::Missing { .. }) => (StatusCode::NOT_FOUND, "There is no such page."),
        Err(error) => return Err(error.into()),
    };
    Ok((status, written(&format!("<p>{said}</p>"))).into_response())
}

fn written(said: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Mock checkout</title>\
         <h1>Mock checkout</h1>{said}</html>"
    );
    let headers = [
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
        // The address of this page lets whoever has it pay.
        (REFERRER_POLICY, "no-referrer"),
    ];
    (headers, Html(html)).into_response()
}
