//! What lines of logs are: calls, or left out for a reason.

use std::collections::BTreeMap;
#[expect(
    clippy::disallowed_types,
    reason = "looked up, never iterated into a result"
)]
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use monetization_core::clock::Timestamp;
use monetization_core::period::{Cycle, CycleUnit};
use monetization_gateway_tower::{PathError, canonical_path};

use super::order::{Asked, Call};
use crate::access_log::{ConsumerBy, Entry, Line, LineError};

/// What of a log is of interest.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) by: ConsumerBy,
    /// Whether it matters what calls ask for: where a product declares its operations.
    pub(super) asked: bool,
    /// The last instant that can be billed.
    pub(super) until: Timestamp,
}

/// What was read.
#[derive(Debug, Clone, Default)]
pub(super) struct Read {
    /// Lines, without empty ones.
    pub(super) lines: u64,
    /// Those of them that are calls.
    pub(super) calls: u64,
    /// Calls that come too late to be made at their own time.
    pub(super) late: u64,
    /// Calls that come in time, and find that too many were held back to wait for them.
    pub(super) crowded: u64,
    /// Lines that are left out.
    pub(super) left_out: BTreeMap<LeftOut, Lost>,
    /// Files that could not be read to their end, and why.
    pub(super) broken_off: Vec<(usize, String)>,
}

/// Lines that are left out for one reason.
#[derive(Debug, Clone, Default)]
pub(super) struct Lost {
    pub(super) lines: u64,
    /// The first of them: the file, from 0, and the line, from 1.
    pub(super) first: Vec<(usize, u64)>,
}

/// Why a line is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub(super) enum LeftOut {
    #[error("{0}")]
    Malformed(LineError),
    #[error("the gateway answers 400: {0}")]
    Ambiguous(PathError),
    #[error("it does not say who called")]
    Nobody,
    #[error("what tells the consumer is longer than {CONSUMER_BYTES_MAX} bytes")]
    LongName,
    #[error("there are more than {CONSUMERS_MAX} consumers")]
    Crowd,
    #[error("its time is far from those of the lines around it")]
    Leap,
    #[error("its time is before 1990, or too late for a billing period to end")]
    Calendar,
}

impl LeftOut {
    /// A word for programs.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Malformed(LineError::TooLong) => "line_too_long",
            Self::Malformed(LineError::Json) => "malformed_json",
            Self::Malformed(LineError::Address) => "malformed_address",
            Self::Malformed(LineError::Time) => "malformed_time",
            Self::Malformed(LineError::Request) => "malformed_request",
            Self::Malformed(LineError::Status) => "malformed_status",
            Self::Malformed(LineError::Size) => "malformed_size",
            Self::Ambiguous(_) => "ambiguous_path",
            Self::Nobody => "no_consumer",
            Self::LongName => "consumer_too_long",
            Self::Crowd => "too_many_consumers",
            Self::Leap => "time_leap",
            Self::Calendar => "time_beyond_calendar",
        }
    }
}

/// Consumers that are told from each other: each takes memory for as long as a replay lasts.
const CONSUMERS_MAX: usize = 100_000;
const CONSUMER_BYTES_MAX: usize = 512;
/// The first instant of 1990: no log is older, and clocks that were never set are in 1970 or 1980.
const WEB_BEGAN: Timestamp = Timestamp::from_secs(631_152_000);
/// Lines that are named for each reason.
const NAMED_MAX: usize = 5;

/// Takes lines in.
pub(super) struct Intake<'a> {
    wanted: Wanted,
    consumers: Consumers,
    progress: &'a mut dyn FnMut(u64),
    pub(super) read: Read,
}

impl<'a> Intake<'a> {
    /// `progress` hears how many lines were read.
    pub(super) fn new(wanted: Wanted, progress: &'a mut dyn FnMut(u64)) -> Self {
        Self {
            wanted,
            consumers: Consumers::default(),
            progress,
            read: Read::default(),
        }
    }

