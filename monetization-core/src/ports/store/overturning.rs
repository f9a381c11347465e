use super::{Batch, BatchState};
use crate::clock::Timestamp;
use crate::ids::{BatchId, TenantId};
use crate::reference::{Place, Realm};

/// A batch that had been sent, and of which an engine or somebody here has said since that it does not
/// count.
///
/// It is part of a [`ChangeSet`](super::ChangeSet), so that it is written together with the mark of the
/// news that told it. A batch that it does not fit stays as it is, and the change is written all the same:
///
/// | | fits a batch that is |
/// |---|---|
/// | [`Overturn::Rejected`] | `confirmed`, or `sealed` and it may have been sent; by a decision only if that was to send it again, and not after `sent_by` |
/// | [`Overturn::WrittenOff`] | `confirmed`, and the tenant's |
///
/// A claim on the batch is over with that: what comes of sending it is not written any more. Of one that
/// was sent again by a decision only news of that sending count, not those of an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overturned {
    /// Which batch.
    pub batch: BatchId,
    /// Where it was reported to; one that was reported elsewhere is another one.
    pub place: Place,
    /// What the credentials opened for which it was sealed. News of an engine name that and no tenant:
    /// several may share one account.
    pub realm: Realm,
    /// What becomes of it.
    pub overturn: Overturn,
    /// By when it had been sent, in business time: kept as the time when it was sent, where nothing later is
    /// known, since the engine may know it from then on.
    pub sent_by: Timestamp,
}

/// What becomes of a batch that does not count after all.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "stores must know every one")]
pub enum Overturn {
    /// The engine had taken it and has refused it later.
    Rejected {
        /// What the engine said.
        reason: String,
    },
    /// Somebody here has taken it back at the engine.
    WrittenOff {
        /// Whose batch it is.
        tenant: TenantId,
        /// Who has decided so, and why.
        because: String,
    },
}

impl Overturned {
    /// Whether a batch that stands so is meant and may be overturned.
    #[must_use]
    pub fn fits(&self, batch: &Batch) -> bool {
        let is_meant = self.batch == batch.id
            && self.place == batch.place
            && self.realm == batch.realm
            && self.overturn.tenant().is_none_or(|it| it == batch.tenant);
        let may_be_sent = batch.first_sent_at.is_some() || batch.fence > u64::from(batch.attempts);
        let tells_of_it = match batch.sent_again {
            Some(sent_again) => sent_again.decided_at <= self.sent_by,
            None => batch.decided_because.is_none(),
        };
        is_meant
            && match (&self.overturn, &batch.state) {
                (Overturn::Rejected { .. }, BatchState::Confirmed) => tells_of_it,
                (Overturn::Rejected { .. }, BatchState::Sealed) => may_be_sent && tells_of_it,
                (Overturn::WrittenOff { .. }, state) => *state == BatchState::Confirmed,
                (Overturn::Rejected { .. }, _) => false,
            }
    }
}

impl Overturn {
    /// The state it leads to.
    #[must_use]
    pub fn state(&self) -> BatchState {
        match self {
            Self::Rejected { reason } => BatchState::Rejected {
                reason: reason.clone(),
            },
            Self::WrittenOff { .. } => BatchState::WrittenOff,
        }
    }

    /// Whose batch it is, where somebody here has decided so.
    #[must_use]
    pub fn tenant(&self) -> Option<TenantId> {
        match self {
            Self::Rejected { .. } => None,
            Self::WrittenOff { tenant, .. } => Some(*tenant),
        }
    }

    /// Why, where somebody here has decided so.
    #[must_use]
    pub fn because(&self) -> Option<&str> {
        match self {
            Self::Rejected { .. } => None,
            Self::WrittenOff { because, .. } => Some(because),
        }
    }
}
