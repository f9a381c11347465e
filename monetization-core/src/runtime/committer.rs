//! Makes use durable: one writer that takes all records that wait and appends them in one
//! transaction, for any store.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future;

use super::cells::GiveBack;
use super::gate::{Gate, Stretch};
use super::gatekeeper::Sleep;
use super::keeper::Keeper;
use super::permit::{Held, NotRecorded};
use crate::clock::{Clock, Timestamp};
use crate::ids::{LeaseId, TenantId};
use crate::store::{Appended, Refusal, Store, StoreError, StoreErrorKind};
use crate::usage::UsageRecord;

/// Where settled calls wait to be written. Clones share one queue.
///
/// A place in the queue is reserved before a call is forwarded, so that a full queue refuses
/// calls instead of losing their records; memory stays bounded. While the store is away the
/// records stay and are appended again, under the same ids, until it has taken them.
///
/// What it promises:
///
/// * A call that was let through has a place, so its record is never turned away.
/// * Records are appended in the order they were settled in, as many at once as wait.
/// * The append of a batch is repeated, after 5 milliseconds and then twice as long each time up to
///   a second, until the store has answered for every record. A record that was written by a try
///   whose reply was lost is recognised by its id.
/// * A record that the store finds senseless ([`StoreErrorKind::Broken`]), alone and three times while
///   the store takes others, is set aside and keeps nobody waiting: [`SetAside`] is told, and whoever
///   waits hears [`NotRecorded::SetAside`].
/// * Whoever waits for a record is told after that, and only then.
/// * Where the ledger refuses a record because the block of quota that it spends from has been taken back, no
///   further call spends from that block. So this costs the calls that are under way, and no more.
/// * After [`close`](Self::close) no call gets a place, and those that have one keep it.
#[derive(Clone)]
pub struct Committer(Arc<Shared>);

/// Bounds of a [`Committer`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitterOptions {
    /// Calls that may be under way or waiting to be written; further ones are refused.
    pub queue_max: usize,
    /// Records of one transaction.
    pub batch_max: usize,
}

impl Default for CommitterOptions {
    /// 100,000 calls and 1,000 records.
    fn default() -> Self {
        Self {
            queue_max: 100_000,
            batch_max: 1_000,
        }
    }
}

/// That a record is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Committed {
    /// It has been written.
    New,
    /// It had been written.
    Duplicate,
}

/// What became of a record. A refusal is final: the record will not be there.
pub(super) type Answer = Result<Committed, NotRecorded>;

/// Keeps records that the ledger cannot take, for somebody to look at.
///
/// What it is given is use that was served and is not billed. It is called by the one writer, so it
/// should take no longer than a write to a disk; a file of JSON lines is enough.
///
/// ```
/// use std::sync::Mutex;
///
/// use monetization_core::runtime::SetAside;
/// use monetization_core::store::StoreError;
/// use monetization_core::usage::UsageRecord;
///
/// #[derive(Debug, Default)]
/// struct Kept(Mutex<Vec<String>>);
///
/// impl SetAside for Kept {
///     fn keep(&self, record: &UsageRecord, why: &StoreError) {
///         let line = serde_json::json!({ "record": record, "why": why.to_string() });
///         self.0.lock().unwrap().push(line.to_string());
///     }
/// }
/// ```
pub trait SetAside: fmt::Debug + Send + Sync + 'static {
    /// Keeps a record, and why the ledger does not take it.
    fn keep(&self, record: &UsageRecord, why: &StoreError);
}

/// Tries of one record that the store finds senseless.
const TRIES_MAX: u32 = 3;

/// What the store has said to a record.
enum Said {
    Answered(Appended),
    /// It is set aside.
    Senseless,
}

impl Said {
    /// Whether the record was refused because of the block it spends from.
    fn is_of_its_block(&self) -> bool {
        matches!(
            self,
            Self::Answered(Appended::Refused(
                Refusal::LeaseClosed | Refusal::LeaseSpent
            ))
        )
    }
}

struct Shared {
    options: CommitterOptions,
    clock: Clock,
    keeper: Keeper,
    aside: Option<Arc<dyn SetAside>>,
    queue: Mutex<Queue>,
    /// Is done once the queue is closed.
    closing: future::Shared<oneshot::Receiver<()>>,
}

/// The one lock of the queue guards plain numbers and the records that wait; it is never held
/// across an await. `taken` counts a call from its reservation to the ledger's answer.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<Box<Held>>,
    /// Places that are reserved or waiting.
    taken: usize,
    /// Whoever waits for the end is told by its being dropped; `None` where it is closed.
    open: Option<oneshot::Sender<()>>,
    writer: Option<Waker>,
    /// Since when (process time) the store has not taken what it was given.
    failing_since: Option<Duration>,
    /// What kind of failure it was the last time.
    failing_because: Option<StoreErrorKind>,
    /// Records that were set aside.
    set_aside: u64,
    /// Answers that meters could not read.
    answers_unread: u64,
}

