//! The counters of one subscription, behind one lock.
//!
//! Rates and quotas are asked together under it and then taken together, so that a call that one of
//! them refuses takes nothing of the others. The lock is held for a few comparisons and never
//! across an await; two subscriptions never wait for each other.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use monetization_rate_limiter::{Bucket, Decision, Limits};

use super::denial::Limited;
use super::standing::{Standings, WindowName};
use crate::clock::{Span, Timestamp};
use crate::ids::{LeaseId, ResourceId};
use crate::plan::{EnforcedQuota, Overage, PlanTerms, QuotaName, QuotaOf, Rate};
use crate::store::LeaseAnswer;
use crate::subscription::Subscription;
use crate::usage::Spent;
pub(super) use quota::QuotaCell;

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
    pub(super) quotas: Vec<EnforcedQuota>,
    /// Quotas that their windows and units do not tell apart, by their meters' names.
    pub(super) named: Vec<(QuotaName, Arc<str>)>,
}

impl Allowance {
    /// The limits of a plan version for a subscription; `None` where its rates make no limits.
    pub(super) fn of(subscription: &Subscription, plan: &PlanTerms) -> Option<Self> {
        let limits: Result<Vec<_>, _> = plan.rates().iter().map(Rate::limit).collect();
        let quotas = subscription.enforced_quotas(plan);
        let is_alike = |one: &EnforcedQuota, other: &EnforcedQuota| {
            let (one_name, other_name) = (one.name, other.name);
            one_name != other_name && one_name.window == other_name.window && one.unit == other.unit
        };
        let alike = quotas.iter().filter(|one| {
            let mut others = quotas.iter().filter(|other| other.is_counted_after());
            others.any(|other| is_alike(one, other))
        });
        let named = alike.filter_map(|quota| match quota.name.of {
            QuotaOf::Meter(meter) => {
                let meter = plan.limited_meter(meter)?;
                Some((quota.name, meter.name.as_str().into()))
            }
            QuotaOf::Calls | QuotaOf::Resource(_) => None,
        });
        Some(Self {
            limits: Limits::new(limits.ok()?).ok()?,
            named: named.collect(),
            quotas,
        })
    }

    /// The name of a quota's meter, where its window and unit do not tell it apart.
    pub(super) fn name_of(&self, quota: QuotaName) -> Option<Arc<str>> {
        let mut named = self.named.iter();
        let named = named.find(|(name, _)| *name == quota);
        named.map(|(_, name)| Arc::clone(name))
    }

    /// Whether a quota of it stops calls.
    pub(super) fn is_strict(&self) -> bool {
        self.quotas
            .iter()
            .any(|quota| quota.overage == Overage::Strict)
    }

    /// Whether the quota of this name stops calls.
    pub(super) fn is_stopped_by(&self, name: QuotaName) -> bool {
        let mut quotas = self.quotas.iter();
        quotas.any(|quota| quota.name == name && quota.overage == Overage::Strict)
    }

    /// Whether it counts the calls of some operations by themselves.
    pub(super) fn has_resources(&self) -> bool {
        let mut quotas = self.quotas.iter();
        quotas.any(|quota| matches!(quota.name.of, QuotaOf::Resource(_)))
    }

    /// The quotas that a call of this operation counts towards.
    fn quotas_of(&self, resource: Option<ResourceId>) -> impl Iterator<Item = &EnforcedQuota> {
        self.quotas.iter().filter(move |quota| match quota.name.of {
            QuotaOf::Calls | QuotaOf::Meter(_) => true,
            QuotaOf::Resource(id) => resource == Some(id),
        })
    }
}

/// When a call is to be let through.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// Business time.
    pub(super) now: Timestamp,
    /// The billing period of that instant.
    pub(super) period: Span,
    /// The operation it is, where one is counted by itself.
    pub(super) resource: Option<ResourceId>,
    /// Process time.
    pub(super) uptime: Duration,
}

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
    pub(super) quota: EnforcedQuota,
    pub(super) window: Span,
}

