//! The clock, and what happens by itself as it moves.
//!
//! Moving the clock a long way ends where many short moves end: on the way it stops at each
//! instant at which something is due, and lets that happen then.

use monetization_core::clock::Timestamp;
use monetization_core::text::ForeignId;

use super::{Provider, Stretch, Subscription};

/// What happens by itself when its time has come.
///
/// Entries are never taken back: each looks, when it comes up, whether it still applies (a paid
/// invoice does not fall past due, a subscription that is over has no next period). Of entries
/// for one instant those of one kind come together, oldest object first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// A period of a subscription ends.
    PeriodEnd(ForeignId),
    /// A draft becomes final.
    Finalise(ForeignId),
    /// An open invoice is past due.
    PaymentLate(ForeignId),
    /// Money is asked for again.
    Retry { invoice: ForeignId, attempt: usize },
}

impl Provider {
    /// When the next thing happens by itself; `None` where nothing is due.
    #[must_use]
    pub fn due_at(&self) -> Option<Timestamp> {
        self.agenda.first().map(|(at, _)| *at)
    }

    /// Moves the clock forward to `to`, never back; everything due on the way happens at its own
    /// instant, in order.
    pub(super) fn advance(&mut self, to: Timestamp) {
        let to = to.max(self.now);
        while self.due_at().is_some_and(|at| at <= to) {
            let Some((at, due)) = self.agenda.pop_first() else {
                break;
            };
            self.now = self.now.max(at);
            match due {
                Due::PeriodEnd(subscription) => self.end_period(&subscription),
                Due::Finalise(invoice) => self.finalise(&invoice),
                Due::PaymentLate(invoice) => self.becomes_late(&invoice),
                Due::Retry { invoice, attempt } => self.retry(&invoice, attempt),
            }
        }
        self.now = to;
        self.records.forget(to);
    }

    /// Drafts the invoice of the period that ends and enters the next one, or ends with it.
    fn end_period(&mut self, id: &ForeignId) {
        let Some(subscription) = self.subscriptions.get(id).filter(|known| known.live) else {
            return;
        };
        let next = self.next_of(subscription);
        if self.draft_period(id, next.clone()).is_err() {
            // What cannot be calculated was not taken either: see `take_usage`.
            return;
        }
        match (next, self.subscriptions.get_mut(id)) {
            (Some((plan, period)), Some(subscription)) => {
                subscription.enter(plan, period);
                self.agenda.insert((period.end, Due::PeriodEnd(id.clone())));
            }
            (None, _) => self.end(id),
            (Some(_), None) => {}
        }
    }
}

impl Subscription {
    /// The next period begins, under the plan that was chosen for it.
    fn enter(&mut self, plan: ForeignId, period: monetization_core::clock::Span) {
        self.period_index = self.period_index.saturating_add(1);
        self.period = period;
        self.stretches.push(Stretch {
            period_index: self.period_index,
            start: period.start,
            plan: plan.clone(),
        });
        self.plan = plan;
        self.next_plan = None;
    }
}
