//! Failures on demand, on the way between a client and its provider.
//!
//! The provider itself never fails; what goes wrong goes wrong here, where it does in life. What
//! a caller learns and what was done are different things, and each combination can be had:
//!
//! | fault | done | what the caller learns |
//! |---|---|---|
//! | [`Fault::NotSent`] | no | the engine is out of reach; ask again |
//! | [`Fault::Refuse`] | no | what the refusal says: throttled, unauthorized, never |
//! | [`Fault::Break`] | no, and remembered under the key | nobody knows; again the same until forgotten |
//! | [`Fault::LoseCall`] | no | nobody knows; ask again with the same key |
//! | [`Fault::LoseReply`] | yes | nobody knows; ask again with the same key |
//! | [`Fault::FailAfter`] | yes | what the refusal says, although it is wrong |
//! | [`Fault::Garble`] | as it says | nobody knows; ask again with the same key |
//! | [`Fault::Delay`] | yes | the answer, or nothing where it came too late |
//! | [`Fault::Hold`] | later | the answer, once it was let go |
//! | [`Fault::Record`] | all records but one, or all | that of one record nobody knows, or never, or not now |
//!
//! ```
//! use monetization_engine_mock::MockEngine;
//! use monetization_engine_mock::faults::{Fault, Injection};
//! use monetization_engine_mock::transport::Operation;
//!
//! let mock = MockEngine::in_memory("2026-01-01T00:00:00Z".parse().unwrap());
//! // The third invoice that is issued from now on is issued without our hearing of it.
//! let lost = Injection::next(Fault::LoseReply).on(Operation::IssueInvoice).after(2);
//! mock.control().inject(lost);
//! ```

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::channel::oneshot;
use monetization_core::money::Quantity;
use monetization_core::secret::Secret;
use serde::{Deserialize, Serialize};

use crate::provider::{Account, Order, RecordVerdict, Refusal, Reply};
use crate::transport::{Answer, Call, Operation, Request, Transport, TransportError};

/// What goes wrong with a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Fault {
    /// It is refused at the door: nothing was done, nothing is remembered.
    Refuse(Refusal),
    /// It never leaves.
    NotSent,
    /// It leaves and never arrives.
    LoseCall,
    /// It is carried out and its answer is lost.
    LoseReply,
    /// It is carried out and answered with this all the same.
    FailAfter(Refusal),
    /// The answer makes no sense: it is one to another question.
    Garble {
        /// Whether the call is carried out.
        done: bool,
    },
    /// The provider fails within: nothing is done, and the same key gets the same failure again
    /// until the provider forgets it.
    Break(Refusal),
    /// The answer takes so long. Nobody waits: an answer that takes longer than the call's
    /// time-out is lost, any other comes at once.
    Delay(Duration),
    /// The call is held on its way to the provider until [`Faults::release`].
    Hold,
    /// One usage record of a report fails by itself.
    Record {
        /// Which one, from 0.
        index: usize,
        /// How.
        fault: RecordFault,
    },
}

/// What goes wrong with one usage record, while its neighbours are taken. Sent again, a record that
/// was not taken is accepted, and one whose receipt was lost is a duplicate: once each, either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum RecordFault {
    /// It is not counted, and its receipt says that nobody knows.
    NotTaken,
    /// It is counted, and its receipt says that nobody knows.
    ReceiptLost,
    /// It is not counted, and its receipt says that it never will be.
    Rejected,
    /// It is not counted, and its receipt says so.
    NotSent {
        /// How long to wait, where the receipt says so.
        retry_after: Option<Duration>,
    },
    /// It is taken, as its receipt says, and does not count after all: a message says that later.
    RejectedLater,
}

/// Which calls are counted at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Target {
    #[default]
    Every,
    Changes,
    Only(Operation),
}

impl Target {
    fn includes(self, operation: Operation) -> bool {
        match self {
            Self::Every => true,
            Self::Changes => operation.changes(),
            Self::Only(only) => operation == only,
        }
    }
}

/// A fault and the calls it befalls: the next one, unless more is said.
///
/// Calls are counted by what fits: `on(TakeUsage).after(2).times(3)` befalls the third, fourth
/// and fifth report of use, whatever other calls come between them. As JSON that is
///
/// ```
/// use monetization_engine_mock::faults::{Fault, Injection};
/// use monetization_engine_mock::transport::Operation;
///
/// let text = r#"{"fault":"lose_reply","on":{"only":"take_usage"},"after":2,"times":3}"#;
/// let read: Injection = serde_json::from_str(text).unwrap();
/// let made = Injection::next(Fault::LoseReply).on(Operation::TakeUsage).after(2).times(3);
/// assert_eq!(read, made);
/// ```
///
/// where `on` may also be `"every"` or `"changes"`, and all but the fault may be left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Injection {
    fault: Fault,
    #[serde(default)]
    on: Target,
    #[serde(default, rename = "after")]
    skip: u32,
    #[serde(default = "once")]
    times: u32,
}

