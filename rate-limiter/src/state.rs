//! What all forms of running state have in common.

use crate::Limit;

/// The running state of one limit, in whatever form.
pub(crate) trait State: Copy {
    /// Asks for `weight` at `now`. A `now` before the latest window counts in that window.
    fn read(self, limit: &Limit, now: i64, weight: u64) -> Reading<Self>;
}

/// What a state says to a weight, times in microseconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading<S> {
    /// Whether the weight can be taken. Zero always can.
    pub(crate) fits: bool,
    /// Units that could be had before this call.
    pub(crate) available: u64,
    /// The state with the weight taken; means nothing if it does not fit.
    pub(crate) next: S,
    /// The end of the calendar window; for GCRA when one unit more can be had, or, if the weight does not fit, when
    /// it will.
    pub(crate) reset: i64,
}
