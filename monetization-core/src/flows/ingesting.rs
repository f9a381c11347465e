//! Takes in use that is reported instead of measured at the gateway.
//!
//! An event is recognised by its source and id, for ever: its record's id derives from them. What
//! it says is digested, so that the same id with another content is told apart and not counted.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use super::{FlowError, Monetizer};
use crate::clock::Timestamp;
use crate::field::FieldError;
use crate::ids::{PlanVersionId, ProductId, SubscriptionId, TenantId};
use crate::metering::reported;
use crate::plan::{PlanTerms, PlanVersion, QuotaOf};
use crate::product::{Meter, Product};
use crate::store::{Appended, Fact, Refusal, StoreErrorKind};
use crate::subscription::{Segment, Subscription, SubscriptionState};
use crate::text::{ForeignId, Slug};
use crate::usage::{Counted, ForeignEvent, Spent, UsageRecord};

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
    /// How much, such as `"1.5"`; may be left out where each event counts as one.
    pub quantity: Option<String>,
    /// Which value it is, for a meter that counts different ones.
    pub key: Option<String>,
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
        let mut sold = Sold::default();
        for event in events {
            match self.record_of(tenant, event, &mut sold).await {
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
        sold: &mut Sold,
    ) -> Result<UsageRecord, FlowError> {
        let subscription = self
            .once(tenant, event.subscription, &mut sold.subscriptions)
            .await?;
        let product = self
            .once(tenant, subscription.product, &mut sold.products)
            .await?;
        let meter = Meter::named(&product.meters, &event.meter, "meter")?;
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
        let version = self
            .once(tenant, segment.version, &mut sold.versions)
            .await?;
        let terms = &version.terms;
        let said = (event.quantity.as_deref(), event.key.as_deref());
        let counted = reported(meter, terms.usage(), said)?;
        let content = content(event, meter, &counted);
        let foreign = ForeignEvent::new(event.source.clone(), event.id.clone(), content.as_bytes());
        Ok(UsageRecord {
            id: foreign.record(tenant),
            tenant,
            segment,
            occurred_at,
            recorded_at: now,
            resource: None,
            outcome: None,
            spent: spent(terms, product, &segment, occurred_at, &counted),
            counted,
            event: Some(foreign),
        })
    }
}

/// What the events of one call are about, each read once.
#[derive(Default)]
struct Sold {
    subscriptions: BTreeMap<SubscriptionId, Subscription>,
    products: BTreeMap<ProductId, Product>,
    versions: BTreeMap<PlanVersionId, PlanVersion>,
}

impl Monetizer {
    async fn once<'a, T: Fact>(
        &self,
        tenant: TenantId,
        id: T::Id,
        known: &'a mut BTreeMap<T::Id, T>,
    ) -> Result<&'a T, FlowError> {
        match known.entry(id) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(unknown) => {
                let found = self.must::<T>(tenant, id).await?;
                Ok(unknown.insert(found.fact))
            }
        }
    }
}

/// What an event says: the same event reported again says the same.
fn content(event: &UsageEvent, meter: &Meter, counted: &[Counted]) -> String {
    let counted = counted.first().map(|counted| counted.quantity);
    let mut content = format!(
        "{}\n{}\n{}\n{}",
        event.subscription,
        event.meter,
        meter.scale.render(counted.unwrap_or_default()),
        event
            .occurred_at
            .map(|at| at.to_string())
            .unwrap_or_default()
    );
    if let Some(key) = &event.key {
        content.push('\n');
        content.push_str(key);
    }
    content
}

/// What reported use uses up of quotas. It is used already, so nothing can be refused any more.
fn spent(
    terms: &PlanTerms,
    product: &Product,
    segment: &Segment,
    at: Timestamp,
    counted: &[Counted],
) -> Vec<Spent> {
    let quotas = terms.enforced_quotas(product.id).into_iter();
    let spent = quotas
        .filter(|quota| quota.is_reported)
        .filter_map(|quota| {
            let of = counted
                .iter()
                .find(|it| quota.name.of == QuotaOf::Meter(it.meter))?;
            Some(Spent {
                quota: quota.name,
                window: quota.name.window.containing(at, segment.period),
                lease: None,
                units: u64::try_from(of.quantity.scaled()).unwrap_or(0),
            })
        });
    spent.filter(|spent| spent.units > 0).collect()
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
