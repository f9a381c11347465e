use async_trait::async_trait;

use super::{Claim, Port, StoreError};
use crate::clock::Timestamp;
use crate::ids::{BatchId, SegmentId, TenantId, TypedId};
use crate::money::Quantity;
use crate::reference::{Place, Realm};
use crate::subscription::Segment;
use crate::usage::{Sum, SumKey};

/// Pieces of sums on their way to an engine.
///
/// | state | may go to | by |
/// |---|---|---|
/// | (a sum holds more than is sealed) | `sealed` | [`seal`](Self::seal) |
/// | `sealed` | `sealed`, later | [`Verdict::Again`]: not sent, or sent and not heard of |
/// | `sealed` | `confirmed` | the engine has it, now or from before |
/// | `sealed` | `rejected` | the engine will never take it |
/// | `sealed` | `unknown` | it may be there, and the engine would no longer recognise it |
/// | `sealed` | `parked` | never sent, and: too old to send, sealed for another engine, account or mode, or the engine refused the call |
/// | `sealed` | `unknown` | the same, of what may have been sent |
/// | (a sum holds suspiciously more than is sealed) | `parked` | [`seal`](Self::seal): held back before it was ever sent |
/// | (a restored sum holds more than is sealed) | `unknown` | [`seal`](Self::seal): the engine may have it under another id |
/// | `confirmed`, `sealed` and sent | `rejected` | a change that has it [overturned](super::Overturned): the engine has refused it later |
/// | `confirmed` | `written_off` | a change that has it overturned: it was taken back at the engine |
/// | `rejected`, `unknown`, `parked` | `confirmed`, `sealed`, `written_off` | [`decide_batch`](Self::decide_batch): somebody has found out, or takes it upon themselves |
///
/// Nothing but `sealed` and `confirmed` leaves a state by itself. While a batch is claimed nobody else sends
/// it; a claim that lapses leaves it sealed.
#[async_trait]
pub trait Batches: Port {
    /// Sums of the tenant's segments that the engine invoices and that hold more than is sealed,
    /// after this key, by key, at most `limit`. Sums that [may shrink](crate::usage::Tally::may_shrink)
    /// are none of them.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    async fn unsealed(
        &self,
        tenant: TenantId,
        after: Option<SumKey>,
        limit: usize,
    ) -> Result<Vec<UnsealedSum>, StoreError>;

    /// Seals the piece `[from, to)` of a sum: writes the batch and sets the sum's `sealed` from
    /// `from` to `to`, if it still is `from` and the sum has reached `to`. It is written in the state
    /// that it comes with, `sealed`, `parked` or `unknown`.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot, or does not know; then seal the same again.
    async fn seal(&self, batch: &Batch) -> Result<Sealed, StoreError>;

    /// Takes batches that are to be sent and due at `now`, in the order they were sealed.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot; claims that nobody heard of lapse by themselves.
    async fn claim_batches(
        &self,
        tenant: TenantId,
        now: Timestamp,
        claim: Claim,
    ) -> Result<Vec<Batch>, StoreError>;

    /// Writes what became of a claimed batch; `false` where the claim was lost meanwhile, and
    /// then nothing is written.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot, or does not know; then settle again.
    async fn settle_batch(
        &self,
        batch: BatchId,
        fence: u64,
        verdict: &Verdict,
    ) -> Result<bool, StoreError>;

    /// Decides what becomes of a batch that nobody sends; `false` where it is not in this state, and
    /// then nothing is written. Deciding the same for the same reason again is recognised.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot, or does not know; then decide again.
    async fn decide_batch(
        &self,
        tenant: TenantId,
        batch: BatchId,
        held: Held,
        decision: &Decision,
    ) -> Result<bool, StoreError>;

    /// The tenant's batches that nobody sends and nobody has decided about, in the order they were
    /// sealed, after this one, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    async fn held_batches(
        &self,
        tenant: TenantId,
        after: Option<BatchId>,
        limit: usize,
    ) -> Result<Vec<Batch>, StoreError>;

    /// The tenant's batch of this id.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    async fn batch(&self, tenant: TenantId, batch: BatchId) -> Result<Option<Batch>, StoreError>;

    /// The batches of a segment, by the key and piece of their sums.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    async fn batches(&self, tenant: TenantId, segment: SegmentId)
    -> Result<Vec<Batch>, StoreError>;
}

