//! What was used: the rows of the ledger.
//!
//! A [`UsageRecord`] is written once. Everything else is made of records in the same transaction
//! that writes them: the [`Sum`] of their segment and meter, the counters of their quotas. An
//! invoice is rated from sums, and the records are the evidence behind them.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::clock::{Span, Timestamp};
use crate::ids::{LeaseId, MeterId, RecordId, SegmentId, TenantId, TypedId};
use crate::money::Quantity;
use crate::plan::QuotaName;
use crate::subscription::Segment;
use crate::text::{ForeignId, Slug};

pub use tally::{Tallied, Tally, TallyKey, ValueDigest};

mod tally;

/// One call, or one event somebody reported: what it counted and what it spent. It is written
/// once and never changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageRecord {
    /// Time-ordered and made by us; for reported events derived from the event.
    pub id: RecordId,
    /// The marketplace.
    pub tenant: TenantId,
    /// Where it belongs: fixed when the call was granted.
    pub segment: Segment,
    /// When it was used; inside the segment.
    pub occurred_at: Timestamp,
    /// When the ledger took it.
    pub recorded_at: Timestamp,
    /// The operation of the product, where it declares its operations.
    pub resource: Option<Slug>,
    /// How the call ended; `None` for reported events.
    pub outcome: Option<Outcome>,
    /// What it counted: a meter at most once, at least one. Nothing for a call that is not
    /// billed is a quantity of zero, not a missing entry.
    pub counted: Vec<Counted>,
    /// What it spent of which quotas.
    pub spent: Vec<Spent>,
    /// The event it was reported as.
    pub event: Option<ForeignEvent>,
}

impl UsageRecord {
    /// Where a store keeps it, so that a ledger only grows at its end.
    ///
    /// Ids of our own begin with their time. Those of reported events are digests, spread over all
    /// there is: their first six bytes give way to the milliseconds of `recorded_at`, and the ten that
    /// are left keep them apart from each other. From ids of our own they differ in the version.
    #[must_use]
    pub fn ledger_key(&self) -> Uuid {
        let mut key = *self.id.uuid().as_bytes();
        if self.event.is_some() {
            let milliseconds = self.recorded_at.as_micros().div_euclid(1_000);
            let milliseconds = u64::try_from(milliseconds).unwrap_or(0).to_be_bytes();
            for (byte, of_time) in key.iter_mut().zip(milliseconds.into_iter().skip(2)) {
                *byte = of_time;
            }
        }
        Uuid::from_bytes(key)
    }
}

/// So much of one meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Which meter.
    pub meter: MeterId,
    /// How much, in the meter's scale; never negative.
    pub quantity: Quantity,
    /// How much of it the sum grows by.
    #[serde(default, skip_serializing_if = "Tally::is_add")]
    pub tally: Tally,
}

impl Counted {
    /// So much, all of which the sum grows by.
    #[must_use]
    pub fn new(meter: MeterId, quantity: Quantity) -> Self {
        Self {
            meter,
            quantity,
            tally: Tally::Add,
        }
    }
}

/// So many units of one quota in one of its windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Which quota.
    pub quota: QuotaName,
    /// Which stretch of it.
    pub window: Span,
    /// The block they came from; `None` for a loose quota, which needs none.
    pub lease: Option<LeaseId>,
    /// How many.
    pub units: u64,
}

/// An event's name in the system it comes from, and what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignEvent {
    /// The system.
    pub source: ForeignId,
    /// The event's id there.
    pub id: ForeignId,
    /// SHA-256 of what it says: the same id with another digest is a conflict.
    pub digest: [u8; 32],
}

impl ForeignEvent {
    /// The event of this name that says `content`.
    ///
    /// ```
    /// use monetization_core::ids::{TenantId, TypedId};
    /// use monetization_core::usage::ForeignEvent;
    ///
    /// let tenant = TenantId::derived(&[b"t"]);
    /// let event = |content| Ok::<_, monetization_core::text::TextError>(
    ///     ForeignEvent::new("crm".parse()?, "event-7".parse()?, content),
    /// );
    /// let (once, again, other) = (event(b"3 seats")?, event(b"3 seats")?, event(b"4 seats")?);
    /// assert_eq!(once, again);
    /// // The same name is the same record, whatever it says; another content is a conflict there.
    /// assert_eq!(once.record(tenant), other.record(tenant));
    /// assert_ne!(once.digest, other.digest);
    /// # Ok::<(), monetization_core::text::TextError>(())
    /// ```
    #[must_use]
    pub fn new(source: ForeignId, id: ForeignId, content: &[u8]) -> Self {
        Self {
            source,
            id,
            digest: Sha256::digest(content).into(),
        }
    }

    /// The record that this event becomes, in this tenant: the same each time it is reported.
    #[must_use]
    pub fn record(&self, tenant: TenantId) -> RecordId {
        let source = self.source.as_str().as_bytes();
        RecordId::derived(&[
            tenant.uuid().as_bytes(),
            source,
            self.id.as_str().as_bytes(),
        ])
    }
}

/// How a call through the gateway ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The upstream's status; `None` where it gave none.
    pub status: Option<u16>,
    /// How far it went.
    pub ending: Ending,
}

/// How far a call went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "a new ending must be priced")]
pub enum Ending {
    /// The upstream's answer was complete.
    Complete,
    /// The client went away before the end.
    ClientGone,
    /// The upstream broke off within its answer.
    UpstreamBroke,
    /// The upstream could not be reached or gave no answer in time.
    NoAnswer,
    /// The gateway itself failed after the call was granted.
    Failed,
}

impl Ending {
    /// Every ending.
    pub const ALL: [Self; 5] = [
        Self::Complete,
        Self::ClientGone,
        Self::UpstreamBroke,
        Self::NoAnswer,
        Self::Failed,
    ];

    /// Its number where it is stored. These numbers are in every ledger: they never change.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::ClientGone => 1,
            Self::UpstreamBroke => 2,
            Self::NoAnswer => 3,
            Self::Failed => 4,
        }
    }

    /// The ending of this number, if there is one.
    #[must_use]
    pub fn of_code(code: i64) -> Option<Self> {
        let mut endings = Self::ALL.into_iter();
        endings.find(|ending| i64::from(ending.code()) == code)
    }

    /// Its name where it is stored.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::ClientGone => "client_gone",
            Self::UpstreamBroke => "upstream_broke",
            Self::NoAnswer => "no_answer",
            Self::Failed => "failed",
        }
    }
}

/// Where a quantity is summed.
///
/// Use of an open segment is summed under itself: `segment` and `origin` are the same. Use that
/// comes after its segment was closed is summed under the segment that pays for it instead,
/// with the closed one as its origin.
///
/// | use of segment A arrives | `segment` | `origin` | paid by the closing of |
/// |---|---|---|---|
/// | while A is open | A | A | A |
/// | after A was closed, while B is open | B | A | B |
/// | after A and B were closed | C | A | C |
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SumKey {
    /// The segment whose closing pays for it.
    pub segment: SegmentId,
    /// The segment it belongs to by the time of use.
    pub origin: SegmentId,
    /// What was counted.
    pub meter: MeterId,
}

/// What was used so far under one key, and how much of it is in batches for the engine.
///
/// `sealed` is never more than `total`. Neither ever shrinks, but for the total of a meter that keeps
/// what was last, which is never sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// Under which key.
    pub key: SumKey,
    /// What was used, ever growing.
    pub total: Quantity,
    /// How much of `total` is sealed into batches.
    pub sealed: Quantity,
}
