//! Subscriptions, and the records of their use.

use monetization_core::clock::Timestamp;
use monetization_core::entropy::Entropy;
use monetization_core::ids::TenantId;
use monetization_core::subscription::Segment;
use monetization_core::usage::{ForeignEvent, UsageRecord};

use crate::sample::{START, Sample, Subscriber};

/// Records of one append.
pub const BATCH: usize = 1_000;
/// Business time between two records: 100,000 a second, so that about a hundred have ids of the same
/// millisecond.
const APART_MICROS: i64 = 10;

/// Where the ids of records come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    /// Our own: they begin with their time.
    Own,
    /// Reported events': digests, spread over all there is.
    Foreign,
}

/// Subscriptions that use their product at random, each record counting one unit and spending one unit
/// of a month's quota.
#[derive(Debug)]
pub struct World {
    /// Whose they are.
    pub tenant: TenantId,
    /// The first month of each subscription.
    pub segments: Vec<Segment>,
    subscribers: Vec<Subscriber>,
    sample: Sample,
    entropy: Entropy,
    ids: Ids,
    count: i64,
}

impl World {
    /// So many subscriptions, the same ones each time.
    #[must_use]
    pub fn new(subscriptions: usize, ids: Ids) -> Self {
        let sample = Sample::seeded(7);
        let first = sample.subscriber();
        let others = (1..subscriptions).map(|_| Subscriber {
            meter: first.meter,
            version: first.version,
            ..sample.subscriber_of(first.tenant)
        });
        let subscribers: Vec<Subscriber> = std::iter::once(first).chain(others).collect();
        Self {
            tenant: first.tenant,
            segments: subscribers.iter().map(|it| it.segment(0)).collect(),
            subscribers,
            sample,
            entropy: Entropy::seeded(11),
            ids,
            count: 0,
        }
    }

    /// The first record of each subscription.
    pub fn first_records(&mut self) -> Vec<UsageRecord> {
        (0..self.subscribers.len())
            .map(|at| self.record_of(at))
            .collect()
    }

    /// So many batches of records that are nowhere yet.
    pub fn batches(&mut self, count: usize) -> Vec<Vec<UsageRecord>> {
        (0..count)
            .map(|_| (0..BATCH).map(|_| self.record()).collect())
            .collect()
    }

    fn record(&mut self) -> UsageRecord {
        let end = u64::try_from(self.subscribers.len()).unwrap();
        let at = usize::try_from(self.sample.below(end)).unwrap();
        self.record_of(at)
    }

    fn record_of(&mut self, at: usize) -> UsageRecord {
        let (subscriber, segment) = (&self.subscribers[at], self.segments[at]);
        self.count += 1;
        let now = Timestamp::from_micros(START.as_micros() + self.count * APART_MICROS);
        let mut record = UsageRecord {
            id: self.entropy.id(now),
            occurred_at: now,
            recorded_at: now,
            spent: vec![subscriber.spent(None, 1)],
            ..self.sample.record(subscriber, segment, 1)
        };
        if self.ids == Ids::Foreign {
            let name = format!("event-{}", self.count);
            let content = self.count.to_be_bytes();
            let (source, name) = ("crm".parse().unwrap(), name.parse().unwrap());
            let event = ForeignEvent::new(source, name, &content);
            record.id = event.record(record.tenant);
            record.outcome = None;
            record.event = Some(event);
        }
        record
    }
}
