//! Publishes use to engines that invoice it themselves.
//!
//! First every sum that holds more than is sealed gets a batch of exactly the difference, with
//! the bytes that will be sent; then batches are sent until the engine has answered for each.
//! A crash anywhere loses nothing: a sealed batch is sent again as it is, and the engine knows
//! it by its id.
//!
//! | a crash | leaves | mended by |
//! |---|---|---|
//! | before a batch is sealed | the sum as it was | the next run, with a batch that is as large or larger |
//! | after sealing, before sending | a sealed batch | the next run sends it |
//! | after sending, before the answer is written | a claimed batch | its claim lapses with its lease; the same bytes go out again |
//! | of a whole run | a job that holds its lease | the lease lapses, and another run may start |
//!
//! A lease is [`Settings::publish_lease`](super::Settings::publish_lease), a minute if nothing is
//! said. A process that was stopped for longer than that and goes on sends nothing of what it had
//! claimed before: by then it is somebody else's.
//!
//! Reports carry the time of use of their segment, not that of sending: use of a period that has
//! ended is reported at the last microsecond of its segment.

use std::collections::BTreeMap;
use std::time::Duration;

use super::operations::{Jitter, chain, unable};
use super::{FlowError, Monetizer, publish_job};
use crate::engine::{Engine, EngineContext, IdempotencyKey, SealedReport};
use crate::ids::{BatchId, TenantId, TypedId};
use crate::reference::Realm;
use crate::secret::Secret;
use crate::store::{Batch, BatchState, Claim, JobRun, JobStart, JobState, Verdict};
use crate::text::ForeignId;
use sealing::{Sealer, Sealing};
use verdicts::{Attempt, first_sent, held_back};

pub use restoring::RestoreReport;
pub(super) use sealing::Known;

mod restoring;
mod sealing;
mod suspicion;
mod verdicts;

/// What a run of publishing has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishReport {
    /// The run.
    pub run: JobRun,
    /// Whether another run took over, because this one was not heard of for longer than its lease.
    pub taken_over: bool,
    /// Batches that report use of closed segments: it is billed with a later period.
    pub late: u64,
    /// Sums that could not be sealed, and why.
    pub unsealed: Vec<String>,
}

/// How long before the engine forgets a batch it is no longer sent again.
const FORGETS_MARGIN: Duration = Duration::from_secs(3_600);

/// What a run signs in to its engine with, and what that opens.
#[derive(Clone)]
pub(super) struct SignedIn {
    pub(super) credentials: Option<Secret>,
    pub(super) realm: Realm,
}

/// A run as it goes on.
struct Running<'a> {
    run: &'a JobRun,
    goes_on: &'a (dyn Fn() -> bool + Sync),
    sealing: Sealing,
}

/// What the batches of one call have in common, in the order in which calls are made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Addressed {
    account: Option<ForeignId>,
    /// Whether none of them can have been sent before.
    is_first: bool,
}

impl Addressed {
    fn of(batch: &Batch) -> Self {
        Self {
            account: batch.place.account.clone(),
            is_first: first_sent(batch).is_none(),
        }
    }
}

#[derive(Default)]
struct Progress {
    done: u64,
    failed: u64,
    late: u64,
    unsealed: Vec<String>,
    /// Whether it was told to stop before it was done.
    stopped: bool,
}

impl Monetizer {
    /// Starts a run of publishing for a tenant, unless one is under way.
    ///
    /// The answer says which: [`JobStart::Busy`] has the run that is under way. A run that was started
    /// has to be carried out by [`publish`](Self::publish), or lapses with its lease.
    ///
    /// # Errors
    /// [`FlowError::Store`].
    pub async fn start_publishing(&self, tenant: TenantId) -> Result<JobStart, FlowError> {
        Ok(self
            .store
            .start_job(tenant, &publish_job()?, self.now(), self.lease())
            .await?)
    }

    /// The last run of publishing for a tenant.
    ///
    /// # Errors
    /// [`FlowError::Store`].
    pub async fn last_publishing(&self, tenant: TenantId) -> Result<Option<JobRun>, FlowError> {
        Ok(self.store.last_job(tenant, &publish_job()?).await?)
    }

    /// Carries a started run out and ends it.
    ///
    /// First all sums are sealed, then batches are sent, as many at once as the engine takes. A run that
    /// finds its lease lost stops; the one that took over goes on with what is left.
    ///
    /// # Errors
    /// [`FlowError::Store`]; the run is then ended as failed if the store takes that, and lapses
    /// by itself if not.
    pub async fn publish(&self, tenant: TenantId, run: JobRun) -> Result<PublishReport, FlowError> {
        self.publish_while(tenant, run, &|| true).await
    }

