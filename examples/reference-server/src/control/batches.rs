//! Batches that nobody sends until somebody decides about them, and the comparison with the engine.

use std::sync::Arc;

use axum::extract::State;
use monetization_core::clock::{Span, Timestamp};
use monetization_core::engine::Withdrawal;
use monetization_core::field::FieldError;
use monetization_core::flows::{Difference, ReconcileReport};
use monetization_core::ids::{BatchId, MeterId, SegmentId, SubscriptionId};
use monetization_core::store::{Batch, BatchState, Decision, Fate};
use serde::{Deserialize, Serialize};

use super::input::{Caller, Id, Json, Params};
use super::page::{List, Page};
use super::problem::Problem;
use crate::app::App;
use crate::recurring::COMPARED;

/// A batch that is held. Quantities are in the meter's scale.
#[derive(Debug, Serialize)]
pub(super) struct BatchView {
    id: BatchId,
    segment: SegmentId,
    meter: MeterId,
    state: &'static str,
    reason: Option<String>,
    quantity: Option<i64>,
    used_at: Timestamp,
    attempts: u32,
    first_sent_at: Option<Timestamp>,
}

/// What shall become of it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DecisionBody {
    fate: FateName,
    /// Who has decided so, and from what: 1 to 500 characters.
    because: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FateName {
    Confirmed,
    SendAgain,
    WrittenOff,
}

/// Why a report shall be taken back.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WithdrawalBody {
    /// Who has decided so, and from what: 1 to 500 characters.
    because: String,
}

/// What was decided.
#[derive(Debug, Serialize)]
pub(super) struct DecidedView {
    id: BatchId,
    state: String,
}

/// From when on to compare.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReconcileBody {
    /// 35 days ago where nothing is said.
    since: Option<Timestamp>,
}

/// What was compared.
#[derive(Debug, Serialize)]
pub(super) struct ReconcileView {
    compared: usize,
    differing: Vec<DifferenceView>,
    decided: Vec<DecidedView>,
    failed: Vec<FailedView>,
}

/// A period in which the engine has counted something else. Quantities are in the meter's scale.
#[derive(Debug, Serialize)]
struct DifferenceView {
    subscription: SubscriptionId,
    meter: MeterId,
    period: Span,
    confirmed: i64,
    perhaps: i64,
    counted: i64,
}

#[derive(Debug, Serialize)]
struct FailedView {
    subscription: SubscriptionId,
    problem: String,
}

const BECAUSE_MAX: usize = 500;

pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Params(page): Params<Page>,
) -> Result<axum::Json<List<BatchView>>, Problem> {
    let limit = page.limit()?;
    let after = page.after::<BatchId>()?;
    let one_more = limit.saturating_add(1);
    let held = app
        .store()
        .held_batches(caller.tenant, after, one_more)
        .await?;
    let list = List::cut(held, limit, |batch| batch.id, BatchView::from);
    Ok(axum::Json(list))
}

pub(super) async fn decide(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<BatchId>,
    Json(body): Json<DecisionBody>,
) -> Result<axum::Json<DecidedView>, Problem> {
    check_because(&body.because)?;
    let fate = match body.fate {
        FateName::Confirmed => Fate::Confirmed,
        FateName::SendAgain => Fate::SendAgain,
        FateName::WrittenOff => Fate::WrittenOff,
    };
    let decision = Decision::new(fate, body.because, app.monetizer.now());
    app.monetizer
        .decide_batch(caller.tenant, id, &decision)
        .await?;
    Ok(axum::Json(DecidedView::new(id, fate)))
}

/// Takes a report back that the engine has taken.
pub(super) async fn withdraw(
    State(app): State<Arc<App>>,
    caller: Caller,
    Id(id): Id<BatchId>,
    Json(body): Json<WithdrawalBody>,
) -> Result<axum::Json<DecidedView>, Problem> {
    check_because(&body.because)?;
    let withdrawn = app
        .monetizer
        .withdraw_batch(caller.tenant, id, &body.because)
        .await?;
    match withdrawn {
        Withdrawal::Withdrawn => Ok(axum::Json(DecidedView::new(id, Fate::WrittenOff))),
        Withdrawal::TooLate { reason } => Err(Problem::conflict("too_late", reason)),
    }
}

fn check_because(because: &str) -> Result<(), FieldError> {
    if because.trim().is_empty() || because.chars().count() > BECAUSE_MAX {
        let problem = format!("say who has decided so and why, in 1 to {BECAUSE_MAX} characters");
        return Err(FieldError::new("because", problem));
    }
    Ok(())
}

pub(super) async fn reconcile(
    State(app): State<Arc<App>>,
    caller: Caller,
    Json(body): Json<ReconcileBody>,
) -> Result<axum::Json<ReconcileView>, Problem> {
    let since = body
        .since
        .unwrap_or_else(|| app.now().saturating_sub(COMPARED));
    let report = app.monetizer.reconcile(caller.tenant, since).await?;
    Ok(axum::Json(report.into()))
}

impl DecidedView {
    fn new(id: BatchId, fate: Fate) -> Self {
        let state = fate.state().as_str().to_owned();
        Self { id, state }
    }
}

impl From<Batch> for BatchView {
    fn from(batch: Batch) -> Self {
        let state: &BatchState = &batch.state;
        Self {
            id: batch.id,
            segment: batch.key.segment,
            meter: batch.key.meter,
            state: state.as_str(),
            reason: state.reason().map(str::to_owned),
            quantity: batch.quantity().ok().map(|quantity| quantity.scaled()),
            used_at: batch.used_at,
            attempts: batch.attempts,
            first_sent_at: batch.first_sent_at,
        }
    }
}

impl From<ReconcileReport> for ReconcileView {
    fn from(report: ReconcileReport) -> Self {
        let decided = report.decided.into_iter();
        let failed = report.failed.into_iter();
        Self {
            compared: report.compared,
            differing: report.differing.into_iter().map(Into::into).collect(),
            decided: decided
                .map(|(id, fate)| DecidedView::new(id, fate))
                .collect(),
            failed: failed
                .map(|(subscription, problem)| FailedView {
                    subscription,
                    problem,
                })
                .collect(),
        }
    }
}

impl From<Difference> for DifferenceView {
    fn from(of: Difference) -> Self {
        Self {
            subscription: of.subscription,
            meter: of.meter,
            period: of.period,
            confirmed: of.confirmed.scaled(),
            perhaps: of.perhaps.scaled(),
            counted: of.counted.scaled(),
        }
    }
}
