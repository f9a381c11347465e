use std::time::Duration;

use monetization_core::clock::Timestamp;
use monetization_core::ids::{BatchId, IntentId, LeaseId, TenantId};
use monetization_core::intent::Intent;
use monetization_core::store::{
    Appended, Applied, Batch, ChangeSet, Claim, JobRun, JobStart, LeaseAnswer, LeaseRequest,
    Sealed, Store, Verdict,
};
use monetization_core::text::Slug;
use monetization_core::usage::UsageRecord;

use crate::store::steps::MINUTE;

/// One operation on a store.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Apply(ChangeSet),
    Append(Vec<UsageRecord>),
    Lease(LeaseRequest),
    Settle(TenantId, LeaseId),
    Seal(Batch),
    ClaimBatches(TenantId, Timestamp, Claim),
    SettleBatch(BatchId, u64, Verdict),
    ClaimIntents(Timestamp, Claim),
    PostponeIntent(IntentId, u64, Timestamp),
    ResumeIntent(TenantId, IntentId, Timestamp),
    StartJob(TenantId, Slug, Timestamp),
    KeepJob(TenantId, Slug, JobRun),
    LastJob(TenantId, Slug),
    Advance(Duration),
}

/// What a store makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Applied(Applied),
    Appended(Vec<Appended>),
    Lease(LeaseAnswer),
    Sealed(Sealed),
    Batches(Vec<Batch>),
    /// By id.
    Intents(Vec<(Intent, u64)>),
    Held(bool),
    Started(JobStart),
    Job(Option<JobRun>),
    Done,
}

impl Step {
    /// Takes it at one of the stores. The clock that all of them share is not moved: that is done once.
    pub(super) async fn take(&self, store: &dyn Store) -> Answer {
        match self {
            Self::Apply(change) => Answer::Applied(store.apply(change).await.unwrap()),
            Self::Append(records) => Answer::Appended(store.append(records).await.unwrap()),
            Self::Lease(request) => Answer::Lease(store.lease(request).await.unwrap()),
            Self::Settle(tenant, lease) => {
                store.settle(*tenant, *lease).await.unwrap();
                Answer::Done
            }
            Self::Seal(batch) => Answer::Sealed(store.seal(batch).await.unwrap()),
            Self::ClaimBatches(tenant, now, claim) => {
                Answer::Batches(store.claim_batches(*tenant, *now, *claim).await.unwrap())
            }
            Self::SettleBatch(batch, fence, verdict) => {
                let held = store.settle_batch(*batch, *fence, verdict).await;
                Answer::Held(held.unwrap())
            }
            Self::ClaimIntents(now, claim) => {
                let mut intents = store.claim_intents(*now, *claim).await.unwrap();
                intents.sort_by_key(|(intent, _)| intent.id);
                Answer::Intents(intents)
            }
            Self::PostponeIntent(intent, fence, due_at) => {
                let held = store.postpone_intent(*intent, *fence, *due_at).await;
                Answer::Held(held.unwrap())
            }
            Self::ResumeIntent(tenant, intent, due_at) => {
                let resumed = store.resume_intent(*tenant, *intent, *due_at).await;
                Answer::Held(resumed.unwrap())
            }
            Self::StartJob(tenant, name, now) => {
                let start = store.start_job(*tenant, name, *now, MINUTE).await;
                Answer::Started(start.unwrap())
            }
            Self::KeepJob(tenant, name, run) => {
                let held = store.keep_job(*tenant, name, run, MINUTE).await;
                Answer::Held(held.unwrap())
            }
            Self::LastJob(tenant, name) => {
                Answer::Job(store.last_job(*tenant, name).await.unwrap())
            }
            Self::Advance(_) => Answer::Done,
        }
    }
}