    /// The call that a line of a file tells. Its consumer is none before they are [met](Self::meet).
    ///
    /// # Errors
    /// [`LeftOut`].
    pub(super) fn call(&mut self, file: usize, line: &Line<'_>) -> Result<Call, LeftOut> {
        self.read.lines = self.read.lines.saturating_add(1);
        if self.read.lines.is_multiple_of(1_024) {
            (self.progress)(self.read.lines);
        }
        let entry = line.entry(&self.wanted.by).map_err(LeftOut::Malformed)?;
        let path = canonical_path(&entry.target).map_err(LeftOut::Ambiguous)?;
        if !(WEB_BEGAN..=self.wanted.until).contains(&entry.at) {
            return Err(LeftOut::Calendar);
        }
        let asked = self.wanted.asked.then(|| {
            let method = entry.method.to_string();
            let path = path.into_owned();
            Box::new(Asked { method, path })
        });
        Ok(Call {
            at: entry.at,
            file: u32::try_from(file).unwrap_or(u32::MAX),
            line: line.number,
            consumer: self.consumers.known(&entry)?,
            status: entry.status,
            sent_bytes: entry.sent_bytes,
            received_bytes: entry.received_bytes,
            asked,
        })
    }

    /// Counts a line that is left out.
    pub(super) fn leave_out(&mut self, why: LeftOut, file: usize, line: u64) {
        let lost = self.read.left_out.entry(why).or_default();
        lost.lines = lost.lines.saturating_add(1);
        if lost.first.len() < NAMED_MAX {
            lost.first.push((file, line));
        }
    }

    /// Numbers the consumer of a call that is made by their first calls; answers their name where this
    /// is the first.
    pub(super) fn meet(&mut self, call: &mut Call) -> Option<Arc<str>> {
        self.consumers.meet(call)
    }
}

/// The last instant from which billing periods of this cycle can be counted: the one that it lies in
/// ends, and so does the next.
pub(super) fn billable_until(cycle: Cycle) -> Timestamp {
    /// For windows of limits, and for the days in which periods are closed and invoices paid.
    const SPARE_DAYS: u64 = 100;
    let days: u64 = match cycle.unit() {
        CycleUnit::Day => 1,
        CycleUnit::Week => 7,
        CycleUnit::Month => 31,
        CycleUnit::Year => 366,
    };
    let days = days.saturating_mul(u64::from(cycle.count()).saturating_mul(2));
    let seconds = days.saturating_add(SPARE_DAYS).saturating_mul(86_400);
    Timestamp::MAX.saturating_sub(Duration::from_secs(seconds))
}

/// Who was read of, and who of them was met: lines may still turn out to be none of a call.
#[derive(Debug, Default)]
struct Consumers {
    #[expect(clippy::disallowed_types, reason = "looked up, never iterated")]
    known: HashMap<Arc<str>, u32>,
    /// Each in the order in which they were read of, and their number once they were met.
    all: Vec<(Arc<str>, Option<u32>)>,
    met: u32,
}

impl Consumers {
    fn known(&mut self, entry: &Entry<'_>) -> Result<u32, LeftOut> {
        let name = entry.consumer.as_deref().ok_or(LeftOut::Nobody)?;
        if let Some(known) = self.known.get(name) {
            return Ok(*known);
        }
        if name.len() > CONSUMER_BYTES_MAX {
            return Err(LeftOut::LongName);
        }
        if self.all.len() >= CONSUMERS_MAX {
            return Err(LeftOut::Crowd);
        }
        let number = u32::try_from(self.all.len()).map_err(|_| LeftOut::Crowd)?;
        let name: Arc<str> = name.into();
        self.all.push((Arc::clone(&name), None));
        self.known.insert(name, number);
        Ok(number)
    }

    fn meet(&mut self, call: &mut Call) -> Option<Arc<str>> {
        let place = usize::try_from(call.consumer).ok()?;
        let (name, number) = self.all.get_mut(place)?;
        if let Some(number) = number {
            call.consumer = *number;
            return None;
        }
        call.consumer = self.met;
        *number = Some(self.met);
        self.met = self.met.saturating_add(1);
        Some(Arc::clone(name))
    }
}
