//! What a million keys weigh, and what a new one costs.

use std::fs;
use std::hint::black_box;
use std::time::Instant;

use governor::{DefaultKeyedRateLimiter, RateLimiter};
use monetization_rate_limiter::Keyed;

use crate::measure::{Goal, Report, quiet};
use crate::workload::{Key, key, now, units, wide_limits, wide_quota};

const KEYS: u64 = 1_000_000;
const REPEATS: usize = 5;

pub(crate) fn run(report: &mut Report) {
    if report.wants("growth") {
        memory(report);
        new_keys(report);
    }
}

/// Resident memory, so what the allocator wastes is counted too.
fn memory(report: &mut Report) {
    let before = resident();
    let keyed: Keyed<Key> = Keyed::new(wide_limits(), units(2_000_000)).unwrap();
    let mut figures = Vec::new();
    for number in 0..KEYS {
        assert!(keyed.take(&key(number), now(), 1).unwrap().is_allowed());
        if [1_000, 10_000, 100_000, 600_000, KEYS].contains(&(number + 1)) {
            let bytes = (resident() - before) as f64 / (number + 1) as f64;
            println!(
                "growth: {} keys with four limits, {bytes:.1} bytes each",
                number + 1
            );
            figures.push(bytes);
        }
    }
    let ours = figures[figures.len() - 1];
    let before = resident();
    let governor: DefaultKeyedRateLimiter<Key> = RateLimiter::keyed(wide_quota());
    for number in 0..KEYS {
        assert!(governor.check_key(&key(number)).is_ok());
    }
    let peer = (resident() - before) as f64 / KEYS as f64;
    black_box((&keyed, &governor));
    report.add(
        "growth: bytes a key at 1M, four limits / the 128 allowed",
        [ours, 128.0, ours / 128.0],
        "B",
        Goal::AtMost(1.0),
    );
    report.add(
        "growth: bytes a key at 1M, four limits / governor, one limit",
        [ours, peer, ours / peer],
        "B",
        Goal::Shown,
    );
}

fn resident() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = pages.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4_096
}

/// The first call of each of a million keys, timed one by one.
fn new_keys(report: &mut Report) {
    let mut rows = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..REPEATS {
        let keyed: Keyed<Key> = Keyed::new(wide_limits(), units(2_000_000)).unwrap();
        let now = now();
        let [ours, ours_max] = slowest(|key| keyed.take(key, now, 1).is_ok());
        let governor: DefaultKeyedRateLimiter<Key> = RateLimiter::keyed(wide_quota());
        let [peer, peer_max] = slowest(|key| governor.check_key(key).is_ok());
        for (row, figure) in rows.iter_mut().zip([ours, peer, ours_max, peer_max]) {
            row.push(figure);
        }
    }
    let [ours, peer, ours_max, peer_max] = rows.map(quiet);
    report.add(
        "growth: p99.9 of a new key, four limits / governor, one limit",
        [ours, peer, ours / peer],
        "ns",
        Goal::AtMost(2.0),
    );
    report.add(
        "growth: slowest new key, four limits / governor, one limit",
        [ours_max / 1e3, peer_max / 1e3, ours_max / peer_max],
        "us",
        Goal::Shown,
    );
}

/// The 99.9th percentile and the maximum, in nanoseconds.
fn slowest(first_call: impl Fn(&Key) -> bool) -> [f64; 2] {
    let mut times: Vec<u64> = (0..KEYS)
        .map(|number| {
            let key = key(number);
            let start = Instant::now();
            assert!(black_box(first_call(&key)));
            start.elapsed().as_nanos() as u64
        })
        .collect();
    times.sort_unstable();
    [
        times[times.len() / 1_000 * 999] as f64,
        times[times.len() - 1] as f64,
    ]
}
