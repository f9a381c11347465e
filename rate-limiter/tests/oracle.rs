//! Against a naive calculation: every admitted call is kept in a list, and each new one scans it all.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::unwrap_used,
    reason = "the reference works in i128, where nothing of these sizes overflows"
)]

use std::num::NonZeroU32;
use std::time::Duration;

use chrono::{DateTime, Datelike, Timelike, Utc};
use monetization_rate_limiter::{
    Bucket, Cells, Gcra, Keyed, Limit, LimitKind, Limits, PackedCell, Standing, Timestamp, Window,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::subsequence;

/// What is admitted, and when.
#[derive(Default)]
struct Admitted(Vec<(Timestamp, u64)>);

impl Admitted {
    fn used(&self, window: Window, now: Timestamp) -> u64 {
        let current = name(window, now);
        let inside = |(at, _): &&(Timestamp, u64)| name(window, *at) == current;
        self.0.iter().filter(inside).map(|(_, weight)| weight).sum()
    }

    /// What earlier units still occupy at `now`, in nanoseconds times `count`: one unit occupies `nanos / count`.
    fn backlog(&self, rate: &Rate, now: Timestamp) -> i128 {
        let arrival = self.0.iter().fold(i128::MIN, |arrival, (at, weight)| {
            arrival.max(rate.scaled(*at)) + i128::from(*weight) * rate.unit()
        });
        (arrival.max(rate.scaled(now))) - rate.scaled(now)
    }

    fn remaining(&self, limit: &Wanted, now: Timestamp) -> u64 {
        match limit {
            Wanted::Calendar(window, max) => max - self.used(*window, now),
            Wanted::Rate(rate) => {
                let free = rate.unit() * i128::from(rate.burst) - self.backlog(rate, now);
                (free / rate.unit()) as u64
            }
        }
    }
}

/// The name of the window in which an instant lies, by chrono's calendar alone.
fn name(window: Window, at: Timestamp) -> Vec<i64> {
    let at = DateTime::<Utc>::from(at);
    let parts = [
        i64::from(at.year()),
        i64::from(at.month()),
        i64::from(at.day()),
        i64::from(at.hour()),
        i64::from(at.minute()),
        i64::from(at.second()),
    ];
    let kept = match window {
        Window::Year => 1,
        Window::Month => 2,
        Window::Day => 3,
        Window::Hour => 4,
        Window::Minute => 5,
        Window::Second => 6,
    };
    parts[..kept].to_vec()
}

#[derive(Clone, Copy, Debug)]
struct Rate {
    count: u32,
    period_ns: u64,
    burst: u32,
}

impl Rate {
    /// The exact time one unit occupies is `period_ns / count`; the limiter rounds it up to a whole nanosecond. The
    /// reference is exact for the rounded rate, and the rate itself is checked apart.
    fn unit(&self) -> i128 {
        let (period, count) = (i128::from(self.period_ns), i128::from(self.count));
        (period + count - 1) / count
    }

    fn scaled(&self, at: Timestamp) -> i128 {
        i128::from(at.as_micros()) * 1_000
    }

    fn gcra(&self) -> Gcra {
        let number = |number| NonZeroU32::new(number).unwrap();
        Gcra::new(
            number(self.count),
            Duration::from_nanos(self.period_ns),
            number(self.burst),
        )
        .unwrap()
    }
}

#[derive(Clone, Copy, Debug)]
enum Wanted {
    Calendar(Window, u64),
    Rate(Rate),
}

impl Wanted {
    fn limit(&self) -> Limit {
        match self {
            Self::Calendar(window, max) => Limit::calendar(*window, *max),
            Self::Rate(rate) => Limit::gcra(rate.gcra()),
        }
    }
}

fn rates() -> impl Strategy<Value = Rate> {
    (1..500_u32, 1..100_000_000_000_u64, 1..20_u32).prop_map(|(count, period_ns, burst)| Rate {
        count,
        period_ns,
        burst,
    })
}

fn wanted() -> impl Strategy<Value = Vec<Wanted>> {
    let kinds: Vec<Option<Window>> = Window::ALL.into_iter().map(Some).chain([None]).collect();
    (
        subsequence(kinds, 0..=7).prop_shuffle(),
        vec(0..40_u64, 7),
        rates(),
    )
        .prop_map(|(kinds, maxima, rate)| {
            let wanted = |(kind, max): (Option<Window>, u64)| match kind {
                Some(window) => Wanted::Calendar(window, max),
                None => Wanted::Rate(rate),
            };
            kinds.into_iter().zip(maxima).map(wanted).collect()
        })
}

/// Calls: how long after the one before, and with what weight. Steps of many sizes, so that every window turns over.
fn calls() -> impl Strategy<Value = Vec<(u64, u64)>> {
    let step = prop_oneof![
        4 => 0..5_000_u64,
        3 => 0..2_000_000_u64,
        2 => 0..7_200_000_000_u64,
        1 => 0..5_000_000_000_000_u64,
    ];
    vec((step, 0..6_u64), 1..120)
}

fn starts() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        Just("2027-12-31T23:59:58.999999Z"),
        Just("2028-02-28T23:59:00Z"),
        Just("1999-02-28T12:00:00.000001Z"),
        Just("1971-01-01T00:00:00Z"),
    ]
    .prop_map(|text| text.parse().unwrap())
}

