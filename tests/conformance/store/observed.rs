//! All that can be read of a store, as one value that can be compared.

use monetization_core::clock::Timestamp;
use monetization_core::ids::SegmentId;
use monetization_core::intent::ParkedIntent;
use monetization_core::plan::QuotaWindow;
use monetization_core::store::{
    Batch, Kind, Listing, QuotaCounter, Row, SegmentRow, Store, UnsealedSum,
};
use monetization_core::usage::{Sum, UsageRecord};
use uuid::Uuid;

use super::steps::{ALL, placeless_all};
use crate::sample::Subscriber;

/// How many segments of each subscriber are looked at.
pub const MONTHS: u32 = 4;

/// What is in a store, as its reads tell it. Places in the change sequence are left out: their
/// order counts, and the order of `changes` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// All rows, in the order of their latest changes.
    pub changes: Vec<Row>,
    /// The rows that are ever due, kind by kind.
    pub due: Vec<Row>,
    /// What each subscriber's reads tell, in the order asked for.
    pub subscribers: Vec<ObservedSubscriber>,
}

/// What is in a store about one subscriber, and what its tenant is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedSubscriber {
    /// The rows of its tenant, kind by kind, by id.
    pub rows: Vec<Row>,
    /// Its segments.
    pub segments: Vec<ObservedSegment>,
    /// Its quotas in the windows of the first month: day, month, year, period.
    pub quotas: Vec<QuotaCounter>,
    /// What its tenant has not sealed.
    pub unsealed: Vec<UnsealedSum>,
    /// Operations of its tenant that were given up, by id.
    pub parked: Vec<ParkedIntent>,
}

/// What is in a store about one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedSegment {
    /// Which one.
    pub id: SegmentId,
    /// Its row.
    pub row: Option<SegmentRow>,
    /// What it pays for.
    pub sums: Vec<Sum>,
    /// What belongs to it.
    pub sums_of_origin: Vec<Sum>,
    /// The evidence.
    pub records: Vec<UsageRecord>,
    /// The pieces that are on their way to the engine.
    pub batches: Vec<Batch>,
}

/// Reads all there is, as far as these subscribers and their tenants lead to it.
pub async fn observe(store: &dyn Store, of: &[Subscriber]) -> Observed {
    let mut due = Vec::new();
    for kind in Kind::ALL {
        due.extend(store.due(kind, Timestamp::MAX, None, ALL).await.unwrap());
    }
    let mut subscribers = Vec::new();
    for subscriber in of {
        subscribers.push(subscriber_of(store, subscriber).await);
    }
    Observed {
        changes: placeless_all(store.changes(0, ALL).await.unwrap()),
        due: placeless_all(due),
        subscribers,
    }
}

async fn subscriber_of(store: &dyn Store, of: &Subscriber) -> ObservedSubscriber {
    let mut rows = Vec::new();
    for kind in Kind::ALL {
        rows.extend(rows_of(store, of, kind).await);
    }
    let mut segments = Vec::new();
    for month in 0..MONTHS {
        segments.push(segment_of(store, of, month).await);
    }
    let first = of.segment(0);
    let mut quotas = Vec::new();
    for quota in QuotaWindow::ALL {
        let window = quota.containing(first.span.start, first.period);
        let counter = store.quota(of.tenant, of.subscription, quota.into(), window);
        quotas.push(counter.await.unwrap());
    }
    ObservedSubscriber {
        rows: placeless_all(rows),
        segments,
        quotas,
        unsealed: store.unsealed(of.tenant, None, ALL).await.unwrap(),
        parked: store.parked_intents(of.tenant, None, ALL).await.unwrap(),
    }
}

async fn rows_of(store: &dyn Store, of: &Subscriber, kind: Kind) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut after: Option<Uuid> = None;
    loop {
        let listing = Listing {
            kind,
            key: None,
            after,
            limit: Listing::LIMIT_MAX,
        };
        let page = store.rows(of.tenant, &listing).await.unwrap();
        let Some(last) = page.last() else { return rows };
        after = Some(last.id);
        rows.extend(page);
    }
}

async fn segment_of(store: &dyn Store, of: &Subscriber, month: u32) -> ObservedSegment {
    let (tenant, id) = (of.tenant, of.segment(month).id);
    ObservedSegment {
        id,
        row: store.segment(tenant, id).await.unwrap(),
        sums: store.sums(tenant, id).await.unwrap(),
        sums_of_origin: store.sums_of_origin(tenant, id).await.unwrap(),
        records: store.records(tenant, id, None, ALL).await.unwrap(),
        batches: store.batches(tenant, id).await.unwrap(),
    }
}
