//! Processes that die: nothing of what they were doing goes on, and nothing of it is undone.

use std::future::pending;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use monetization_conformance::store::{Fault as StoreFault, Script};
use monetization_conformance::stripe::FakeStripe;
use monetization_conformance::stripe::faults::{Fault, Plan, When};
use tokio::sync::Notify;

/// Where a process dies, counted from 0 since it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// At a call of its store.
    Store(u64, When),
    /// At a request to Stripe.
    Request(u32, When),
}

impl Point {
    /// The point with this number, where so many calls and requests are made.
    pub fn of(number: u64, calls: u64) -> Self {
        let when = [When::Before, When::After][usize::try_from(number % 2).unwrap()];
        let step = number / 2;
        match step.checked_sub(calls) {
            None => Self::Store(step, when),
            Some(request) => Self::Request(u32::try_from(request).unwrap(), when),
        }
    }
}

/// Stands at the calls of a process's store, and lets it die at one of them.
#[derive(Debug, Default)]
pub struct Death {
    calls: AtomicU64,
    at: Mutex<Option<(u64, When)>>,
    comes: Notify,
}

impl Death {
    /// Calls of the store so far.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Acquire)
    }

    /// Does the work; `None` where the process dies there before it is done.
    pub async fn may_come<T>(
        &self,
        point: Point,
        stripe: &FakeStripe,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        match point {
            Point::Store(call, when) => {
                *self.at.lock().unwrap() = Some((self.calls() + call, when));
            }
            Point::Request(request, When::Before) => {
                stripe.plan(Plan::before(Fault::Hang).skip(request));
            }
            Point::Request(request, When::After) => {
                stripe.plan(Plan::after(Fault::Hang).skip(request));
            }
        }
        let done = tokio::select! {
            biased;
            done = work => Some(done),
            () = self.comes.notified() => None,
            () = no_answer(stripe, stripe.requests().len()) => None,
        };
        *self.at.lock().unwrap() = None;
        stripe.clear_faults();
        done
    }

    async fn dies(&self, call: u64, when: When) {
        if *self.at.lock().unwrap() == Some((call, when)) {
            self.comes.notify_one();
            pending::<()>().await;
        }
    }
}

#[async_trait]
impl Script for Death {
    async fn before(&self) -> Option<StoreFault> {
        let call = self.calls.fetch_add(1, Ordering::AcqRel);
        self.dies(call, When::Before).await;
        None
    }

    async fn after(&self) {
        self.dies(self.calls() - 1, When::After).await;
    }
}

/// Waits until Stripe has a request beyond those it had that it never answers.
async fn no_answer(stripe: &FakeStripe, had: usize) {
    let hangs = || {
        let seen = stripe.requests();
        let mut new = seen[had..].iter();
        new.any(|it| matches!(it.fault, Some((Fault::Hang, _))))
    };
    while !hangs() {
        tokio::task::yield_now().await;
    }
}
