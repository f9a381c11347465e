//! What came of a call.

use std::cmp::Reverse;

use crate::limits::LIMITS_MAX;
use crate::state::State;
use crate::{Limit, LimitKind, Limits, Timestamp, Window};

/// The answer to one call: whether it passes all limits, and how each of them stands.
///
/// It carries all that response headers need and never asks for the time. A refused call has taken nothing from any
/// limit.
///
/// What HTTP headers want, and where it is:
///
/// | header | value |
/// |---|---|
/// | `X-RateLimit-Limit-Minute` and the like | [`Standing::max`] |
/// | `X-RateLimit-Remaining-Minute` and the like | [`Standing::remaining`] |
/// | `RateLimit-Limit`, `RateLimit-Remaining`, `RateLimit-Reset` | those of [`most_constrained`](Self::most_constrained), [`Standing::reset_at`] |
/// | `Retry-After` | [`retry_at`](Self::retry_at), less [`decided_at`](Self::decided_at), rounded up to whole seconds |
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a decision that nobody reads refuses nobody"]
pub struct Decision {
    decided_at: Timestamp,
    weight: u64,
    allowed: bool,
    len: u8,
    standings: [Standing; LIMITS_MAX],
}

impl Decision {
    /// Whether the call passes.
    #[must_use]
    #[inline]
    pub const fn is_allowed(&self) -> bool {
        self.allowed
    }

    /// The instant for which it was decided.
    #[must_use]
    pub const fn decided_at(&self) -> Timestamp {
        self.decided_at
    }

    /// The units asked for. A weight of zero always passes and takes nothing.
    #[must_use]
    pub const fn weight(&self) -> u64 {
        self.weight
    }

    /// How each limit stands, in the order of the [`Limits`].
    #[must_use]
    #[inline]
    pub fn standings(&self) -> &[Standing] {
        self.standings
            .get(..usize::from(self.len))
            .unwrap_or_default()
    }

    /// When the same weight could pass, if nothing else is taken until then: the end of the calendar window, the
    /// conforming instant of a GCRA (rounded up to the microsecond), the latest of them when several limits refused.
    ///
    /// For an allowed call this is the instant of the decision. `None` when the weight is more than a limit's maximum:
    /// then it can never pass.
    ///
    /// ```
    /// use monetization_rate_limiter::{Bucket, Limit, Limits, Window};
    ///
    /// let limits = Limits::new([Limit::calendar(Window::Month, 1)])?;
    /// let (mut bucket, now) = (Bucket::new(), "2026-01-31T12:00:00Z".parse()?);
    /// assert!(bucket.take(&limits, now, 1).is_allowed());
    ///
    /// let again_at = bucket.take(&limits, now, 1).retry_at();
    /// assert_eq!(again_at, Some("2026-02-01T00:00:00Z".parse()?));
    /// assert_eq!(bucket.take(&limits, now, 2).retry_at(), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn retry_at(&self) -> Option<Timestamp> {
        let exceeded = || self.standings().iter().filter(|standing| standing.exceeded);
        if exceeded().any(|standing| standing.max < self.weight) {
            return None;
        }
        Some(
            exceeded()
                .map(|standing| standing.reset_at)
                .fold(self.decided_at, Timestamp::max),
        )
    }

    /// The limit to tell a client about: of a refused call, the exceeded one that resets last; else the one with the
    /// smallest remaining quota, of several such the longer. `None` without limits.
    #[must_use]
    pub fn most_constrained(&self) -> Option<&Standing> {
        let pressing = |standing: &&Standing| {
            let waits = standing.exceeded.then_some(standing.reset_at);
            (Reverse(waits), standing.remaining, Reverse(standing.rank))
        };
        self.standings().iter().min_by_key(pressing)
    }

    /// A decision before any limit is asked.
    #[inline]
    pub(crate) const fn open(decided_at: Timestamp, weight: u64) -> Self {
        Self {
            decided_at,
            weight,
            allowed: true,
            len: 0,
            standings: [Standing::EMPTY; LIMITS_MAX],
        }
    }

    /// Asks every limit; `state_of` finds a limit's state by its place and kind. The states with the weight taken are
    /// left in `next`, by place, to be stored if [`takes`](Self::takes).
    #[inline]
    pub(crate) fn ask<S: State>(
        &mut self,
        limits: &Limits,
        state_of: impl Fn(usize, LimitKind) -> S,
        next: &mut [S],
    ) {
        let (now, weight) = (self.decided_at.as_micros(), self.weight);
        let places = self.standings.iter_mut().zip(next);
        for ((place, (limit, rank)), (standing, next)) in limits.ranked().enumerate().zip(places) {
            let reading = state_of(place, limit.kind()).read(limit, now, weight);
            self.allowed &= reading.fits;
            self.len = self.len.saturating_add(1);
            *standing = Standing::taken(
                limit,
                rank,
                reading.available.saturating_sub(weight),
                reading.reset,
            );
            *next = reading.next;
        }
        if !self.allowed {
            self.refuse(limits, state_of);
        }
    }

    /// Whether there is anything to store.
    #[inline]
    pub(crate) const fn takes(&self) -> bool {
        self.allowed && self.weight > 0
    }

    /// Writes the standings of a call that takes nothing.
    #[cold]
    fn refuse<S: State>(&mut self, limits: &Limits, state_of: impl Fn(usize, LimitKind) -> S) {
        let now = self.decided_at.as_micros();
        for (place, ((limit, rank), standing)) in
            limits.ranked().zip(&mut self.standings).enumerate()
        {
            let state = state_of(place, limit.kind());
            let asked = state.read(limit, now, self.weight);
            *standing = if asked.fits {
                let untouched = state.read(limit, now, 0);
                Standing::taken(limit, rank, untouched.available, untouched.reset)
            } else {
                Standing::exceeded(limit, rank, asked.reset)
            };
        }
    }
}

