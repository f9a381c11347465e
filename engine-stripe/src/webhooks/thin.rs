//! Thin events: a message says only that there is one.
//!
//! Two of them are read, which tell of meter events that Stripe has looked at after it had answered and
//! does not count:
//!
//! | event | about |
//! |---|---|
//! | `v1.billing.meter.error_report_triggered` | a meter |
//! | `v1.billing.meter.no_meter_found` | events that no meter has the name of |
//!
//! Each tells how many there are within its time, and a few of them for an example, by the identifier of
//! the event or the idempotency key of its request: either ends in the id of the batch.

use monetization_core::clock::Timestamp;
use monetization_core::engine::{EngineEvent, News, RejectedReport, RejectedReports, WebhookError};
use monetization_core::ids::BatchId;
use monetization_core::reference::ObjectKind;
use serde::Deserialize;

use super::malformed;
use super::news::read_as;
use crate::endpoint::THIN_EVENTS;

/// As much of a message as says where to read the rest.
#[derive(Debug, Deserialize)]
pub(super) struct Pointer {
    #[serde(rename = "type")]
    kind: String,
    /// The account that it happened in, where it says so.
    pub(super) context: Option<String>,
}

/// An event as it is read from Stripe.
#[derive(Debug, Deserialize)]
struct Event {
    id: String,
    created: Timestamp,
    context: Option<String>,
    data: Option<Data>,
}

#[derive(Debug, Deserialize)]
struct Data {
    reason: Reason,
}

#[derive(Debug, Deserialize)]
struct Reason {
    error_count: u64,
    #[serde(default)]
    error_types: Vec<ErrorType>,
}

#[derive(Debug, Deserialize)]
struct ErrorType {
    code: String,
    #[serde(default)]
    sample_errors: Vec<SampleError>,
}

#[derive(Debug, Deserialize)]
struct SampleError {
    error_message: String,
    request: Request,
}

#[derive(Debug, Deserialize)]
struct Request {
    identifier: String,
}

/// What a message points at, where it is one of those that are read.
pub(super) fn pointer(body: &[u8]) -> Option<Pointer> {
    let pointer: Pointer = serde_json::from_slice(body).ok()?;
    is_of_use(&pointer.kind).then_some(pointer)
}

/// Whether an event of this type tells of use.
pub(super) fn is_of_use(kind: &str) -> bool {
    THIN_EVENTS.contains(&kind)
}

/// What an event of use says.
///
/// # Errors
/// `Malformed` for one that was not read from Stripe, or makes no sense.
pub(super) fn read(body: &[u8]) -> Result<Vec<EngineEvent>, WebhookError> {
    let event: Event = read_as(body)?;
    let unread = "it has to be read from Stripe, with the credentials of the endpoint's tenant";
    let reason = event.data.ok_or_else(|| malformed(unread))?.reason;
    let account = event.context.as_deref().map(str::parse);
    let rejected = RejectedReports {
        count: reason.error_count,
        named: reason.error_types.iter().flat_map(named).collect(),
    };
    Ok(vec![EngineEvent {
        account: account.transpose().map_err(malformed)?,
        object: ObjectKind::Report,
        external: event.id.parse().map_err(malformed)?,
        version: 1,
        occurred_at: event.created,
        news: News::ReportsRejected(rejected),
    }])
}

/// The reports among the examples of a type. Others may report to the same account.
fn named(of: &ErrorType) -> impl Iterator<Item = RejectedReport> {
    of.sample_errors.iter().filter_map(|sample| {
        let identifier = &sample.request.identifier;
        let batch = identifier.rsplit('/').next().unwrap_or(identifier);
        Some(RejectedReport {
            batch: batch.parse::<BatchId>().ok()?,
            reason: format!("{}: {}", of.code, sample.error_message),
        })
    })
}
