//! Meter events that are cancelled: by their identifier, within a day of being taken.
//!
//! | Stripe answers | outcome |
//! |---|---|
//! | success, or that it is cancelled already | `Withdrawn` |
//! | that there is no such event, or that it is too old | `TooLate`, with Stripe's words |
//! | the same, after a failure that may have cancelled it | an error: nobody knows |
//! | (not asked: the invoice of its period is final, or is soon) | `TooLate` |
//! | that the key is not good, nothing, or that nobody knows | an error: ask again |
//!
//! It is asked under the call's key, so that a success is told again whose answer was lost. Only where Stripe
//! tells a failure again is it asked under a fresh key; the event's identifier keeps anything from being
//! cancelled twice.
//!
//! What is cancelled is no longer summed up, and its identifier stays taken: sent again, the event is a
//! duplicate. An invoice that is final does not change: use that was cancelled after it would be charged,
//! and told to be billed to nobody.

use std::collections::BTreeMap;

use monetization_core::engine::{
    EngineError, EngineErrorKind, IdempotencyKey, SealedReport, Withdrawal,
};
use serde_json::Value;
use stripe_client_core::{RequestBuilder, StripeMethod};

use super::lateness::{Event, Known, Timely};
use super::permanent;
use crate::error::Failure;
use crate::form;
use crate::session::{Done, Session};
use crate::transport::Outbound;

impl Session<'_> {
    /// Cancels the event that was sent in these bytes.
    ///
    /// # Errors
    /// `Ambiguous` where an earlier try may have cancelled it; else that of a request to which there was no answer.
    /// That Stripe refuses is that it is too late.
    pub(super) async fn cancel_event(
        &self,
        report: &SealedReport,
    ) -> Result<Withdrawal, EngineError> {
        let sent = std::str::from_utf8(&report.body).unwrap_or_default();
        let part = |name| form::value(sent, name).ok_or_else(|| permanent("it is no meter event"));
        let (event_name, identifier) = (part("event_name")?, part("identifier")?);
        let event = Event::read(&report.body).ok_or_else(|| permanent("it is no meter event"))?;
        match self.timely(&event, &mut Known::new()).await? {
            Timely::Yes => {}
            Timely::No(reason) | Timely::Never(reason) => {
                return Ok(Withdrawal::TooLate { reason });
            }
        }
        let form = format!("type=cancel&event_name={event_name}&cancel[identifier]={identifier}");
        match self.adjust(&self.cx.key, &form).await {
            Err(failure) if failure.is_replayed && failure.error.may_have_taken_effect() => {
                let again = self.adjust(&self.fresh_key(), &form).await;
                withdrawn(again, true)
            }
            answer => withdrawn(answer, false),
        }
    }

    /// Has Stripe cancel an event, under this key.
    ///
    /// # Errors
    /// That of the request.
    async fn adjust(&self, key: &IdempotencyKey, form: &str) -> Result<Done<Adjustment>, Failure> {
        let mut request =
            RequestBuilder::new(StripeMethod::Post, "/billing/meter_event_adjustments");
        request.body = Some(form.to_owned());
        self.order_under(key, Outbound::from(request)).await
    }
}

/// What an answer means; `may_be` is whether an earlier try may have cancelled the event.
///
/// # Errors
/// `Ambiguous` for a refusal of what may have been done before, that of the request where it is no refusal of
/// the event.
fn withdrawn(
    answer: Result<Done<Adjustment>, Failure>,
    may_be: bool,
) -> Result<Withdrawal, EngineError> {
    let Err(failure) = answer else {
        return Ok(Withdrawal::Withdrawn);
    };
    let is_of_the_event = matches!(
        failure.error.kind(),
        EngineErrorKind::Permanent | EngineErrorKind::NotFound
    );
    if !failure.is_refusal || !is_of_the_event {
        return Err(failure.error);
    }
    if is_cancelled(&failure) {
        return Ok(Withdrawal::Withdrawn);
    }
    if may_be {
        let message = "whether the event was cancelled before nobody can tell";
        return Err(EngineError::new(EngineErrorKind::Ambiguous, message).because(failure.error));
    }
    let reason = failure.error.to_string();
    Ok(Withdrawal::TooLate { reason })
}

/// Whether Stripe refuses because it has cancelled the event before.
fn is_cancelled(failure: &Failure) -> bool {
    let said = failure.error.to_string().to_lowercase();
    said.contains("already") && (said.contains("canceled") || said.contains("cancelled"))
}

/// What a cancellation is answered with; nothing of it is read.
type Adjustment = BTreeMap<String, Value>;
