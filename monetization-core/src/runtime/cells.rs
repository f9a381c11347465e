//! The counters of one subscription, behind one lock.
//!
//! Rates and quotas are asked together under it and then taken together, so that a call that one of
//! them refuses takes nothing of the others. The lock is held for a few comparisons and never
//! across an await; two subscriptions never wait for each other.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use monetization_rate_limiter::{Bucket, Decision, Limits};

use super::denial::Limited;
use super::shared::AskedRates;
use super::standing::{Standing, Standings, WindowName};
use crate::clock::{Span, Timestamp};
use crate::ids::{LeaseId, ResourceId};
use crate::plan::{EnforcedQuota, Overage, PlanTerms, QuotaName, QuotaOf, Rate, WhenAway};
use crate::rates::RateAnswer;
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
    /// What becomes of a call while limits that are shared cannot be counted.
    pub(super) when_away: WhenAway,
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
            when_away: plan.rates_when_away(),
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
    /// Business time once what the decision needs was waited for.
    pub(super) told_at: Timestamp,
}

/// What came of asking all limits at once. `Passed` alone has changed anything.
#[derive(Debug)]
pub(super) enum Taken {
    Passed {
        spent: Vec<Spent>,
        standings: Standings,
    },
    Refused(Limited),
    Needs(QuotaNeed),
    /// So many units of the rates, or with none how they stand, from whoever counts them.
    NeedsRates {
        units: u64,
    },
    /// The rates cannot be counted, and the plan lets nothing through then.
    RatesAway,
}

/// A quota whose cell is empty and has to be filled from the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QuotaNeed {
    pub(super) quota: EnforcedQuota,
    pub(super) window: Span,
}

