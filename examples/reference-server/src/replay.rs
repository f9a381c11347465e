//! What an access log would have cost its clients, and earned: every line of it a call under a plan.
//!
//! Each client becomes a consumer with a subscription and a key. Every line is a call at its logged time
//! through the gatekeeper, with the status and the sizes that were logged; its use is written to a ledger in
//! batches; the periods are closed and the invoices made as they are by the server. Only what
//! stands around that is missing: sockets, upstreams and a disk.
//!
//! # What is assumed
//!
//! * Every subscription begins at the first instant of the log and ends with the period that the last
//!   line lies in, so everybody is charged as many periods. Whoever first calls later pays for them
//!   as well: a plan is compared for the whole stretch of the log.
//! * What is due at the start is paid at once, at the mock provider. Invoices of periods are made and not sent.
//! * Several logs are one: their calls are made in the order of their times, however the logs are named.
//! * A line may lie five minutes behind a later one of its log and is made at its own time.
//!   What lies further behind is counted, and made five minutes behind the latest line.
//!   Lines of one instant are made in the order in which they stand, those of the log that begins
//!   earlier first.
//! * Nobody changes what they do because they were refused.
//!
//! A line that is no call, one that the gateway would not read, and one whose time is wrong by all that the
//! lines around it say, is left out, counted and named.
//!
//! # Memory
//!
//! Lines are read one at a time; what is kept is what lies within five minutes of each log, a subscription for each
//! consumer, and an invoice for each consumer and period. The ledger keeps sums and no records.

use std::fmt;
use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::thread;

use monetization_core::clock::Timestamp;
use monetization_core::field::FieldError;
use monetization_core::flows::FlowError;
use monetization_core::money::{Currency, MoneyError};
use monetization_core::runtime::Denial;
use monetization_core::store::StoreError;
use monetization_core::subscription::SubscriptionState;

use crate::access_log::ConsumerBy;
use crate::plan_choice::PlanChoiceError;
use intake::{Wanted, billable_until};
use report::Parts;
use trace::Trace;

pub use command::command;
pub use offer::Offer;
pub use report::{
    BrokenOff, ConsumerReport, CourseReport, Figures, LeftOutReport, LogReport, Place, PlanReport,
    Report, StepReport,
};

mod bill;
mod command;
mod drive;
mod files;
mod intake;
mod leaps;
mod market;
mod offer;
mod order;
mod page;
mod reading;
mod report;
mod source;
mod tally;
mod tell;
mod trace;
mod witness;

/// A log to be replayed.
pub struct Log {
    /// What it is called in the report.
    pub name: String,
    /// Its lines.
    pub lines: Box<dyn BufRead + Send>,
}

/// How logs are replayed.
#[derive(Debug)]
pub struct Replay {
    /// By what consumers are told from each other.
    pub consumer_by: ConsumerBy,
    /// The plan that everybody is on.
    pub plan: Offer,
    /// Another plan, to be compared with it.
    pub compare: Option<Offer>,
    /// Where to write what becomes of each line under `plan`.
    pub trace: Option<TraceTo>,
}

/// Where a trace is written.
pub struct TraceTo(pub Box<dyn Write + Send>);

impl Report {
    /// The report as a page with charts, which needs nothing else.
    #[must_use]
    pub fn page(&self) -> String {
        page::page(self)
    }
}

