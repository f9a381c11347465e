//! What an answer, or none, makes of a batch.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::engine::Receipt;
use crate::flows::operations::back_off;
use crate::store::{Batch, BatchState, Verdict};

/// When a batch may first have been sent. A claim that was never settled may have sent it, and
/// nobody wrote down when: not before its time of use.
pub(super) fn first_sent(batch: &Batch) -> Option<Timestamp> {
    let claims_settled = u64::from(batch.attempts).saturating_add(1);
    let lost = batch.fence > claims_settled;
    batch.first_sent_at.or(lost.then_some(batch.used_at))
}

/// What a receipt makes of its batch.
pub(super) fn verdict(batch: &Batch, receipt: Receipt, sent_at: Timestamp) -> Verdict {
    match receipt {
        Receipt::Accepted | Receipt::Duplicate => Verdict::State(BatchState::Confirmed),
        Receipt::Rejected { reason } => Verdict::State(BatchState::Rejected { reason }),
        Receipt::Unknown { .. } => postponed(batch, sent_at, None, true),
    }
}

/// The same bytes later. Whether they may have arrived decides how long they may be repeated.
pub(super) fn postponed(
    batch: &Batch,
    sent_at: Timestamp,
    wait: Option<Duration>,
    sent: bool,
) -> Verdict {
    let wait = wait.unwrap_or_else(|| back_off(batch.attempts));
    let first_sent_at = first_sent(batch).or(sent.then_some(sent_at));
    Verdict::Again {
        due_at: sent_at.saturating_add(wait),
        first_sent_at,
    }
}
