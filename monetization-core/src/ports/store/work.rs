use std::time::Duration;

use async_trait::async_trait;

use super::{Port, StoreError};
use crate::clock::Timestamp;
use crate::ids::{IntentId, TenantId};
use crate::intent::{Intent, IntentState, ParkedIntent};
use crate::text::Slug;

/// Work that one worker at a time does, whoever it is. A claim is a lease on the store's own
/// time with a fence: a number that grows with every claim, so that a worker who was asleep for
/// longer than its lease changes nothing when it wakes.
///
/// An intent goes from hand to hand until it ends:
///
/// | from | by | to |
/// |---|---|---|
/// | due, free | [`claim_intents`](Self::claim_intents) | claimed, the fence one higher |
/// | claimed | its lease lapsing | due, free |
/// | claimed | [`postpone_intent`](Self::postpone_intent) | free, due later, one attempt more |
/// | claimed | a change with its end, under the fence | done, or parked with a reason |
/// | parked | [`resume_intent`](Self::resume_intent) | due, free, no attempt counted |
#[async_trait]
pub trait Work: Port {
    /// Takes operations of all tenants that are due at `now`, oldest first, each with the fence
    /// of its claim.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot; claims that nobody heard of lapse by themselves.
    async fn claim_intents(
        &self,
        now: Timestamp,
        claim: Claim,
    ) -> Result<Vec<(Intent, u64)>, StoreError>;

    /// Puts a claimed operation off; `false` where the claim was lost meanwhile.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot, or does not know; then the claim lapses by itself.
    async fn postpone_intent(
        &self,
        intent: IntentId,
        fence: u64,
        due_at: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Has an operation of a tenant that was parked carried out again, not before `due_at`; `false`
    /// where it is not parked.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot, or does not know.
    async fn resume_intent(
        &self,
        tenant: TenantId,
        intent: IntentId,
        due_at: Timestamp,
    ) -> Result<bool, StoreError>;

    /// How far an operation of a tenant has come.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    async fn intent_state(
        &self,
        tenant: TenantId,
        intent: IntentId,
    ) -> Result<Option<IntentState>, StoreError>;

    /// Operations of a tenant that are parked, by id, after this one, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    async fn parked_intents(
        &self,
        tenant: TenantId,
        after: Option<IntentId>,
        limit: usize,
    ) -> Result<Vec<ParkedIntent>, StoreError>;

    /// Whether any operation of a tenant is still to be carried out. One that is parked is not: nobody
    /// does anything about it until it is resumed.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    async fn has_unfinished_intents(&self, tenant: TenantId) -> Result<bool, StoreError>;

    /// Starts a job, unless one of that name is running for the tenant.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot, or does not know; then the lease lapses by itself.
    async fn start_job(
        &self,
        tenant: TenantId,
        name: &Slug,
        now: Timestamp,
        lease: Duration,
    ) -> Result<JobStart, StoreError>;

    /// Says that a job is alive and how far it is, and lengthens its lease; `false` where the
    /// lease was lost meanwhile. A state other than running ends it.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot, or does not know; then say it again.
    async fn keep_job(
        &self,
        tenant: TenantId,
        name: &Slug,
        run: &JobRun,
        lease: Duration,
    ) -> Result<bool, StoreError>;

    /// The last run of a job; a running one whose lease has lapsed is [`JobState::Lapsed`].
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    async fn last_job(&self, tenant: TenantId, name: &Slug) -> Result<Option<JobRun>, StoreError>;
}

/// How much to claim and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// At most so many.
    pub limit: usize,
    /// For so long, on the store's own time.
    pub lease: Duration,
}

/// What became of starting a job.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum JobStart {
    /// It runs now, under this fence.
    Started(JobRun),
    /// One is running.
    Busy(JobRun),
}

/// One run of a job.
///
/// Its figures are what it has told so far; those of a lapsed run are the last it told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRun {
    /// The number of the run, from 1; it is also its fence.
    pub fence: u64,
    /// How it stands.
    pub state: JobState,
    /// When it was started, in business time.
    pub started_at: Timestamp,
    /// When it ended, in business time.
    pub ended_at: Option<Timestamp>,
    /// Pieces of work done.
    pub done: u64,
    /// Pieces of work that failed.
    pub failed: u64,
}

/// How a run of a job stands.
///
/// Only a run that is [`Running`](Self::Running) keeps another one from starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum JobState {
    /// It runs.
    Running,
    /// It ran to its end, and all of its work is done.
    Succeeded,
    /// It ran to its end, and some of its work is not done.
    Incomplete,
    /// It broke off.
    Failed,
    /// Nobody has heard of it for longer than its lease.
    Lapsed,
}