impl Replay {
    /// Replays these logs side by side. Each plan is on a thread of its own; the lines are
    /// read on this one, and `progress` hears how many were.
    ///
    /// # Errors
    /// [`ReplayError`]; what is wrong with a line or with reading is in the report.
    pub fn run(self, logs: Vec<Log>, mut progress: impl FnMut(u64)) -> Result<Report, ReplayError> {
        let currency = self.currency()?;
        let files: Vec<String> = logs.iter().map(|log| log.name.clone()).collect();
        let mut trace = self.trace.map(|to| Trace::new(to.0, files.clone()));
        let offers: Vec<Offer> = std::iter::once(self.plan).chain(self.compare).collect();
        let wanted = Wanted {
            by: self.consumer_by.clone(),
            asked: offers.iter().any(|offer| !offer.resources.is_empty()),
            until: offers
                .iter()
                .map(|offer| billable_until(offer.terms.cycle))
                .fold(Timestamp::MAX, Timestamp::min),
        };
        let (read, driven) = thread::scope(|scope| {
            let (mut to, mut driving) = (Vec::new(), Vec::new());
            for offer in &offers {
                let (sender, receiver) = sync_channel(CHUNKS_AHEAD);
                let trace = trace.take();
                to.push(sender);
                driving.push(scope.spawn(move || drive::drive(offer, &receiver, trace)));
            }
            let logs = logs.into_iter().map(|log| log.lines).collect();
            let read = reading::read(logs, wanted, to, &mut progress);
            let driven: Vec<_> = driving.into_iter().map(|plan| plan.join()).collect();
            (read, driven)
        });
        let mut parts = Parts {
            files,
            consumer_by: self.consumer_by.to_string(),
            currency,
            // Where nobody takes the calls any more, whoever took them says why.
            read: read.unwrap_or_default(),
            driven: Vec::with_capacity(offers.len()),
        };
        for (offer, driven) in offers.iter().zip(driven) {
            let driven = driven.map_err(|_| ReplayError::Panicked)??;
            parts
                .driven
                .extend(driven.map(|driven| (offer.name.to_string(), driven)));
        }
        Ok(Report::new(parts)?)
    }

    /// The one currency of all plans.
    fn currency(&self) -> Result<Currency, ReplayError> {
        let first = self.plan.terms.currency;
        let other = self.compare.as_ref().map(|offer| offer.terms.currency);
        match other.filter(|other| *other != first) {
            Some(second) => Err(ReplayError::Currencies { first, second }),
            None => Ok(first),
        }
    }
}

/// Chunks that may wait for a plan that is slower than the reader.
const CHUNKS_AHEAD: usize = 4;

impl fmt::Debug for Log {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Log")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TraceTo {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("TraceTo")
    }
}

/// Why a log could not be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// A file cannot be opened or written.
    #[error("failed to {doing} {path}")]
    File {
        /// What is done with it.
        doing: &'static str,
        /// Which one.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A file would be written over that is read, or written for something else.
    #[error("failed to write {path}: it is {what}")]
    Overwritten {
        /// Which one.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// The standard input is named again.
    #[error("the standard input is named twice: allowed is one -")]
    InputTwice,
    /// A plan cannot be read.
    #[error(transparent)]
    Plan(#[from] PlanChoiceError),
    /// Two plans are in two currencies, whose amounts have no difference.
    #[error("the plans are in {first} and {second}: allowed are two plans in one currency")]
    Currencies {
        /// That of the plan.
        first: Currency,
        /// That of the one it is compared with.
        second: Currency,
    },
    /// A flow came to nothing.
    #[error("failed to sell or bill the plan")]
    Flow(#[from] FlowError),
    /// A name makes no sense.
    #[error("failed to name something")]
    Field(#[from] FieldError),
    /// The store in memory failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// An amount does not fit.
    #[error("an amount cannot be made")]
    Money(#[from] MoneyError),
    /// The mock provider failed.
    #[error("the mock provider failed")]
    Provider(#[from] monetization_engine_mock::ControlError),
    /// The mock provider cannot be opened.
    #[error("failed to open the mock provider")]
    Journal(#[from] monetization_engine_mock::JournalError),
    /// What was due at the start has not been paid.
    #[error("a subscription that was paid for is {0:?}")]
    Unpaid(SubscriptionState),
    /// A period could not be closed.
    #[error("failed to close a period: {0}")]
    NotClosed(String),
    /// The gate refused a call for a reason that a replay has not.
    #[error("the gate could not decide about a call")]
    Refused(#[source] Denial),
    /// Something belongs to nobody of the log.
    #[error("something belongs to no consumer of the log")]
    Stranger,
    /// A thread is gone: a mistake of ours.
    #[error("a thread has panicked")]
    Panicked,
    /// The machine does not do what is asked of it.
    #[error("failed to talk to the operating system")]
    System(#[source] std::io::Error),
    /// The trace cannot be written.
    #[error("failed to write the trace")]
    Trace(#[source] std::io::Error),
}

impl ReplayError {
    fn file(doing: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::File {
            doing,
            path: path.display().to_string(),
            source,
        }
    }
}
