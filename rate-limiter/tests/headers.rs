//! What a gateway's headers are rendered from.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::num::NonZeroU32;
use std::time::Duration;

use monetization_rate_limiter::{
    Bucket, Decision, Gcra, Limit, LimitKind, Limits, Timestamp, Window,
};

const MONTH: LimitKind = LimitKind::Calendar(Window::Month);
const MINUTE: LimitKind = LimitKind::Calendar(Window::Minute);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn plan() -> Limits {
    Limits::new([
        Limit::calendar(Window::Month, 1000),
        Limit::calendar(Window::Minute, 20),
    ])
    .unwrap()
}

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

fn smooth(count: u32, secs: u64, burst: u32) -> Limit {
    Limit::gcra(Gcra::new(number(count), Duration::from_secs(secs), number(burst)).unwrap())
}

/// `(kind, max, remaining)` of each limit.
fn figures(decision: &Decision) -> Vec<(LimitKind, u64, u64)> {
    let figures = |standing: &monetization_rate_limiter::Standing| {
        (standing.kind(), standing.max(), standing.remaining())
    };
    decision.standings().iter().map(figures).collect()
}

#[test]
fn the_eighth_call_shows_both_windows_and_the_minute_as_most_constrained() {
    let mut bucket = Bucket::new();
    let start = at("2026-11-20T08:05:03Z");
    let mut last = None;
    for second in 0..8 {
        last = Some(bucket.take(
            &plan(),
            start.saturating_add(Duration::from_secs(second)),
            1,
        ));
    }
    let decision = last.unwrap();
    assert!(decision.is_allowed());
    assert_eq!(figures(&decision), [(MONTH, 1000, 992), (MINUTE, 20, 12)]);
    let pressing = decision.most_constrained().unwrap();
    assert_eq!((pressing.kind(), pressing.remaining()), (MINUTE, 12));
    assert_eq!(pressing.reset_at(), at("2026-11-20T08:06:00Z"));
}

#[test]
fn the_21st_call_of_a_minute_is_refused_and_leaves_the_month_alone() {
    let mut bucket = Bucket::new();
    let now = at("2026-11-20T08:05:59.9Z");
    for _ in 0..20 {
        assert!(bucket.take(&plan(), now, 1).is_allowed());
    }
    for _ in 0..3 {
        let refused = bucket.take(&plan(), now, 1);
        assert!(!refused.is_allowed());
        assert_eq!(figures(&refused), [(MONTH, 1000, 980), (MINUTE, 20, 0)]);
        assert_eq!(
            refused
                .standings()
                .iter()
                .map(|s| s.is_exceeded())
                .collect::<Vec<_>>(),
            [false, true]
        );
        assert_eq!(refused.retry_at(), Some(at("2026-11-20T08:06:00Z")));
        assert_eq!(refused.most_constrained().unwrap().kind(), MINUTE);
    }
    let next_minute = bucket.take(&plan(), at("2026-11-20T08:06:00Z"), 1);
    assert_eq!(
        figures(&next_minute),
        [(MONTH, 1000, 979), (MINUTE, 20, 19)]
    );
}

#[test]
fn a_month_used_up_on_the_5th_is_refused_until_the_1st() {
    let mut bucket = Bucket::new();
    assert!(
        bucket
            .take(
                &Limits::new([plan().as_slice()[0]]).unwrap(),
                at("2026-01-05T00:00:00Z"),
                1000
            )
            .is_allowed()
    );
    let now = at("2026-01-31T12:00:00Z");
    let refused = bucket.take(&plan(), now, 1);
    assert_eq!(figures(&refused), [(MONTH, 1000, 0), (MINUTE, 20, 20)]);
    assert_eq!(
        refused.retry_at().unwrap().saturating_since(now).as_secs(),
        43_200
    );
    assert!(
        bucket
            .take(&plan(), at("2026-02-01T00:00:00Z"), 1)
            .is_allowed()
    );
}

