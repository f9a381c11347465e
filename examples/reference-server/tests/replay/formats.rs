use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::HeaderName;
use reference_server::access_log::{ConsumerBy, open};
use reference_server::replay::{Replay, Report};
use serde_json::json;

use super::naive;
use super::world::{SLICE, free, log, of_one, replay, text};

#[test]
fn a_compressed_log_is_the_same_log() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    fs::write(&path, SLICE).unwrap();
    let plain = read(&path);
    // Logs that were rotated and joined have several members.
    let (first, second) = SLICE.split_at(SLICE.len() / 2);
    fs::write(&path, [compressed(first), compressed(second)].concat()).unwrap();
    assert_eq!(read(&path), plain);
    assert_eq!(plain, replay(&free(), SLICE));
}

#[test]
fn a_compressed_log_that_breaks_off_counts_until_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let whole = compressed(SLICE);
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let report = read(&path);
    assert!(report.log.calls > 50 && report.log.calls < 450);
    assert_eq!(report.log.broken_off[0].file, "access.log");
    assert!(!report.is_whole());
}

#[test]
fn the_same_calls_as_json_have_the_same_result() {
    let calls = naive::calls(SLICE);
    let lines = calls.iter().map(|call| {
        let line = SLICE.lines().nth(usize::try_from(call.line).unwrap() - 1);
        let words: Vec<&str> = line.unwrap().split(' ').collect();
        let seconds = 1_430_352_000 + call.second;
        let line = json!({
            "remote_addr": words[0], "msec": format!("{seconds}.000"), "request": "GET / HTTP/1.1",
            "status": call.status, "body_bytes_sent": words[9],
        });
        format!("{line}\n")
    });
    let (json, text) = (
        replay(&free(), &lines.collect::<String>()),
        replay(&free(), SLICE),
    );
    assert_eq!(json.consumers, text.consumers);
    assert_eq!(json.course, text.course);
}

#[test]
fn consumers_are_told_by_address_user_or_header() {
    let lines = [
        r#"10.0.0.1 - ann [17/May/2015:10:05:00 +0000] "GET / HTTP/1.1" 200 1 "-" "one""#,
        r#"10.0.0.2 - ann [17/May/2015:10:05:01 +0000] "GET / HTTP/1.1" 200 1 "-" "two""#,
        r#"10.0.0.2 - - [17/May/2015:10:05:02 +0000] "GET / HTTP/1.1" 200 1 "-" "two""#,
    ];
    let lines = lines.join("\n");
    let agent = ConsumerBy::Header(HeaderName::from_static("user-agent"));
    let table = [
        (
            ConsumerBy::Address,
            [("10.0.0.2", 2), ("10.0.0.1", 1)].as_slice(),
            0,
        ),
        (ConsumerBy::User, &[("ann", 2)], 1),
        (agent, &[("two", 2), ("one", 1)], 0),
    ];
    for (consumer_by, expected, nobody) in table {
        let replay = Replay {
            consumer_by,
            ..of_one(free())
        };
        let report = replay.run(vec![text(lines.clone())], |_| {}).unwrap();
        let found: Vec<(&str, u64)> = report
            .consumers
            .iter()
            .map(|consumer| (consumer.name.as_str(), consumer.calls))
            .collect();
        assert_eq!(found, expected);
        let left_out: u64 = report.log.left_out.iter().map(|why| why.lines).sum();
        assert_eq!(left_out, nobody);
    }
}

fn read(path: &Path) -> Report {
    let logs = vec![log(open(path).unwrap().reader)];
    of_one(free()).run(logs, |_| {}).unwrap()
}

fn compressed(text: &str) -> Vec<u8> {
    let mut to = GzEncoder::new(Vec::new(), Compression::default());
    to.write_all(text.as_bytes()).unwrap();
    to.finish().unwrap()
}
