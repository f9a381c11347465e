//! The same by hand: lines cut at blanks, limits as plain counters, prices unit by unit.

use std::collections::BTreeMap;

/// One line, as far as it counts.
#[derive(Debug, Clone)]
pub(super) struct NaiveCall {
    pub(super) line: u64,
    /// Seconds of May 2015.
    pub(super) second: i64,
    pub(super) consumer: String,
    pub(super) status: u16,
}

/// The calls of the log in the order in which they are made.
pub(super) fn calls(log: &str) -> Vec<NaiveCall> {
    let mut latest = i64::MIN;
    let mut calls = Vec::new();
    for (line, text) in (1..).zip(log.lines()) {
        let words: Vec<&str> = text.split(' ').collect();
        let path = words[6].split('?').next().unwrap();
        if path.contains("//") || path.contains("%25") {
            continue;
        }
        let second = second(words[3]);
        latest = latest.max(second);
        calls.push(NaiveCall {
            line,
            second: second.max(latest - 300),
            consumer: words[0].to_owned(),
            status: words[8].parse().unwrap(),
        });
    }
    calls.sort_by_key(|call| call.second);
    calls
}

/// `[17/May/2015:10:05:03`
fn second(word: &str) -> i64 {
    assert_eq!(&word[3..12], "/May/2015");
    let number = |from: usize| word[from..from + 2].parse::<i64>().unwrap();
    ((number(1) * 24 + number(13)) * 60 + number(16)) * 60 + number(19)
}

/// What a plan allows, by hand.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Calls of a calendar minute.
    pub(super) minute: Option<u64>,
    /// Seconds after which there is room for one call more, and for how many at most.
    pub(super) bucket: Option<(i64, i64)>,
    /// Calls of a calendar day that count.
    pub(super) day: Option<u64>,
    /// Calls of a billing period that count.
    pub(super) period: Option<u64>,
    /// Whether every call that is let through counts, and not only those answered with 2xx.
    pub(super) attempts: bool,
}

/// A plan, by hand.
#[derive(Clone, Copy)]
pub(super) struct NaivePlan {
    pub(super) limits: Limits,
    /// Days of a billing period; 31 for a month from any day of May on.
    pub(super) days: i64,
    /// Cents at the start, and of each period.
    pub(super) setup: i64,
    pub(super) base: i64,
    /// Cents for so many units of a period.
    pub(super) price: fn(u64) -> i64,
}

/// What became of one consumer.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct NaiveBill {
    pub(super) calls: u64,
    pub(super) granted: u64,
    pub(super) over_rate: u64,
    pub(super) over_quota: u64,
    /// The lines that count as used.
    pub(super) billed: Vec<u64>,
    pub(super) cents: i64,
}

/// What each call pours in runs out second by second.
#[derive(Debug, Default)]
struct Bucket {
    /// Seconds until it is empty.
    level: i64,
    second: i64,
}

impl Bucket {
    fn run_out(&mut self, until: i64) {
        self.level = (self.level - (until - self.second)).max(0);
        self.second = until;
    }
}

/// What becomes of everybody.
pub(super) fn bills(plan: &NaivePlan, calls: &[NaiveCall]) -> BTreeMap<String, NaiveBill> {
    let first = calls[0].second;
    let length = plan.days * 86_400;
    let last_period = (calls.last().unwrap().second - first) / length;
    let mut bills: BTreeMap<String, NaiveBill> = BTreeMap::new();
    let mut counters: BTreeMap<(&str, &str, i64), u64> = BTreeMap::new();
    let mut used: BTreeMap<(&str, i64), u64> = BTreeMap::new();
    let mut buckets: BTreeMap<&str, Bucket> = BTreeMap::new();
    for call in calls {
        let (consumer, limits) = (call.consumer.as_str(), plan.limits);
        let period = (call.second - first) / length;
        let bill = bills.entry(call.consumer.clone()).or_default();
        bill.calls += 1;
        let windows = [
            ("minute", call.second / 60, limits.minute),
            ("day", call.second / 86_400, limits.day),
            ("period", period, limits.period),
        ];
        let mut is_over = |(name, window, max): (&'static str, i64, Option<u64>)| {
            let known = counters.entry((consumer, name, window)).or_default();
            max.is_some_and(|max| *known >= max)
        };
        let [rate, day, month] = windows.map(&mut is_over);
        if day || month {
            bill.over_quota += 1;
            continue;
        }
        let bucket = buckets.entry(consumer).or_default();
        bucket.run_out(call.second);
        let is_full = |(each, most): (i64, i64)| bucket.level + each > each * most;
        if rate || limits.bucket.is_some_and(is_full) {
            bill.over_rate += 1;
            continue;
        }
        if let Some((each, _)) = limits.bucket {
            bucket.level += each;
        }
        bill.granted += 1;
        let counts = limits.attempts || (200..300).contains(&call.status);
        *counters
            .get_mut(&(consumer, "minute", windows[0].1))
            .unwrap() += 1;
        if counts {
            *counters.get_mut(&(consumer, "day", windows[1].1)).unwrap() += 1;
            *counters.get_mut(&(consumer, "period", period)).unwrap() += 1;
            *used.entry((consumer, period)).or_default() += 1;
            bill.billed.push(call.line);
        }
    }
    for (consumer, bill) in &mut bills {
        bill.cents = plan.setup + plan.base * (last_period + 1);
        for period in 0..=last_period {
            let used = used.get(&(consumer.as_str(), period)).copied();
            bill.cents += (plan.price)(used.unwrap_or_default());
        }
    }
    bills
}

/// Cents for units that cost so many hundred-thousandths of a dollar each, a half rounded up.
pub(super) fn rounded(prices: impl Iterator<Item = i64>) -> i64 {
    (prices.sum::<i64>() + 500) / 1_000
}
