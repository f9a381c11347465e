//! What an answer, or none, makes of a batch.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::engine::Receipt;
use crate::flows::operations::Jitter;
use crate::store::{Batch, BatchState, Held, Verdict};

/// When a batch may first have been sent. A claim that was never settled may have sent it, and
/// nobody wrote down when: not before its time of use.
pub(super) fn first_sent(batch: &Batch) -> Option<Timestamp> {
    let claims_settled = u64::from(batch.attempts).saturating_add(1);
    let lost = batch.fence > claims_settled;
    batch.first_sent_at.or(lost.then_some(batch.used_at))
}

/// What becomes of a batch that is not sent: unknown where it may have been sent before, since then
/// nobody could send it again without perhaps counting it twice.
pub(super) fn held_back(batch: &Batch, reason: String) -> BatchState {
    if first_sent(batch).is_some() {
        let reason = format!("{reason}, and it was sent without an answer");
        BatchState::Unknown { reason }
    } else {
        BatchState::Parked { reason }
    }
}

/// Whether the engine may know a batch and not count it: it was sent before, and refused or not found
/// there.
fn is_doubtful(batch: &Batch) -> bool {
    let sent_again = batch.sent_again;
    sent_again.is_some_and(|it| matches!(it.after, Held::Rejected | Held::Unknown))
}

/// One call that carried batches.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt {
    /// When it was made, in business time.
    pub(super) sent_at: Timestamp,
    /// How much of their waits its batches wait, so that they stay together.
    pub(super) jitter: Jitter,
}

impl Attempt {
    /// What a receipt makes of its batch.
    pub(super) fn verdict(self, batch: &Batch, receipt: Receipt) -> Verdict {
        match receipt {
            Receipt::Duplicate if is_doubtful(batch) => {
                let reason = "it was sent again, and the engine knew it from before".to_owned();
                self.settled(BatchState::Unknown { reason })
            }
            Receipt::Accepted | Receipt::Duplicate => self.settled(BatchState::Confirmed),
            Receipt::Rejected { reason } => self.settled(BatchState::Rejected { reason }),
            Receipt::Unknown { .. } => self.postponed(batch, None, true),
            Receipt::NotSent { retry_after, .. } => self.postponed(batch, retry_after, false),
        }
    }

    /// Sent no more.
    pub(super) fn settled(self, state: BatchState) -> Verdict {
        let at = self.sent_at;
        Verdict::Settled { state, at }
    }

    /// The same bytes later: after what the engine has asked to wait, where it has. Whether they may
    /// have arrived decides how long they may be repeated.
    pub(super) fn postponed(self, batch: &Batch, wait: Option<Duration>, arrived: bool) -> Verdict {
        let wait = wait.unwrap_or_else(|| self.jitter.back_off(batch.attempts));
        let first_sent_at = first_sent(batch).or(arrived.then_some(self.sent_at));
        Verdict::Again {
            due_at: self.sent_at.saturating_add(wait),
            first_sent_at,
        }
    }
}
