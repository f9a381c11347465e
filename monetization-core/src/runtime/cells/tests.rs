use std::collections::BTreeMap;

use monetization_rate_limiter::{Limit, Window};
use proptest::prelude::*;

use super::*;
use crate::ids::TypedId;
use crate::plan::QuotaWindow;
use crate::product::Unit;

/// What may happen to the counters of a subscription.
#[derive(Debug, Clone, Copy)]
enum Step {
    Call,
    /// The oldest call that is under way ends; what is not billed goes back.
    End {
        billed: bool,
    },
    Advance {
        seconds: u32,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => Just(Step::Call),
        5 => prop::bool::weighted(0.7).prop_map(|billed| Step::End { billed }),
        1 => (1_u32..200_000).prop_map(|seconds| Step::Advance { seconds }),
    ]
}

/// Says yes or no by looking at all that has happened so far.
#[derive(Debug, Default)]
struct Oracle {
    /// Calls that passed, by minute.
    minutes: BTreeMap<i64, u64>,
    /// Units that are spent or in flight, by day and month.
    days: BTreeMap<i64, u64>,
    months: BTreeMap<Timestamp, u64>,
}

impl Oracle {
    fn places(&mut self, now: Timestamp) -> [(&mut u64, u64); 3] {
        let seconds = now.as_micros() / 1_000_000;
        [
            (self.minutes.entry(seconds / 60).or_default(), MINUTE_MAX),
            (self.days.entry(seconds / 86_400).or_default(), DAY_MAX),
            (
                self.months
                    .entry(Window::Month.containing(now).start)
                    .or_default(),
                u64::MAX,
            ),
        ]
    }
}

const MINUTE_MAX: u64 = 5;
const DAY_MAX: u64 = 23;
const MONTH_LOOSE: u64 = 10;

fn allowance() -> Allowance {
    let quota = |window, max, overage| EnforcedQuota {
        name: QuotaName::calls(window),
        max,
        overage,
        unit: Unit::Requests,
        is_reported: false,
    };
    Allowance {
        limits: Limits::new([Limit::calendar(Window::Minute, MINUTE_MAX)]).unwrap(),
        when_away: WhenAway::Share,
        quotas: vec![
            quota(QuotaWindow::Day, DAY_MAX, Overage::Strict),
            quota(QuotaWindow::Month, MONTH_LOOSE, Overage::Loose),
        ],
        named: Vec::new(),
    }
}

/// Hands out blocks as a store does: a quarter of what is left.
#[derive(Debug, Default)]
struct Blocks {
    leased: BTreeMap<Timestamp, u64>,
    number: u64,
}

impl Blocks {
    fn supply(&mut self, cells: &Cells, need: QuotaNeed, committed: u64) {
        self.number += 1;
        let id = LeaseId::derived(&[&self.number.to_be_bytes()]);
        let id = cells.wish(need, Duration::ZERO, id).unwrap().id;
        if need.quota.overage == Overage::Loose {
            cells.counted(need, committed, Duration::MAX);
            return;
        }
        let leased = self.leased.entry(need.window.start).or_default();
        let free = need.quota.max - *leased;
        let units = free.div_ceil(4);
        *leased += units;
        let answer = match units {
            0 => LeaseAnswer::Exhausted { outstanding: 0 },
            units => LeaseAnswer::Granted {
                units,
                free: free - units,
            },
        };
        cells.granted(need, id, answer, Duration::ZERO);
    }
}

struct Run {
    cells: Cells,
    blocks: Blocks,
    oracle: Oracle,
    now: Timestamp,
    under_way: Vec<(Timestamp, Vec<Spent>)>,
}

impl Run {
    fn take(&mut self) -> Taken {
        let moment = Moment {
            now: self.now,
            period: Window::Month.containing(self.now),
            resource: None,
            uptime: Duration::ZERO,
            told_at: self.now,
        };
        for _ in 0..4 {
            match self.cells.take(&allowance(), moment) {
                Taken::Needs(need) => {
                    let used = *self.oracle.places(self.now)[2].0;
                    self.blocks.supply(&self.cells, need, used);
                }
                taken => return taken,
            }
        }
        panic!("two quotas need at most two answers");
    }