/// A place in the queue. Given back when it is dropped without being used.
#[derive(Debug)]
pub(super) struct Place(Option<Committer>);

impl Committer {
    pub(super) fn new(
        options: CommitterOptions,
        clock: Clock,
        keeper: Keeper,
        aside: Option<Arc<dyn SetAside>>,
    ) -> Self {
        let (open, closing) = oneshot::channel();
        let queue = Queue {
            open: Some(open),
            ..Queue::default()
        };
        Self(Arc::new(Shared {
            options,
            clock,
            keeper,
            aside,
            queue: Mutex::new(queue),
            closing: closing.shared(),
        }))
    }

    /// Reserves a place; `None` where the queue is full or closed.
    pub(super) fn reserve(&self) -> Option<Place> {
        let mut queue = self.0.lock();
        let free = queue.open.is_some() && queue.taken < self.0.options.queue_max;
        free.then(|| {
            queue.taken = queue.taken.saturating_add(1);
            Place(Some(self.clone()))
        })
    }

    /// Calls that are under way or waiting to be written.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.0.lock().taken
    }

    /// For how long the store has not taken what it was given; `None` while it does.
    #[must_use]
    pub fn failing_for(&self) -> Option<Duration> {
        let since = self.0.lock().failing_since?;
        Some(self.0.clock.uptime().saturating_sub(since))
    }

    /// Why the store has not taken what it was given the last time; `None` while it does.
    #[must_use]
    pub fn failing_because(&self) -> Option<StoreErrorKind> {
        self.0.lock().failing_because
    }

    /// Whether every place is taken: further calls are refused.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.0.lock().taken >= self.0.options.queue_max
    }

    /// Records that were set aside since this process began: use that was served and is not billed.
    #[must_use]
    pub fn set_aside(&self) -> u64 {
        self.0.lock().set_aside
    }

    /// Answers since this process began that a meter of their fields could not read: they are
    /// [encoded or no JSON](crate::product::Source::ResponseField), or their rest was not waited for. What they
    /// say is not billed.
    #[must_use]
    pub fn answers_unread(&self) -> u64 {
        self.0.lock().answers_unread
    }

    /// Lets no further call in. [`Gatekeeper::run`](super::Gatekeeper::run) ends once all that is under way is written.
    pub fn close(&self) {
        let mut queue = self.0.lock();
        queue.open = None;
        queue.wake_writer();
    }

    /// Is done once it was closed: what need not be waited for should come to its end.
    pub async fn closed(&self) {
        // It is never sent, only dropped.
        let _dropped = self.0.closing.clone().await;
    }

    /// Writes what waits, until [`close`](Self::close) and the last record. To be spawned once.
    pub(super) async fn run(self, store: Arc<dyn Store>, sleep: Arc<dyn Sleep>) {
        let (mut waiting, mut batch) = (VecDeque::new(), Batch::default());
        while self.next(&mut waiting).await {
            while !waiting.is_empty() {
                let count = waiting.len().min(self.0.options.batch_max.max(1));
                batch.fill(waiting.drain(..count), self.0.clock.now());
                let said = self.append(&batch.records, &*store, &*sleep).await;
                self.release(&mut batch, said);
            }
        }
    }

    /// Everything that waits; whether there is anything, or else it is closed and nothing is under
    /// way.
    async fn next(&self, waiting: &mut VecDeque<Box<Held>>) -> bool {
        poll_fn(|cx| {
            let mut queue = self.0.lock();
            if !queue.waiting.is_empty() {
                // Two queues take turns, so that the lock is held for an exchange.
                std::mem::swap(&mut queue.waiting, waiting);
                Poll::Ready(true)
            } else if queue.open.is_none() && queue.taken == 0 {
                Poll::Ready(false)
            } else {
                queue.writer = Some(cx.waker().clone());
                Poll::Pending
            }
        })
        .await
    }

    /// Appends the records, again and again until the store has answered for each. Those among which
    /// it finds something senseless are parted, until what is senseless stands alone.
    async fn append(
        &self,
        records: &[UsageRecord],
        store: &dyn Store,
        sleep: &dyn Sleep,
    ) -> Vec<Said> {
        let mut said = Vec::with_capacity(records.len());
        let mut parts = vec![records];
        while let Some(part) = parts.pop() {
            match self.append_part(part, store, sleep).await {
                Ok(answers) => said.extend(answers.into_iter().map(Said::Answered)),
                Err(senseless) => match part {
                    [record] => {
                        self.put_aside(record, &senseless);
                        said.push(Said::Senseless);
                    }
                    _ => {
                        let (first, second) = part.split_at(part.len().div_ceil(2));
                        parts.extend([second, first]);
                    }
                },
            }
        }
        said
    }

    /// Appends a part, again and again while time may help.
    ///
    /// # Errors
    /// Where the store finds something senseless in it: at once for several records, after a few
    /// tries for one, if the store takes writes at all.
    async fn append_part(
        &self,
        part: &[UsageRecord],
        store: &dyn Store,
        sleep: &dyn Sleep,
    ) -> Result<Vec<Appended>, StoreError> {
        let mut wait = Duration::from_millis(5);
        let mut tries = 0_u32;
        loop {
            let failed = match store.append(part).await {
                Ok(answers) if answers.len() == part.len() => return Ok(answers),
                // An answer that leaves records out is none: nothing may be lost.
                Ok(_) => None,
                Err(error) => Some(error),
            };
            let kind = failed.as_ref().map(StoreError::kind);
            if let Some(error) = failed.filter(|error| error.kind() == StoreErrorKind::Broken) {
                tries = tries.saturating_add(1);
                let enough = part.len() > 1 || tries >= TRIES_MAX;
                if self.0.aside.is_some() && enough && store.ping().await.is_ok() {
                    return Err(error);
                }
            }
            self.0.lock().failed(kind, self.0.clock.uptime());
            sleep.sleep(wait).await;
            wait = wait.saturating_mul(2).min(Duration::from_secs(1));
        }
    }

    fn put_aside(&self, record: &UsageRecord, why: &StoreError) {
        if let Some(aside) = &self.0.aside {
            aside.keep(record, why);
            let mut queue = self.0.lock();
            queue.set_aside = queue.set_aside.saturating_add(1);
        }
    }

    /// The ledger has answered for each record of the batch: nothing of it is in flight any more,
    /// whoever waits is told, and its places are free.
    fn release(&self, batch: &mut Batch, all_said: Vec<Said>) {
        let calls = batch.records.iter().zip(&batch.callers);
        for ((record, caller), said) in calls.zip(&all_said) {
            let spent = GiveBack {
                quotas: false,
                rates_at: None,
            };
            let (gate, allowance) = (&caller.gate, &caller.stretch.allowance);
            if said.is_of_its_block() {
                gate.cells.lose(&record.spent);
            }
            let done = gate.cells.finish(allowance, &record.spent, spent);
            self.0.keeper.settle_later(record.tenant, done);
        }
        {
            let mut queue = self.0.lock();
            queue.taken = queue.taken.saturating_sub(batch.records.len());
            (queue.failing_since, queue.failing_because) = (None, None);
            queue.wake_writer();
        }
        for (caller, said) in batch.callers.drain(..).zip(all_said) {
            if let Some(heard_by) = caller.heard_by {
                // Whoever waited may have gone; the record is written all the same.
                let _heard = heard_by.send(said.into());
            }
        }
    }
}

