use std::collections::BTreeMap;

use monetization_conformance::size;

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

#[test]
fn several_logs_are_one_behind_the_other() {
    let (first, second) = SLICE.split_at(SLICE.match_indices('\n').nth(200).unwrap().0 + 1);
    let plan = offer(&plans::named("free with limits").1);
    let logs = vec![text(first), text(second)];
    let both = of_one(plan.clone()).run(logs, |_| {}).unwrap();
    let whole = replay(&plan, SLICE);
    assert_eq!(both.log.files.len(), 2);
    assert_eq!(both.consumers, whole.consumers);
    assert_eq!(both.plans, whole.plans);
    let place = &both.log.left_out[0].first[0];
    assert_eq!((place.file.as_str(), place.line), ("access.log", 323 - 201));
}