fn limits(wanted: &[Wanted]) -> Limits {
    Limits::new(wanted.iter().map(Wanted::limit)).unwrap()
}

proptest! {
    #[test]
    fn several_limits_admit_exactly_what_a_scan_of_all_calls_admits(
        wanted in wanted(), calls in calls(), start in starts(),
    ) {
        let limits = limits(&wanted);
        let (cells, keyed) = (Cells::new(), Keyed::new(limits.clone(), NonZeroU32::MIN).unwrap());
        let mut admitted = Admitted::default();
        let mut now = start;
        for (step, weight) in calls {
            now = now.saturating_add(Duration::from_micros(step));
            let before: Vec<u64> = wanted.iter().map(|limit| admitted.remaining(limit, now)).collect();
            let fits = weight == 0 || before.iter().all(|left| weight <= *left);
            let decision = cells.take(&limits, now, weight);
            prop_assert_eq!(decision.is_allowed(), fits);
            prop_assert_eq!(&keyed.take(&(), now, weight).unwrap(), &decision);
            for (standing, left) in decision.standings().iter().zip(before) {
                let exceeded = weight > left && weight > 0;
                prop_assert_eq!(standing.is_exceeded(), exceeded);
                let shown = if exceeded { 0 } else if fits { left - weight } else { left };
                prop_assert_eq!(standing.remaining(), shown);
            }
            if fits {
                admitted.0.push((now, weight));
            }
        }
    }

    #[test]
    fn a_packed_cell_says_the_same_as_a_bucket(
        wanted in wanted(), calls in calls(), start in starts(),
    ) {
        for wanted in wanted {
            let limits = limits(&[wanted]);
            let (cell, mut bucket) = (PackedCell::new(wanted.limit()).unwrap(), Bucket::new());
            let mut now = start;
            for (step, weight) in &calls {
                now = now.saturating_add(Duration::from_micros(*step));
                prop_assert_eq!(cell.take(now, *weight), bucket.take(&limits, now, *weight).standings()[0]);
            }
        }
    }

    #[test]
    fn a_refused_call_passes_at_its_retry_instant_and_not_a_microsecond_sooner(
        wanted in wanted(), calls in calls(), start in starts(),
    ) {
        let limits = limits(&wanted);
        let mut bucket = Bucket::new();
        let mut now = start;
        for (step, weight) in calls {
            now = now.saturating_add(Duration::from_micros(step));
            let decision = bucket.take(&limits, now, weight);
            match decision.retry_at() {
                _ if decision.is_allowed() => {}
                Some(retry_at) => {
                    prop_assert!(bucket.assess(&limits, retry_at, weight).is_allowed());
                    let sooner = retry_at.saturating_sub(Duration::from_micros(1));
                    prop_assert!(!bucket.assess(&limits, sooner, weight).is_allowed());
                }
                None => prop_assert!(wanted.iter().any(|limit| weight > limit.limit().max())),
            }
        }
    }

    #[test]
    fn a_rate_shows_the_instant_of_its_next_unit(rate in rates(), calls in calls(), start in starts()) {
        let limits = limits(&[Wanted::Rate(rate)]);
        let mut bucket = Bucket::new();
        let mut now = start;
        let remaining = |standings: &[Standing]| standings[0].remaining();
        for (step, weight) in calls {
            now = now.saturating_add(Duration::from_micros(step));
            let decision = bucket.take(&limits, now, weight);
            let standing = decision.standings()[0];
            if standing.is_exceeded() || standing.remaining() == standing.max() {
                continue;
            }
            let more = bucket.assess(&limits, standing.reset_at(), 0);
            prop_assert!(remaining(more.standings()) > standing.remaining());
            let sooner = standing.reset_at().saturating_sub(Duration::from_micros(1)).max(now);
            if sooner < standing.reset_at() {
                let same = bucket.assess(&limits, sooner, 0);
                prop_assert_eq!(remaining(same.standings()), standing.remaining());
            }
        }
    }

    #[test]
    fn no_stretch_of_time_sees_more_than_the_rate_and_one_burst(
        rate in rates(), calls in calls(), start in starts(),
    ) {
        let limits = limits(&[Wanted::Rate(rate)]);
        let mut bucket = Bucket::new();
        let mut admitted: Vec<(Timestamp, u64)> = Vec::new();
        let mut now = start;
        for (step, weight) in calls {
            now = now.saturating_add(Duration::from_micros(step));
            if bucket.take(&limits, now, weight).is_allowed() {
                admitted.push((now, weight));
            }
        }
        for (first, (from, _)) in admitted.iter().enumerate() {
            let mut units = 0_i128;
            for (to, weight) in &admitted[first..] {
                units += i128::from(*weight);
                let nanos = (i128::from(to.as_micros()) - i128::from(from.as_micros())) * 1_000;
                // units <= burst + time * count / period, without a division.
                let allowed = i128::from(rate.burst) * i128::from(rate.period_ns) + nanos * i128::from(rate.count);
                prop_assert!(units * i128::from(rate.period_ns) <= allowed);
            }
        }
    }

    #[test]
    fn a_clock_that_wanders_counts_as_one_that_stands_still_while_it_is_behind(
        maxima in vec(0..30_u64, 3), steps in vec((-90_000_000..90_000_000_i64, 0..5_u64), 1..200), start in starts(),
    ) {
        let wanted: Vec<Wanted> = [Window::Second, Window::Minute, Window::Month]
            .into_iter()
            .zip(maxima)
            .map(|(window, max)| Wanted::Calendar(window, max))
            .collect();
        let limits = limits(&wanted);
        let mut bucket = Bucket::new();
        let mut admitted = Admitted::default();
        let mut micros = start.as_micros();
        for (step, weight) in steps {
            micros += step;
            let now = Timestamp::from_micros(micros);
            let counted_at = admitted.0.iter().map(|(at, _)| *at).fold(now, Timestamp::max);
            let fits = weight == 0 || wanted.iter().all(|limit| weight <= admitted.remaining(limit, counted_at));
            prop_assert_eq!(bucket.take(&limits, now, weight).is_allowed(), fits);
            if fits && weight > 0 {
                admitted.0.push((counted_at, weight));
            }
        }
    }

    #[test]
    fn windows_agree_with_the_calendar(micros in Timestamp::MIN.as_micros()..Timestamp::MAX.as_micros()) {
        let now = Timestamp::from_micros(micros);
        for window in Window::ALL {
            let span = window.containing(now);
            let before_end = span.end.saturating_sub(Duration::from_micros(1));
            prop_assert!(span.contains(now));
            prop_assert_eq!(name(window, span.start), name(window, now));
            prop_assert_eq!(name(window, before_end), name(window, now));
            prop_assert!(span.end == Timestamp::MAX || name(window, span.end) != name(window, now));
            let before = span.start.saturating_sub(Duration::from_micros(1));
            prop_assert!(before == span.start || name(window, before) != name(window, now));
        }
    }

    #[test]
    fn instants_survive_their_text(micros in Timestamp::MIN.as_micros()..=Timestamp::MAX.as_micros()) {
        let at = Timestamp::from_micros(micros);
        prop_assert_eq!(at.to_string().parse(), Ok(at));
    }

    #[test]
    fn exchanged_limits_count_every_unit_in_every_kind_they_name(
        plans in vec((subsequence(Window::ALL.to_vec(), 1..=6).prop_shuffle(), vec(0..60_u64, 6)), 1..5),
        calls in calls(), start in starts(),
    ) {
        // A kind that a plan does not name counts nothing while that plan holds.
        let mut admitted: [Admitted; 7] = Default::default();
        let mut bucket = Bucket::new();
        let mut now = start;
        for (call, (step, weight)) in calls.into_iter().enumerate() {
            now = now.saturating_add(Duration::from_micros(step));
            let (windows, maxima) = &plans[call % plans.len()];
            let wanted: Vec<(Window, u64)> = windows.iter().copied().zip(maxima.iter().copied()).collect();
            let place = |window| usize::from(LimitKind::Calendar(window).code());
            let fits = weight == 0 || wanted.iter().all(|(window, max)| {
                admitted[place(*window)].used(*window, now) + weight <= *max
            });
            let list: Vec<Wanted> = wanted.iter().map(|(window, max)| Wanted::Calendar(*window, *max)).collect();
            prop_assert_eq!(bucket.take(&limits(&list), now, weight).is_allowed(), fits);
            if fits {
                for (window, _) in wanted {
                    admitted[place(window)].0.push((now, weight));
                }
            }
        }
    }
}
