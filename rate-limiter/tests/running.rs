//! Counters while limits, clocks and minds change.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::num::NonZeroU32;
use std::time::Duration;

use monetization_rate_limiter::{Bucket, Gcra, Limit, Limits, Timestamp, Window};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn calendar<const N: usize>(limits: [(Window, u64); N]) -> Limits {
    Limits::new(limits.map(|(window, max)| Limit::calendar(window, max))).unwrap()
}

fn smooth(count: u32, secs: u64, burst: u32) -> Limits {
    let number = |number| NonZeroU32::new(number).unwrap();
    let gcra = Gcra::new(number(count), Duration::from_secs(secs), number(burst)).unwrap();
    Limits::new([Limit::gcra(gcra)]).unwrap()
}

fn remaining(bucket: &Bucket, limits: &Limits, now: Timestamp) -> Vec<u64> {
    let untouched = bucket.assess(limits, now, 0);
    untouched
        .standings()
        .iter()
        .map(|standing| standing.remaining())
        .collect()
}

#[test]
fn a_raised_limit_goes_on_from_what_was_taken() {
    let mut bucket = Bucket::new();
    let now = at("2026-01-01T00:00:10Z");
    let before = calendar([(Window::Minute, 20)]);
    let after = calendar([(Window::Hour, 500), (Window::Minute, 100)]);
    assert!(bucket.take(&before, now, 20).is_allowed());
    assert!(!bucket.take(&before, now, 1).is_allowed());
    assert_eq!(remaining(&bucket, &after, now), [500, 80]);
    assert!(bucket.take(&after, now, 1).is_allowed());
    assert_eq!(remaining(&bucket, &after, now), [499, 79]);
}

#[test]
fn a_lowered_limit_refuses_what_is_already_beyond_it() {
    let mut bucket = Bucket::new();
    let now = at("2026-01-01T00:00:10Z");
    assert!(
        bucket
            .take(&calendar([(Window::Minute, 100)]), now, 50)
            .is_allowed()
    );
    let lowered = calendar([(Window::Minute, 20)]);
    let refused = bucket.take(&lowered, now, 1);
    assert_eq!(refused.standings()[0].remaining(), 0);
    assert_eq!(refused.retry_at(), Some(at("2026-01-01T00:01:00Z")));
    assert!(bucket.take(&lowered, now, 0).is_allowed());
}

#[test]
fn older_and_newer_limits_may_alternate() {
    let mut bucket = Bucket::new();
    let now = at("2026-01-01T00:00:10Z");
    let older = calendar([(Window::Minute, 20), (Window::Month, 1000)]);
    let newer = calendar([
        (Window::Month, 5000),
        (Window::Hour, 300),
        (Window::Minute, 100),
    ]);
    for _ in 0..10 {
        assert!(bucket.take(&older, now, 1).is_allowed());
        assert!(bucket.take(&newer, now, 1).is_allowed());
    }
    assert!(!bucket.take(&older, now, 1).is_allowed());
    assert_eq!(remaining(&bucket, &newer, now), [4980, 290, 80]);
    assert_eq!(remaining(&bucket, &older, now), [0, 980]);
}

#[test]
fn a_limit_that_vanishes_keeps_its_count_for_its_return() {
    let mut bucket = Bucket::new();
    let now = at("2026-01-01T00:00:10Z");
    let day = calendar([(Window::Day, 10)]);
    assert!(bucket.take(&day, now, 9).is_allowed());
    assert!(
        bucket
            .take(&calendar([(Window::Minute, 50)]), now, 30)
            .is_allowed()
    );
    assert_eq!(remaining(&bucket, &day, now), [1]);
}

#[test]
fn a_raised_rate_keeps_the_units_that_have_not_drained() {
    let mut bucket = Bucket::new();
    let now = at("2026-01-01T00:00:00Z");
    assert!(bucket.take(&smooth(20, 60, 20), now, 20).is_allowed());
    assert_eq!(remaining(&bucket, &smooth(100, 60, 100), now), [80]);
}

