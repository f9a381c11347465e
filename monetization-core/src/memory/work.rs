use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use super::{Hold, MemoryStore};
use crate::clock::Timestamp;
use crate::ids::{IntentId, TenantId};
use crate::intent::{Intent, IntentState, ParkedIntent, Parking};
use crate::store::{Claim, Finished, JobRun, JobStart, JobState, StoreError, Work};
use crate::text::Slug;

#[async_trait]
impl Work for MemoryStore {
    async fn claim_intents(
        &self,
        now: Timestamp,
        claim: Claim,
    ) -> Result<Vec<(Intent, u64)>, StoreError> {
        let asked_at = self.now();
        let lapses_at = asked_at.saturating_add(claim.lease);
        let mut state = self.state();
        let kept = state.intents.0.values_mut();
        let mut claimable: Vec<&mut Kept> = kept
            .filter(|kept| kept.state == IntentState::Open && kept.intent.due_at <= now)
            .filter(|kept| kept.hold.is_free(asked_at))
            .collect();
        claimable.sort_by_key(|kept| (kept.intent.due_at, kept.intent.id));
        Ok(claimable
            .into_iter()
            .take(claim.limit)
            .map(|kept| (kept.intent.clone(), kept.hold.take(lapses_at)))
            .collect())
    }

    async fn postpone_intent(
        &self,
        intent: IntentId,
        fence: u64,
        due_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut state = self.state();
        let kept = state.intents.0.get_mut(&intent);
        let held = kept.filter(|kept| kept.hold.is_held_under(fence));
        let Some(kept) = held else { return Ok(false) };
        kept.hold.give_up();
        kept.intent.due_at = due_at;
        kept.intent.attempts = kept.intent.attempts.saturating_add(1);
        Ok(true)
    }

    async fn resume_intent(
        &self,
        tenant: TenantId,
        intent: IntentId,
        due_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut state = self.state();
        let kept = state.intents.0.get_mut(&intent);
        let parked = kept.filter(|kept| kept.intent.tenant == tenant && kept.parked().is_some());
        let Some(kept) = parked else { return Ok(false) };
        kept.state = IntentState::Open;
        kept.intent.due_at = due_at;
        kept.intent.attempts = 0;
        Ok(true)
    }

    async fn intent_state(
        &self,
        tenant: TenantId,
        intent: IntentId,
    ) -> Result<Option<IntentState>, StoreError> {
        let state = self.state();
        let kept = state.intents.0.get(&intent);
        let of_tenant = kept.filter(|kept| kept.intent.tenant == tenant);
        Ok(of_tenant.map(|kept| kept.state.clone()))
    }

    async fn parked_intents(
        &self,
        tenant: TenantId,
        after: Option<IntentId>,
        limit: usize,
    ) -> Result<Vec<ParkedIntent>, StoreError> {
        let state = self.state();
        let all = state.intents.0.values();
        let of_tenant = all.filter(|kept| kept.intent.tenant == tenant);
        let parked = of_tenant.filter_map(Kept::parked);
        let later = parked.filter(|it| after.is_none_or(|after| it.intent.id > after));
        Ok(later.take(limit).collect())
    }

    async fn has_unfinished_intents(&self, tenant: TenantId) -> Result<bool, StoreError> {
        let state = self.state();
        let mut kept = state.intents.0.values();
        Ok(kept.any(|kept| kept.intent.tenant == tenant && kept.state == IntentState::Open))
    }

    async fn start_job(
        &self,
        tenant: TenantId,
        name: &Slug,
        now: Timestamp,
        lease: Duration,
    ) -> Result<JobStart, StoreError> {
        let asked_at = self.now();
        let mut state = self.state();
        let key = (tenant, name.clone());
        let last = state.jobs.0.get(&key);
        let fence = match last.map(|job| job.run(asked_at)) {
            Some(run) if run.state == JobState::Running => return Ok(JobStart::Busy(run)),
            Some(run) => run.fence.saturating_add(1),
            None => 1,
        };
        let run = JobRun {
            fence,
            state: JobState::Running,
            started_at: now,
            ended_at: None,
            done: 0,
            failed: 0,
        };
        let lapses_at = asked_at.saturating_add(lease);
        let job = Job {
            run: run.clone(),
            lapses_at,
        };
        state.jobs.0.insert(key, job);
        Ok(JobStart::Started(run))
    }

    async fn keep_job(
        &self,
        tenant: TenantId,
        name: &Slug,
        run: &JobRun,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        let lapses_at = self.now().saturating_add(lease);
        let mut state = self.state();
        let job = state.jobs.0.get_mut(&(tenant, name.clone()));
        let same = job.filter(|job| job.run.fence == run.fence);
        let Some(job) = same else { return Ok(false) };
        if job.run.state != JobState::Running {
            // It has ended; saying so again is no other news.
            return Ok(job.run == *run);
        }
        job.run = run.clone();
        job.lapses_at = lapses_at;
        Ok(true)
    }

    async fn last_job(&self, tenant: TenantId, name: &Slug) -> Result<Option<JobRun>, StoreError> {
        let asked_at = self.now();
        let state = self.state();
        let job = state.jobs.0.get(&(tenant, name.clone()));
        Ok(job.map(|job| job.run(asked_at)))
    }
}

#[derive(Debug, Default)]
pub(super) struct Intents(BTreeMap<IntentId, Kept>);

#[derive(Debug)]
struct Kept {
    intent: Intent,
    hold: Hold,
    state: IntentState,
}

impl Kept {
    fn parked(&self) -> Option<ParkedIntent> {
        match &self.state {
            IntentState::Parked(parking) => Some(ParkedIntent {
                intent: self.intent.clone(),
                parking: parking.clone(),
            }),
            IntentState::Open | IntentState::Done => None,
        }
    }
}

impl Intents {
    pub(super) fn add(&mut self, intent: &Intent) {
        self.0.entry(intent.id).or_insert(Kept {
            intent: intent.clone(),
            hold: Hold::default(),
            state: IntentState::Open,
        });
    }

    pub(super) fn is_held_under(&self, intent: IntentId, fence: u64) -> bool {
        let kept = self.0.get(&intent);
        kept.is_some_and(|kept| kept.hold.is_held_under(fence))
    }

    pub(super) fn end(&mut self, finished: &Finished, at: Timestamp) {
        let Some(kept) = self.0.get_mut(&finished.intent) else {
            return;
        };
        kept.hold.give_up();
        kept.intent.attempts = kept.intent.attempts.saturating_add(1);
        kept.state = match finished.parked_because.clone() {
            Some(reason) => IntentState::Parked(Parking {
                reason,
                parked_at: at,
            }),
            None => IntentState::Done,
        };
    }
}

#[derive(Debug, Default)]
pub(super) struct Jobs(BTreeMap<(TenantId, Slug), Job>);

#[derive(Debug)]
struct Job {
    run: JobRun,
    lapses_at: Timestamp,
}

impl Job {
    /// The run as it stands on the store's time.
    fn run(&self, now: Timestamp) -> JobRun {
        let mut run = self.run.clone();
        if run.state == JobState::Running && self.lapses_at <= now {
            run.state = JobState::Lapsed;
        }
        run
    }
}