#[test]
fn february_ends_on_the_28th_in_a_common_year() {
    let mut bucket = Bucket::new();
    let limits = Limits::new([Limit::calendar(Window::Month, 1)]).unwrap();
    let now = at("2027-02-28T23:59:50Z");
    assert!(bucket.take(&limits, now, 1).is_allowed());
    let refused = bucket.take(&limits, now, 1);
    assert_eq!(
        refused.retry_at().unwrap().saturating_since(now).as_secs(),
        10
    );
}

#[test]
fn of_equal_remainders_the_longer_window_is_told() {
    let mut bucket = Bucket::new();
    let limits = Limits::new([
        Limit::calendar(Window::Day, 5),
        Limit::calendar(Window::Year, 5),
        smooth(1, 1, 5),
    ])
    .unwrap();
    let allowed = bucket.take(&limits, at("2026-01-01T00:00:00Z"), 1);
    assert_eq!(
        allowed.most_constrained().unwrap().kind(),
        LimitKind::Calendar(Window::Year)
    );
}

#[test]
fn of_several_exceeded_limits_the_one_that_resets_last_is_told() {
    let mut bucket = Bucket::new();
    let limits = Limits::new([Limit::calendar(Window::Second, 1), smooth(1, 60, 1)]).unwrap();
    let now = at("2026-01-01T00:00:00Z");
    assert!(bucket.take(&limits, now, 1).is_allowed());
    let refused = bucket.take(&limits, now, 1);
    assert!(
        refused
            .standings()
            .iter()
            .all(|standing| standing.is_exceeded())
    );
    assert_eq!(refused.most_constrained().unwrap().kind(), LimitKind::Gcra);
    assert_eq!(refused.retry_at(), Some(at("2026-01-01T00:01:00Z")));
}

#[test]
fn a_weight_above_the_maximum_can_never_pass() {
    let mut bucket = Bucket::new();
    let now = at("2026-01-01T00:00:00Z");
    for limit in [Limit::calendar(Window::Minute, 5), smooth(5, 1, 5)] {
        let limits = Limits::new([limit]).unwrap();
        let refused = bucket.take(&limits, now, 6);
        assert!(!refused.is_allowed());
        assert_eq!(refused.retry_at(), None);
        assert_eq!(bucket.take(&limits, now, 5).standings()[0].remaining(), 0);
        assert!(!bucket.take(&limits, now, u64::MAX).is_allowed());
    }
}

#[test]
fn a_maximum_of_zero_admits_nothing_but_weight_zero() {
    let mut bucket = Bucket::new();
    let limits = Limits::new([Limit::calendar(Window::Day, 0)]).unwrap();
    let now = at("2026-01-01T00:00:00Z");
    let refused = bucket.take(&limits, now, 1);
    assert!(!refused.is_allowed());
    assert_eq!(refused.retry_at(), None);
    assert!(bucket.take(&limits, now, 0).is_allowed());
}

#[test]
fn a_weight_that_partly_fits_is_refused_whole() {
    let mut bucket = Bucket::new();
    let limits = Limits::new([Limit::calendar(Window::Day, 10), smooth(1, 1, 20)]).unwrap();
    let now = at("2026-01-01T00:00:00Z");
    assert!(bucket.take(&limits, now, 7).is_allowed());
    let refused = bucket.take(&limits, now, 4);
    assert_eq!(
        (
            refused.standings()[0].remaining(),
            refused.standings()[1].remaining()
        ),
        (0, 13)
    );
    assert_eq!(bucket.take(&limits, now, 3).standings()[0].remaining(), 0);
}

#[test]
fn without_limits_everything_passes() {
    let mut bucket = Bucket::new();
    let now = at("2026-01-01T00:00:00Z");
    let decision = bucket.take(&Limits::default(), now, u64::MAX);
    assert!(decision.is_allowed());
    assert!(decision.standings().is_empty());
    assert!(decision.most_constrained().is_none());
    assert_eq!(decision.retry_at(), Some(now));
}