/// A block to ask the store for, of so many units or fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) id: LeaseId,
    pub(super) units: u64,
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
        let is_exceeded = match is_a_quota_exceeded(quotas, allowance, moment) {
            Ok(is_exceeded) => is_exceeded,
            Err(need) => return Taken::Needs(need),
        };
        let limits = &allowance.limits;
        if is_exceeded {
            // Rates stand as before the call.
            let decision = bucket.assess(limits, moment.now, 0);
            return refused(quotas, allowance, moment, &decision);
        }
        let decision = bucket.take(limits, moment.now, 1);
        if decision.is_allowed() {
            passed(quotas, allowance, moment, &decision)
        } else {
            refused(quotas, allowance, moment, &decision)
        }
    }

    /// As [`take`](Self::take), where somebody else counts the rates. Quotas are looked at first and taken last, both
    /// under the lock, so that units of one are never out for a call that the other refuses.
    pub(super) fn take_shared(
        &self,
        allowance: &Allowance,
        moment: Moment,
        rates: &mut AskedRates<'_>,
    ) -> Taken {
        let mut state = self.lock();
        let quotas = &mut state.quotas;
        let is_exceeded = match is_a_quota_exceeded(quotas, allowance, moment) {
            Ok(is_exceeded) => is_exceeded,
            Err(need) => return Taken::Needs(need),
        };
        let units = u64::from(!is_exceeded);
        let taken = match rates.ask(units) {
            Some(RateAnswer::Counted(taken)) => taken,
            Some(RateAnswer::Away) => return Taken::RatesAway,
            None => return Taken::NeedsRates { units },
        };
        // Whoever counts them has decided about now and not about when the call came.
        let told = Moment {
            now: moment.told_at,
            ..moment
        };
        if is_exceeded || !taken.decision.is_allowed() {
            return refused(quotas, allowance, told, &taken.decision);
        }
        let passed = passed(quotas, allowance, told, &taken.decision);
        rates.keep(taken);
        passed
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
    pub(super) fn wish(&self, need: QuotaNeed, uptime: Duration, id: LeaseId) -> Option<Wish> {
        let mut state = self.lock();
        let cell = cell_of(&mut state.quotas, need.quota.name);
        let needed =
            cell.turn_to(need.window) == need.window && !cell.is_known(&need.quota, uptime);
        needed.then(|| Wish {
            id: *cell.asked.get_or_insert(id),
            units: cell.want(uptime),
        })
    }

    /// Puts in place what the store has answered to a wish, at this process time.
    pub(super) fn granted(
        &self,
        need: QuotaNeed,
        lease: LeaseId,
        answer: LeaseAnswer,
        uptime: Duration,
    ) {
        let mut state = self.lock();
        cell_of(&mut state.quotas, need.quota.name).granted(need, lease, answer, uptime);
    }

    /// The ledger has refused a record because of a block that it spends from, and does not say which.
    /// Nothing more is spent from any of them; what is open of them goes back.
    pub(super) fn lose(&self, spent: &[Spent]) {
        let mut state = self.lock();
        for spent in spent {
            if let Some(lease) = spent.lease {
                cell_of(&mut state.quotas, spent.quota).lose(lease);
            }
        }
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
    /// are over at `now`, of a larger quota than there is now, or too old at this process time.
    pub(super) fn expire(&self, now: Timestamp, uptime: Duration) -> Vec<LeaseId> {
        let mut state = self.lock();
        state
            .quotas
            .iter_mut()
            .flat_map(|cell| cell.expire(now, uptime))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is plain numbers that every method leaves whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a quota speaks against a call.
///
/// # Errors
/// With what has to be known before that can be said.
fn is_a_quota_exceeded(
    quotas: &mut Vec<QuotaCell>,
    allowance: &Allowance,
    moment: Moment,
) -> Result<bool, QuotaNeed> {
    let mut is_exceeded = false;
    for quota in allowance.quotas_of(moment.resource) {
        let cell = cell_of(quotas, quota.name);
        let window = cell.window_at(moment.now, moment.period, quota.max);
        cell.retire(moment.uptime);
        if !cell.is_known(quota, moment.uptime) {
            let quota = *quota;
            return Err(QuotaNeed { quota, window });
        }
        is_exceeded |= cell.standing(quota).exceeded;
    }
    Ok(is_exceeded)
}

/// Takes a unit of every quota, for a call that all of them let pass.
fn passed(
    quotas: &mut Vec<QuotaCell>,
    allowance: &Allowance,
    moment: Moment,
    decision: &Decision,
) -> Taken {
    let mut standings = Standings::of_rates(allowance, decision, moment.now);
    let mut spent = Vec::with_capacity(allowance.quotas.len());
    for quota in allowance.quotas_of(moment.resource) {
        let cell = cell_of(quotas, quota.name);
        let taken = u64::from(!quota.is_counted_after());
        standings.push_quota((allowance, quota), cell, taken);
        spent.push(cell.spend(quota, taken));
    }
    Taken::Passed { spent, standings }
}

/// Tells how everything stands for a call that something speaks against.
fn refused(
    quotas: &mut Vec<QuotaCell>,
    allowance: &Allowance,
    moment: Moment,
    decision: &Decision,
) -> Taken {
    let mut standings = Standings::of_rates(allowance, decision, moment.now);
    for quota in allowance.quotas_of(moment.resource) {
        let cell = cell_of(quotas, quota.name);
        standings.push_quota((allowance, quota), cell, 0);
    }
    let mut exceeded = standings.as_slice().iter().filter(|it| it.exceeded);
    Taken::Refused(Limited {
        retry_at: retry_at(&standings),
        quota: exceeded.any(Standing::is_quota),
        standings,
    })
}

/// When a refused call could pass; `None` for never.
fn retry_at(standings: &Standings) -> Option<Timestamp> {
    let exceeded = || standings.as_slice().iter().filter(|it| it.exceeded);
    if exceeded().any(|it| it.max == 0 || it.name == WindowName::Ever) {
        return None;
    }
    exceeded().map(|it| it.reset_at).max()
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