/// What of a call that ended goes back.
#[derive(Debug, Clone, Copy)]
pub(super) struct GiveBack {
    pub(super) quotas: bool,
    pub(super) rates_at: Option<Timestamp>,
}

impl Cells {
    /// Takes one unit of every rate and every quota of calls, or of none.
    pub(super) fn take(&self, allowance: &Allowance, moment: Moment) -> Taken {
        let mut state = self.lock();
        let State { bucket, quotas } = &mut *state;
        let mut quota_until = None;
        for quota in allowance.quotas_of(moment.resource) {
            let cell = cell_of(quotas, quota.name);
            let window = cell.window_at(moment.now, moment.period, quota.max);
            if !cell.is_known(quota, moment.uptime) {
                return Taken::Needs(QuotaNeed {
                    quota: *quota,
                    window,
                });
            }
            if cell.standing(quota).exceeded {
                quota_until = quota_until.max(Some(window.end));
            }
        }
        let limits = &allowance.limits;
        let decision = match quota_until {
            None => bucket.take(limits, moment.now, 1),
            Some(_) => bucket.assess(limits, moment.now, 1),
        };
        if quota_until.is_some() || !decision.is_allowed() {
            // Rates that would have let it pass stand as before the call.
            let untouched = decision
                .is_allowed()
                .then(|| bucket.assess(limits, moment.now, 0));
            let shown = untouched.as_ref().unwrap_or(&decision);
            let mut standings = Standings::of_rates(allowance, shown);
            for quota in allowance.quotas_of(moment.resource) {
                let cell = cell_of(quotas, quota.name);
                standings.push_quota((allowance, quota), cell, 0);
            }
            return Taken::Refused(Limited {
                retry_at: retry_at(&standings, &decision, quota_until),
                standings,
                quota: quota_until.is_some(),
            });
        }
        let mut standings = Standings::of_rates(allowance, &decision);
        let mut spent = Vec::with_capacity(allowance.quotas.len());
        for quota in allowance.quotas_of(moment.resource) {
            let cell = cell_of(quotas, quota.name);
            let taken = u64::from(!quota.is_counted_after());
            standings.push_quota((allowance, quota), cell, taken);
            spent.push(cell.spend(quota, taken));
        }
        Taken::Passed { spent, standings }
    }

    /// Counts what a call has used of quotas that are counted after calls.
    pub(super) fn add(&self, spent: &Spent) {
        cell_of(&mut self.lock().quotas, spent.quota).add(spent);
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
        let cell = cell_of(&mut state.quotas, need.quota.name);
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
        cell_of(&mut state.quotas, need.quota.name).granted(need, lease, answer, recheck_at);
    }

    /// Puts in place what has been used of a quota that has no blocks.
    pub(super) fn counted(&self, need: QuotaNeed, committed: u64, recheck_at: Duration) {
        let mut state = self.lock();
        cell_of(&mut state.quotas, need.quota.name).counted(need, committed, recheck_at);
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

    /// Blocks that can no longer be spent from and that nothing is in flight of: of windows that
    /// are over at `now`, or of a larger quota than there is now.
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

/// When a refused call could pass; `None` for never.
fn retry_at(
    standings: &Standings,
    rates: &Decision,
    quota_until: Option<Timestamp>,
) -> Option<Timestamp> {
    let mut exceeded = standings.as_slice().iter().filter(|it| it.exceeded);
    if exceeded.any(|it| it.is_quota() && (it.max == 0 || it.name == WindowName::Ever)) {
        return None;
    }
    let rates_until = rates.retry_at()?;
    Some(quota_until.map_or(rates_until, |until| rates_until.max(until)))
}

/// The cell of a quota, found by what it counts: a plan has at most one quota of each name, so there
/// are few, and one that a new plan no longer has keeps its blocks until they end.
fn cell_of(quotas: &mut Vec<QuotaCell>, name: QuotaName) -> &mut QuotaCell {
    let index = quotas
        .iter()
        .position(|cell| cell.quota == name)
        .unwrap_or_else(|| {
            quotas.push(QuotaCell::new(name));
            quotas.len().saturating_sub(1)
        });
    &mut quotas[index]
}

#[cfg(test)]
mod tests;
