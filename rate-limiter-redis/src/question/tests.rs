//! The script against the limiter in process, on instants that are made up: the script's question for the time is
//! replaced by them, and nothing else.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use monetization_rate_limiter::{Bucket, Decision, Gcra, Limit, Limits, Timestamp, Window};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::subsequence;
use redis::{Client, Connection, Value};

use super::*;
use crate::Namespace;
use crate::reply::Reply;

static NUMBERS: AtomicU64 = AtomicU64::new(0);

/// The script with a time of ours, on a real server.
struct Timed {
    connection: Connection,
    code: String,
    key: HolderKey,
}

impl Timed {
    #[expect(clippy::disallowed_methods, reason = "the test's own command line")]
    fn new() -> Self {
        let address = std::env::var("MONETIZATION_REDIS").expect("MONETIZATION_REDIS");
        let code = include_str!("../../lua/take.lua");
        let timed = code.replace(
            "redis.call('TIME')",
            "{ tonumber(ARGV[4]), tonumber(ARGV[5]) }",
        );
        assert_ne!(timed, code, "the script asks for the time in other words");
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("{} {number}", std::process::id());
        Self {
            connection: Client::open(address).unwrap().get_connection().unwrap(),
            code: timed,
            key: HolderKey::new(Namespace::new("agreement"), name.as_bytes()),
        }
    }

    fn ask(&mut self, question: &Question, back: &[u8], now: Timestamp) -> Reply {
        let [hash, ask] = question.arguments();
        let value: Value = redis::cmd("EVAL")
            .arg(&self.code)
            .arg(1)
            .arg(self.key.as_str())
            .arg(hash)
            .arg(ask)
            .arg(back)
            .arg(now.as_micros() / 1_000_000)
            .arg(now.as_micros() % 1_000_000)
            .query(&mut self.connection)
            .unwrap();
        Reply::read(value, question).unwrap()
    }

    fn take(&mut self, limits: &SharedLimits, now: Timestamp, weight: u64) -> Decision {
        let wanted = Wanted::exactly(weight);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let question = Question::new(number, &self.key, limits.clone(), wanted, b"");
        self.ask(&question, b"", now).decision
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        let forgotten = redis::cmd("DEL")
            .arg(self.key.as_str())
            .exec(&mut self.connection);
        forgotten.unwrap();
    }
}

fn number(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).unwrap()
}

fn rates() -> impl Strategy<Value = (u32, u64, u32)> {
    prop_oneof![
        (1..500_u32, 1..100_000_000_000_u64, 1..20_u32),
        (1..3_u32, 1..8_640_000_000_000_000_u64, 1..180_u32),
    ]
}

/// Limits of some kinds in some order, and others of the same kinds: another plan. The rate keeps its interval.
fn plans() -> impl Strategy<Value = [SharedLimits; 2]> {
    let kinds: Vec<Option<Window>> = Window::ALL.into_iter().map(Some).chain([None]).collect();
    (
        subsequence(kinds, 1..=7).prop_shuffle(),
        vec((0..60_u64, 0..60_u64), 7),
        rates(),
        1..180_u32,
    )
        .prop_map(|(kinds, maxima, (count, period, burst), other_burst)| {
            let plan = |first: bool| {
                let limits = kinds.iter().zip(&maxima).map(|(kind, (max, other))| {
                    let max = if first { *max } else { *other };
                    let burst = if first { burst } else { other_burst };
                    kind.map_or_else(
                        || {
                            let period = Duration::from_nanos(period);
                            Limit::gcra(Gcra::new(number(count), period, number(burst)).unwrap())
                        },
                        |window| Limit::calendar(window, max),
                    )
                });
                SharedLimits::new(Limits::new(limits).unwrap()).unwrap()
            };
            [plan(true), plan(false)]
        })
}

/// Before the end of a month or year, or anywhere in this century.
fn starts() -> impl Strategy<Value = i64> {
    let edges = [
        "2031-01-01T00:00:00Z",
        "2032-03-01T00:00:00Z",
        "2099-12-31T23:59:59Z",
        "2100-03-01T00:00:00Z",
    ];
    let edges = edges.map(|edge| edge.parse::<Timestamp>().unwrap().as_micros());
    prop_oneof![
        (prop::sample::select(edges.to_vec()), 0..100_000_000_i64)
            .prop_map(|(edge, before)| edge.saturating_sub(before)),
        1_900_000_000_000_000..4_000_000_000_000_000_i64,
    ]
}

