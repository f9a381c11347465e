//! Counters of one holder.

use crate::limits::LIMITS_MAX;
use crate::slot::Slot;
use crate::{Decision, Limits, Timestamp};

/// The counters of one holder (a customer, a key, an address) for several limits that are taken together, all or none.
/// 112 bytes of plain integers; whoever shares it between threads guards it, or uses [`Cells`](crate::Cells).
///
/// The limits come with each call, because they can change under running counters. A counter belongs to a
/// [kind](crate::LimitKind) of limit: a raised minute limit goes on from what this minute has already taken, a limit
/// that is new starts full, one that vanished keeps its count in case it returns. So callers with older and newer
/// limits may alternate, and nothing is lost or counted twice. A GCRA whose rate changes keeps the number of units that
/// have not yet drained.
///
/// **A clock that steps back** never opens a fresh window and loses no count: a `now` before the latest window seen
/// counts in that window, and a GCRA waits as long as it would have.
#[derive(Clone, Debug)]
pub struct Bucket {
    slots: [Slot; LIMITS_MAX],
}

impl Bucket {
    /// Nothing taken yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            slots: [Slot::FRESH; LIMITS_MAX],
        }
    }

    /// Says whether `weight` units would pass all `limits` at `now`, and takes nothing. For callers that make it depend
    /// on more than limits: under one lock, assess, look at the rest, then [`commit`](Self::commit).
    #[inline]
    pub fn assess(&self, limits: &Limits, now: Timestamp, weight: u64) -> Decision {
        let mut decision = Decision::open(now, weight);
        decision.ask(
            limits,
            |_, kind| self.slots[kind.index()],
            &mut [Slot::FRESH; LIMITS_MAX],
        );
        decision
    }

    /// Takes what `decision` found free, and says whether it did. A refused decision takes nothing; neither does one
    /// that no longer fits because something else was taken since. `limits` are those of the assessment.
    #[must_use = "false means that nothing was taken"]
    pub fn commit(&mut self, limits: &Limits, decision: &Decision) -> bool {
        decision.is_allowed()
            && self
                .take(limits, decision.decided_at(), decision.weight())
                .is_allowed()
    }

    /// Takes `weight` units of all `limits` at `now`, or of none. A weight of zero always passes and takes nothing.
    #[inline]
    pub fn take(&mut self, limits: &Limits, now: Timestamp, weight: u64) -> Decision {
        let mut decision = Decision::open(now, weight);
        self.take_into(limits, &mut decision);
        decision
    }

    /// Hands back `weight` units that were taken at `taken_at`, for a call that shall not count after all.
    ///
    /// A calendar window takes them back if it is still the one in which `taken_at` lies, and never more than it
    /// holds. A GCRA has them at once as quota again, though never more than a whole burst; what drained by itself
    /// meanwhile is not subtracted, so beyond its rate and burst it lets through at most what was handed back.
    pub fn give_back(&mut self, limits: &Limits, taken_at: Timestamp, weight: u64) {
        for limit in limits {
            let slot = &mut self.slots[limit.kind().index()];
            *slot = slot.give_back(limit, taken_at.as_micros(), weight);
        }
    }

    /// As [`take`](Self::take), for an open decision: it is large, and is written only where the caller wants it.
    pub(crate) fn take_into(&mut self, limits: &Limits, decision: &mut Decision) {
        let mut next = [Slot::FRESH; LIMITS_MAX];
        decision.ask(limits, |_, kind| self.slots[kind.index()], &mut next);
        if decision.takes() {
            for (limit, next) in limits.into_iter().zip(next) {
                self.slots[limit.kind().index()] = next;
            }
        }
    }
}

impl Default for Bucket {
    fn default() -> Self {
        Self::new()
    }
}
