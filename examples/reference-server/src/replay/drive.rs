//! Makes the calls of a log at one market.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use monetization_core::clock::Timestamp;
use monetization_core::ids::RecordId;
use monetization_core::runtime::{Decided, Denial, Gatekeeper, Permit, Target};
use monetization_core::usage::{Ending, Outcome};

use super::bill::{Bill, bills};
use super::market::{Market, SLUG, Subscriber};
use super::order::Call;
use super::reading::Chunk;
use super::tally::{Course, Tally, reason};
use super::trace::{Made, Trace};
use super::{Offer, ReplayError};

/// What a log comes to under one plan.
#[derive(Debug)]
pub(super) struct Driven {
    /// What the plan costs, for people.
    pub(super) label: String,
    pub(super) people: Vec<Person>,
    pub(super) course: Course,
    /// The instants of the first and the last call.
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
}

/// One consumer of the log, at the end of it.
#[derive(Debug)]
pub(super) struct Person {
    /// What the log tells them by.
    pub(super) name: Arc<str>,
    pub(super) tally: Tally,
    pub(super) bill: Bill,
}

/// Makes all calls as they come; `None` where there are none.
///
/// # Errors
/// [`ReplayError`].
pub(super) fn drive(
    offer: &Offer,
    calls: &Receiver<Arc<Chunk>>,
    trace: Option<Trace>,
) -> Result<Option<Driven>, ReplayError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(ReplayError::System)?;
    runtime.block_on(async {
        let mut driver = None;
        let mut waiting = Vec::new();
        let mut trace = trace;
        while let Ok(chunk) = calls.recv() {
            waiting.extend(chunk.consumers.iter().cloned());
            let Some(first) = chunk.calls.first() else {
                continue;
            };
            let driver = match &mut driver {
                Some(driver) => driver,
                None => driver.insert(Driver::new(offer, first.at, trace.take()).await?),
            };
            driver.subscribe(std::mem::take(&mut waiting)).await?;
            driver.make(&chunk.calls).await?;
        }
        match driver {
            Some(driver) => Ok(Some(driver.end().await?)),
            None => Ok(None),
        }
    })
}

struct Driver {
    market: Market,
    names: Vec<Arc<str>>,
    subscribers: Vec<Subscriber>,
    tallies: Vec<Tally>,
    course: Course,
    first: Timestamp,
    last: Timestamp,
    trace: Option<Trace>,
    /// Calls that are to be traced once the ledger has their records.
    traced: Vec<(Call, Made)>,
}

impl Driver {
    async fn new(
        offer: &Offer,
        first: Timestamp,
        trace: Option<Trace>,
    ) -> Result<Self, ReplayError> {
        Ok(Self {
            market: Market::open(offer, first, trace.is_some()).await?,
            names: Vec::new(),
            subscribers: Vec::new(),
            tallies: Vec::new(),
            course: Course::starting(first),
            first,
            last: first,
            trace,
            traced: Vec::new(),
        })
    }

    async fn subscribe(&mut self, names: Vec<Arc<str>>) -> Result<(), ReplayError> {
        if !names.is_empty() {
            let subscribers = self.market.subscribe(names.len()).await?;
            self.subscribers.extend(subscribers);
            self.names.extend(names);
            self.tallies.resize(self.names.len(), Tally::default());
        }
        Ok(())
    }

    /// Makes these calls, and has their use written.
    async fn make(&mut self, calls: &[Call]) -> Result<(), ReplayError> {
        for call in calls {
            let made = self.make_one(call).await?;
            let refused = made.as_ref().err().map(reason);
            if let Some(tally) = self.tallies.get_mut(place(call.consumer)) {
                tally.count(refused);
            }
            self.course.count(call.at, refused);
            if self.trace.is_some() {
                let traced = match (made, refused) {
                    (Ok(record), _) => Made::Recorded(record),
                    (Err(_), refused) => Made::Refused(refused.unwrap_or_default()),
                };
                self.traced.push((call.clone(), traced));
            }
        }
        written(&self.market.gatekeeper).await;
        if let (Some(trace), Some(witness)) = (&mut self.trace, &self.market.witness) {
            let taken = witness.take();
            for made in self.traced.drain(..) {
                let name = self.names.get(place(made.0.consumer));
                let name = name.map(AsRef::as_ref).unwrap_or_default();
                let counted = match made.1 {
                    Made::Recorded(record) => taken.get(&record),
                    Made::Refused(_) => None,
                };
                let counted = counted.map(Vec::as_slice).unwrap_or_default();
                let meters = &self.market.product.meters;
                trace
                    .write(&made, name, meters, counted)
                    .map_err(ReplayError::Trace)?;
            }
        }
        Ok(())
    }

    async fn make_one(&mut self, call: &Call) -> Result<Result<RecordId, Denial>, ReplayError> {
        self.market.go_on(call.at);
        self.last = call.at;
        let subscriber = self.subscribers.get(place(call.consumer));
        let subscriber = subscriber.ok_or(ReplayError::Stranger)?;
        let asked = call.asked.as_deref();
        let target = Target {
            product: SLUG,
            method: asked.map_or("GET", |asked| &asked.method),
            path: asked.map_or("/", |asked| &asked.path),
        };
        let gatekeeper = &self.market.gatekeeper;
        let decided = match gatekeeper.decide(&subscriber.headers, &target, call.at) {
            Decided::Granted(permit) => Ok(permit),
            Decided::Denied(denial) => Err(denial),
            Decided::Waits => {
                // What the store answers depends on what it has been told.
                written(gatekeeper).await;
                let admitted = gatekeeper.admit(&subscriber.headers, &target, call.at);
                admitted.await
            }
        };
        match decided {
            Ok(permit) => Ok(Ok(settle(permit, call))),
            Err(denial @ Denial::Busy { .. }) => Err(ReplayError::Refused(denial)),
            Err(denial) => Ok(Err(denial)),
        }
    }

    async fn end(self) -> Result<Driven, ReplayError> {
        let subscriptions = || self.subscribers.iter().map(|one| one.subscription);
        self.market.close(subscriptions(), self.last).await?;
        let bills = bills(&self.market, subscriptions()).await?;
        if let Some(trace) = self.trace {
            trace.end().map_err(ReplayError::Trace)?;
        }
        let people = self.names.into_iter().zip(self.tallies).zip(bills);
        let person = |((name, tally), bill)| Person { name, tally, bill };
        Ok(Driven {
            label: self.market.terms.label(),
            people: people.map(person).collect(),
            course: self.course,
            first: self.first,
            last: self.last,
        })
    }
}

/// Waits until the ledger has every record.
async fn written(gatekeeper: &Gatekeeper) {
    while gatekeeper.committer().backlog() > 0 {
        tokio::task::yield_now().await;
    }
}

fn settle(mut permit: Permit, call: &Call) -> RecordId {
    let record = permit.record();
    permit.transferred(call.received_bytes, call.sent_bytes);
    permit.settle_in_background(Outcome {
        status: Some(call.status),
        ending: Ending::Complete,
    });
    record
}

fn place(consumer: u32) -> usize {
    usize::try_from(consumer).unwrap_or(usize::MAX)
}
