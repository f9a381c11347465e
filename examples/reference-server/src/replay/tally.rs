use std::collections::BTreeMap;
use std::time::Duration;

use monetization_core::clock::Timestamp;
use monetization_core::runtime::Denial;

/// What became of calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Calls that were made.
    pub(super) calls: u64,
    /// Those that were let through.
    pub(super) granted: u64,
    /// Those that were refused, by the reason.
    pub(super) refused: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Counts a call, which was let through or was refused for this reason.
    pub(super) fn count(&mut self, refused: Option<&'static str>) {
        self.calls = self.calls.saturating_add(1);
        match refused {
            None => self.granted = self.granted.saturating_add(1),
            Some(reason) => {
                let known = self.refused.entry(reason).or_default();
                *known = known.saturating_add(1);
            }
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.granted = self.granted.saturating_add(other.granted);
        for (reason, count) in &other.refused {
            let known = self.refused.entry(reason).or_default();
            *known = known.saturating_add(*count);
        }
    }

    /// Calls that were refused, for whatever reason.
    pub(super) fn refused(&self) -> u64 {
        self.calls.saturating_sub(self.granted)
    }
}

/// A rate was exceeded.
const RATE: &str = "rate_exceeded";
/// A quota was used up.
const QUOTA: &str = "quota_exceeded";

/// Why a call is refused, as the gateway tells clients.
pub(super) fn reason(denial: &Denial) -> &'static str {
    match denial {
        Denial::Limited(limited) if limited.quota => QUOTA,
        Denial::Limited(_) => RATE,
        Denial::NoSuchResource => "no_such_resource",
        Denial::NotCovered => "not_covered",
        Denial::Closed(_) => "subscription_closed",
        Denial::Unauthenticated(_) => "invalid_key",
        Denial::NoSubscription => "no_subscription",
        _ => "busy",
    }
}

/// Calls over time, in steps that grow so that there are never many.
#[derive(Debug, Clone)]
pub(super) struct Course {
    first: Timestamp,
    /// Which of [`STEPS`].
    step: usize,
    steps: Vec<Tally>,
}

/// The lengths of a step, in seconds; beyond the last they double.
const STEPS: [u64; 11] = [
    10, 60, 300, 900, 3_600, 14_400, 43_200, 86_400, 604_800, 2_419_200, 9_676_800,
];
const STEPS_MAX: usize = 120;

impl Course {
    pub(super) fn starting(first: Timestamp) -> Self {
        Self {
            first,
            step: 0,
            steps: Vec::new(),
        }
    }

    pub(super) fn count(&mut self, at: Timestamp, refused: Option<&'static str>) {
        let seconds = at.saturating_since(self.first).as_secs();
        let mut index = self.index(seconds);
        while index >= STEPS_MAX && self.step < STEPS.len().saturating_sub(1) {
            self.lengthen();
            index = self.index(seconds);
        }
        let index = index.min(STEPS_MAX.saturating_sub(1));
        if index >= self.steps.len() {
            self.steps.resize(index.saturating_add(1), Tally::default());
        }
        if let Some(step) = self.steps.get_mut(index) {
            step.count(refused);
        }
    }

    /// How long a step is.
    pub(super) fn length(&self) -> Duration {
        Duration::from_secs(self.seconds())
    }

    /// Each step with its beginning.
    pub(super) fn steps(&self) -> impl Iterator<Item = (Timestamp, &Tally)> {
        self.steps.iter().enumerate().map(|(index, step)| {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            let since = self.length().saturating_mul(index);
            (self.first.saturating_add(since), step)
        })
    }

    fn seconds(&self) -> u64 {
        STEPS.get(self.step).copied().unwrap_or(u64::MAX)
    }

    fn index(&self, seconds: u64) -> usize {
        let index = seconds.checked_div(self.seconds()).unwrap_or(0);
        usize::try_from(index).unwrap_or(usize::MAX)
    }

    /// Goes over to the next longer step.
    fn lengthen(&mut self) {
        let before = self.seconds();
        self.step = self.step.saturating_add(1);
        let steps = std::mem::take(&mut self.steps);
        for (index, step) in (0_u64..).zip(steps) {
            let index = self.index(index.saturating_mul(before));
            if index >= self.steps.len() {
                self.steps.resize(index.saturating_add(1), Tally::default());
            }
            if let Some(known) = self.steps.get_mut(index) {
                known.add(&step);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_length_of_a_step_is_a_multiple_of_the_one_before() {
        for pair in STEPS.windows(2) {
            assert_eq!(pair[1] % pair[0], 0, "{pair:?}");
        }
    }

    #[test]
    fn steps_grow_with_the_stretch_and_keep_every_call() {
        let start = Timestamp::from_secs(1_000);
        let mut course = Course::starting(start);
        for second in 0..100_000 {
            let refused = (second % 10 == 0).then_some(RATE);
            course.count(Timestamp::from_secs(1_000 + second), refused);
        }
        assert_eq!(course.length(), Duration::from_secs(900));
        let steps: Vec<(Timestamp, Tally)> = course
            .steps()
            .map(|(at, step)| (at, step.clone()))
            .collect();
        assert_eq!(steps.len(), 112);
        assert_eq!(steps[1].0, start.saturating_add(Duration::from_secs(900)));
        assert!(steps[..111].iter().all(|(_, step)| step.calls == 900));
        let total: u64 = steps.iter().map(|(_, step)| step.calls).sum();
        let refused: u64 = steps.iter().map(|(_, step)| step.refused[RATE]).sum();
        assert_eq!((total, refused), (100_000, 10_000));
    }

    #[test]
    fn a_stretch_of_ages_ends_in_the_last_step() {
        let mut course = Course::starting(Timestamp::from_secs(0));
        course.count(Timestamp::from_secs(0), None);
        course.count(Timestamp::from_secs(250_000_000_000), None);
        assert_eq!(course.steps().count(), STEPS_MAX);
        assert_eq!(course.steps().last().unwrap().1.calls, 1);
    }
}
