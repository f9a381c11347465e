//! What events say.
//!
//! | event | news |
//! |---|---|
//! | `invoice.*` | how the invoice stands, except one that does not exist yet (`invoice.upcoming`) |
//! | `customer.subscription.deleted` | the subscription is over |
//! | `checkout.session.completed`, of a page that stores a payment method | its customer has stored one |
//! | `v1.billing.meter.error_report_triggered`, `v1.billing.meter.no_meter_found` | use that does not count after all: [`thin`] |
//! | any other | none |
//!
//! Stripe's objects have no version and its events come in any order. The version of a piece of news
//! is made of, first to last: how far the invoice has come (draft, open, past due, uncollectible, paid
//! or void, which it never goes back from), the second of the event, which event it is, and a digest of
//! the event's id. So the same news end in the same state in whichever order they come.

use monetization_core::clock::Timestamp;
use monetization_core::engine::{EngineEvent, EngineInvoice, News, WebhookError};
use monetization_core::invoice::InvoiceState;
use monetization_core::reference::ObjectKind;
use monetization_core::text::ForeignId;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::{malformed, thin};
use crate::answer::{AnyObject, Expandable, Invoice};
use crate::invoice::{Stated, engine_invoice};

/// The one event of subscriptions that core has a use for.
const SUBSCRIPTION_DELETED: &str = "customer.subscription.deleted";

/// That somebody has done what a page was for.
const CHECKOUT_COMPLETED: &str = "checkout.session.completed";

/// Events of an invoice in the order in which they come about within one second.
const IN_ORDER: [&str; 9] = [
    "invoice.created",
    "invoice.updated",
    "invoice.finalized",
    "invoice.payment_failed",
    "invoice.overdue",
    "invoice.payment_succeeded",
    "invoice.paid",
    "invoice.marked_uncollectible",
    "invoice.voided",
];

/// As much of an event as says whether the rest is for us.
#[derive(Debug, Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: String,
}

/// An event about an object of a kind.
#[derive(Debug, Deserialize)]
struct Event<T> {
    id: String,
    account: Option<String>,
    created: i64,
    data: Data<T>,
}

/// What an event is about.
#[derive(Debug, Deserialize)]
struct Data<T> {
    object: T,
}

/// A page on which a customer has done something.
#[derive(Debug, Deserialize)]
struct Checkout {
    /// `setup` where a payment method was stored.
    mode: Option<String>,
    customer: Option<Expandable<AnyObject>>,
}

/// Reads an event's bytes.
///
/// # Errors
/// `Malformed`, with what makes no sense.
pub(super) fn read(body: &[u8], days_until_due: u32) -> Result<Vec<EngineEvent>, WebhookError> {
    let kind = read_as::<Kind>(body)?.kind;
    if kind == SUBSCRIPTION_DELETED {
        let event: Event<AnyObject> = read_as(body)?;
        let ended = Told {
            object: ObjectKind::Subscription,
            external: event.data.object.id.parse().map_err(malformed)?,
            rank: 0,
            news: News::SubscriptionEnded,
        };
        return Ok(vec![told(&kind, &event, ended)?]);
    }
    if kind == CHECKOUT_COMPLETED {
        let event: Event<Checkout> = read_as(body)?;
        let session = &event.data.object;
        let customer = session.customer.as_ref().map(Expandable::id);
        let Some(customer) = customer.filter(|_| session.mode.as_deref() == Some("setup")) else {
            return Ok(Vec::new());
        };
        let stored = Told {
            object: ObjectKind::Customer,
            external: customer.parse().map_err(malformed)?,
            rank: 0,
            news: News::PaymentMethodStored,
        };
        return Ok(vec![told(&kind, &event, stored)?]);
    }
    if thin::is_of_use(&kind) {
        return thin::read(body);
    }
    if !kind.starts_with("invoice.") {
        return Ok(Vec::new());
    }
    let event: Event<serde_json::Value> = read_as(body)?;
    if event
        .data
        .object
        .get("id")
        .is_none_or(serde_json::Value::is_null)
    {
        return Ok(Vec::new());
    }
    let invoice: Invoice = serde_json::from_value(event.data.object.clone()).map_err(malformed)?;
    let stands = engine_invoice(&invoice, Stated::Made, days_until_due).map_err(malformed)?;
    let stands = how_it_stands(&kind, event.created, &invoice, stands);
    let subscription = invoice.subscription().map(str::parse::<ForeignId>);
    let of_invoice = Told {
        object: ObjectKind::Invoice,
        external: invoice.id.parse().map_err(malformed)?,
        rank: rank(stands.state),
        news: News::Invoice {
            subscription: subscription.transpose().map_err(malformed)?,
            invoice: stands,
        },
    };
    Ok(vec![told(&kind, &event, of_invoice)?])
}

/// How an invoice stands by an event: late where a payment has failed after it was due.
fn how_it_stands(
    kind: &str,
    created: i64,
    invoice: &Invoice,
    mut stands: EngineInvoice,
) -> EngineInvoice {
    let is_late = matches!(kind, "invoice.payment_failed" | "invoice.overdue")
        && invoice.due_date.is_none_or(|due| due <= created);
    if kind == "invoice.deleted" {
        stands.state = InvoiceState::Void;
    } else if is_late && stands.state == InvoiceState::Open {
        stands.state = InvoiceState::PastDue;
        let due = invoice.due_date.unwrap_or(invoice.created);
        stands.due_at = Timestamp::from_secs(due);
    }
    stands
}

/// What an event tells of its object.
struct Told {
    object: ObjectKind,
    external: ForeignId,
    rank: u64,
    news: News,
}

/// The news, with its version.
///
/// # Errors
/// `Malformed`, with what makes no sense.
fn told<T>(kind: &str, event: &Event<T>, told: Told) -> Result<EngineEvent, WebhookError> {
    let account = event.account.as_deref().map(str::parse);
    Ok(EngineEvent {
        account: account.transpose().map_err(malformed)?,
        object: told.object,
        external: told.external,
        version: version(told.rank, event.created, kind, &event.id),
        occurred_at: Timestamp::from_secs(event.created),
        news: told.news,
    })
}

/// How far an invoice has come. Paid and void are both the end of it.
fn rank(state: InvoiceState) -> u64 {
    match state {
        InvoiceState::Draft => 0,
        InvoiceState::Open => 1,
        InvoiceState::PastDue => 2,
        InvoiceState::Uncollectible => 3,
        InvoiceState::Paid | InvoiceState::Void => 4,
    }
}

/// 3 bits of rank, 34 of seconds, 5 of the kind of event, 21 of the digest: 63 in all.
fn version(rank: u64, created: i64, kind: &str, id: &str) -> u64 {
    let seconds = u64::try_from(created).unwrap_or(0).min((1 << 34) - 1);
    let place = IN_ORDER.iter().position(|known| *known == kind);
    let place = place
        .and_then(|place| u64::try_from(place).ok())
        .map_or(0, |place| place.saturating_add(1));
    let digest = Sha256::digest(id.as_bytes());
    let digest = digest
        .iter()
        .take(3)
        .fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
    (rank << 60) | (seconds << 26) | (place << 21) | (digest >> 3)
}

/// Reads bytes, or says why they make no sense.
///
/// # Errors
/// `Malformed`, with what makes no sense.
pub(super) fn read_as<T: DeserializeOwned>(body: &[u8]) -> Result<T, WebhookError> {
    serde_json::from_slice(body).map_err(malformed)
}
