//! Limits without a look-up.

use std::hint::black_box;

use governor::clock::FakeRelativeClock;
use governor::{DefaultKeyedRateLimiter, RateLimiter};
use monetization_rate_limiter::{Cells, PackedCell, Timestamp};

use crate::measure::{Goal, Report, Side};
use crate::workload::{
    CALLS, Key, Zipf, key, narrow_quota, narrow_rate, now, wide_limits, wide_quota, wide_rate,
};

pub(crate) fn run(report: &mut Report) {
    for threads in [1, 2] {
        direct(report, threads);
    }
    for (keys, name) in [(1_000, "1k"), (100_000, "100k"), (1_000_000, "1M")] {
        let name = format!(
            "from a handle, GCRA+minute+day+month, {name} keys zipf / governor keyed, one limit"
        );
        if report.wants(&name) {
            handles(report, &name, keys);
        }
    }
}

fn direct(report: &mut Report, threads: usize) {
    let name =
        |what: &str| format!("embedded cell, one GCRA, {what}, {threads} thr / governor direct");
    let shipped = RateLimiter::direct(wide_quota());
    let peer = repeated(|| shipped.check().is_ok());
    let cell = PackedCell::new(wide_rate()).unwrap();
    report.compare(
        &name("allowed"),
        threads,
        Goal::AtMost(1.0),
        (ours(&cell), &peer),
    );

    let faked = RateLimiter::direct_with_clock(wide_quota(), FakeRelativeClock::default());
    let peer = repeated(|| faked.check().is_ok());
    let cell = PackedCell::new(wide_rate()).unwrap();
    report.compare(
        &name("allowed, its clock faked"),
        threads,
        Goal::Shown,
        (ours(&cell), &peer),
    );

    let cell = PackedCell::new(wide_rate()).unwrap();
    let precise = repeated(|| !cell.take(now(), 1).is_exceeded());
    let shipped = RateLimiter::direct(wide_quota());
    let peer = repeated(|| shipped.check().is_ok());
    report.compare(
        &name("allowed, system time read each call"),
        threads,
        Goal::Shown,
        (precise, &peer),
    );

    let faked = RateLimiter::direct_with_clock(narrow_quota(), FakeRelativeClock::default());
    let peer = repeated(|| faked.check().is_ok());
    let cell = PackedCell::new(narrow_rate()).unwrap();
    report.compare(
        &name("refused, its clock faked"),
        threads,
        Goal::Shown,
        (ours(&cell), &peer),
    );
}

fn ours(cell: &PackedCell) -> impl Side {
    move |_: usize, _: usize| {
        let now = now();
        for _ in 0..CALLS {
            black_box(!black_box(cell).take(black_box(now), 1).is_exceeded());
        }
        CALLS
    }
}

fn repeated(call: impl Fn() -> bool + Sync) -> impl Side {
    move |_: usize, _: usize| {
        for _ in 0..CALLS {
            black_box(call());
        }
        CALLS
    }
}

fn handles(report: &mut Report, name: &str, keys: u32) {
    let zipf = Zipf::new(keys);
    let limits = wide_limits();
    let cells: Vec<Cells> = (0..keys).map(|_| Cells::new()).collect();
    let names: Vec<Key> = (0..u64::from(keys)).map(key).collect();
    let governor: DefaultKeyedRateLimiter<Key> = RateLimiter::keyed(wide_quota());
    let faked = RateLimiter::dashmap_with_clock(wide_quota(), FakeRelativeClock::default());
    for (cells, name) in cells.iter().zip(&names) {
        assert!(cells.take(&limits, Timestamp::EPOCH, 1).is_allowed());
        assert!(governor.check_key(name).is_ok());
        assert!(faked.check_key(name).is_ok());
    }
    let ours = |thread: usize, round: usize| {
        let now = now();
        let sequence = zipf.sequence(thread, round);
        for handle in sequence {
            black_box(cells[*handle as usize].take(&limits, now, 1).is_allowed());
        }
        sequence.len()
    };
    let peer = |thread: usize, round: usize| {
        let sequence = zipf.sequence(thread, round);
        for handle in sequence {
            black_box(governor.check_key(&names[*handle as usize]).is_ok());
        }
        sequence.len()
    };
    let peer_faked = |thread: usize, round: usize| {
        let sequence = zipf.sequence(thread, round);
        for handle in sequence {
            black_box(faked.check_key(&names[*handle as usize]).is_ok());
        }
        sequence.len()
    };
    for threads in [1, 2] {
        report.compare(
            &format!("{name}, {threads} thr"),
            threads,
            Goal::AtMost(0.8),
            (ours, peer),
        );
    }
    report.compare(
        &format!("{name}, its clock faked"),
        1,
        Goal::Shown,
        (ours, peer_faked),
    );
}
