//! Meter events that are cancelled: by their identifier, within a day of being taken.
//!
//! | Stripe answers | outcome |
//! |---|---|
//! | success, or that it is cancelled already | `Withdrawn` |
//! | that there is no such event, or that it is too old | `TooLate`, with Stripe's words |
//! | (not asked: the invoice of its period is final) | `TooLate` |
//! | that the key is not good, nothing, or that nobody knows | an error: ask again |
//!
//! Each time it is asked under a fresh key: an answer that Stripe has kept says nothing of now, and the
//! event's identifier keeps anything from being cancelled twice.
//!
//! What is cancelled is no longer summed up, and its identifier stays taken: sent again, the event is a
//! duplicate. An invoice that is final does not change: use that was cancelled after it would be charged,
//! and told to be billed to nobody.

use std::collections::BTreeMap;

use monetization_core::engine::{EngineError, EngineErrorKind, SealedReport, Withdrawal};
use serde_json::Value;
use stripe_client_core::{RequestBuilder, StripeMethod};

use super::lateness::{Event, Known, Timely};
use super::permanent;
use crate::error::Failure;
use crate::form;
use crate::session::Session;
use crate::transport::Outbound;

impl Session<'_> {
    /// Cancels the event that was sent in these bytes.
    ///
    /// # Errors
    /// That of a request to which there was no answer; that Stripe refuses is that it is too late.
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
        let mut request =
            RequestBuilder::new(StripeMethod::Post, "/billing/meter_event_adjustments");
        request.body = Some(format!(
            "type=cancel&event_name={event_name}&cancel[identifier]={identifier}"
        ));
        let key = self.fresh_key();
        let ordered = self.order_under::<Adjustment>(&key, Outbound::from(request));
        match ordered.await {
            Ok(_) => Ok(Withdrawal::Withdrawn),
            Err(failure) if failure.is_refusal && is_cancelled(&failure) => {
                Ok(Withdrawal::Withdrawn)
            }
            Err(failure)
                if failure.is_refusal && failure.error.kind() != &EngineErrorKind::Unauthorized =>
            {
                let reason = failure.error.to_string();
                Ok(Withdrawal::TooLate { reason })
            }
            Err(failure) => Err(failure.error),
        }
    }
}

/// Whether Stripe refuses because it has cancelled the event before.
fn is_cancelled(failure: &Failure) -> bool {
    let said = failure.error.to_string().to_lowercase();
    said.contains("already") && (said.contains("canceled") || said.contains("cancelled"))
}

/// What a cancellation is answered with; nothing of it is read.
type Adjustment = BTreeMap<String, Value>;