    fn call(&mut self) -> Result<(), TestCaseError> {
        let taken = self.take();
        let places = self.oracle.places(self.now);
        let passes = places.iter().all(|(used, max)| **used < *max);
        let before: Vec<u64> = [MINUTE_MAX, DAY_MAX, MONTH_LOOSE]
            .iter()
            .zip(&places)
            .map(|(max, (used, _))| max.saturating_sub(**used))
            .collect();
        let (standings, one) = match taken {
            Taken::Passed { spent, standings } => {
                prop_assert!(passes);
                for (used, _) in places {
                    *used += 1;
                }
                self.under_way.push((self.now, spent));
                (standings, 1)
            }
            Taken::Refused(limited) => {
                prop_assert!(!passes);
                prop_assert!(limited.retry_at.is_some_and(|at| at > self.now));
                let exceeded: Vec<bool> = limited
                    .standings
                    .as_slice()
                    .iter()
                    .map(|standing| standing.exceeded)
                    .collect();
                prop_assert_eq!(exceeded, [before[0] == 0, before[1] == 0, false]);
                (limited.standings, 0)
            }
            taken => panic!("{taken:?} after all was supplied"),
        };
        let shown: Vec<u64> = standings
            .as_slice()
            .iter()
            .map(|standing| standing.remaining)
            .collect();
        let expected: Vec<u64> = before.iter().map(|left| left.saturating_sub(one)).collect();
        prop_assert_eq!(shown, expected);
        Ok(())
    }

    fn end(&mut self, billed: bool) {
        if self.under_way.is_empty() {
            return;
        }
        let (then, spent) = self.under_way.remove(0);
        let back = GiveBack {
            quotas: !billed,
            rates_at: None,
        };
        // Blocks that are done with are only given back to the store, which knows them.
        drop(self.cells.finish(&allowance(), &spent, back));
        if !billed {
            for (used, _) in self.oracle.places(then).into_iter().skip(1) {
                *used -= 1;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// A call passes exactly while every limit has a unit left; a refused call takes nothing; what
    /// was given back can be had again; windows of a strict quota never let more through.
    #[test]
    fn calls_pass_exactly_while_every_limit_has_a_unit_left(steps in prop::collection::vec(step(), 1..300)) {
        let mut run = Run {
            cells: Cells::default(),
            blocks: Blocks::default(),
            oracle: Oracle::default(),
            now: "2026-06-10T12:00:00Z".parse().unwrap(),
            under_way: Vec::new(),
        };
        for step in steps {
            match step {
                Step::Call => run.call()?,
                Step::End { billed } => run.end(billed),
                Step::Advance { seconds } => {
                    run.now = run.now.saturating_add(Duration::from_secs(u64::from(seconds)));
                }
            }
        }
    }
}

#[test]
fn a_clock_that_steps_back_opens_no_window_again() {
    let mut run = Run {
        cells: Cells::default(),
        blocks: Blocks::default(),
        oracle: Oracle::default(),
        now: "2026-06-10T00:00:30Z".parse().unwrap(),
        under_way: Vec::new(),
    };
    for _ in 0..MINUTE_MAX {
        assert!(matches!(run.take(), Taken::Passed { .. }));
    }
    run.now = "2026-06-09T23:59:30Z".parse().unwrap();
    assert!(matches!(run.take(), Taken::Refused(_)));
}

#[test]
fn the_answer_to_a_wish_that_was_lost_is_asked_for_under_the_same_id() {
    let cells = Cells::default();
    let now: Timestamp = "2026-06-10T00:00:30Z".parse().unwrap();
    let moment = Moment {
        now,
        period: Window::Month.containing(now),
        resource: None,
        uptime: Duration::ZERO,
        told_at: now,
    };
    let Taken::Needs(need) = cells.take(&allowance(), moment) else {
        panic!("nothing is known yet");
    };
    let [first, second] = [b"1", b"2"].map(|number| LeaseId::derived(&[number]));
    let wished = Some(Wish {
        id: first,
        units: 1,
    });
    assert_eq!(cells.wish(need, Duration::ZERO, first), wished);
    assert_eq!(cells.wish(need, Duration::ZERO, second), wished);
    let answer = LeaseAnswer::Granted { units: 1, free: 0 };
    cells.granted(need, first, answer, Duration::ZERO);
    assert_eq!(cells.wish(need, Duration::ZERO, second), None);
}
