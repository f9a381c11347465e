//! Limits found by key.

use std::hint::black_box;

use governor::clock::FakeRelativeClock;
use governor::{DefaultKeyedRateLimiter, RateLimiter};
use monetization_rate_limiter::{Keyed, Limits, Timestamp};

use crate::measure::{Goal, Report};
use crate::workload::{Key, Zipf, key, now, units, wide_limits, wide_quota, wide_rate};

pub(crate) fn run(report: &mut Report) {
    let one = Limits::new([wide_rate()]).unwrap();
    let most = Goal::AtMost(1.0 / 1.5);
    keys(report, "keyed, one GCRA, 1 key", 1, (&one, most));
    keys(
        report,
        "keyed, one GCRA, 100k keys zipf",
        100_000,
        (&one, most),
    );
    keys(
        report,
        "keyed, one GCRA, 1M keys zipf",
        1_000_000,
        (&one, Goal::Shown),
    );
    keys(
        report,
        "keyed, four limits, 1k keys zipf",
        1_000,
        (&wide_limits(), Goal::AtMost(1.5)),
    );
    keys(
        report,
        "keyed, four limits, 100k keys zipf",
        100_000,
        (&wide_limits(), Goal::AtMost(1.5)),
    );
    keys(
        report,
        "keyed, four limits, 1M keys zipf",
        1_000_000,
        (&wide_limits(), Goal::AtMost(1.5)),
    );
    size(report);
}

/// The same limiter with many keys and with few.
fn size(report: &mut Report) {
    let name = "size: keyed, four limits, zipf, 1M keys / 1k keys";
    if !report.wants(name) {
        return;
    }
    let [many, few] = [1_000_000, 1_000].map(|keys| {
        let keyed: Keyed<Key> = Keyed::new(wide_limits(), units(2_000_000)).unwrap();
        for number in 0..keys {
            assert!(
                keyed
                    .take(&key(number.into()), Timestamp::EPOCH, 1)
                    .unwrap()
                    .is_allowed()
            );
        }
        let zipf = Zipf::new(keys).with_keys();
        move |thread: usize, round: usize| {
            let now = now();
            let sequence = zipf.keys(thread, round);
            for key in sequence {
                let decision = keyed.take(key, now, 1);
                black_box(matches!(&decision, Ok(decision) if decision.is_allowed()));
            }
            sequence.len()
        }
    });
    report.compare(name, 1, Goal::AtMost(3.0), (many, few));
}

fn keys(report: &mut Report, name: &str, keys: u32, (limits, goal): (&Limits, Goal)) {
    if !report.wants(name) {
        return;
    }
    let zipf = Zipf::new(keys).with_keys();
    let names: Vec<Key> = (0..u64::from(keys)).map(key).collect();
    let keyed: Keyed<Key> = Keyed::new(limits.clone(), units(2_000_000)).unwrap();
    let governor: DefaultKeyedRateLimiter<Key> = RateLimiter::keyed(wide_quota());
    let faked = RateLimiter::dashmap_with_clock(wide_quota(), FakeRelativeClock::default());
    for name in &names {
        assert!(keyed.take(name, Timestamp::EPOCH, 1).unwrap().is_allowed());
        assert!(governor.check_key(name).is_ok());
        assert!(faked.check_key(name).is_ok());
    }
    let ours = |thread: usize, round: usize| {
        let now = now();
        let sequence = zipf.keys(thread, round);
        for key in sequence {
            let decision = keyed.take(key, now, 1);
            black_box(matches!(&decision, Ok(decision) if decision.is_allowed()));
        }
        sequence.len()
    };
    let peer = |thread: usize, round: usize| {
        let sequence = zipf.keys(thread, round);
        for key in sequence {
            black_box(governor.check_key(key).is_ok());
        }
        sequence.len()
    };
    let peer_faked = |thread: usize, round: usize| {
        let sequence = zipf.keys(thread, round);
        for key in sequence {
            black_box(faked.check_key(key).is_ok());
        }
        sequence.len()
    };
    for threads in [1, 2] {
        report.compare(
            &format!("{name}, {threads} thr / governor, one limit"),
            threads,
            goal,
            (ours, peer),
        );
    }
    report.compare(
        &format!("{name}, 1 thr / governor, its clock faked"),
        1,
        Goal::Shown,
        (ours, peer_faked),
    );
}
