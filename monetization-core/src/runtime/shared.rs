//! Rates that somebody counts for several gateways, as one call asks for them.

use std::sync::Arc;

use monetization_rate_limiter::Limits;

use super::gate::{Gate, Stretch};
use crate::rates::{RateAnswer, RateAsk, RateCounters, RateTaken};

/// The rates of a call, with what was answered about them before.
pub(super) struct AskedRates<'a> {
    counters: &'a dyn RateCounters,
    stretch: &'a Stretch,
    /// What the call has waited for, if it has.
    had: &'a mut Option<Had>,
    /// What the call has taken and keeps.
    pub(super) kept: Option<Box<RateTaken>>,
}

impl<'a> AskedRates<'a> {
    pub(super) fn new(
        counters: &'a dyn RateCounters,
        stretch: &'a Stretch,
        had: &'a mut Option<Had>,
    ) -> Self {
        Self {
            counters,
            stretch,
            had,
            kept: None,
        }
    }

    /// The answer about so many units that was waited for, or one that needs no waiting.
    pub(super) fn ask(&mut self, units: u64) -> Option<RateAnswer> {
        let limits = &self.stretch.allowance.limits;
        // What was asked of another plan, or about another number of units, goes back.
        let had = self.had.take();
        let had = had.filter(|had| had.units == units && had.is_of(self.counters, limits));
        match had {
            Some(had) => had.into_answer(),
            None => self.counters.take_at_once(ask_of(self.stretch, units)),
        }
    }

    /// The call passes, and keeps what was taken for it.
    pub(super) fn keep(&mut self, taken: RateTaken) {
        self.kept = Some(Box::new(taken));
    }
}

fn ask_of(stretch: &Stretch, units: u64) -> RateAsk<'_> {
    RateAsk {
        limits: &stretch.allowance.limits,
        units,
        when_away: stretch.allowance.when_away,
    }
}

/// Has the rates of a call asked, where that needs waiting.
pub(super) async fn wait_for(
    counters: Arc<dyn RateCounters>,
    stretch: Arc<Stretch>,
    units: u64,
) -> Had {
    let answer = counters.take(ask_of(&stretch, units)).await;
    Had {
        counters,
        stretch,
        units,
        answer: Some(answer),
    }
}

/// An answer that no call has made use of yet. What was taken goes back when it is dropped: with a
/// client that does not wait, or because another limit speaks against the call.
#[derive(Debug)]
pub(super) struct Had {
    counters: Arc<dyn RateCounters>,
    stretch: Arc<Stretch>,
    units: u64,
    answer: Option<RateAnswer>,
}

impl Had {
    fn is_of(&self, counters: &dyn RateCounters, limits: &Limits) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(&self.counters), counters)
            && self.stretch.allowance.limits == *limits
    }

    fn into_answer(mut self) -> Option<RateAnswer> {
        self.answer.take()
    }
}

impl Drop for Had {
    fn drop(&mut self) {
        if let Some(RateAnswer::Counted(taken)) = &self.answer
            && taken.has_units()
        {
            let limits = &self.stretch.allowance.limits;
            self.counters.give_back(limits, taken);
        }
    }
}

/// Gives back what a call has taken that was never sent to the upstream.
pub(super) fn give_back(gate: &Gate, stretch: &Stretch, taken: &RateTaken) {
    if let Some(counters) = gate.known_counters() {
        counters.give_back(&stretch.allowance.limits, taken);
    }
}