/// A sum that holds more than is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsealedSum {
    /// The sum.
    pub sum: Sum,
    /// The segment it is summed under.
    pub segment: Segment,
}

/// An immutable piece of a sum. The same id always means the same quantity, time and bytes.
///
/// ```
/// use monetization_core::clock::Timestamp;
/// use monetization_core::ids::{MeterId, SegmentId, TypedId};
/// use monetization_core::money::Quantity;
/// use monetization_core::store::Batch;
/// use monetization_core::usage::SumKey;
///
/// let segment = SegmentId::derived(&[b"s"]);
/// let key = SumKey { segment, origin: segment, meter: MeterId::derived(&[b"m"]) };
/// let quantities = |from, to| (Quantity::from_scaled(from), Quantity::from_scaled(to));
/// let piece = |from, to| Batch::identity(key, quantities(from, to), None);
/// // Whoever seals the same piece makes the same batch; the next piece is another one.
/// assert_eq!(piece(0, 10), piece(0, 10));
/// assert_ne!(piece(0, 10), piece(10, 20));
/// // The same piece of a sum that was put back from a back-up and has grown anew counts other use.
/// let anew = Batch::identity(key, quantities(0, 10), Some(Timestamp::EPOCH));
/// assert_ne!(anew, piece(0, 10));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Derived from the sum's key and the piece.
    pub id: BatchId,
    /// Whose.
    pub tenant: TenantId,
    /// The sum it is a piece of.
    pub key: SumKey,
    /// Where the piece begins.
    pub from: Quantity,
    /// Where the piece ends.
    pub to: Quantity,
    /// Where it is reported to; a batch never goes anywhere else.
    pub place: Place,
    /// What the credentials opened for which it was sealed; it is sent with no others.
    pub realm: Realm,
    /// The time of use that is reported.
    pub used_at: Timestamp,
    /// What is sent, byte for byte, each time it is sent.
    pub body: Vec<u8>,
    /// How far it has come.
    pub state: BatchState,
    /// How often it was sent.
    pub attempts: u32,
    /// When it was first sent, in business time; of one that was overturned, by when it had been sent last.
    pub first_sent_at: Option<Timestamp>,
    /// When it was settled that it is sent no more, in business time: no call that carries it was begun later.
    /// `None` while it is to be sent, and where the engine has refused it before that was settled.
    pub settled_at: Option<Timestamp>,
    /// The claim under which it is being sent.
    pub fence: u64,
    /// Why it was decided what becomes of it, the last time that it was.
    pub decided_because: Option<String>,
    /// Where that was to send it again: out of which state, and when.
    pub sent_again: Option<SentAgain>,
}

/// That it was decided to send a batch again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct SentAgain {
    /// As what it had been held.
    pub after: Held,
    /// When it was decided, in business time. What an engine says of an earlier sending says nothing of this
    /// one.
    pub decided_at: Timestamp,
}

impl Batch {
    /// The id of this piece of a sum, in a store that was last put back from a back-up at this instant, if it
    /// ever was: what an engine has been told of the same piece in the life that was lost was other use.
    #[must_use]
    pub fn identity(
        key: SumKey,
        (from, to): (Quantity, Quantity),
        restored_at: Option<Timestamp>,
    ) -> BatchId {
        let (from, to) = (from.scaled().to_be_bytes(), to.scaled().to_be_bytes());
        let (segment, origin) = (key.segment.uuid(), key.origin.uuid());
        let (segment, origin, meter) = (segment.as_bytes(), origin.as_bytes(), key.meter.uuid());
        let mut parts: Vec<&[u8]> = vec![segment, origin, meter.as_bytes(), &from, &to];
        let restored_at = restored_at.map(|at| at.as_micros().to_be_bytes());
        parts.extend(restored_at.as_ref().map(<[u8; 8]>::as_slice));
        BatchId::derived(&parts)
    }

