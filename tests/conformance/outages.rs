//! How long an engine may be away after a report to it got no answer.

#![expect(clippy::arithmetic_side_effects, reason = "counts what a test makes")]

use std::fmt;

use crate::sample::Sample;
use crate::{seed, size_in_ci};

const DAY: u32 = 24;
/// After so many days engines take no use any more.
const DAYS_MAX: u32 = 35;
/// Some of every kind: within what an engine recognises, beyond it, and beyond what it takes.
const HOURS: [u32; 11] = [
    1,
    12,
    22,
    23,
    24,
    30,
    3 * DAY,
    10 * DAY,
    34 * DAY,
    36 * DAY,
    40 * DAY,
];

/// An engine that is away.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::exhaustive_structs,
    reason = "whoever plays it must know all of it"
)]
pub struct Outage {
    /// For so long nothing gets through.
    pub hours: u32,
    /// Whether the engine had taken the report before it went away.
    pub arrived: bool,
    /// Whether only reports do not get through: whoever signs in still can.
    pub of_reports_alone: bool,
}

/// Outages of every kind, and as many of the dice as the size of the suite asks for.
#[must_use]
pub fn outages() -> Vec<Outage> {
    let kinds = [(true, true), (true, false), (false, true), (false, false)];
    let fixed = HOURS
        .into_iter()
        .flat_map(|hours| kinds.map(|kind| outage(hours, kind)));
    let diced = (seed()..).take(size_in_ci(5, 20, 200)).map(|number| {
        let dice = Sample::seeded(number);
        let hours = 1 + dice.below(u64::from(40 * DAY));
        let hours = u32::try_from(hours).unwrap_or(DAY);
        outage(hours, (dice.below(2) == 0, dice.below(2) == 0))
    });
    fixed.chain(diced).collect()
}

fn outage(hours: u32, (arrived, of_reports_alone): (bool, bool)) -> Outage {
    Outage {
        hours,
        arrived,
        of_reports_alone,
    }
}

impl Outage {
    /// Of what was reported before it and after it, everything is counted once, or held where it is too old to
    /// be sent.
    ///
    /// # Panics
    /// Where that is not so.
    pub fn is_over(&self, (before, after): (u64, u64), counted: u64, held: u64) {
        let there = (before + after, 0);
        let too_old = (after, before);
        let told = (counted, held);
        let is_right = match self.hours {
            _ if self.arrived => told == there,
            // Whether it is too old depends on when it is sent again.
            hours if hours.abs_diff(DAYS_MAX * DAY) < DAY => told == there || told == too_old,
            hours if hours < DAYS_MAX * DAY => told == there,
            _ => told == too_old,
        };
        assert!(is_right, "{self}: {counted} counted, {held} held");
    }
}

impl fmt::Display for Outage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            hours,
            arrived,
            of_reports_alone,
        } = self;
        write!(
            out,
            "{hours} h, had arrived: {arrived}, of reports alone: {of_reports_alone}"
        )
    }
}
