//! The mock engine's side of the world: its checkout page and its clock.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY};
use monetization_core::clock::Timestamp;
use monetization_core::field::FieldError;
use monetization_engine_mock::provider::PaymentOutcome;
use monetization_engine_mock::{Control, ControlError};
use serde::{Deserialize, Serialize};

use super::input::{Caller, Json};
use super::problem::Problem;
use crate::app::App;
use crate::report;

/// How far the business time moves.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClockBody {
    /// To this instant.
    to: Option<Timestamp>,
    /// Or by so many seconds.
    advance_seconds: Option<u64>,
}

/// What the clocks say.
#[derive(Debug, Serialize)]
pub(super) struct ClockView {
    now: Timestamp,
    provider_now: Timestamp,
    /// Whether it can be moved.
    manual: bool,
}

pub(super) async fn checkout(
    State(app): State<Arc<App>>,
    Path(_): Path<String>,
) -> Result<Response, Problem> {
    provider(&app)?;
    // The page is the same wherever its link leads: only paying tells.
    Ok(page(
        "<p>You are about to pay an invoice of the mock engine. No money moves.</p>\
         <form method=\"post\"><button>Pay</button></form>",
    ))
}

pub(super) async fn pay(
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    let outcome = match provider(&app)?.pay(&token) {
        Ok(outcome) => outcome,
        Err(ControlError::Missing { .. }) => {
            return Ok(
                (StatusCode::NOT_FOUND, page("<p>There is no such page.</p>")).into_response(),
            );
        }
        Err(error) => {
            report::failure("pay at the mock engine", &error);
            let detail = "it cannot be done at the moment: try again";
            return Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                detail,
            ));
        }
    };
    let (status, said) = match outcome {
        PaymentOutcome::Paid => (StatusCode::OK, "Paid. Thank you."),
        PaymentOutcome::AlreadyPaid => (StatusCode::OK, "It was paid before."),
        PaymentOutcome::Declined => (StatusCode::PAYMENT_REQUIRED, "The payment was declined."),
        PaymentOutcome::NotPayable => (StatusCode::CONFLICT, "It cannot be paid."),
        PaymentOutcome::LinkExpired => (StatusCode::GONE, "The link has expired."),
    };
    // The news goes its way over HTTP; access should be back when the page says so.
    app.round().await;
    Ok((status, page(&format!("<p>{said}</p>"))).into_response())
}

pub(super) async fn clock(
    State(app): State<Arc<App>>,
    _caller: Caller,
) -> Result<axum::Json<ClockView>, Problem> {
    shown(&app).map(axum::Json)
}

pub(super) async fn set_clock(
    State(app): State<Arc<App>>,
    _caller: Caller,
    Json(body): Json<ClockBody>,
) -> Result<axum::Json<ClockView>, Problem> {
    provider(&app)?;
    let Some(manual) = &app.manual_clock else {
        let detail =
            "business time is the machine's: start the server with --manual-clock to move it";
        return Err(Problem::conflict("clock_not_manual", detail));
    };
    let now = app.now();
    let to = match (body.to, body.advance_seconds) {
        (Some(to), None) => to,
        (None, Some(seconds)) => now.saturating_add(Duration::from_secs(seconds)),
        _ => {
            let problem = "say either to or advance_seconds";
            return Err(FieldError::new("to", problem).into());
        }
    };
    if to < now {
        let problem = format!("{to} is past: it is {now}, and time never goes back");
        return Err(FieldError::new("to", problem).into());
    }
    manual.set(to);
    app.round().await;
    shown(&app).map(axum::Json)
}

fn provider(app: &App) -> Result<&Control, Problem> {
    app.mock.as_ref().ok_or_else(Problem::not_found)
}

fn shown(app: &App) -> Result<ClockView, Problem> {
    Ok(ClockView {
        now: app.now(),
        provider_now: provider(app)?.now(),
        manual: app.manual_clock.is_some(),
    })
}

fn page(said: &str) -> Response {
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