fn once() -> u32 {
    1
}

impl Injection {
    /// Befalls the next call.
    #[must_use]
    pub fn next(fault: Fault) -> Self {
        Self {
            fault,
            on: Target::Every,
            skip: 0,
            times: once(),
        }
    }

    /// Only calls of this operation.
    #[must_use]
    pub fn on(mut self, operation: Operation) -> Self {
        self.on = Target::Only(operation);
        self
    }

    /// Only calls that change something.
    #[must_use]
    pub fn on_changes(mut self) -> Self {
        self.on = Target::Changes;
        self
    }

    /// Lets so many calls through first.
    #[must_use]
    pub fn after(mut self, calls: u32) -> Self {
        self.skip = calls;
        self
    }

    /// Befalls so many calls in a row.
    #[must_use]
    pub fn times(mut self, calls: u32) -> Self {
        self.times = calls;
        self
    }

    /// Befalls every call until [`Faults::clear`].
    #[must_use]
    pub fn always(self) -> Self {
        self.times(u32::MAX)
    }
}

/// A call that was seen on its way, whatever came of it: to show that keys are stable and that
/// nobody's credentials were used for somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeenCall {
    /// What it asked for.
    pub operation: Operation,
    /// The key it carried.
    pub key: String,
    /// The account it was for.
    pub account: Account,
    /// What it signed in with.
    pub credentials: Option<Secret>,
}

/// The faults to come and the calls that were seen. Shared by the transport and the tests.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Script>);

/// What is to come, what is waiting, and what has passed.
#[derive(Debug, Default)]
struct Script {
    injections: VecDeque<Injection>,
    held: Vec<oneshot::Sender<()>>,
    seen: VecDeque<SeenCall>,
}

impl Faults {
    /// Calls that are remembered; older ones are forgotten.
    pub const SEEN_MAX: usize = 10_000;

    /// Adds a fault. Of several that fit a call the one added first befalls it; one whose turn has
    /// not come lets the next one have it.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use monetization_engine_mock::faults::{Fault, Faults, Injection};
    /// use monetization_engine_mock::provider::{Refusal, RefusalKind};
    ///
    /// let faults = Faults::default();
    /// let retry_after = Some(Duration::from_secs(2));
    /// let busy = Refusal::new(RefusalKind::Throttled { retry_after }, "slow down");
    /// // Two calls are throttled, then the next change is made without an answer.
    /// faults.inject(Injection::next(Fault::Refuse(busy)).times(2));
    /// faults.inject(Injection::next(Fault::LoseReply).on_changes());
    /// ```
    pub fn inject(&self, injection: Injection) {
        self.lock().injections.push_back(injection);
    }

    /// Takes back every fault to come.
    pub fn clear(&self) {
        self.lock().injections.clear();
    }

    /// Lets the held calls go on, in whichever order their tasks run. Calls that are held later
    /// wait for the next release.
    ///
    /// This is how an order of events is forced that would be rare: hold a call, let something
    /// else happen (a cancellation, another publisher, the death of a lease), then release it.
    pub fn release(&self) {
        // A held call waits for its sender to be gone.
        self.lock().held.clear();
    }

    /// The calls that were seen, oldest first.
    #[must_use]
    pub fn seen(&self) -> Vec<SeenCall> {
        self.lock().seen.iter().cloned().collect()
    }