    /// Does what [`publish`](Self::publish) does for as long as it `goes_on`, which is asked before
    /// batches are claimed: a process that is told to stop leaves none of them behind half done. A
    /// run that was stopped so is ended as incomplete; what it has sealed is for the next one to send.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub async fn publish_while(
        &self,
        tenant: TenantId,
        run: JobRun,
        goes_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<PublishReport, FlowError> {
        let sealing = Sealing::ToSend;
        let running = Running {
            run: &run,
            goes_on,
            sealing,
        };
        self.publish_as(tenant, running).await
    }

    /// Carries a run out and ends it, whatever has come of it.
    async fn publish_as(
        &self,
        tenant: TenantId,
        running: Running<'_>,
    ) -> Result<PublishReport, FlowError> {
        let mut progress = Progress::default();
        let outcome = self.publish_all(tenant, &running, &mut progress).await;
        let is_done = !progress.stopped && progress.failed == 0 && progress.unsealed.is_empty();
        let state = match &outcome {
            Err(_) => JobState::Failed,
            Ok(()) if !is_done => JobState::Incomplete,
            Ok(()) => JobState::Succeeded,
        };
        let failed = progress
            .failed
            .saturating_add(u64::try_from(progress.unsealed.len()).unwrap_or(u64::MAX));
        let run = JobRun {
            state,
            ended_at: Some(self.now()),
            done: progress.done,
            failed,
            ..running.run.clone()
        };
        let ended = self
            .store
            .keep_job(tenant, &publish_job()?, &run, self.lease())
            .await;
        outcome?;
        let taken_over = !ended?;
        Ok(PublishReport {
            run,
            taken_over,
            late: progress.late,
            unsealed: progress.unsealed,
        })
    }

    async fn publish_all(
        &self,
        tenant: TenantId,
        running: &Running<'_>,
        progress: &mut Progress,
    ) -> Result<(), FlowError> {
        let (of, engine) = self.engine_of(tenant).await?;
        if running.sealing == Sealing::AfterRestore {
            self.doubt(tenant).await?;
        }
        let signed_in = &self.sign_in(tenant, engine).await?;
        let sealer = Sealer::new(engine, &signed_in.realm, running.sealing, of.restored_at);
        self.seal_all(tenant, sealer, progress).await?;
        let limit = engine.descriptor.limits.batch_max.max(1);
        loop {
            if !(running.goes_on)() {
                progress.stopped = true;
                return Ok(());
            }
            let alive = JobRun {
                done: progress.done,
                failed: progress.failed,
                ..running.run.clone()
            };
            if !self
                .store
                .keep_job(tenant, &publish_job()?, &alive, self.lease())
                .await?
            {
                // Another run has taken over: what is claimed here lapses, or is fenced off.
                return Ok(());
            }
            // Reckoned from before the claim, so that it is over here no later than in the store.
            let lapses_at = self.clock.uptime().saturating_add(self.lease());
            let claim = Claim {
                limit,
                lease: self.lease(),
            };
            let batches = self.store.claim_batches(tenant, self.now(), claim).await?;
            if batches.is_empty() {
                return Ok(());
            }
            self.send_all(tenant, (engine, signed_in), (batches, lapses_at), progress)
                .await?;
        }
    }

    /// Signs in for a run. All of its calls are made with the same credentials, whatever is exchanged
    /// meanwhile, so that what is sent goes where the engine has said it goes.
    pub(super) async fn sign_in(
        &self,
        tenant: TenantId,
        engine: &Engine,
    ) -> Result<SignedIn, FlowError> {
        let reporting = engine
            .usage
            .as_ref()
            .ok_or_else(|| unable(engine, "take use"))?;
        let key = IdempotencyKey::new(format!("realm:{tenant}"));
        let cx = self.context(tenant, None, key);
        let realm = reporting.realm(&cx).await?;
        let credentials = cx.credentials;
        Ok(SignedIn { credentials, realm })
    }

    fn lease(&self) -> Duration {
        self.settings.publish_lease
    }

