use std::collections::BTreeMap;

use monetization_core::clock::Timestamp;
use monetization_core::ids::{LeaseId, TenantId};
use monetization_core::invoice::Invoicing;
use monetization_core::plan::QuotaWindow;
use monetization_core::store::{
    Claim, Finished, JobRun, JobStart, JobState, LeaseAnswer, LeaseRequest, Overturned, Store,
};
use monetization_core::text::Slug;
use monetization_core::usage::{ForeignEvent, Spent, Tally, UsageRecord};

use super::changes::Facts;
use super::claims::Claims;
use super::step::{Answer, Step};
use crate::sample::{START, Sample, Subscriber, batch, text};
use crate::store::steps::{CLAIM, MINUTE};

/// Makes steps up, from what is known of the stores, so that most of them make sense.
#[derive(Debug)]
pub(super) struct World {
    pub(super) sample: Sample,
    /// The oldest first.
    subscribers: Vec<Subscriber>,
    /// Those that others have taken the place of.
    gone: Vec<Subscriber>,
    facts: Facts,
    records: Vec<UsageRecord>,
    leases: Vec<LeaseRequest>,
    claims: Claims,
    jobs: BTreeMap<TenantId, JobRun>,
}

impl World {
    pub(super) fn seeded(seed: u64) -> Self {
        let sample = Sample::seeded(seed);
        let first = sample.subscriber();
        let mut of_core = sample.subscriber_of(first.tenant);
        of_core.invoicing = Invoicing::ByCore;
        Self {
            subscribers: vec![first, of_core, sample.subscriber()],
            gone: Vec::new(),
            sample,
            facts: Facts::default(),
            records: Vec::new(),
            leases: Vec::new(),
            claims: Claims::default(),
            jobs: BTreeMap::new(),
        }
    }

    /// Those that things happen to now.
    pub(super) fn subscribers(&self) -> &[Subscriber] {
        &self.subscribers
    }

    /// All there have ever been.
    pub(super) fn all_subscribers(&self) -> Vec<Subscriber> {
        [self.gone.as_slice(), &self.subscribers].concat()
    }

    /// A new subscription takes the place of the oldest: otherwise all sums would be full before long, and
    /// all segments closed. What is long past is not repeated any more.
    pub(super) fn move_on(&mut self) {
        self.gone.push(self.subscribers.remove(0));
        let mut new = if self.rarely(2) {
            self.sample.subscriber()
        } else {
            self.sample.subscriber_of(self.subscriber().tenant)
        };
        if self.rarely(3) {
            new.invoicing = Invoicing::ByCore;
        }
        self.subscribers.push(new);
        keep_latest(&mut self.records);
        keep_latest(&mut self.leases);
        self.claims.forget();
    }

    /// `model` tells what there is to change and to seal.
    pub(super) async fn next_step(&self, model: &dyn Store) -> Step {
        match self.sample.below(100) {
            0..25 => Step::Apply(self.facts.change(self, model).await),
            25..55 => Step::Append(self.batch_of_records()),
            55..63 => Step::Lease(self.wish()),
            63..67 => {
                let of = self.subscriber();
                Step::Settle(of.tenant, self.lease_of(&of))
            }
            67..75 => self.seal(model).await,
            75..79 => {
                let claim = Claim { limit: 2, ..CLAIM };
                Step::ClaimBatches(self.subscriber().tenant, self.moment(), claim)
            }
            79..86 => self.claims.settle_batch(self),
            86..89 => Step::ClaimIntents(self.moment(), CLAIM),
            89 => self.claims.postpone(self),
            90 => self.claims.resume(self),
            91..94 => Step::StartJob(self.subscriber().tenant, job(), self.moment()),
            94..97 => self.keep_job(),
            97 => Step::LastJob(self.subscriber().tenant, job()),
            _ => Step::Advance(MINUTE),
        }
    }

    /// Takes note of what became of a step.
    pub(super) fn learn(&mut self, step: Step, answer: &Answer) {
        match (step, answer) {
            (Step::Apply(change), Answer::Applied(applied)) => {
                self.claims.learn_of_change(&change, applied);
                self.facts.learn(change, applied);
            }
            (Step::Append(records), _) => self.records.extend(records),
            (Step::Lease(request), Answer::Lease(LeaseAnswer::Granted { .. })) => {
                self.leases.push(request);
            }
            (Step::StartJob(tenant, ..), Answer::Started(JobStart::Started(run))) => {
                self.jobs.insert(tenant, run.clone());
            }
            (Step::KeepJob(tenant, _, run), Answer::Held(true)) => {
                self.jobs.insert(tenant, run);
            }
            (Step::Advance(_), _) => {
                // Whether a claim that lapsed, but was taken by nobody, still holds is a store's
                // own affair.
                self.claims.lapse();
                self.jobs.retain(|_, run| run.state != JobState::Running);
            }
            (step, answer) => self.claims.learn(&step, answer),
        }
    }

