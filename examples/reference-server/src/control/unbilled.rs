//! Use that was taken in and that nobody is billed for as things stand.

use std::sync::Arc;

use axum::extract::State;
use monetization_core::clock::Timestamp;
use monetization_core::flows::TooLate;
use monetization_core::ids::{MeterId, RecordId, SegmentId, SubscriptionId};
use serde::Serialize;

use super::batches::BatchView;
use super::input::Caller;
use super::problem::Problem;
use crate::app::App;
use crate::set_aside::{Line, SetAsideFile};

/// All of it, by why it is not billed. Quantities are in the meter's scale.
#[derive(Debug, Serialize)]
pub(super) struct UnbilledView {
    after_the_end: Vec<TooLateView>,
    held: Vec<BatchView>,
    written_off: Vec<BatchView>,
    set_aside: Vec<SetAsideView>,
}

/// What came after the last invoice of its subscription. What transactions cost at a percentage is a charge,
/// in hundred-millionths of a major unit of its currency.
#[derive(Debug, Serialize)]
struct TooLateView {
    subscription: SubscriptionId,
    segment: SegmentId,
    meter: MeterId,
    quantity: i64,
    is_charge: bool,
}

/// What was served and the ledger does not take.
#[derive(Debug, Serialize)]
struct SetAsideView {
    record: RecordId,
    subscription: SubscriptionId,
    occurred_at: Timestamp,
    reason: String,
}

pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<axum::Json<UnbilledView>, Problem> {
    let unbilled = app.monetizer.unbilled(caller.tenant).await?;
    let lines = app.set_aside.as_deref().map(SetAsideFile::lines);
    let lines = lines.transpose()?.unwrap_or_default().into_iter();
    let own = lines.filter(|line| line.record.tenant == caller.tenant);
    Ok(axum::Json(UnbilledView {
        after_the_end: unbilled.after_the_end.into_iter().map(Into::into).collect(),
        held: unbilled.held.into_iter().map(Into::into).collect(),
        written_off: unbilled.written_off.into_iter().map(Into::into).collect(),
        set_aside: own.map(Into::into).collect(),
    }))
}

impl From<TooLate> for TooLateView {
    fn from(of: TooLate) -> Self {
        Self {
            subscription: of.subscription,
            segment: of.origin,
            meter: of.meter,
            quantity: of.quantity.scaled(),
            is_charge: of.is_charge,
        }
    }
}

impl From<Line> for SetAsideView {
    fn from(Line { record, why }: Line) -> Self {
        Self {
            record: record.id,
            subscription: record.segment.subscription,
            occurred_at: record.occurred_at,
            reason: why,
        }
    }
}