    /// A panic of another thread leaves the script whole: each change of it is one assignment.
    fn lock(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the call, and takes the fault that befalls it off the script.
    fn befalls(&self, call: &Call) -> Option<Fault> {
        let mut script = self.lock();
        let operation = call.request.operation();
        if script.seen.len() >= Self::SEEN_MAX {
            script.seen.pop_front();
        }
        script.seen.push_back(SeenCall {
            operation,
            key: call.key.clone(),
            account: call.account.clone(),
            credentials: call.credentials.clone(),
        });
        script.choose(operation)
    }

    /// Something to wait for until the next release.
    fn hold(&self) -> oneshot::Receiver<()> {
        let (release, held) = oneshot::channel();
        self.lock().held.push(release);
        held
    }
}

impl Script {
    /// The first fault that fits, where its turn has come.
    fn choose(&mut self, operation: Operation) -> Option<Fault> {
        let mut chosen = None;
        for (index, injection) in self.injections.iter_mut().enumerate() {
            if !injection.on.includes(operation) {
                continue;
            }
            if injection.skip > 0 {
                injection.skip = injection.skip.saturating_sub(1);
                continue;
            }
            if injection.times != u32::MAX {
                injection.times = injection.times.saturating_sub(1);
            }
            chosen = Some((index, injection.times, injection.fault.clone()));
            break;
        }
        let (index, left, fault) = chosen?;
        if left == 0 {
            self.injections.remove(index);
        }
        Some(fault)
    }
}

/// A transport on which things go wrong as scripted, and on which each call is seen. It can stand
/// around any other: the faults are the same over HTTP.
#[derive(Debug)]
pub struct FaultyTransport<T> {
    inner: T,
    faults: Arc<Faults>,
}

impl<T: Transport> FaultyTransport<T> {
    /// Around `inner`, by the script of `faults`.
    pub fn new(inner: T, faults: Arc<Faults>) -> Self {
        Self { inner, faults }
    }
}

#[async_trait]
impl<T: Transport> Transport for FaultyTransport<T> {
    async fn send(&self, mut call: Call) -> Result<Answer, TransportError> {
        let lost = || Err(TransportError::NoAnswer { source: None });
        match self.faults.befalls(&call) {
            None => self.inner.send(call).await,
            Some(Fault::Refuse(refusal)) => Ok(Err(refusal)),
            Some(Fault::NotSent) => Err(TransportError::NotSent { source: None }),
            Some(Fault::LoseCall) => lost(),
            Some(Fault::LoseReply) => {
                drop(self.inner.send(call).await?);
                lost()
            }
            Some(Fault::FailAfter(refusal)) => {
                drop(self.inner.send(call).await?);
                Ok(Err(refusal))
            }
            Some(Fault::Garble { done }) => {
                let operation = call.request.operation();
                if done {
                    drop(self.inner.send(call).await?);
                }
                Ok(Ok(answer_to_something_else(operation)))
            }
            Some(Fault::Break(refusal)) => {
                call.breaks = Some(refusal);
                self.inner.send(call).await
            }
            Some(Fault::Delay(takes)) => {
                let too_long = takes > call.timeout;
                let answer = self.inner.send(call).await;
                if too_long { lost() } else { answer }
            }
            Some(Fault::Hold) => {
                let held = self.faults.hold();
                // Released or not: once its sender is gone the hold is over.
                held.await.unwrap_or(());
                self.inner.send(call).await
            }
            Some(Fault::Record { index, fault }) => {
                let skipped = strike_record(&mut call.request, index, fault);
                let answer = self.inner.send(call).await?;
                Ok(answer.map(|reply| with_verdict(reply, index, fault, skipped)))
            }
        }
    }
}

/// What fits no call of this operation.
fn answer_to_something_else(operation: Operation) -> Reply {
    match operation {
        Operation::Usage => Reply::Done,
        _ => Reply::Total(Quantity::ZERO),
    }
}

/// Does to a usage record of a report what the fault wants; whether it was taken out.
fn strike_record(request: &mut Request, index: usize, fault: RecordFault) -> bool {
    let Request::Do(Order::TakeUsage { records }) = request else {
        return false;
    };
    let Some(record) = records.get_mut(index) else {
        return false;
    };
    match fault {
        RecordFault::ReceiptLost => false,
        RecordFault::RejectedLater => {
            record.refused_later = true;
            false
        }
        RecordFault::NotTaken | RecordFault::Rejected | RecordFault::NotSent { .. } => {
            drop(records.remove(index));
            true
        }
    }
}

/// Says of one record what the fault wants said; where it was taken out, in its old place.
fn with_verdict(reply: Reply, index: usize, fault: RecordFault, skipped: bool) -> Reply {
    let Reply::Verdicts(mut verdicts) = reply else {
        return reply;
    };
    let reason = "a scripted fault".to_owned();
    let verdict = match fault {
        RecordFault::NotTaken | RecordFault::ReceiptLost => RecordVerdict::Unknown { reason },
        RecordFault::Rejected => RecordVerdict::Rejected { reason },
        RecordFault::NotSent { retry_after } => RecordVerdict::NotSent {
            reason,
            retry_after,
        },
        RecordFault::RejectedLater => return Reply::Verdicts(verdicts),
    };
    if skipped {
        verdicts.insert(index.min(verdicts.len()), verdict);
    } else if let Some(replaced) = verdicts.get_mut(index) {
        *replaced = verdict;
    }
    Reply::Verdicts(verdicts)
}
