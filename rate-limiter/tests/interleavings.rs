//! R-Q8: every way in which two or three threads can meet on one cell, by a model checker. It takes
//! a build of its own: `scripts/prove.sh loom`.
#![cfg(loom)]
#![expect(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "small numbers of a test, which may fail"
)]

use std::num::NonZeroU32;
use std::time::Duration;

use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;
use monetization_rate_limiter::{Gcra, Limit, PackedCell, Timestamp, Window};

/// The last second of a minute.
const NOW: Timestamp = Timestamp::from_secs(1_800_000_059);
const NEXT: Timestamp = Timestamp::from_secs(1_800_000_060);

/// How often one of three threads may be stopped in the middle: without a bound there is no end.
const PREEMPTIONS_MAX: usize = 3;

/// A call: when, and how many units.
type Call = (Timestamp, u64);

/// Makes each caller's calls on one cell, in every order there is of two, and of three in which no
/// more than [`PREEMPTIONS_MAX`] interrupt another. After each, `check` is told the
/// units that were admitted to each of the callers, and the cell.
fn in_every_order(
    limit: Limit,
    callers: Vec<Vec<Call>>,
    check: impl Fn(&[u64], &PackedCell) + Send + Sync + 'static,
) {
    let mut orders = Builder::new();
    orders.preemption_bound = (callers.len() > 2).then_some(PREEMPTIONS_MAX);
    orders.check(move || {
        let cell = Arc::new(PackedCell::new(limit).unwrap());
        let threads: Vec<_> = callers
            .iter()
            .cloned()
            .map(|calls| {
                let cell = Arc::clone(&cell);
                thread::spawn(move || {
                    let admitted = calls
                        .iter()
                        .filter(|(at, weight)| !cell.take(*at, *weight).is_exceeded());
                    admitted.map(|(_, weight)| weight).sum::<u64>()
                })
            })
            .collect();
        let admitted: Vec<u64> = threads.into_iter().map(|it| it.join().unwrap()).collect();
        check(&admitted, &cell);
    });
}

fn limits(max: u32) -> [Limit; 2] {
    let one = NonZeroU32::new(1).unwrap();
    let burst = NonZeroU32::new(max).unwrap();
    let smooth = Gcra::new(one, Duration::from_secs(60), burst).unwrap();
    [
        Limit::calendar(Window::Minute, u64::from(max)),
        Limit::gcra(smooth),
    ]
}

#[test]
fn two_callers_in_any_order_get_exactly_the_limit_r_q8() {
    for limit in limits(3) {
        in_every_order(
            limit,
            vec![vec![(NOW, 1), (NOW, 1)]; 2],
            |admitted, cell| {
                assert_eq!(admitted.iter().sum::<u64>(), 3);
                assert!(cell.take(NOW, 1).is_exceeded());
            },
        );
    }
}

#[test]
fn three_equal_callers_in_any_order_get_exactly_the_limit_r_q8() {
    for limit in limits(2) {
        in_every_order(limit, vec![vec![(NOW, 1)]; 3], |admitted, cell| {
            assert_eq!(admitted.iter().sum::<u64>(), 2);
            assert!(cell.take(NOW, 1).is_exceeded());
        });
    }
}

/// Whoever comes last of the two who want two units is refused, and the one unit is left for the third.
#[test]
fn three_callers_of_different_weights_in_any_order_get_exactly_the_limit_r_q8() {
    for limit in limits(3) {
        let callers = [2, 1, 2].map(|weight| vec![(NOW, weight)]);
        in_every_order(limit, callers.to_vec(), |admitted, cell| {
            assert_eq!(admitted[1], 1);
            assert_eq!(admitted[0] + admitted[2], 2);
            assert!(cell.take(NOW, 1).is_exceeded());
        });
    }
}

/// One caller is in the next minute already: each minute has its limit, and the old one does not
/// come back.
#[test]
fn callers_around_the_end_of_a_window_get_no_third_one_r_q8() {
    let [limit, _] = limits(1);
    in_every_order(
        limit,
        vec![vec![(NOW, 1)], vec![(NEXT, 1)], vec![(NOW, 1)]],
        |admitted, cell| {
            assert_eq!(admitted[1], 1, "its minute was untouched");
            assert!(admitted[0] + admitted[2] <= 1, "{admitted:?}");
            assert!(cell.take(NEXT, 1).is_exceeded());
        },
    );
}
