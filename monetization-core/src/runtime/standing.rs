use std::sync::Arc;
use std::time::Duration;

use monetization_rate_limiter::{Decision, Limit, LimitKind, Window};

use super::cells::{Allowance, QuotaCell};
use crate::clock::Timestamp;
use crate::plan::{EnforcedQuota, QuotaOf, QuotaWindow};
use crate::product::Unit;

/// How one limit stands after a call, as response headers tell it.
///
/// Instants are UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its window.
    pub name: WindowName,
    /// What it counts.
    pub of: Subject,
    /// What it lets through in its window, or at once for a burst.
    pub max: u64,
    /// What is left after this call; what was left before it where another limit refused it.
    pub remaining: u64,
    /// When there is more again: the window's end, which of [`WindowName::Ever`] never comes.
    pub reset_at: Timestamp,
    /// The length of the window.
    pub length: Duration,
    /// Whether this limit refused the call.
    pub exceeded: bool,
}

impl Standing {
    /// Whether it is a quota, whose counter outlives the process, and no rate.
    #[must_use]
    pub fn is_quota(&self) -> bool {
        match self.name {
            WindowName::Burst | WindowName::Second | WindowName::Minute | WindowName::Hour => false,
            WindowName::Day
            | WindowName::Month
            | WindowName::Year
            | WindowName::Period
            | WindowName::Ever => true,
        }
    }
}

/// What a limit counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "header styles must name each")]
pub enum Subject {
    /// All calls.
    Calls,
    /// Calls of the operation that was called.
    Resource,
    /// Units of a meter, which are counted when calls are over.
    Meter {
        /// What one of them is.
        unit: Unit,
        /// The meter's name, where the plan limits another meter of this unit in the same window: the unit
        /// would not tell which it is.
        name: Option<Arc<str>>,
    },
}

/// The name of a limit's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the window of that name")]
#[expect(
    clippy::exhaustive_enums,
    reason = "header styles must name every window"
)]
pub enum WindowName {
    Burst,
    Second,
    Minute,
    Hour,
    Day,
    Month,
    Year,
    /// The billing period.
    Period,
    /// The whole life of the subscription.
    Ever,
}

impl From<QuotaWindow> for WindowName {
    fn from(window: QuotaWindow) -> Self {
        match window {
            QuotaWindow::Day => Self::Day,
            QuotaWindow::Month => Self::Month,
            QuotaWindow::Year => Self::Year,
            QuotaWindow::Period => Self::Period,
            QuotaWindow::Ever => Self::Ever,
        }
    }
}

/// How all limits of a call stand, rates first.
///
/// Limits stand in the order of the plan, and a client is best told about
/// [`most_constrained`](Self::most_constrained).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standings(Vec<Standing>);

impl Standings {
    /// The rates of a decision about a call at `now`, with room for the quotas. Somebody else may have made it, by a
    /// clock of their own: it tells how long to wait from now on. One about no units tells how a call stands that
    /// something else speaks against.
    pub(super) fn of_rates(allowance: &Allowance, decision: &Decision, now: Timestamp) -> Self {
        let decided_at = decision.decided_at();
        let asks_nothing = decision.weight() == 0;
        let (limits, quotas) = (allowance.limits.as_slice(), allowance.quotas.len());
        let mut all = Vec::with_capacity(limits.len().saturating_add(quotas));
        let standings = limits.iter().zip(decision.standings());
        all.extend(standings.map(|(limit, standing)| Standing {
            name: name(standing.kind()),
            of: Subject::Calls,
            max: standing.max(),
            remaining: standing.remaining(),
            reset_at: now.saturating_add(standing.reset_at().saturating_since(decided_at)),
            length: length(limit, decided_at),
            exceeded: standing.is_exceeded() || (asks_nothing && standing.remaining() == 0),
        }));
        Self(all)
    }

    /// Adds a quota, of which the call takes so many units.
    pub(super) fn push_quota(
        &mut self,
        (allowance, quota): (&Allowance, &EnforcedQuota),
        cell: &QuotaCell,
        taken: u64,
    ) {
        let (window, of) = (cell.window(), cell.standing(quota));
        self.0.push(Standing {
            name: quota.name.window.into(),
            of: match quota.name.of {
                QuotaOf::Calls => Subject::Calls,
                QuotaOf::Resource(_) => Subject::Resource,
                QuotaOf::Meter(_) => Subject::Meter {
                    unit: quota.unit,
                    name: allowance.name_of(quota.name),
                },
            },
            max: of.max,
            remaining: of.remaining.saturating_sub(taken),
            reset_at: window.end,
            length: window.duration(),
            exceeded: of.exceeded,
        });
    }

    /// Every limit, rates first.
    #[must_use]
    pub fn as_slice(&self) -> &[Standing] {
        &self.0
    }

    /// The limit to tell a client about: of a refused call the exceeded one that resets last,
    /// else the one of calls with the least left, of several such the longest.
    #[must_use]
    pub fn most_constrained(&self) -> Option<&Standing> {
        let exceeded = self.0.iter().filter(|standing| standing.exceeded);
        exceeded
            .max_by_key(|standing| standing.reset_at)
            .or_else(|| {
                self.0.iter().min_by_key(|standing| {
                    let is_of_calls = !matches!(standing.of, Subject::Meter { .. });
                    let length = std::cmp::Reverse(standing.length);
                    (!is_of_calls, standing.remaining, length)
                })
            })
    }
}

/// How a quota stands before a call takes its unit.
#[derive(Clone, Copy)]
pub(super) struct QuotaStanding {
    pub(super) max: u64,
    pub(super) remaining: u64,
    pub(super) exceeded: bool,
}

/// The length of a limit's window; only months and years have to be looked up.
fn length(limit: &Limit, now: Timestamp) -> Duration {
    match limit.window() {
        Some(Window::Second) => Duration::from_secs(1),
        Some(Window::Minute) => Duration::from_secs(60),
        Some(Window::Hour) => Duration::from_secs(3_600),
        _ => limit.period(now),
    }
}

fn name(kind: LimitKind) -> WindowName {
    match kind {
        LimitKind::Calendar(Window::Second) => WindowName::Second,
        LimitKind::Calendar(Window::Minute) => WindowName::Minute,
        LimitKind::Calendar(Window::Hour) => WindowName::Hour,
        LimitKind::Calendar(Window::Day) => WindowName::Day,
        LimitKind::Calendar(Window::Month) => WindowName::Month,
        LimitKind::Calendar(Window::Year) => WindowName::Year,
        LimitKind::Gcra => WindowName::Burst,
    }
}
