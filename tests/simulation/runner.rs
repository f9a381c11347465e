//! Runs tasks one poll at a time, in an order that a seed decides.
//!
//! Everything happens on one thread. A task stops at each call of its store, before it and after it;
//! between two polls anything else may happen, and a task that is dropped there is one whose process
//! has died.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use async_trait::async_trait;
use monetization_conformance::store::{Fault, Script};

use crate::dice::Dice;

type Work = Pin<Box<dyn Future<Output = ()>>>;

/// The tasks of all nodes.
#[derive(Default)]
pub(crate) struct Runner {
    tasks: Vec<Task>,
}

struct Task {
    node: usize,
    /// Whether it comes to an end by itself.
    ends: bool,
    stop: Arc<Stop>,
    work: Work,
}

impl Runner {
    /// Adds a task of a node; `stop` tells where its store calls are.
    pub(crate) fn spawn(
        &mut self,
        node: usize,
        stop: &Arc<Stop>,
        work: impl Future<Output = ()> + 'static,
    ) {
        self.add(node, true, stop, work);
    }

    /// Adds what runs beside a node's tasks for as long as the node lives.
    pub(crate) fn serve(
        &mut self,
        node: usize,
        stop: &Arc<Stop>,
        work: impl Future<Output = ()> + 'static,
    ) {
        self.add(node, false, stop, work);
    }

    fn add(
        &mut self,
        node: usize,
        ends: bool,
        stop: &Arc<Stop>,
        work: impl Future<Output = ()> + 'static,
    ) {
        self.tasks.push(Task {
            node,
            ends,
            stop: Arc::clone(stop),
            work: Box::pin(work),
        });
    }

    /// Tasks that will come to an end by themselves.
    pub(crate) fn under_way(&self) -> usize {
        self.tasks.iter().filter(|task| task.ends).count()
    }

    /// The node's process dies: all it was doing is gone.
    pub(crate) fn kill(&mut self, node: usize) {
        self.tasks.retain(|task| task.node != node);
    }

    /// Polls so many tasks, of nodes that run.
    pub(crate) fn poll_some(&mut self, count: u64, dice: &Dice, runs: impl Fn(usize) -> bool) {
        for _ in 0..count {
            let able: Vec<usize> = (0..self.tasks.len())
                .filter(|index| runs(self.tasks[*index].node))
                .collect();
            let Some(index) = dice.pick(&able) else {
                return;
            };
            if self.tasks[*index].poll() {
                drop(self.tasks.remove(*index));
            }
        }
    }

    /// Polls every task of nodes that run, once.
    pub(crate) fn poll_all(&mut self, runs: impl Fn(usize) -> bool) {
        self.tasks
            .retain_mut(|task| !runs(task.node) || !task.poll());
    }
}

impl Task {
    /// Polls until it stops at a call of its store, or waits for something else; whether it is done.
    fn poll(&mut self) -> bool {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut cx = Context::from_waker(&waker);
        loop {
            if self.work.as_mut().poll(&mut cx).is_ready() {
                return true;
            }
            if !self.stop.is_within_a_call() {
                return false;
            }
            // A store with threads of its own is working on the call, which is one step here.
            thread::park();
        }
    }
}

/// Waits for what no node does: it does not stop at calls of a store.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match work.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(done) => return done,
            Poll::Pending => thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Where the tasks of one node stop: before and after each call of its store.
pub(crate) struct Stop {
    dice: Dice,
    /// Calls that have reached the store and are not answered.
    calls: AtomicUsize,
    stormy: AtomicBool,
}

impl Stop {
    pub(crate) fn new(dice: Dice) -> Self {
        Self {
            dice,
            calls: AtomicUsize::new(0),
            stormy: AtomicBool::new(false),
        }
    }

    /// Whether calls fail now and then, as the dice have it.
    pub(crate) fn set_stormy(&self, stormy: bool) {
        self.stormy.store(stormy, Ordering::Relaxed);
    }

    fn is_within_a_call(&self) -> bool {
        self.calls.load(Ordering::Acquire) > 0
    }

    fn fault(&self) -> Option<Fault> {
        if !self.stormy.load(Ordering::Relaxed) {
            return None;
        }
        match self.dice.below(20) {
            0 => Some(Fault::Before),
            1 => Some(Fault::After),
            _ => None,
        }
    }
}

#[async_trait]
impl Script for Stop {
    async fn before(&self) -> Option<Fault> {
        stop_once().await;
        let fault = self.fault();
        if fault != Some(Fault::Before) {
            self.calls.fetch_add(1, Ordering::AcqRel);
        }
        fault
    }

    async fn after(&self) {
        self.calls.fetch_sub(1, Ordering::AcqRel);
        stop_once().await;
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Stop")
    }
}

/// Waits for the next poll.
pub(crate) async fn stop_once() {
    let mut stopped = false;
    std::future::poll_fn(|_| {
        if std::mem::replace(&mut stopped, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}
