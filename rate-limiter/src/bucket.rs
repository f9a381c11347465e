//! Counters of one holder.

use crate::limits::LIMITS_MAX;
use crate::slot::Slot;
use crate::{Count, Decision, Limit, Limits, Timestamp};

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
///
/// ```
/// use monetization_rate_limiter::{Bucket, Limit, Limits, Timestamp, Window};
///
/// let basic = Limits::new([Limit::calendar(Window::Minute, 20)])?;
/// let larger = Limits::new([Limit::calendar(Window::Minute, 100)])?;
/// let now = Timestamp::from_secs(1_800_000_000);
///
/// let mut bucket = Bucket::new();
/// assert!(bucket.take(&basic, now, 20).is_allowed());
/// assert!(!bucket.take(&basic, now, 1).is_allowed());
///
/// // The plan changes within the minute; then something else than limits speaks against the call.
/// let decision = bucket.assess(&larger, now, 1);
/// assert_eq!(decision.standings()[0].remaining(), 79);
/// let paid = false;
/// assert!(!(paid && bucket.commit(&larger, &decision)));
/// assert_eq!(bucket.assess(&larger, now, 0).standings()[0].remaining(), 80);
/// # Ok::<(), monetization_rate_limiter::DuplicateLimit>(())
/// ```
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
    ///
    /// ```
    /// use monetization_rate_limiter::{Bucket, Limit, Limits, Timestamp, Window};
    ///
    /// let limits = Limits::new([
    ///     Limit::calendar(Window::Day, 100),
    ///     Limit::calendar(Window::Minute, 10),
    /// ])?;
    /// let (mut bucket, now) = (Bucket::new(), Timestamp::from_secs(1_800_000_000));
    /// assert!(bucket.take(&limits, now, 7).is_allowed());
    ///
    /// // Four more are too many for the minute, so the day is not touched either.
    /// let refused = bucket.take(&limits, now, 4);
    /// assert!(!refused.is_allowed());
    /// let [day, minute] = refused.standings() else { unreachable!() };
    /// assert_eq!((day.remaining(), minute.remaining()), (93, 0));
    /// # Ok::<(), monetization_rate_limiter::DuplicateLimit>(())
    /// ```
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
    ///
    /// ```
    /// use monetization_rate_limiter::{Bucket, Limit, Limits, Timestamp, Window};
    ///
    /// let limits = Limits::new([Limit::calendar(Window::Minute, 10)])?;
    /// let (mut bucket, taken_at) = (Bucket::new(), Timestamp::from_secs(1_800_000_000));
    /// assert!(bucket.take(&limits, taken_at, 3).is_allowed());
    /// bucket.give_back(&limits, taken_at, 3);
    /// assert_eq!(bucket.assess(&limits, taken_at, 0).standings()[0].remaining(), 10);
    /// # Ok::<(), monetization_rate_limiter::DuplicateLimit>(())
    /// ```
    pub fn give_back(&mut self, limits: &Limits, taken_at: Timestamp, weight: u64) {
        for limit in limits {
            let slot = &mut self.slots[limit.kind().index()];
            *slot = slot.give_back(limit, taken_at.as_micros(), weight);
        }
    }

    /// Goes on from what was counted elsewhere for `limit`, in place of what is here: for counters that were stored, or
    /// that several machines share.
    ///
    /// ```
    /// use monetization_rate_limiter::{Bucket, Count, Limit, Limits, Timestamp, Window};
    ///
    /// let minute = Limit::calendar(Window::Minute, 20);
    /// let (mut bucket, now) = (Bucket::new(), Timestamp::from_secs(1_800_000_000));
    /// let until = Window::Minute.containing(now).end;
    /// bucket.resume(&minute, Count { until, rest: 18 });
    /// let decision = bucket.take(&Limits::new([minute])?, now, 1);
    /// assert_eq!(decision.standings()[0].remaining(), 1);
    /// # Ok::<(), monetization_rate_limiter::DuplicateLimit>(())
    /// ```
    pub fn resume(&mut self, limit: &Limit, count: Count) {
        self.slots[limit.kind().index()] = Slot::resumed(limit, count);
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