/// How one limit stands after a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    max: u64,
    remaining: u64,
    reset_at: Timestamp,
    kind: LimitKind,
    rank: u8,
    exceeded: bool,
}

impl Standing {
    const EMPTY: Self = Self {
        max: 0,
        remaining: 0,
        reset_at: Timestamp::EPOCH,
        // The kind whose representation is zero, so that blank standings are.
        kind: LimitKind::Calendar(Window::Second),
        rank: 0,
        exceeded: false,
    };

    #[inline]
    pub(crate) const fn taken(limit: &Limit, rank: u8, remaining: u64, reset: i64) -> Self {
        Self {
            max: limit.max(),
            remaining,
            reset_at: Timestamp::from_micros(reset),
            kind: limit.kind(),
            rank,
            exceeded: false,
        }
    }

    #[inline]
    pub(crate) const fn exceeded(limit: &Limit, rank: u8, reset: i64) -> Self {
        let mut standing = Self::taken(limit, rank, 0, reset);
        standing.exceeded = true;
        standing
    }

    /// What kind of limit this is.
    #[must_use]
    pub const fn kind(&self) -> LimitKind {
        self.kind
    }

    /// The most units: the window's, or the burst.
    #[must_use]
    pub const fn max(&self) -> u64 {
        self.max
    }

    /// Units that can still be had after this call. Zero when this limit refused it; what there was before, when only
    /// another limit refused it.
    #[must_use]
    pub const fn remaining(&self) -> u64 {
        self.remaining
    }

    /// The end of the calendar window. For GCRA the instant at which one unit more can be had (that of the decision
    /// when the burst is whole); if this limit refused the call, at which the call could pass, or, if its weight is
    /// more than the burst, at which the burst is whole.
    #[must_use]
    pub const fn reset_at(&self) -> Timestamp {
        self.reset_at
    }

    /// Whether this limit refused the call.
    #[must_use]
    #[inline]
    pub const fn is_exceeded(&self) -> bool {
        self.exceeded
    }
}