    /// Sends claimed batches, those of one account in one call, and writes what became of each. Those
    /// that may have been sent before go in a call of their own, ahead of those that never were. What
    /// it does not come to before the claim lapses, by the uptime of this process, stays as it is.
    async fn send_all(
        &self,
        tenant: TenantId,
        (engine, signed_in): (&Engine, &SignedIn),
        (batches, lapses_at): (Vec<Batch>, Duration),
        progress: &mut Progress,
    ) -> Result<(), FlowError> {
        let mut by_call: BTreeMap<Addressed, Vec<Batch>> = BTreeMap::new();
        for batch in batches {
            match self.unsendable(engine, &signed_in.realm, &batch) {
                Some(state) => {
                    progress.failed = progress.failed.saturating_add(1);
                    let at = self.now();
                    let verdict = Verdict::Settled { state, at };
                    self.store
                        .settle_batch(batch.id, batch.fence, &verdict)
                        .await?;
                }
                None => by_call
                    .entry(Addressed::of(&batch))
                    .or_default()
                    .push(batch),
            }
        }
        for (to, batches) in by_call {
            if self.clock.uptime() >= lapses_at {
                let left = u64::try_from(batches.len()).unwrap_or(u64::MAX);
                progress.failed = progress.failed.saturating_add(left);
                continue;
            }
            let of_engine = (engine, signed_in);
            for (batch, verdict) in self.send(tenant, of_engine, to, batches).await? {
                match &verdict {
                    Verdict::Settled {
                        state: BatchState::Confirmed,
                        ..
                    } => progress.done = progress.done.saturating_add(1),
                    Verdict::Settled { .. } | Verdict::Again { .. } => {
                        progress.failed = progress.failed.saturating_add(1)
                    }
                }
                // A claim that was lost is somebody else's to settle.
                self.store
                    .settle_batch(batch.id, batch.fence, &verdict)
                    .await?;
            }
        }
        Ok(())
    }

    /// What becomes of a batch that may not be sent, or no longer.
    fn unsendable(&self, engine: &Engine, realm: &Realm, batch: &Batch) -> Option<BatchState> {
        let limits = &engine.descriptor.limits;
        let now = self.now();
        let remembered = limits.deduplicates_for.saturating_sub(FORGETS_MARGIN);
        let forgotten =
            first_sent(batch).is_some_and(|first| now.saturating_since(first) >= remembered);
        if forgotten {
            let reason =
                "it was sent without an answer, and the engine no longer knows it again".to_owned();
            return Some(BatchState::Unknown { reason });
        }
        if batch.place.engine != engine.descriptor.id {
            let reason = format!("it was sealed for engine {}", batch.place.engine);
            return Some(held_back(batch, reason));
        }
        if batch.realm != *realm {
            let reason = format!(
                "it was sealed for account {}, and the credentials are of {realm}",
                batch.realm
            );
            return Some(held_back(batch, reason));
        }
        if now.saturating_since(batch.used_at) < limits.age_max {
            return None;
        }
        let used_at = batch.used_at;
        let reason = format!("its use of {used_at} is older than the engine takes");
        Some(held_back(batch, reason))
    }

    async fn send(
        &self,
        tenant: TenantId,
        (engine, signed_in): (&Engine, &SignedIn),
        to: Addressed,
        batches: Vec<Batch>,
    ) -> Result<Vec<(Batch, Verdict)>, FlowError> {
        let reporting = engine
            .usage
            .as_ref()
            .ok_or_else(|| unable(engine, "take use"))?;
        let reports: Vec<SealedReport> = batches
            .iter()
            .map(|batch| SealedReport {
                batch: batch.id,
                body: batch.body.clone(),
            })
            .collect();
        let ids: Vec<u8> = batches
            .iter()
            .flat_map(|batch| *batch.id.uuid().as_bytes())
            .collect();
        let key = IdempotencyKey::new(format!("publish:{}", BatchId::derived(&[&ids])));
        let cx = EngineContext {
            credentials: signed_in.credentials.clone(),
            repeated: !to.is_first,
            ..self.context(tenant, to.account, key)
        };
        let attempt = Attempt {
            sent_at: self.now(),
            jitter: Jitter::drawn(&self.entropy),
        };
        let verdicts: Vec<Verdict> = match reporting.publish(&cx, &reports).await {
            Ok(receipts) if receipts.len() == batches.len() => batches
                .iter()
                .zip(receipts)
                .map(|(batch, receipt)| attempt.verdict(batch, receipt))
                .collect(),
            // An engine that answers for another number of reports has said nothing about any.
            Ok(_) => batches
                .iter()
                .map(|batch| attempt.postponed(batch, None, true))
                .collect(),
            Err(error) if error.is_temporary() => {
                let arrived = error.may_have_taken_effect();
                batches
                    .iter()
                    .map(|batch| attempt.postponed(batch, error.wait(), arrived))
                    .collect()
            }
            Err(error) => {
                let reason = chain(&error);
                batches
                    .iter()
                    .map(|batch| attempt.settled(held_back(batch, reason.clone())))
                    .collect()
            }
        };
        Ok(batches.into_iter().zip(verdicts).collect())
    }
}