/// Steps from a microsecond to weeks, some of them back.
fn steps() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => 0..3_000_i64,
        4 => 0..3_000_000_i64,
        2 => 0..100_000_000_000_i64,
        1 => 0..3_000_000_000_000_i64,
        1 => -90_000_000..0_i64,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    #[ignore = "needs Redis: scripts/test.sh starts one"]
    fn the_script_decides_as_the_limiter_in_process_does_r_q8(
        plans in plans(),
        start in starts(),
        calls in vec((steps(), prop_oneof![6 => 1..4_u64, 1 => Just(0), 1 => 0..200_u64, 1 => Just(u64::MAX)], prop::bool::weighted(0.2)), 1..60),
    ) {
        let (mut timed, mut bucket, mut now) = (Timed::new(), Bucket::new(), start);
        for (step, weight, other) in calls {
            now = now.saturating_add(step);
            let at = Timestamp::from_micros(now);
            let plan = &plans[usize::from(other)];
            prop_assert_eq!(timed.take(plan, at, weight), bucket.take(plan.limits(), at, weight), "at {}", at);
        }
    }

    #[test]
    #[ignore = "needs Redis: scripts/test.sh starts one"]
    fn a_rate_that_changes_gains_nothing_r_q8(
        one in rates(),
        other in rates(),
        start in starts(),
        calls in vec((0..3_000_000_i64, 1..4_u64, any::<bool>()), 1..40),
    ) {
        let plans = [one, other].map(|(count, period, burst)| {
            let rate = Gcra::new(number(count), Duration::from_nanos(period), number(burst)).unwrap();
            SharedLimits::new(Limits::new([Limit::gcra(rate)]).unwrap()).unwrap()
        });
        let (mut timed, mut bucket, mut now) = (Timed::new(), Bucket::new(), start);
        for (step, weight, other) in calls {
            now = now.saturating_add(step);
            let (at, plan) = (Timestamp::from_micros(now), &plans[usize::from(other)]);
            // A microsecond more at each change: what the limiter in process lets through, the script may not yet.
            let ours = timed.take(plan, at, weight);
            let theirs = bucket.assess(plan.limits(), at, weight);
            prop_assert!(theirs.is_allowed() || !ours.is_allowed());
            if ours.is_allowed() {
                prop_assert!(bucket.commit(plan.limits(), &theirs));
            }
            let [ours, theirs] = [ours, theirs].map(|decision| decision.standings()[0].remaining());
            prop_assert!(ours <= theirs);
        }
    }
}

#[test]
#[ignore = "needs Redis: scripts/test.sh starts one"]
fn what_is_handed_back_is_there_again_and_only_once() {
    let mut timed = Timed::new();
    let rate = Gcra::new(number(10), Duration::from_secs(1), number(10)).unwrap();
    let limits = Limits::new([Limit::calendar(Window::Day, 100), Limit::gcra(rate)]).unwrap();
    let limits = SharedLimits::new(limits).unwrap();
    let now = "2040-05-05T05:05:05Z".parse().unwrap();
    let wanted = Wanted {
        weight: 1,
        most: 10,
        reach: 10,
        parts: 1,
    };
    let question = Question::new(0, &timed.key, limits.clone(), wanted, b"");
    let reply = timed.ask(&question, b"", now);
    assert_eq!(reply.granted, 9);
    let uptime = Duration::from_secs(5);
    let block = crate::block::Block::of(&question, &reply, uptime, Duration::from_secs(1)).unwrap();
    let back = block.remains(uptime);
    let again = Question::new(1, &timed.key, limits.clone(), Wanted::exactly(0), &back);
    let remaining = |reply: &Reply| -> Vec<u64> {
        reply
            .decision
            .standings()
            .iter()
            .map(|it| it.remaining())
            .collect()
    };
    assert_eq!(remaining(&timed.ask(&again, &back, now)), [99, 9]);

    // Counters that began anew do not know of it.
    redis::cmd("DEL")
        .arg(timed.key.as_str())
        .exec(&mut timed.connection)
        .unwrap();
    assert!(
        timed
            .take(&limits, now.saturating_add(Duration::from_micros(1)), 8)
            .is_allowed()
    );
    let later = now.saturating_add(Duration::from_micros(2));
    assert_eq!(remaining(&timed.ask(&again, &back, later)), [92, 2]);
}

/// A unit that was not spent before its part of the rate's time began is had by nobody: else a block that was kept and the
/// burst that has come back meanwhile would pass together.
#[test]
#[ignore = "needs Redis: scripts/test.sh starts one"]
fn a_block_of_a_rate_drains_as_time_goes_by_r_q1() {
    let mut timed = Timed::new();
    let rate = Gcra::new(number(10), Duration::from_secs(1), number(100)).unwrap();
    let limits = SharedLimits::new(Limits::new([Limit::gcra(rate)]).unwrap()).unwrap();
    let wanted = Wanted {
        weight: 1,
        most: 6,
        reach: 6,
        parts: 1,
    };
    let question = Question::new(0, &timed.key, limits, wanted, b"");
    let reply = timed.ask(&question, b"", "2040-05-05T05:05:05Z".parse().unwrap());
    let sent = Duration::from_secs(9);
    let spent_after = |millis| {
        let uptime = sent + Duration::from_millis(millis);
        let block = crate::block::Block::of(&question, &reply, sent, Duration::from_secs(5));
        let mut block = block.unwrap();
        (0..10).filter(|_| block.spend(1, uptime).is_some()).count()
    };
    // One tenth of a second for each, and the call itself had the first.
    let spent = [0, 100, 101, 250, 500, 501, 4_000].map(spent_after);
    assert_eq!(spent, [5, 5, 4, 3, 1, 0, 0]);
}
