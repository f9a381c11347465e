//! Failures on this side of the network: what a client cannot do to itself, such as an answer
//! that is held back from one server while another is answered.

use axum::extract::State;
use http::StatusCode;

use super::Desk;
use super::input::Json;
use crate::faults::Injection;

/// Adds a fault, and shows it with what was left out.
pub(super) async fn inject(
    State(desk): State<Desk>,
    Json(injection): Json<Injection>,
) -> (StatusCode, axum::Json<Injection>) {
    desk.control.inject(injection.clone());
    (StatusCode::CREATED, axum::Json(injection))
}

/// Takes back every fault to come; held calls stay held.
pub(super) async fn clear(State(desk): State<Desk>) -> StatusCode {
    desk.control.clear_faults();
    StatusCode::NO_CONTENT
}

/// Lets the held calls go on.
pub(super) async fn release(State(desk): State<Desk>) -> StatusCode {
    desk.control.release();
    StatusCode::NO_CONTENT
}
