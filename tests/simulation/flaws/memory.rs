use std::collections::{BTreeMap, BTreeSet};

use monetization_core::ids::{BatchId, IntentId, RecordId, SegmentId};
use monetization_core::store::{Batch, BatchState};
use monetization_core::usage::{Sum, SumKey};

/// What the database would hold because of a mistake, beside what it does hold.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Pieces that count as reported and never were.
    pub(super) hidden: BTreeSet<BatchId>,
    /// Batches that were confirmed and are to be sent again.
    pub(super) reopened: BTreeSet<BatchId>,
    /// Events that are known to be written.
    pub(super) events: BTreeSet<RecordId>,
    /// What was added to closed sums.
    pub(super) extra: BTreeMap<SumKey, i64>,
    /// Operations that are ticked off.
    pub(super) ticked_off: BTreeSet<IntentId>,
}

impl Memory {
    pub(super) fn overlay(&self, mut batch: Batch) -> Batch {
        if self.hidden.contains(&batch.id) {
            batch.state = BatchState::Confirmed;
        }
        if self.reopened.contains(&batch.id) {
            batch.state = BatchState::Sealed;
        }
        batch
    }

    /// The sums with what was added to them, of those that `is_asked` for.
    pub(super) fn with_extra(
        &self,
        mut sums: Vec<Sum>,
        is_asked: impl Fn(&SumKey) -> bool,
    ) -> Vec<Sum> {
        for (key, extra) in self.extra.iter().filter(|(key, _)| is_asked(key)) {
            if let Some(sum) = sums.iter_mut().find(|sum| sum.key == *key) {
                let total = sum.total.scaled() + extra;
                sum.total = monetization_core::money::Quantity::from_scaled(total);
            }
        }
        sums
    }
}

/// The own sum of a segment.
pub(super) fn own(segment: SegmentId, meter: monetization_core::ids::MeterId) -> SumKey {
    SumKey {
        segment,
        origin: segment,
        meter,
    }
}
