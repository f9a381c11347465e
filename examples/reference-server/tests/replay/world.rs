use std::io::{BufRead, Cursor, Write};
use std::sync::{Arc, Mutex};

use monetization_core::plan_file::PlanFile;
use reference_server::access_log::ConsumerBy;
use reference_server::replay::{Log, Offer, Replay, Report, TraceTo};

/// A slice of a real log, with nine paths that have `//` in them.
pub(super) const SLICE: &str = include_str!("../data/replay.log");

/// The only plan of this file.
pub(super) fn offer(plans: &str) -> Offer {
    let file = PlanFile::parse("plans.toml", plans.as_bytes()).unwrap();
    Offer::of(&file, None).unwrap()
}

/// A free plan without limits.
pub(super) fn free() -> Offer {
    offer(
        r#"
        [[plans]]
        name = "Free"
        terms = { billing = "free", currency = "USD", cycle = "month" }
        "#,
    )
}

pub(super) fn of_one(plan: Offer) -> Replay {
    Replay {
        consumer_by: ConsumerBy::Address,
        plan,
        compare: None,
        trace: None,
    }
}

pub(super) fn log(lines: impl BufRead + Send + 'static) -> Log {
    Log {
        name: "access.log".to_owned(),
        lines: Box::new(lines),
    }
}

pub(super) fn text(text: impl Into<Vec<u8>>) -> Log {
    log(Cursor::new(text.into()))
}

pub(super) fn replay(plan: &Offer, lines: &str) -> Report {
    of_one(plan.clone()).run(vec![text(lines)], |_| {}).unwrap()
}

/// The report, and the lines of the trace.
pub(super) fn traced(plan: &Offer, lines: &str) -> (Report, String) {
    let written = Written::default();
    let replay = Replay {
        trace: Some(TraceTo(Box::new(written.clone()))),
        ..of_one(plan.clone())
    };
    let report = replay.run(vec![text(lines)], |_| {}).unwrap();
    let written = written.0.lock().unwrap().clone();
    (report, String::from_utf8(written).unwrap())
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The most memory that this process has had, in bytes; 0 where nobody says.
pub(super) fn memory_max() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
    kilobytes.map_or(0, |number| number.parse::<u64>().unwrap() << 10)
}
