//! The provider in this process.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use monetization_core::clock::Timestamp;

use super::{Answer, Call, Request, Transport, TransportError};
use crate::journal::{Journal, JournalError};
use crate::provider::{Outcome, Placed, Provider, Refusal, Step};

/// A provider and its journal in this process: whatever changes the one is in the other first.
///
/// Writing to the disk happens under the lock and on the caller's thread: a few milliseconds with
/// a journal in a file, during which other calls wait, as they would at a provider with one
/// database. Nothing is awaited meanwhile.
pub(crate) struct Host(Mutex<Kept>);

/// What is changed under one lock.
struct Kept {
    journal: Journal,
    provider: Provider,
    written_at: Timestamp,
}

/// A clock that moves without anything happening is written down this often.
const CLOCK_STEP: Duration = Duration::from_secs(60);

impl Host {
    pub(crate) fn new(journal: Journal, provider: Provider) -> Self {
        let written_at = provider.now();
        Self(Mutex::new(Kept {
            journal,
            provider,
            written_at,
        }))
    }

    /// Looks at the provider.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Provider) -> T) -> T {
        look(&self.lock().provider)
    }

    /// Lets something happen, at the provider's time.
    pub(crate) fn step(
        &self,
        step: impl FnOnce(Timestamp) -> Step,
    ) -> Result<Outcome, JournalError> {
        let mut kept = self.lock();
        let step = step(kept.provider.now());
        kept.take(step)
    }

    /// Whether the journal takes what happens next.
    pub(crate) fn is_writable(&self) -> bool {
        !self.lock().journal.is_down()
    }

    /// Sets the clock forward to `at`; an earlier instant changes nothing.
    pub(crate) fn set_clock(&self, at: Timestamp) -> Result<(), JournalError> {
        let mut kept = self.lock();
        let step = Step::Clock { at };
        let happens = kept.provider.due_at().is_some_and(|due_at| due_at <= at);
        if happens || at.saturating_since(kept.written_at) >= CLOCK_STEP {
            kept.take(step).map(drop)
        } else {
            // A server sets the clock each second: a line for each would fill the disk.
            drop(kept.provider.step(step));
            Ok(())
        }
    }

    /// Passes over poisoning: the state machine does not panic, and what it is told is in the
    /// journal before it begins.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Everything it knows would fill pages wherever an engine is printed.
        let now = self.read(Provider::now);
        out.debug_struct("Host")
            .field("now", &now)
            .finish_non_exhaustive()
    }
}

impl Kept {
    /// Writes the step down, then takes it.
    fn take(&mut self, step: Step) -> Result<Outcome, JournalError> {
        self.journal.append(&step)?;
        let outcome = self.provider.step(step);
        self.written_at = self.provider.now();
        Ok(outcome)
    }
}

#[async_trait]
impl Transport for Host {
    async fn send(&self, call: Call) -> Result<Answer, TransportError> {
        let Call {
            account,
            key,
            request,
            breaks,
            ..
        } = call;
        let placed = match (request, breaks) {
            (Request::Ask(_), Some(broken)) => return Ok(Err(broken)),
            (Request::Ask(query), None) => {
                return Ok(self.read(|provider| provider.ask(&account, &query)));
            }
            (Request::Do(order), breaks) => Placed {
                account,
                key,
                order,
                breaks,
            },
        };
        let placed = Box::new(placed);
        match self.step(|at| Step::Order { at, placed }) {
            Ok(Outcome::Answered(answer)) => Ok(answer),
            Ok(_) => Ok(Err(Refusal::permanent("an order was not answered"))),
            Err(down @ JournalError::Down) => Err(TransportError::NotSent {
                source: Some(down.into()),
            }),
            Err(error) => Err(TransportError::NoAnswer {
                source: Some(error.into()),
            }),
        }
    }
}
