//! The same request under the same key is carried out once.
//!
//! The first status and body are stored from the moment a request is carried out, failures within
//! included, and answered again for 24 hours. What was refused before, by its key, its parameters
//! or its rate, is not stored. As Stripe has it, only a POST heeds its key: other methods can be
//! repeated anyway.

use super::Answer;
use super::memory::Memory;
use super::problem::Problem;
use crate::stripe::spec::Call;

/// Answers by account, mode and key.
#[derive(Debug, Default)]
pub(super) struct Answered(Memory<(String, bool, String), Kept>);

#[derive(Debug)]
struct Kept {
    /// Method, path and parameters.
    request: String,
    answer: Answer,
}

impl Answered {
    /// The answer that a key had before; a problem where it was for another request.
    pub(super) fn recall(
        &mut self,
        slot: &(String, bool, String),
        call: &Call<'_>,
        now: i64,
    ) -> Result<Option<Answer>, Problem> {
        self.0.forget(now);
        let Some(kept) = self.0.get(slot) else {
            return Ok(None);
        };
        if kept.request != written(call) {
            let message = format!(
                "Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '{}' if you meant to execute a different request.",
                slot.2
            );
            return Err(Problem::invalid(message).kind("idempotency_error"));
        }
        let mut answer = kept.answer.clone();
        answer
            .headers
            .push(("Idempotent-Replayed".to_owned(), "true".to_owned()));
        Ok(Some(answer))
    }

    pub(super) fn keep(
        &mut self,
        slot: (String, bool, String),
        call: &Call<'_>,
        answer: &Answer,
        now: i64,
    ) {
        let kept = Kept {
            request: written(call),
            answer: answer.clone(),
        };
        self.0.keep(slot, kept, now);
    }
}

/// A request with its parameters in one order.
fn written(call: &Call<'_>) -> String {
    format!("{} {} {:?}", call.method, call.path, call.parameters().0)
}
