//! Operations at the engine that were given up, until somebody has them carried out again.

use std::sync::Arc;

use axum::extract::State;
use monetization_core::clock::Timestamp;
use monetization_core::ids::IntentId;
use monetization_core::intent::{IntentState, Operation, ParkedIntent};
use serde::Serialize;

use super::input::{Caller, Id, Params};
use super::page::{List, Page};
use super::problem::Problem;
use crate::app::App;

/// An operation that was given up: what it is, and why.
#[derive(Debug, Serialize)]
pub(super) struct OperationView {
    id: IntentId,
    #[serde(flatten)]
    operation: Operation,
    attempts: u32,
    reason: String,
    parked_at: Timestamp,
}

/// How far an operation has come that was resumed.
#[derive(Debug, Serialize)]
pub(super) struct ResumedView {
    id: IntentId,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(page): Params<Page>,
) -> Result<axum::Json<List<OperationView>>, Problem> {
    let limit = page.limit()?;
    let after = page.after::<IntentId>()?;
    let one_more = limit.saturating_add(1);
    let parked = app
        .store()
        .parked_intents(caller.tenant, after, one_more)
        .await?;
    let list = List::cut(parked, limit, |it| it.intent.id, OperationView::from);
    Ok(axum::Json(list))
}

/// Has an operation carried out again, and tells what came of it, if that is known soon.
pub(super) async fn resume(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<IntentId>,
) -> Result<axum::Json<ResumedView>, Problem> {
    app.monetizer.resume_operation(caller.tenant, id).await?;
    app.carry_out_soon().await;
    let state = app.store().intent_state(caller.tenant, id).await?;
    let state = state.ok_or_else(Problem::not_found)?;
    Ok(axum::Json(ResumedView::new(id, state)))
}

impl From<ParkedIntent> for OperationView {
    fn from(ParkedIntent { intent, parking }: ParkedIntent) -> Self {
        Self {
            id: intent.id,
            operation: intent.operation,
            attempts: intent.attempts,
            reason: parking.reason,
            parked_at: parking.parked_at,
        }
    }
}

impl ResumedView {
    fn new(id: IntentId, state: IntentState) -> Self {
        let (state, reason) = match state {
            IntentState::Open => ("open", None),
            IntentState::Done => ("done", None),
            IntentState::Parked(parking) => ("parked", Some(parking.reason)),
        };
        Self { id, state, reason }
    }
}