    pub(super) fn any<'a, T>(&self, of: &'a [T]) -> Option<&'a T> {
        let length = u64::try_from(of.len()).unwrap();
        of.get(usize::try_from(self.sample.below(length)).unwrap())
    }

    /// True once in so many times.
    pub(super) fn rarely(&self, once_in: u64) -> bool {
        self.sample.below(once_in) == 0
    }

    /// Some moment of the first hour.
    pub(super) fn moment(&self) -> Timestamp {
        let micros = i64::try_from(self.sample.below(3_600_000_000)).unwrap();
        Timestamp::from_micros(START.as_micros() + micros)
    }

    pub(super) fn subscriber(&self) -> Subscriber {
        *self.any(&self.subscribers).unwrap()
    }

    pub(super) fn finished(&self) -> Option<Finished> {
        self.claims.finished(self)
    }

    pub(super) fn overturned(&self) -> Option<Overturned> {
        self.claims.overturned(self)
    }

    fn batch_of_records(&self) -> Vec<UsageRecord> {
        let count = 1 + self.sample.below(4);
        (0..count).map(|_| self.record()).collect()
    }

    fn record(&self) -> UsageRecord {
        if let (true, Some(known)) = (self.rarely(5), self.any(&self.records)) {
            return known.clone();
        }
        let of = self.subscriber();
        let month = u32::try_from(self.sample.below(3)).unwrap();
        let units = match self.sample.below(20) {
            0 => i64::MAX - 3,
            below => i64::try_from(below).unwrap(),
        };
        let mut record = self.sample.record(&of, of.segment(month), units);
        record.occurred_at = Timestamp::from_micros(
            record.occurred_at.as_micros() + i64::try_from(self.sample.below(60)).unwrap(),
        );
        record.counted[0].tally = self.tally();
        if self.rarely(4) {
            let name = text(&format!("evt-{}", self.sample.below(20)));
            let says = [b'0', b'1'].map(|byte| [byte]);
            let event = ForeignEvent::new(text("crm"), name, self.any(&says).unwrap());
            record.id = event.record(of.tenant);
            record.event = Some(event);
        }
        if self.rarely(2) {
            let lease = Some(self.lease_of(&of));
            record.spent.push(of.spent(lease, self.sample.below(3)));
        }
        if self.rarely(3) {
            record.spent.push(Spent {
                quota: QuotaWindow::Period.into(),
                ..of.spent(None, self.sample.below(5))
            });
        }
        record
    }

    /// Any but the last, which can shrink and is never sealed.
    fn tally(&self) -> Tally {
        match self.sample.below(10) {
            0..2 => Tally::Max,
            2 => Tally::once(&self.sample.below(3).to_be_bytes()),
            3 => Tally::After(2),
            _ => Tally::Add,
        }
    }

    fn wish(&self) -> LeaseRequest {
        if let (true, Some(known)) = (self.rarely(5), self.any(&self.leases)) {
            return *known;
        }
        let max = 40 + 20 * self.sample.below(3);
        self.sample.lease(&self.subscriber(), max, 6)
    }

    /// One of its latest blocks, more often than not.
    fn lease_of(&self, of: &Subscriber) -> LeaseId {
        let all = self.leases.iter().rev();
        let its_own = all.filter(|known| known.subscription == of.subscription);
        let latest: Vec<&LeaseRequest> = its_own.take(3).collect();
        let any = if self.rarely(10) {
            self.any(&self.leases)
        } else {
            self.any(&latest).copied()
        };
        any.map_or_else(|| self.sample.id(), |known| known.id)
    }

    async fn seal(&self, model: &dyn Store) -> Step {
        let of = self.subscriber();
        let month = u32::try_from(self.sample.below(3)).unwrap();
        let segment = of.segment(month).id;
        let sums = model.sums(of.tenant, segment).await.unwrap();
        let sealed = model.batches(of.tenant, segment).await.unwrap();
        match (self.any(&sums), self.any(&sealed)) {
            (_, Some(batch)) if self.rarely(4) => Step::Seal(batch.clone()),
            (Some(sum), _) if sum.sealed < sum.total => Step::Seal(batch(of.tenant, sum)),
            _ => Step::ClaimIntents(START, CLAIM),
        }
    }

    fn keep_job(&self) -> Step {
        let tenant = self.subscriber().tenant;
        let Some(run) = self.jobs.get(&tenant) else {
            return Step::LastJob(tenant, job());
        };
        let mut run = run.clone();
        if run.state == JobState::Running {
            run.done += 1;
            if self.rarely(2) {
                run.state = JobState::Succeeded;
                run.ended_at = Some(self.moment());
            }
        }
        Step::KeepJob(tenant, job(), run)
    }
}

/// What is remembered of each kind.
const REMEMBERED: usize = 300;

pub(super) fn keep_latest<T>(of: &mut Vec<T>) {
    of.drain(..of.len().saturating_sub(REMEMBERED));
}

fn job() -> Slug {
    text("publish")
}
