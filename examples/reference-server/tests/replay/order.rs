use std::collections::BTreeMap;

use monetization_conformance::size;
use reference_server::replay::Log;

use super::naive;
use super::plans;
use super::world::{SLICE, free, of_one, offer, replay, text};

#[test]
fn lines_that_lie_up_to_five_minutes_behind_change_nothing() {
    let mut state = 88_172_645_463_325_252_u64;
    let plans = plans::all();
    for round in 0..size(3, 300) {
        let (name, file, _) = &plans[(4 * round + 1) % plans.len()];
        // For each instant by how many seconds its lines come later.
        let mut delay = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            i64::try_from(state % 301).unwrap()
        };
        let delays: Vec<i64> = std::iter::repeat_with(&mut delay).take(64).collect();
        let plan = offer(file);
        let expected = replay(&plan, &ordered());
        let found = replay(&plan, &delayed(&delays));
        assert_eq!(found.log.late, 0);
        assert_eq!(found, expected, "round {round}: {name}");
    }
}

/// The slice in the order of its times.
fn ordered() -> String {
    delayed(&[0])
}

/// Lines that are written later by the delay of their instant: what is made at once stays together.
fn delayed(delays: &[i64]) -> String {
    let times: BTreeMap<u64, i64> = naive::calls(SLICE)
        .into_iter()
        .map(|call| (call.line, call.second))
        .collect();
    let delay = |second: i64| delays[usize::try_from(second).unwrap() % delays.len()];
    let mut lines: Vec<(i64, &str)> = (1..)
        .zip(SLICE.lines())
        .filter_map(|(line, text)| Some((*times.get(&line)?, text)))
        .map(|(second, text)| (second + delay(second), text))
        .collect();
    lines.sort_by_key(|(written, _)| *written);
    lines.iter().map(|(_, text)| format!("{text}\n")).collect()
}

fn line(time: &str, path: &str) -> String {
    format!("a - - [{time} +0000] \"GET {path} HTTP/1.1\" 200 1\n")
}

#[test]
fn what_lies_further_behind_is_counted_and_made_five_minutes_behind() {
    let lines = [
        line("17/May/2015:10:10:00", "/1"),
        line("17/May/2015:10:05:00", "/2"),
        line("17/May/2015:10:04:59", "/3"),
        line("16/May/2015:10:05:00", "/4"),
        line("17/May/2015:10:05:01", "/5"),
    ];
    let report = replay(&free(), &lines.concat());
    assert_eq!((report.log.calls, report.log.late), (5, 2));
    let first = report.log.first_at.unwrap().to_string();
    assert_eq!(first, "2015-05-17T10:05:00Z");
}

#[test]
fn a_line_a_year_ahead_takes_no_other_line_along() {
    let lines = [
        line("17/May/2015:10:05:00", "/1"),
        line("17/May/9999:10:05:00", "/2"),
        line("17/May/2015:10:05:01", "/3"),
        line("17/May/2016:10:05:01", "/4"),
    ];
    let report = replay(&free(), &lines.concat());
    assert_eq!((report.log.calls, report.log.late), (3, 0));
    let left_out = &report.log.left_out[0];
    assert_eq!((left_out.code, left_out.lines), ("time_leap", 1));
    assert_eq!(left_out.first[0].line, 2);
}

/// A first line with a wrong time threw all others away, or made them at one instant.
#[test]
fn one_wrong_first_line_takes_no_other_line_along() {
    let good = head();
    let expected = replay(&free(), good);
    let times = [
        "01/Jan/1970:00:00:00",
        "15/May/2013:10:05:00",
        "21/May/2015:10:06:00",
        "17/May/2030:10:05:00",
        "31/Dec/9999:23:59:59",
        "01/Jan/0001:00:00:00",
    ];
    for time in times {
        // A clock that was never set may write many lines.
        let counts = if time.contains("1970") {
            [1, 20]
        } else {
            [1, 2]
        };
        for count in counts {
            let log = line(time, "/").repeat(count) + good;
            let report = replay(&free(), &log);
            assert_eq!(report.consumers, expected.consumers, "{time}");
            assert_eq!(report.course, expected.course, "{time}");
            assert_eq!(report.log.late, expected.log.late, "{time}");
            let odd = report.log.left_out.iter().find(|why| {
                let lines: Vec<u64> = why.first.iter().map(|place| place.line).collect();
                ["time_leap", "time_beyond_calendar"].contains(&why.code) && lines[0] == 1
            });
            assert_eq!(odd.unwrap().lines, u64::try_from(count).unwrap(), "{time}");
            assert!(report.is_whole());
        }
    }
}

#[test]
fn a_log_that_goes_on_after_years_is_one_log() {
    let report = replay(
        &free(),
        &(SLICE.to_owned() + &SLICE.replace("/May/2015", "/Aug/2016")),
    );
    assert_eq!((report.log.calls, report.log.lines), (2 * 499, 2 * 510));
    assert_eq!(report.log.late, 2 * replay(&free(), SLICE).log.late);
}

