//! Exactness under threads.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::unwrap_used,
    reason = "small numbers of a test, which may fail"
)]

use std::num::NonZeroU32;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use monetization_rate_limiter::{Cells, Gcra, Keyed, Limit, Limits, PackedCell, Timestamp, Window};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
const CALLS: u64 = 4_000;

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

fn smooth(burst: u32) -> Limit {
    Limit::gcra(Gcra::new(number(1), Duration::from_secs(60), number(burst)).unwrap())
}

/// Calls `admitted` from so many threads at once, each `CALLS` times; how many units passed in all.
fn passed(threads: u64, admitted: impl Fn(u64) -> u64 + Sync) -> u64 {
    let gate = Barrier::new(usize::try_from(threads).unwrap());
    let caller = |thread| {
        gate.wait();
        (0..CALLS)
            .map(|call| admitted(thread * CALLS + call))
            .sum::<u64>()
    };
    thread::scope(|scope| {
        let callers: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || caller(thread)))
            .collect();
        callers
            .into_iter()
            .map(|caller| caller.join().unwrap())
            .sum()
    })
}

#[test]
fn exactly_the_limit_passes_a_packed_cell() {
    for threads in [2, 8] {
        for limit in [Limit::calendar(Window::Minute, 5_000), smooth(5_000)] {
            let cell = PackedCell::new(limit).unwrap();
            assert_eq!(
                passed(threads, |_| u64::from(!cell.take(NOW, 1).is_exceeded())),
                5_000
            );
        }
    }
}

#[test]
fn exactly_the_narrow_limit_passes_and_the_wide_one_counts_no_refusal() {
    let limits = Limits::new([
        Limit::calendar(Window::Day, 1_000_000),
        Limit::calendar(Window::Minute, 7_000),
        smooth(9_000),
    ])
    .unwrap();
    for threads in 2..=8 {
        let cells = Cells::new();
        assert_eq!(
            passed(threads, |_| u64::from(
                cells.take(&limits, NOW, 1).is_allowed()
            )),
            7_000
        );
        let after = cells.assess(&limits, NOW, 0);
        let remaining: Vec<u64> = after
            .standings()
            .iter()
            .map(|standing| standing.remaining())
            .collect();
        assert_eq!(remaining, [993_000, 0, 2_000]);
    }
}

#[test]
fn differing_weights_never_pass_the_limit() {
    let limits = Limits::new([Limit::calendar(Window::Minute, 5_003), smooth(5_000)]).unwrap();
    let cells = Cells::new();
    let weight = |call: u64| call % 3 + 1;
    let admitted = passed(4, |call| {
        if cells.take(&limits, NOW, weight(call)).is_allowed() {
            weight(call)
        } else {
            0
        }
    });
    assert_eq!(admitted, 5_000);
}

#[test]
fn units_handed_back_are_taken_again_exactly_once() {
    let limits = Limits::new([Limit::calendar(Window::Minute, 5_000)]).unwrap();
    let cells = Cells::new();
    let kept = passed(4, |call| {
        let allowed = cells.take(&limits, NOW, 1).is_allowed();
        if allowed && call % 2 == 0 {
            cells.give_back(&limits, NOW, 1);
        }
        u64::from(allowed && call % 2 == 1)
    });
    assert_eq!(
        cells.assess(&limits, NOW, 0).standings()[0].remaining(),
        5_000 - kept
    );
}

#[test]
fn exactly_the_limit_passes_for_each_key() {
    let limits = Limits::new([
        Limit::calendar(Window::Minute, 100),
        Limit::calendar(Window::Month, 90),
    ])
    .unwrap();
    let keyed = Keyed::new(limits, number(10_000)).unwrap();
    let admitted = passed(4, |call| {
        u64::from(keyed.take(&(call % 50), NOW, 1).unwrap().is_allowed())
    });
    assert_eq!(admitted, 50 * 90);
    assert_eq!(keyed.len(), 50);
}

#[test]
fn a_limiter_at_its_bound_stays_exact_while_keys_come_and_go() {
    let limits = Limits::new([Limit::calendar(Window::Minute, 3)]).unwrap();
    let keyed = Keyed::new(limits, number(600)).unwrap();
    let admitted = passed(4, |call| match keyed.take(&(call % 1_000), NOW, 1) {
        Ok(decision) => u64::from(decision.is_allowed()),
        Err(_) => 0,
    });
    assert_eq!(keyed.len(), 600);
    assert_eq!(admitted, 600 * 3);
}