/// Records of one transaction, and who is behind each. Its memory is used again and again.
#[derive(Default)]
struct Batch {
    records: Vec<UsageRecord>,
    callers: Vec<Caller>,
}

struct Caller {
    gate: Arc<Gate>,
    stretch: Arc<Stretch>,
    heard_by: Option<oneshot::Sender<Answer>>,
}

impl Batch {
    /// Takes these in the place of those before.
    fn fill(&mut self, waiting: impl Iterator<Item = Box<Held>>, recorded_at: Timestamp) {
        self.records.clear();
        self.callers.clear();
        for held in waiting {
            let Held {
                mut record,
                gate,
                stretch,
                heard_by,
                ..
            } = *held;
            record.recorded_at = recorded_at;
            self.records.push(record);
            self.callers.push(Caller {
                gate,
                stretch,
                heard_by,
            });
        }
    }
}

impl From<Said> for Answer {
    fn from(said: Said) -> Self {
        match said {
            Said::Answered(Appended::New) => Ok(Committed::New),
            Said::Answered(Appended::Duplicate | Appended::Conflict) => Ok(Committed::Duplicate),
            Said::Answered(Appended::Refused(refusal)) => Err(NotRecorded::Refused(refusal)),
            Said::Senseless => Err(NotRecorded::SetAside),
        }
    }
}

impl fmt::Debug for Committer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Committer")
            .field("backlog", &self.backlog())
            .finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // The queue is whole after every statement that holds the lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn failed(&mut self, kind: Option<StoreErrorKind>, uptime: Duration) {
        self.failing_since.get_or_insert(uptime);
        self.failing_because = kind.or(Some(StoreErrorKind::Broken));
    }

    fn wake_writer(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }
}

impl Place {
    /// Puts a settled call in its place: its record is on its way.
    pub(super) fn fill(mut held: Box<Held>) {
        // From here on the record takes the place, until the ledger has answered.
        if let Some(committer) = held.place.0.take() {
            let mut queue = committer.0.lock();
            queue.answers_unread = queue.answers_unread.saturating_add(held.is_unread.into());
            queue.waiting.push_back(held);
            queue.wake_writer();
        }
    }

    /// Blocks of quotas that a call with this place was the last to spend from.
    pub(super) fn settle_later(&self, tenant: TenantId, leases: Vec<LeaseId>) {
        if let Some(committer) = &self.0 {
            committer.0.keeper.settle_later(tenant, leases);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(committer) = self.0.take() {
            let mut queue = committer.0.lock();
            queue.taken = queue.taken.saturating_sub(1);
            queue.wake_writer();
        }
    }
}
