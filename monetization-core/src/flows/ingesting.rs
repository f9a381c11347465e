//! Takes in use that is reported instead of measured at the gateway.
//!
//! An event is recognised by its source and id, for ever: its record's id derives from them. What
//! it says is digested, so that the same id with another content is told apart and not counted.

use std::time::Duration;

use super::{FlowError, Monetizer};
use crate::clock::Timestamp;
use crate::field::FieldError;
use crate::ids::{SubscriptionId, TenantId};
use crate::product::{Meter, Product};
use crate::store::{Appended, Refusal, StoreErrorKind};
use crate::subscription::{Subscription, SubscriptionState};
use crate::text::{ForeignId, Slug};
use crate::usage::{Counted, ForeignEvent, UsageRecord};

/// Use as somebody reports it.
///
/// `occurred_at` decides which segment it belongs to, and so which period bills it. An event of a
/// closed segment is billed late, at the price it would have had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageEvent {
    /// The system it comes from.
    pub source: ForeignId,
    /// Its id there: the same event may be reported any number of times.
    pub id: ForeignId,
    /// Whose use.
    pub subscription: SubscriptionId,
    /// What was counted.
    pub meter: Slug,
    /// How much, such as `"1.5"`.
    pub quantity: String,
    /// When it was used; now where it is left out.
    pub occurred_at: Option<Timestamp>,
}

/// What became of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Ingested {
    /// It counts from now on.
    Accepted,
    /// It has been counted.
    Duplicate,
    /// Its id has been reported with another content, which stands.
    Conflict,
    /// It makes no sense; nothing was counted.
    Refused(FieldError),
}

/// Events of one call.
const EVENTS_MAX: usize = 1_000;
/// How far ahead of our clock theirs may be.
const AHEAD_MAX: Duration = Duration::from_secs(300);

impl Monetizer {
    /// Takes events in; answers for each in its place. One that makes no sense does not keep the
    /// others from being counted.
    ///
    /// All that make sense are appended in one transaction. A crash before it has counted nothing; after
    /// it everything, and whoever reports the same again hears [`Ingested::Duplicate`].
    ///
    /// # Errors
    /// [`FlowError::Field`] for too many events at once, [`FlowError::Store`]: then report the
    /// same again.
    pub async fn ingest(
        &self,
        tenant: TenantId,
        events: &[UsageEvent],
    ) -> Result<Vec<Ingested>, FlowError> {
        if events.len() > EVENTS_MAX {
            let problem = format!(
                "{} are too many: allowed are {EVENTS_MAX} at once",
                events.len()
            );
            return Err(FieldError::new("events", problem).into());
        }
        let mut answers = Vec::with_capacity(events.len());
        let mut records = Vec::new();
        for event in events {
            match self.record_of(tenant, event).await {
                Ok(record) => {
                    answers.push(None);
                    records.push(record);
                }
                Err(FlowError::Field(error)) => answers.push(Some(Ingested::Refused(error))),
                Err(FlowError::NotFound { id }) => {
                    let error = FieldError::new("subscription", format!("{id} does not exist"));
                    answers.push(Some(Ingested::Refused(error)));
                }
                Err(error) => return Err(error),
            }
        }
        let mut appended = self.append(&records).await?.into_iter();
        let settled = answers.into_iter().map(|answer| {
            answer.unwrap_or_else(|| appended.next().map_or(Ingested::Duplicate, ingested))
        });
        Ok(settled.collect())
    }

    async fn append(&self, records: &[UsageRecord]) -> Result<Vec<Appended>, FlowError> {
        match self.store.append(records).await {
            // The reply was lost: the same records are recognised.
            Err(error) if error.kind() == StoreErrorKind::Unknown => {
                Ok(self.store.append(records).await?)
            }
            answer => Ok(answer?),
        }
    }

    async fn record_of(
        &self,
        tenant: TenantId,
        event: &UsageEvent,
    ) -> Result<UsageRecord, FlowError> {
        let subscription = self
            .must::<Subscription>(tenant, event.subscription)
            .await?
            .fact;
        let product = self
            .must::<Product>(tenant, subscription.product)
            .await?
            .fact;
        let meter = find_meter(&product, &event.meter)?;
        let quantity = meter
            .scale
            .parse(&event.quantity)
            .map_err(|error| FieldError::new("quantity", error))?;
        let now = self.now();
        let occurred_at = event.occurred_at.unwrap_or(now);
        if occurred_at > now.saturating_add(AHEAD_MAX) {
            let problem =
                format!("{occurred_at} is ahead of time: allowed are up to 5 minutes after {now}");
            return Err(FieldError::new("occurred_at", problem).into());
        }
        if subscription.state == SubscriptionState::AwaitingPayment {
            let problem = "its first payment is due: use counts from the payment on";
            return Err(FieldError::new("subscription", problem).into());
        }
        let begun = !matches!(
            subscription.state,
            SubscriptionState::PendingApproval | SubscriptionState::Rejected
        );
        let segment = subscription.segment_at(occurred_at).filter(|_| begun);
        let segment = segment.ok_or_else(|| {
            let problem = format!("{occurred_at} is before the subscription began");
            FieldError::new("occurred_at", problem)
        })?;
        let content = format!(
            "{}\n{}\n{}\n{}",
            event.subscription,
            event.meter,
            meter.scale.render(quantity),
            event
                .occurred_at
                .map(|at| at.to_string())
                .unwrap_or_default()
        );
        let foreign = ForeignEvent::new(event.source.clone(), event.id.clone(), content.as_bytes());
        Ok(UsageRecord {
            id: foreign.record(tenant),
            tenant,
            segment,
            occurred_at,
            recorded_at: now,
            resource: None,
            outcome: None,
            counted: vec![Counted {
                meter: meter.id,
                quantity,
            }],
            spent: Vec::new(),
            event: Some(foreign),
        })
    }
}

fn find_meter<'a>(product: &'a Product, name: &Slug) -> Result<&'a Meter, FieldError> {
    product.meter(name.as_str()).ok_or_else(|| {
        let known: Vec<&str> = product
            .meters
            .iter()
            .map(|meter| meter.name.as_str())
            .collect();
        let problem = format!(
            "{name:?} is no meter of the product: allowed are {}",
            known.join(", ")
        );
        FieldError::new("meter", problem)
    })
}

fn ingested(appended: Appended) -> Ingested {
    match appended {
        Appended::New => Ingested::Accepted,
        Appended::Duplicate => Ingested::Duplicate,
        Appended::Conflict => Ingested::Conflict,
        Appended::Refused(Refusal::Overflow) => Ingested::Refused(FieldError::new(
            "quantity",
            "the sum of the segment would not fit 64 bits",
        )),
        Appended::Refused(refusal) => Ingested::Refused(FieldError::new("quantity", refusal)),
    }
}
