//! Things to store, made up from a seed: the same ones for the same seed.
#![expect(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "what is made up here is valid"
)]

use std::str::FromStr;

use monetization_core::clock::Timestamp;
use monetization_core::entropy::Entropy;
use monetization_core::ids::{
    ChangeSetId, LeaseId, MeterId, PlanVersionId, SubscriptionId, TenantId, TypedId,
};
use monetization_core::intent::{Intent, Operation};
use monetization_core::invoice::Invoicing;
use monetization_core::money::Quantity;
use monetization_core::period::{Cycle, Schedule};
use monetization_core::plan::QuotaWindow;
use monetization_core::reference::{Mode, Place, Realm};
use monetization_core::store::{
    Batch, BatchState, ChangeSet, Closing, Kind, LeaseRequest, Row, Verdict,
};
use monetization_core::subscription::{Segment, Timeline};
use monetization_core::usage::{Counted, Ending, Outcome, Spent, Sum, UsageRecord};

/// The business time at which everything here begins: 2026-01-01, 00:00 UTC.
pub const START: Timestamp = Timestamp::from_secs(1_767_225_600);

/// Where made-up things come from.
#[derive(Debug)]
pub struct Sample(Entropy);

impl Sample {
    /// The same things for the same seed, in the same order.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Entropy::seeded(seed))
    }

    /// A new id.
    #[must_use]
    pub fn id<T: TypedId>(&self) -> T {
        self.0.id(START)
    }

    /// A number below `end`; 0 where `end` is.
    #[must_use]
    pub fn below(&self, end: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_be_bytes(bytes).checked_rem(end).unwrap_or(0)
    }

    /// A subscription that begins at [`START`], whose invoices the engine makes.
    #[must_use]
    pub fn subscriber(&self) -> Subscriber {
        self.subscriber_of(self.id())
    }

    /// As [`subscriber`](Self::subscriber), in this tenant.
    #[must_use]
    pub fn subscriber_of(&self, tenant: TenantId) -> Subscriber {
        Subscriber {
            tenant,
            subscription: self.id(),
            version: self.id(),
            meter: self.id(),
            invoicing: Invoicing::ByEngine,
        }
    }

    /// A row in its first version, found by nothing.
    #[must_use]
    pub fn row(&self, tenant: TenantId, kind: Kind) -> Row {
        let id: ChangeSetId = self.id();
        Row {
            kind,
            id: id.uuid(),
            tenant,
            version: 1,
            due_at: None,
            keys: Vec::new(),
            body: format!("{{\"sample\":\"{id}\"}}"),
            seq: 0,
        }
    }

    /// An empty change.
    #[must_use]
    pub fn change(&self) -> ChangeSet {
        ChangeSet::new(self.id(), START)
    }

    /// A record that counts `units` in this segment and spends nothing.
    #[must_use]
    pub fn record(&self, of: &Subscriber, segment: Segment, units: i64) -> UsageRecord {
        UsageRecord {
            id: self.0.id(segment.span.start),
            tenant: of.tenant,
            segment,
            occurred_at: segment.span.start,
            recorded_at: segment.span.start,
            resource: None,
            outcome: Some(Outcome {
                status: Some(200),
                ending: Ending::Complete,
            }),
            counted: vec![Counted::new(of.meter, Quantity::from_scaled(units))],
            spent: Vec::new(),
            event: None,
        }
    }

    /// As many records that count one unit each.
    #[must_use]
    pub fn records(&self, of: &Subscriber, segment: Segment, count: usize) -> Vec<UsageRecord> {
        (0..count).map(|_| self.record(of, segment, 1)).collect()
    }

    /// An operation that is due at [`START`].
    #[must_use]
    pub fn intent(&self, tenant: TenantId) -> Intent {
        let invoice = self.id();
        Intent::new(tenant, Operation::IssueInvoice { invoice }, START)
    }

    /// A wish for at most `want` units of the quota of the first month.
    #[must_use]
    pub fn lease(&self, of: &Subscriber, max: u64, want: u64) -> LeaseRequest {
        LeaseRequest {
            id: self.id::<LeaseId>(),
            tenant: of.tenant,
            subscription: of.subscription,
            quota: QuotaWindow::Month.into(),
            window: of.segment(0).period,
            max,
            want,
        }
    }
}

/// A subscription with all that its use is written under.
#[derive(Debug, Clone, Copy)]
pub struct Subscriber {
    /// Its marketplace.
    pub tenant: TenantId,
    /// Its id.
    pub subscription: SubscriptionId,
    /// The plan version it has.
    pub version: PlanVersionId,
    /// What it counts.
    pub meter: MeterId,
    /// Who makes its invoices.
    pub invoicing: Invoicing,
}

impl Subscriber {
    /// Its segment of a month, from 0.
    #[must_use]
    pub fn segment(&self, month: u32) -> Segment {
        let schedule = Schedule::new(START, Cycle::MONTH);
        let at = schedule.period(month).unwrap().start;
        let timeline = Timeline::starting(schedule, self.version);
        timeline
            .segment_at(self.subscription, self.invoicing, at)
            .unwrap()
    }

    /// The closing of a month's segment, to be followed by the next month's.
    #[must_use]
    pub fn closing(&self, month: u32) -> Closing {
        Closing {
            tenant: self.tenant,
            segment: self.segment(month),
            successor: self.segment(month.saturating_add(1)),
        }
    }

    /// What a record spends of the first month's quota.
    #[must_use]
    pub fn spent(&self, lease: Option<LeaseId>, units: u64) -> Spent {
        Spent {
            quota: QuotaWindow::Month.into(),
            window: self.segment(0).period,
            lease,
            units,
        }
    }
}

/// A batch's end: at [`START`].
#[must_use]
pub const fn settled(state: BatchState) -> Verdict {
    Verdict::Settled { state, at: START }
}

/// The batch of all of a sum that is not sealed yet.
#[must_use]
pub fn batch(tenant: TenantId, sum: &Sum) -> Batch {
    Batch {
        id: Batch::identity(sum.key, (sum.sealed, sum.total), None),
        tenant,
        key: sum.key,
        from: sum.sealed,
        to: sum.total,
        place: Place {
            engine: text("mock"),
            account: Some(text("acct_1")),
        },
        realm: Realm {
            account: text("acct_platform"),
            mode: Mode::Live,
        },
        used_at: START,
        body: format!("value={}", sum.total.scaled()).into_bytes(),
        state: BatchState::Sealed,
        attempts: 0,
        first_sent_at: None,
        settled_at: None,
        fence: 0,
        decided_because: None,
        sent_again: None,
    }
}

/// A text that is known to be valid.
#[must_use]
pub fn text<T: FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().unwrap()
}
