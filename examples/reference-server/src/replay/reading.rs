//! Reads logs and hands on their calls, in order and a chunk at a time.

use std::collections::BTreeMap;
#[expect(
    clippy::disallowed_types,
    reason = "looked up, never iterated into a result"
)]
use std::collections::HashMap;
use std::io::BufRead;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use monetization_gateway_tower::{PathError, canonical_path};

use super::order::{Asked, Call, HELD_MAX, Order};
use crate::access_log::{ConsumerBy, Entry, Line, LineError, Lines};

/// What of a log is of interest.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) by: ConsumerBy,
    /// Whether it matters what calls ask for: where a product declares its operations.
    pub(super) asked: bool,
}

/// Calls one after the other, and the consumers that were met for the first time.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) consumers: Vec<Arc<str>>,
    pub(super) calls: Vec<Call>,
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
    #[error("it is more than {} days later than all lines before it", LEAP_MAX.as_secs() / 86_400)]
    Leap,
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
        }
    }
}

/// Consumers that are told from each other: each takes memory for as long as a replay lasts.
const CONSUMERS_MAX: usize = 100_000;
const CONSUMER_BYTES_MAX: usize = 512;
/// A line this much later than all before it has a wrong time more likely than not, and would
/// take all that follow along.
const LEAP_MAX: Duration = Duration::from_secs(366 * 86_400);
/// Calls of a chunk.
const CHUNK: usize = 4_096;
/// Lines that are named for each reason.
const NAMED_MAX: usize = 5;

/// Reads one log after the other.
#[derive(Debug)]
pub(super) struct Reader {
    wanted: Wanted,
    to: Vec<SyncSender<Arc<Chunk>>>,
    chunk: Chunk,
    order: Order,
    consumers: Known,
    read: Read,
}

#[expect(clippy::disallowed_types, reason = "looked up, never iterated")]
type Known = HashMap<Arc<str>, u32>;

/// Nobody takes the calls any more.
#[derive(Debug)]
pub(super) struct Unheard;

impl Reader {
    /// Hands every chunk to each of these.
    pub(super) fn new(wanted: Wanted, to: Vec<SyncSender<Arc<Chunk>>>) -> Self {
        Self {
            wanted,
            to,
            chunk: Chunk::default(),
            order: Order::holding(HELD_MAX),
            consumers: Known::new(),
            read: Read::default(),
        }
    }

    /// Reads the log that is number `file` to its end. That it breaks off is noted, and what was
    /// read until then counts.
    ///
    /// # Errors
    /// [`Unheard`].
    pub(super) fn read(
        &mut self,
        file: usize,
        from: impl BufRead,
        mut progress: impl FnMut(u64),
    ) -> Result<(), Unheard> {
        let mut lines = Lines::new(from);
        loop {
            match lines.next() {
                Ok(Some(line)) => {
                    self.read.lines = self.read.lines.saturating_add(1);
                    let number = line.number;
                    if let Err(why) = self.take(file, &line) {
                        let lost = self.read.left_out.entry(why).or_default();
                        lost.lines = lost.lines.saturating_add(1);
                        if lost.first.len() < NAMED_MAX {
                            lost.first.push((file, number));
                        }
                    }
                    self.hand_on(CHUNK)?;
                    if number.is_multiple_of(1_024) {
                        progress(self.read.lines);
                    }
                }
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.read.broken_off.push((file, error.to_string()));
                    return Ok(());
                }
            }
        }
    }

    /// Hands the last calls on.
    ///
    /// # Errors
    /// [`Unheard`].
    pub(super) fn end(mut self) -> Result<Read, Unheard> {
        while let Some(call) = self.order.rest() {
            self.chunk.calls.push(call);
            self.send(CHUNK)?;
        }
        self.send(1)?;
        Ok(self.read)
    }

    fn take(&mut self, file: usize, line: &Line<'_>) -> Result<(), LeftOut> {
        let entry = line.entry(&self.wanted.by).map_err(LeftOut::Malformed)?;
        let path = canonical_path(&entry.target).map_err(LeftOut::Ambiguous)?;
        let latest = self.order.latest();
        if latest.is_some_and(|latest| entry.at.saturating_since(latest) > LEAP_MAX) {
            return Err(LeftOut::Leap);
        }
        let asked = self.wanted.asked.then(|| {
            let method = entry.method.to_string();
            let path = path.into_owned();
            Box::new(Asked { method, path })
        });
        let call = Call {
            at: entry.at,
            file: u32::try_from(file).unwrap_or(u32::MAX),
            line: line.number,
            consumer: self.consumer(&entry)?,
            status: entry.status,
            sent_bytes: entry.sent_bytes,
            received_bytes: entry.received_bytes,
            asked,
        };
        let late = self.order.put(call);
        self.read.late = self.read.late.saturating_add(u64::from(late));
        self.read.calls = self.read.calls.saturating_add(1);
        Ok(())
    }

    fn consumer(&mut self, entry: &Entry<'_>) -> Result<u32, LeftOut> {
        let name = entry.consumer.as_deref().ok_or(LeftOut::Nobody)?;
        if let Some(known) = self.consumers.get(name) {
            return Ok(*known);
        }
        if name.len() > CONSUMER_BYTES_MAX {
            return Err(LeftOut::LongName);
        }
        let number = self.consumers.len();
        if number >= CONSUMERS_MAX {
            return Err(LeftOut::Crowd);
        }
        let number = u32::try_from(number).map_err(|_| LeftOut::Crowd)?;
        let name: Arc<str> = name.into();
        self.chunk.consumers.push(Arc::clone(&name));
        self.consumers.insert(name, number);
        Ok(number)
    }

    /// Lets go of calls that none can come before any more.
    fn hand_on(&mut self, at_least: usize) -> Result<(), Unheard> {
        while let Some(call) = self.order.next() {
            self.chunk.calls.push(call);
            self.send(at_least)?;
        }
        Ok(())
    }

    fn send(&mut self, at_least: usize) -> Result<(), Unheard> {
        if self.chunk.calls.len() < at_least {
            return Ok(());
        }
        let chunk = Arc::new(std::mem::take(&mut self.chunk));
        for to in &self.to {
            to.send(Arc::clone(&chunk)).map_err(|_| Unheard)?;
        }
        Ok(())
    }
}
