//! Makes use durable: one writer that takes all records that wait and appends them in one
//! transaction, for any store.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use futures::channel::oneshot;

use super::gatekeeper::Sleep;
use super::permit::Settled;
use crate::clock::Clock;
use crate::store::{Appended, Refusal, Store};
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
/// * Whoever waits for a record is told after that, and only then.
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

/// What the ledger says to a record.
/// A refusal is final: the record will not be there.
pub(super) type Answer = Result<Committed, Refusal>;

struct Shared {
    options: CommitterOptions,
    clock: Clock,
    queue: Mutex<Queue>,
}

/// The one lock of the queue guards plain numbers and the records that wait; it is never held
/// across an await. `taken` counts a call from its reservation to the ledger's answer.
#[derive(Default)]
struct Queue {
    waiting: VecDeque<Pending>,
    /// Places that are reserved or waiting.
    taken: usize,
    closed: bool,
    writer: Option<Waker>,
    /// Since when (process time) the store has not taken what it was given.
    failing_since: Option<Duration>,
}

/// A record, and who waits for it, if anybody does.
pub(super) struct Pending {
    pub(super) record: UsageRecord,
    pub(super) settled: Settled,
    pub(super) heard_by: Option<oneshot::Sender<Answer>>,
}

/// A place in the queue. Given back when it is dropped without being used.
#[derive(Debug)]
pub(super) struct Place {
    committer: Option<Committer>,
}

impl Committer {
    pub(super) fn new(options: CommitterOptions, clock: Clock) -> Self {
        Self(Arc::new(Shared {
            options,
            clock,
            queue: Mutex::default(),
        }))
    }

    /// Reserves a place; `None` where the queue is full or closed.
    pub(super) fn reserve(&self) -> Option<Place> {
        let mut queue = self.0.lock();
        let free = !queue.closed && queue.taken < self.0.options.queue_max;
        free.then(|| {
            queue.taken = queue.taken.saturating_add(1);
            Place {
                committer: Some(self.clone()),
            }
        })
    }

    /// Puts a settled call in its place, and tells whoever waits what the ledger says.
    pub(super) fn put(&self, mut place: Place, pending: Pending) {
        let mut queue = self.0.lock();
        // The place goes on to be taken by the record.
        place.committer = None;
        queue.waiting.push_back(pending);
        queue.wake_writer();
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

    /// Lets no further call in. [`Gatekeeper::run`](super::Gatekeeper::run) ends once all that is under way is written.
    pub fn close(&self) {
        let mut queue = self.0.lock();
        queue.closed = true;
        queue.wake_writer();
    }

    /// Writes what waits, until [`close`](Self::close) and the last record. To be spawned once.
    pub(super) async fn run(self, store: Arc<dyn Store>, sleep: Arc<dyn Sleep>) {
        while let Some(batch) = self.next_batch().await {
            let recorded_at = self.0.clock.now();
            let (records, callers): (Vec<_>, Vec<_>) = batch
                .into_iter()
                .map(|mut pending| {
                    pending.record.recorded_at = recorded_at;
                    (pending.record, (pending.settled, pending.heard_by))
                })
                .unzip();
            let mut wait = Duration::from_millis(5);
            let answers = loop {
                match store.append(&records).await {
                    Ok(answers) if answers.len() == records.len() => break answers,
                    // An answer that leaves records out is none: nothing may be lost.
                    Ok(_) | Err(_) => {
                        self.0
                            .lock()
                            .failing_since
                            .get_or_insert(self.0.clock.uptime());
                        sleep.sleep(wait).await;
                        wait = wait.saturating_mul(2).min(Duration::from_secs(1));
                    }
                }
            };
            self.release(&records, callers, answers);
        }
    }

    /// The ledger has answered for each record of the batch: nothing of it is in flight any more,
    /// whoever waits is told, and its places are free.
    fn release(&self, records: &[UsageRecord], callers: Vec<Caller>, answers: Vec<Appended>) {
        let mut waiting = Vec::new();
        for ((record, (settled, heard_by)), answer) in records.iter().zip(callers).zip(answers) {
            settled.finish(record);
            if let Some(heard_by) = heard_by {
                waiting.push((heard_by, said(answer)));
            }
        }
        {
            let mut queue = self.0.lock();
            queue.taken = queue.taken.saturating_sub(records.len());
            queue.failing_since = None;
            queue.wake_writer();
        }
        for (heard_by, answer) in waiting {
            // Whoever waited may have gone; the record is written all the same.
            let _heard = heard_by.send(answer);
        }
    }

    /// What waits, at most a transaction's worth; `None` once it is closed and nothing is under way.
    async fn next_batch(&self) -> Option<Vec<Pending>> {
        poll_fn(|cx| {
            let mut queue = self.0.lock();
            let count = queue.waiting.len().min(self.0.options.batch_max);
            if count > 0 {
                Poll::Ready(Some(queue.waiting.drain(..count).collect()))
            } else if queue.closed && queue.taken == 0 {
                Poll::Ready(None)
            } else {
                queue.writer = Some(cx.waker().clone());
                Poll::Pending
            }
        })
        .await
    }
}

/// Who is behind a record of a batch, and who waits for it.
type Caller = (Settled, Option<oneshot::Sender<Answer>>);

fn said(answer: Appended) -> Answer {
    match answer {
        Appended::New => Ok(Committed::New),
        Appended::Duplicate | Appended::Conflict => Ok(Committed::Duplicate),
        Appended::Refused(refusal) => Err(refusal),
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
    fn wake_writer(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(committer) = self.committer.take() {
            let mut queue = committer.0.lock();
            queue.taken = queue.taken.saturating_sub(1);
            queue.wake_writer();
        }
    }
}
