//! The provider's clock.

use std::time::Duration;

use axum::extract::State;
use http::StatusCode;
use monetization_core::clock::Timestamp;
use monetization_core::field::FieldError;
use serde::{Deserialize, Serialize};

use super::input::Json;
use super::problem::Problem;
use super::{Desk, ServedClock};

/// How far the clock moves.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ClockBody {
    /// To this instant.
    to: Option<Timestamp>,
    /// Or by so many seconds.
    advance_seconds: Option<u64>,
}

/// What the clock says.
#[derive(Debug, Serialize)]
pub(super) struct ClockView {
    /// The provider's time, UTC.
    now: Timestamp,
    /// Whether requests move it.
    by_hand: bool,
}

/// What the clock says, and whether it can be moved.
pub(super) async fn show(State(desk): State<Desk>) -> axum::Json<ClockView> {
    axum::Json(shown(&desk))
}

/// Moves the clock; what falls due on the way has happened when this is answered.
pub(super) async fn move_on(
    State(desk): State<Desk>,
    Json(body): Json<ClockBody>,
) -> Result<axum::Json<ClockView>, Problem> {
    if desk.clock == ServedClock::Machine {
        let detail = "the clock is the machine's: start the process with --clock and an instant";
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "clock_not_by_hand",
            detail,
        ));
    }
    let now = desk.control.now();
    let to = match (body.to, body.advance_seconds) {
        (Some(to), None) => to,
        (None, Some(seconds)) => now.saturating_add(Duration::from_secs(seconds)),
        _ => return Err(FieldError::new("to", "say either to or advance_seconds").into()),
    };
    if to < now {
        let problem = format!("{to} is past: allowed is {now} or later");
        return Err(FieldError::new("to", problem).into());
    }
    desk.control.set(to)?;
    Ok(axum::Json(shown(&desk)))
}

fn shown(desk: &Desk) -> ClockView {
    ClockView {
        now: desk.control.now(),
        by_hand: desk.clock == ServedClock::ByHand,
    }
}