#[test]
fn a_clock_that_steps_back_counts_in_the_latest_window() {
    let mut bucket = Bucket::new();
    let limits = calendar([(Window::Minute, 3), (Window::Month, 10)]);
    assert!(
        bucket
            .take(&limits, at("2026-02-01T00:00:00Z"), 1)
            .is_allowed()
    );
    let earlier = at("2026-01-31T23:59:59.5Z");
    let back = bucket.take(&limits, earlier, 1);
    assert_eq!(back.standings()[0].reset_at(), at("2026-02-01T00:01:00Z"));
    assert_eq!(back.standings()[1].reset_at(), at("2026-03-01T00:00:00Z"));
    assert!(bucket.take(&limits, earlier, 1).is_allowed());
    assert!(!bucket.take(&limits, earlier, 1).is_allowed());
    assert!(
        !bucket
            .take(&limits, at("2026-02-01T00:00:59Z"), 1)
            .is_allowed()
    );
    assert_eq!(
        remaining(&bucket, &limits, at("2026-02-01T00:01:00Z")),
        [3, 7]
    );
}

#[test]
fn a_clock_that_steps_back_gives_a_rate_nothing() {
    let mut bucket = Bucket::new();
    let limits = smooth(1, 1, 2);
    let now = at("2026-01-01T00:00:10Z");
    assert!(bucket.take(&limits, now, 2).is_allowed());
    let earlier = at("2026-01-01T00:00:05Z");
    let refused = bucket.take(&limits, earlier, 1);
    assert!(!refused.is_allowed());
    assert_eq!(refused.retry_at(), Some(at("2026-01-01T00:00:11Z")));
    assert!(bucket.take(&limits, Timestamp::MIN, 0).is_allowed());
    assert_eq!(remaining(&bucket, &limits, at("2026-01-01T00:00:11Z")), [1]);
}

#[test]
fn a_refused_or_stale_decision_commits_nothing() {
    let mut bucket = Bucket::new();
    let limits = calendar([(Window::Minute, 3)]);
    let now = at("2026-01-01T00:00:00Z");
    let refused = bucket.assess(&limits, now, 4);
    assert!(!bucket.commit(&limits, &refused));
    let first = bucket.assess(&limits, now, 2);
    let second = bucket.assess(&limits, now, 2);
    assert!(first.is_allowed() && second.is_allowed());
    assert_eq!(remaining(&bucket, &limits, now), [3]);
    assert!(bucket.commit(&limits, &first));
    assert!(!bucket.commit(&limits, &second));
    assert_eq!(remaining(&bucket, &limits, now), [1]);
}

#[test]
fn units_are_handed_back_only_to_the_window_they_came_from() {
    let mut bucket = Bucket::new();
    let limits = calendar([(Window::Minute, 10), (Window::Day, 100)]);
    let taken_at = at("2026-01-01T00:00:59Z");
    assert!(bucket.take(&limits, taken_at, 4).is_allowed());
    bucket.give_back(&limits, taken_at, 1);
    assert_eq!(remaining(&bucket, &limits, taken_at), [7, 97]);
    let later = at("2026-01-01T00:01:00Z");
    assert!(bucket.take(&limits, later, 1).is_allowed());
    bucket.give_back(&limits, taken_at, 3);
    assert_eq!(remaining(&bucket, &limits, later), [9, 99]);
}

#[test]
fn no_window_ever_gets_more_back_than_it_holds() {
    let mut bucket = Bucket::new();
    let limits = calendar([(Window::Minute, 10)]);
    let now = at("2026-01-01T00:00:00Z");
    bucket.give_back(&limits, now, 5);
    assert_eq!(remaining(&bucket, &limits, now), [10]);
    assert!(bucket.take(&limits, now, 2).is_allowed());
    bucket.give_back(&limits, now, u64::MAX);
    assert_eq!(remaining(&bucket, &limits, now), [10]);
}

#[test]
fn a_rate_gets_units_back_but_never_beyond_its_burst() {
    let mut bucket = Bucket::new();
    let limits = smooth(1, 1, 5);
    let now = at("2026-01-01T00:00:00Z");
    assert!(bucket.take(&limits, now, 5).is_allowed());
    bucket.give_back(&limits, now, 2);
    assert_eq!(remaining(&bucket, &limits, now), [2]);
    bucket.give_back(&limits, now, u64::MAX);
    assert_eq!(remaining(&bucket, &limits, now), [5]);
    bucket.give_back(&limits, at("2027-01-01T00:00:00Z"), 1);
    assert!(!bucket.take(&limits, now, 6).is_allowed());
    assert_eq!(remaining(&bucket, &limits, now), [5]);
}