    /// How much it reports.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`](crate::money::MoneyError::Overflow) where that does not fit.
    pub fn quantity(&self) -> Result<Quantity, crate::money::MoneyError> {
        self.to.checked_sub(self.from)
    }
}

/// How far a batch has come.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BatchState {
    /// To be sent, or being sent.
    Sealed,
    /// The engine has it.
    Confirmed,
    /// The engine will never take it; an operator has to look at it.
    Rejected {
        /// What the engine said.
        reason: String,
    },
    /// The engine may have it, and can no longer recognise it if it is sent again.
    Unknown {
        /// What is known.
        reason: String,
    },
    /// Held back; an operator has to look at it.
    Parked {
        /// Why.
        reason: String,
    },
    /// It will not be reported: somebody has decided so.
    WrittenOff,
}

/// A state in which nobody sends a batch until somebody decides about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Held {
    /// [`BatchState::Rejected`].
    Rejected,
    /// [`BatchState::Unknown`].
    Unknown,
    /// [`BatchState::Parked`].
    Parked,
}

impl Held {
    /// Its name where it is stored, which is that of the state.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Unknown => "unknown",
            Self::Parked => "parked",
        }
    }
}

/// What becomes of a batch that was held, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decision {
    /// What becomes of it.
    pub fate: Fate,
    /// Why, for whoever asks later: who has decided, and from what.
    pub because: String,
    /// When that was decided, in business time.
    pub decided_at: Timestamp,
}

impl Decision {
    /// To do this, for this reason; decided at this instant of business time.
    #[must_use]
    pub fn new(fate: Fate, because: impl Into<String>, decided_at: Timestamp) -> Self {
        Self {
            fate,
            because: because.into(),
            decided_at,
        }
    }

    /// What is kept of it beside the reason: that a batch held as this is sent again, and since when.
    #[must_use]
    pub fn sent_again(&self, after: Held) -> Option<SentAgain> {
        let decided_at = self.decided_at;
        (self.fate == Fate::SendAgain).then_some(SentAgain { after, decided_at })
    }
}

/// What may become of a batch that was held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Fate {
    /// The engine has it.
    Confirmed,
    /// The engine does not have it: it is sent, the same, as if it never had been. All its claims
    /// count as attempts that came to nothing.
    SendAgain,
    /// It is not reported any more.
    WrittenOff,
}

impl Fate {
    /// The state it leads to.
    #[must_use]
    pub fn state(self) -> BatchState {
        match self {
            Self::Confirmed => BatchState::Confirmed,
            Self::SendAgain => BatchState::Sealed,
            Self::WrittenOff => BatchState::WrittenOff,
        }
    }
}

impl BatchState {
    /// Its name where it is stored.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Sealed => "sealed",
            Self::Confirmed => "confirmed",
            Self::Rejected { .. } => "rejected",
            Self::Unknown { .. } => "unknown",
            Self::Parked { .. } => "parked",
            Self::WrittenOff => "written_off",
        }
    }

    /// Whether nobody sends it until somebody decides about it.
    #[must_use]
    pub fn held(&self) -> Option<Held> {
        match self {
            Self::Sealed | Self::Confirmed | Self::WrittenOff => None,
            Self::Rejected { .. } => Some(Held::Rejected),
            Self::Unknown { .. } => Some(Held::Unknown),
            Self::Parked { .. } => Some(Held::Parked),
        }
    }

    /// Why it is where it is.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Sealed | Self::Confirmed | Self::WrittenOff => None,
            Self::Rejected { reason } | Self::Unknown { reason } | Self::Parked { reason } => {
                Some(reason)
            }
        }
    }
}

/// What became of a seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Sealed {
    /// It is sealed.
    New,
    /// It had been sealed before.
    Again,
    /// The sum was sealed further by somebody else: read it again.
    Moved,
}

/// What became of sending a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Verdict {
    /// It is to be sent no more.
    Settled {
        /// What it has come to.
        state: BatchState,
        /// When, in business time.
        at: Timestamp,
    },
    /// It is to be sent again, the same, not before `due_at` (business time).
    Again {
        /// When at the earliest.
        due_at: Timestamp,
        /// Whether it has left the house: when it did so first, in business time.
        first_sent_at: Option<Timestamp>,
    },
}
