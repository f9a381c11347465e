//! The played side of the world: the mock engine's pages, and the clock that is moved by hand.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;
use monetization_core::clock::Timestamp;
use monetization_core::field::FieldError;
use monetization_engine_mock::{Control, ShownPage};
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
    /// Of the mock engine, where that is in this process.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_now: Option<Timestamp>,
    /// Whether it can be moved.
    manual: bool,
}

/// A page of the mock engine's: where an invoice is paid, or a payment method stored.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    Ok(written(provider(&app)?.page(&token)))
}

/// Does what the page is for.
pub(super) async fn submit(
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    let shown = provider(&app)?.submit(&token).map_err(|error| {
        report::failure("do what a page of the mock engine is for", &error);
        let detail = "it cannot be done at the moment: try again";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
    })?;
    // The news goes its way over HTTP; access should be back when the page says so.
    app.round().await;
    Ok(written(shown))
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
    let Some(manual) = &app.manual_clock else {
        provider(&app)?;
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

/// The clocks, where there is one that moves or can be looked at.
fn shown(app: &App) -> Result<ClockView, Problem> {
    let manual = app.manual_clock.is_some();
    if !manual {
        provider(app)?;
    }
    Ok(ClockView {
        now: app.now(),
        provider_now: app.mock.as_ref().map(Control::now),
        manual,
    })
}

fn written(page: ShownPage) -> Response {
    (page.status, page.headers, Html(page.html)).into_response()
}
