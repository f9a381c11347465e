//! The counters of one subscription, behind one lock.
//!
//! Rates and quotas are asked together under it and then taken together, so that a call that one of
//! them refuses takes nothing of the others. The lock is held for a few comparisons and never
//! across an await; two subscriptions never wait for each other.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use monetization_rate_limiter::{Bucket, Limits};

use super::denial::Limited;
use super::standing::Standings;
use crate::clock::{Span, Timestamp};
use crate::ids::LeaseId;
use crate::plan::{Overage, Quota, QuotaWindow};
use crate::store::LeaseAnswer;
use crate::usage::Spent;
use quota::QuotaCell;

mod quota;

/// Everything a subscription has taken and not yet recorded: rates and the blocks of quotas. It
/// outlives any change of terms: counters are found by what they count, not by who counts.
#[derive(Debug, Default)]
pub(super) struct Cells(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    bucket: Bucket,
    quotas: Vec<QuotaCell>,
}

/// What may pass, as the plan version in force has it.
#[derive(Debug)]
pub(super) struct Allowance {
    pub(super) limits: Limits,
    pub(super) quotas: Vec<Quota>,
}

/// When a call is to be let through.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// Business time.
    pub(super) now: Timestamp,
    /// The billing period of that instant.
    pub(super) period: Span,
    /// Process time.
    pub(super) uptime: Duration,
}

/// What came of taking one unit of everything.
/// What came of asking all limits at once. `Passed` alone has changed anything.
pub(super) enum Taken {
    Passed {
        spent: Vec<Spent>,
        standings: Standings,
    },
    Refused(Limited),
    Needs(QuotaNeed),
}

/// A quota whose cell is empty and has to be filled from the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QuotaNeed {
    pub(super) quota: Quota,
    pub(super) window: Span,
}

/// What of a call that ended goes back.
#[derive(Debug, Clone, Copy)]
pub(super) struct GiveBack {
    pub(super) quotas: bool,
    pub(super) rates_at: Option<Timestamp>,
}

impl Cells {
    /// Takes one unit of every rate and every quota, or of none.
    pub(super) fn take(&self, allowance: &Allowance, moment: Moment) -> Taken {
        let mut state = self.lock();
        let State { bucket, quotas } = &mut *state;
        let decision = bucket.assess(&allowance.limits, moment.now, 1);
        let mut standings = Standings::with_capacity(
            allowance
                .limits
                .len()
                .saturating_add(allowance.quotas.len()),
        );
        standings.set_rates(&allowance.limits, &decision);
        let mut quota_until = None;
        for quota in &allowance.quotas {
            let window = quota.window.containing(moment.now, moment.period);
            let cell = cell_of(quotas, quota.window);
            let window = cell.turn_to(window);
            if !cell.is_known(quota, moment.uptime) {
                return Taken::Needs(QuotaNeed {
                    quota: *quota,
                    window,
                });
            }
            let standing = cell.standing(quota);
            if standing.exceeded {
                quota_until = quota_until.max(Some(window.end));
            }
            standings.push_quota(quota.window, window, standing);
        }
        if quota_until.is_some() || !decision.is_allowed() {
            if decision.is_allowed() {
                // The rates would have let it pass: they stand as before the call.
                let untouched = bucket.assess(&allowance.limits, moment.now, 0);
                standings.set_rates(&allowance.limits, &untouched);
            }
            let rates_until = if decision.is_allowed() {
                Some(moment.now)
            } else {
                decision.retry_at()
            };
            let never = allowance
                .quotas
                .iter()
                .any(|quota| quota.overage == Overage::Strict && quota.max == 0);
            let retry_at = rates_until
                .filter(|_| !never)
                .map(|rates| quota_until.map_or(rates, |until| rates.max(until)));
            return Taken::Refused(Limited {
                standings,
                retry_at,
                quota: quota_until.is_some(),
            });
        }
        let taken = bucket.commit(&allowance.limits, &decision);
        debug_assert!(
            taken,
            "nothing can be taken between assessing and committing under one lock"
        );
        let spent = allowance
            .quotas
            .iter()
            .map(|quota| cell_of(quotas, quota.window).spend(quota))
            .collect();
        standings.take_one_of_last(allowance.quotas.len());
        Taken::Passed { spent, standings }
    }

    /// Ends what a call has in flight; answers the blocks that nothing is in flight of any more
    /// and nothing is left in.
    pub(super) fn finish(
        &self,
        allowance: &Allowance,
        spent: &[Spent],
        back: GiveBack,
    ) -> Vec<LeaseId> {
        let mut state = self.lock();
        let State { bucket, quotas } = &mut *state;
        if let Some(taken_at) = back.rates_at {
            bucket.give_back(&allowance.limits, taken_at, 1);
        }
        spent
            .iter()
            .filter_map(|spent| cell_of(quotas, spent.quota).finish(spent, back.quotas))
            .collect()
    }

    /// The block to ask the store for; `None` where the need has gone meanwhile. A wish whose
    /// answer was lost is repeated under its own id, so that no block is handed out unseen.
    pub(super) fn wish(&self, need: QuotaNeed, uptime: Duration, id: LeaseId) -> Option<LeaseId> {
        let mut state = self.lock();
        let cell = cell_of(&mut state.quotas, need.quota.window);
        let needed =
            cell.turn_to(need.window) == need.window && !cell.is_known(&need.quota, uptime);
        needed.then(|| *cell.asked.get_or_insert(id))
    }

    /// Puts the store's answer to a wish in place.
    pub(super) fn granted(
        &self,
        need: QuotaNeed,
        lease: LeaseId,
        answer: LeaseAnswer,
        recheck_at: Duration,
    ) {
        let mut state = self.lock();
        cell_of(&mut state.quotas, need.quota.window).granted(need, lease, answer, recheck_at);
    }

    /// Puts in place what has been used of a loose quota.
    pub(super) fn counted(&self, need: QuotaNeed, committed: u64) {
        let mut state = self.lock();
        cell_of(&mut state.quotas, need.quota.window).counted(need, committed);
    }

    /// Lets go of every block that nothing is in flight of: at shutdown.
    pub(super) fn release(&self) -> Vec<LeaseId> {
        let mut state = self.lock();
        state
            .quotas
            .iter_mut()
            .flat_map(QuotaCell::release)
            .collect()
    }

    /// Blocks of windows that are over at `now` and that nothing is in flight of.
    pub(super) fn expire(&self, now: Timestamp) -> Vec<LeaseId> {
        let mut state = self.lock();
        state
            .quotas
            .iter_mut()
            .flat_map(|cell| cell.expire(now))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is plain numbers that every method leaves whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The cell of a quota, found by what it counts: a plan has at most one quota for each window, so
/// there are four at most, and one that a new plan no longer has keeps its blocks until they end.
fn cell_of(quotas: &mut Vec<QuotaCell>, window: QuotaWindow) -> &mut QuotaCell {
    let index = quotas
        .iter()
        .position(|cell| cell.quota == window)
        .unwrap_or_else(|| {
            quotas.push(QuotaCell::new(window));
            quotas.len().saturating_sub(1)
        });
    &mut quotas[index]
}
