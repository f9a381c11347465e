use std::io::{BufReader, Cursor, Read};

use chrono::{Days, NaiveDate};
use monetization_conformance::size;
use monetization_core::clock::Clock;
use reference_server::replay::Report;

use super::naive::{self, Limits, NaiveCall, NaivePlan};
use super::plans;
use super::world::{SLICE, log, memory_max, of_one, offer};

/// What the README says of a million lines can be measured by anybody: `scripts/prove.sh million`.
#[test]
fn a_million_lines_have_the_totals_of_a_naive_count_and_take_no_memory() {
    let slice = SLICE.lines().count();
    let times = size(20_000_usize, 1_000_000).div_ceil(slice);
    run(times / 10);
    let before = memory_max();
    let clock = Clock::system();
    let began = clock.uptime();
    let report = run(times);
    let took = clock.uptime() - began;
    let grown = memory_max().saturating_sub(before);
    println!(
        "{} lines in {} ms, {} a second; {} KiB more than a tenth of them, {} KiB in all",
        report.log.lines,
        took.as_millis(),
        u128::from(report.log.lines) * 1_000 / took.as_millis().max(1),
        grown >> 10,
        memory_max() >> 10
    );
    // What a line is held in takes a hundred bytes: a hundred million of them, if they were kept.
    assert!(grown < 48 << 20, "{grown} bytes");
    assert_eq!(report.log.lines, u64::try_from(times * slice).unwrap());
    let expected = naive::bills(&by_hand(), &repeated(times));
    assert_eq!(report.consumers.len(), expected.len());
    for consumer in &report.consumers {
        let (bill, figures) = (&expected[&consumer.name], &consumer.plans[0]);
        let refused = |code: &str| figures.refused.get(code).copied().unwrap_or_default();
        let found = (
            consumer.calls,
            figures.granted,
            refused("rate_exceeded"),
            refused("quota_exceeded"),
        );
        let counted = (bill.calls, bill.granted, bill.over_rate, bill.over_quota);
        assert_eq!(found, counted, "{}", consumer.name);
        assert_eq!(figures.billed, bill.billed.len().to_string());
        assert_eq!(figures.total.replace('.', "").parse(), Ok(bill.cents));
    }
}

/// A price without rounding, so that it does not matter how a year of use is cut into periods.
fn by_hand() -> NaivePlan {
    NaivePlan {
        limits: Limits {
            minute: Some(15),
            bucket: None,
            // The store keeps a counter for each day of each consumer.
            day: None,
            period: None,
            attempts: false,
        },
        days: 1_000_000,
        setup: 0,
        base: 0,
        price: |used| i64::try_from(used).unwrap(),
    }
}

fn run(times: usize) -> Report {
    let plan = plans::terms(
        r#"billing = "metered"
        cycle = "year"
        usage = [{ meter = "requests", unit_price = "0.01" }]
        rates = [{ kind = "calendar", window = "minute", max = 15 }]"#,
    );
    let lines = BufReader::new(Repeated {
        times: 0..u64::try_from(times).unwrap(),
        text: Cursor::default(),
    });
    of_one(offer(&plan)).run(vec![log(lines)], |_| {}).unwrap()
}

/// Days from one repetition of the slice to the next.
const APART: u64 = 3;

/// The slice again and again, each time some days later, without ever being held as a whole.
struct Repeated {
    times: std::ops::Range<u64>,
    text: Cursor<String>,
}

impl Read for Repeated {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.text.read(into)?;
        let time = if read == 0 { self.times.next() } else { None };
        let Some(time) = time else { return Ok(read) };
        let later = |day: u32| {
            let date = NaiveDate::from_ymd_opt(2015, 5, day).unwrap();
            let date = date + Days::new(APART * time);
            date.format("[%d/%b/%Y:").to_string()
        };
        let days = [18, 19, 20].map(|day| (format!("[{day}/May/2015:"), later(day)));
        let text = SLICE.lines().map(|line| {
            let (day, later) = days.iter().find(|(day, _)| line.contains(day)).unwrap();
            line.replacen(day, later, 1) + "\n"
        });
        self.text = Cursor::new(text.collect());
        self.text.read(into)
    }
}

/// The same calls by hand.
fn repeated(times: usize) -> Vec<NaiveCall> {
    let slice = naive::calls(SLICE);
    let times = 0..i64::try_from(times).unwrap();
    let apart = i64::try_from(APART).unwrap() * 86_400;
    times
        .flat_map(|time| {
            slice.iter().map(move |call| NaiveCall {
                second: call.second + time * apart,
                ..call.clone()
            })
        })
        .collect()
}
