use std::collections::BTreeMap;
use std::io::{BufReader, Read};

use monetization_conformance::size;
use proptest::prelude::*;
use reference_server::access_log::{ConsumerBy, Entry, LINE_BYTES_MAX, Lines};
use reference_server::replay::Report;

use super::world::{SLICE, free, log, memory_max, of_one, replay, text};

fn left_out(report: &Report) -> BTreeMap<&str, u64> {
    let mut reasons = BTreeMap::new();
    for reason in &report.log.left_out {
        *reasons.entry(reason.code).or_default() += reason.lines;
    }
    reasons
}

#[test]
fn an_empty_log_is_answered_without_a_call() {
    for nothing in ["", "\n\n\r\n"] {
        let report = replay(&free(), nothing);
        assert_eq!((report.log.lines, report.log.calls), (0, 0));
        assert_eq!(report.log.first_at, None);
        assert!(report.plans.is_empty() && !report.is_whole());
    }
}

#[test]
fn what_is_wrong_with_lines_is_counted_and_named_and_the_others_count() {
    let good = r#"a - - [17/May/2015:10:05:00 +0000] "GET / HTTP/1.1" 200 1"#;
    let long = "x".repeat(LINE_BYTES_MAX + 1);
    let lines = [
        good,
        "nonsense",
        "{\"ts\":",
        &long,
        &good.replace(" /", " //"),
        &good.replace(" /", " /a/../b"),
        &good.replace("GET / HTTP/1.1", "GET /"),
        &good.replace("GET / HTTP/1.1", "\\x16\\x03\\x01"),
        &good.replace("200", "-"),
        &good.replace("[17/May/2015:10:05:00 +0000]", "-"),
        &good.replace(" 200 1", " 200 x"),
        &good.replace(" 200 1", " 503 -"),
    ];
    let report = replay(&free(), &lines.join("\r\n"));
    assert_eq!((report.log.lines, report.log.calls), (12, 2));
    let expected = [
        ("ambiguous_path", 2),
        ("line_too_long", 1),
        ("malformed_address", 1),
        ("malformed_json", 1),
        ("malformed_request", 2),
        ("malformed_size", 1),
        ("malformed_status", 1),
        ("malformed_time", 1),
    ];
    assert_eq!(left_out(&report), expected.into());
    let requests = report
        .log
        .left_out
        .iter()
        .find(|why| why.code == "malformed_request");
    let lines: Vec<u64> = requests.unwrap().first.iter().map(|at| at.line).collect();
    assert_eq!(lines, [7, 8]);
}

#[test]
fn a_binary_file_has_no_call_and_bytes_that_are_no_text_harm_only_their_line() {
    let mut state = 88_172_645_463_325_252_u64;
    let binary: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
    .take(40_000)
    .flatten()
    .collect();
    let report = of_one(free()).run(vec![text(binary.clone())], |_| {});
    let report = report.unwrap();
    assert_eq!(report.log.calls, 0);
    assert_eq!(left_out(&report).values().sum::<u64>(), report.log.lines);
    let mixed = [SLICE.as_bytes(), &binary, b"\n", SLICE.as_bytes()].concat();
    let report = of_one(free()).run(vec![text(mixed)], |_| {}).unwrap();
    assert_eq!(report.log.calls, 2 * 499);
}

#[test]
fn a_line_of_a_gigabyte_is_never_held() {
    let bytes = size(256_u64, 4_096) << 20;
    let line = std::io::repeat(b'x').take(bytes);
    let lines = BufReader::new(line.chain(b"\n".as_slice()).chain(SLICE.as_bytes()));
    let before = memory_max();
    let report = of_one(free()).run(vec![log(lines)], |_| {}).unwrap();
    assert_eq!(report.log.calls, 499);
    assert_eq!(left_out(&report)["line_too_long"], 1);
    let grown = memory_max().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes");
}

fn by() -> impl Strategy<Value = ConsumerBy> {
    prop_oneof![
        Just(ConsumerBy::Address),
        Just(ConsumerBy::User),
        Just("header:user-agent".parse().unwrap()),
        Just("header:x-api-key".parse().unwrap()),
    ]
}

/// A good line of each format.
fn good_line() -> impl Strategy<Value = Vec<u8>> {
    let json = r#"{"ts":1431857103.25,"request":{"remote_ip":"10.0.0.1","method":"GET","uri":"/a","headers":{"X-Api-Key":["k"]}},"user_id":"","size":12,"status":200}"#;
    let nginx = r#"{"time_iso8601":"2015-05-17T12:05:03+02:00","remote_addr":"10.0.0.1","request":"GET /a HTTP/1.1","status":"200","body_bytes_sent":"12"}"#;
    let host = r#"www.example.com:80 10.0.0.1, 10.0.0.2 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 512"#;
    prop_oneof![
        (0_usize..500).prop_map(|line| SLICE.lines().nth(line).unwrap().into()),
        Just(host.into()),
        Just(json.into()),
        Just(nginx.into()),
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_a_call_or_a_reason(line in proptest::collection::vec(any::<u8>(), 0..200), by in by()) {
        drop(Entry::parse(&line, &by));
    }

    #[test]
    fn lines_with_mistakes_are_a_call_or_a_reason(
        mut line in good_line(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0_u8..4), 0..8),
        by in by(),
    ) {
        for (at, byte, kind) in changes {
            if line.is_empty() {
                break;
            }
            let at = at.index(line.len());
            match kind {
                0 => line[at] = byte,
                1 => line.insert(at, byte),
                2 => drop(line.remove(at)),
                _ => line.truncate(at),
            }
        }
        if let Ok(entry) = Entry::parse(&line, &by) {
            prop_assert!((200..600).contains(&entry.status));
            prop_assert!(!entry.target.is_empty() && !entry.target.contains(' '));
        }
    }

    #[test]
    fn any_text_has_as_many_lines_as_it_is_long(text in proptest::collection::vec(any::<u8>(), 0..400), buffer in 1_usize..64) {
        let mut lines = Lines::new(BufReader::with_capacity(buffer, text.as_slice()));
        let mut found = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            found.push((line.number, line.bytes.unwrap().to_vec()));
        }
        let marked = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
        let expected = (1..).zip(marked.split(|byte| *byte == b'\n'));
        let expected = expected.map(|(number, line)| (number, line.strip_suffix(b"\r").unwrap_or(line)));
        let expected = expected.filter(|(_, line)| !line.is_empty());
        prop_assert_eq!(found, expected.map(|(number, line)| (number, line.to_vec())).collect::<Vec<_>>());
    }
}