#[test]
fn times_that_cannot_be_billed_are_left_out_under_every_cycle() {
    for (cycle, year) in [("day", 9999), ("month", 9999), ("366 years", 9300)] {
        let terms = format!("billing = \"free\"\ncycle = \"{cycle}\"");
        let plan = offer(&plans::terms(&terms));
        let last = line(&format!("31/Dec/{year}:23:59:59"), "/");
        let report = replay(&plan, &last.repeat(3));
        let left_out = &report.log.left_out[0];
        assert_eq!((left_out.code, left_out.lines), ("time_beyond_calendar", 3));
        assert!(report.plans.is_empty() && !report.is_whole());
        let possible = line("31/Dec/8500:23:59:59", "/");
        let report = replay(&plan, &possible.repeat(3));
        assert_eq!(report.log.calls, 3, "{cycle}");
    }
    let limited = r#"quotas = [{ window = "year", max = 2, overage = "strict" }]"#;
    let terms = format!("billing = \"free\"\ncycle = \"month\"\n{limited}");
    let last = line("17/Jul/9999:10:05:00", "/");
    let report = replay(&offer(&plans::terms(&terms)), &last.repeat(3));
    assert_eq!((report.log.calls, report.plans[0].sum.granted), (3, 2));
}

#[test]
fn a_log_most_of_whose_lines_come_too_late_or_are_none_is_not_whole() {
    let (early, late) = (
        line("17/May/2015:10:05:00", "/"),
        line("17/May/2015:12:05:00", "/"),
    );
    let backwards = late.repeat(10) + &early.repeat(11);
    let report = replay(&free(), &backwards);
    assert_eq!((report.log.calls, report.log.late), (21, 11));
    assert!(!report.is_whole());
    let report = replay(&free(), &(early.repeat(10) + &"nonsense\n".repeat(11)));
    assert_eq!(report.log.calls, 10);
    assert!(!report.is_whole());
    let report = replay(&free(), &(early.repeat(10) + &"nonsense\n".repeat(10)));
    assert!(report.is_whole());
}

/// Logs are named in any order: `access.log*` names the newest first.
#[test]
fn several_logs_are_one_log_however_they_are_named() {
    let cuts = [120, 200, 350].map(|line| SLICE.match_indices('\n').nth(line).unwrap().0 + 1);
    let [one, two, three] = cuts;
    let parts = [
        &SLICE[..one],
        &SLICE[one..two],
        &SLICE[two..three],
        &SLICE[three..],
    ];
    let plan = offer(&plans::named("free with limits").1);
    let whole = replay(&plan, SLICE);
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
        let report = of_one(plan.clone())
            .run(named(order.map(|part| (part, parts[part]))), |_| {})
            .unwrap();
        assert_eq!(report.consumers, whole.consumers, "{order:?}");
        assert_eq!(report.plans, whole.plans);
        assert_eq!(report.course, whole.course);
        assert_eq!(report.log.late, whole.log.late);
        let ambiguous = &report.log.left_out[0];
        assert_eq!(ambiguous.lines, whole.log.left_out[0].lines);
        let first = ambiguous.first.iter().find(|at| at.file == "access.log.2");
        assert_eq!(first.unwrap().line, 323 - 201);
    }
}

/// Two front ends write at the same time, each a log of its own.
#[test]
fn logs_of_one_day_are_made_side_by_side() {
    let whole = ordered();
    let mut parts = [String::new(), String::new()];
    for line in whole.lines() {
        // Those of one client go to one of them, so that calls of one instant keep their order.
        let front = line.split('.').next().unwrap().len() % 2;
        parts[front] += &format!("{line}\n");
    }
    assert!(parts.iter().all(|part| part.lines().count() > 100));
    let plan = offer(&plans::named("free with limits").1);
    let expected = replay(&plan, &whole);
    for order in [[0, 1], [1, 0]] {
        let logs = named(order.map(|part| (part, parts[part].as_str())));
        let report = of_one(plan.clone()).run(logs, |_| {}).unwrap();
        assert_eq!(report.log.late, 0);
        assert_eq!(report.consumers, expected.consumers);
        assert_eq!(report.plans, expected.plans);
        assert_eq!(report.course, expected.course);
    }
}

#[test]
fn logs_of_years_that_lie_apart_are_all_made() {
    let early = head();
    let later = early.replace("/May/2015", "/Aug/2016");
    for parts in [[early, &later], [&later, early]] {
        let logs = named([(0, parts[0]), (1, parts[1])]);
        let report = of_one(free()).run(logs, |_| {}).unwrap();
        assert_eq!(report.log.calls, 2 * 100);
        let (first, last) = (report.log.first_at, report.log.last_at);
        assert_eq!(first.unwrap().to_string(), "2015-05-18T07:05:00Z");
        assert_eq!(last.unwrap().to_string(), "2016-08-18T07:05:58Z");
    }
}

/// The first hundred lines of the slice, each of them a call.
fn head() -> &'static str {
    let (end, _) = SLICE.match_indices('\n').nth(99).unwrap();
    &SLICE[..=end]
}

fn named<const LOGS: usize>(parts: [(usize, &str); LOGS]) -> Vec<Log> {
    let logs = parts.into_iter().map(|(number, part)| Log {
        name: format!("access.log.{number}"),
        ..text(part)
    });
    logs.collect()
}
