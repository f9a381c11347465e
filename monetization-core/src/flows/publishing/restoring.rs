//! After a store was restored from a back-up it says of use that was reported since that it was not.
//!
//! Which that is nobody here knows. What was sealed when the back-up was made is the same bytes under
//! the same name, and is sent again for as long as the engine knows it again. What was not sealed then
//! may have been reported under a name that this store has never heard: it is sealed as unknown, and the
//! engine is asked what it has counted. And what is used from then on may come to pieces that were reported
//! before, of other use: since the instant of the restore is a part of the name of each piece, the engine does not
//! take one for the other.

use super::sealing::Sealing;
use super::verdicts::first_sent;
use super::{PublishReport, Running};
use crate::clock::Timestamp;
use crate::flows::{ATTEMPTS_MAX, FlowError, Monetizer, ReconcileReport};
use crate::ids::TenantId;
use crate::store::{Claim, JobRun, Listing, Verdict};
use crate::tenant::Tenant;

/// What a first run of publishing over a restored store has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreReport {
    /// What was sent again.
    pub published: PublishReport,
    /// What the engine has counted, and what follows from that for what nobody knew.
    pub reconciled: ReconcileReport,
}

impl Monetizer {
    /// Carries out and ends a started run of publishing as the first one after the store was restored
    /// from a back-up: before any other run, and before calls are served.
    ///
    /// It sends nothing that the engine may have and would count twice. What the engine turns out not to
    /// have is sent by the next run; what cannot be told yet, since the engine counts what it was sent some
    /// time later, is decided by [`reconcile`](Self::reconcile) then; what cannot be told at all stays with
    /// the operator. Run again, also after a crash, it goes on with what is left.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
    pub async fn publish_restored(
        &self,
        tenant: TenantId,
        run: JobRun,
    ) -> Result<RestoreReport, FlowError> {
        self.begin_anew(tenant).await?;
        let running = Running {
            run: &run,
            goes_on: &|| true,
            sealing: Sealing::AfterRestore,
        };
        let published = self.publish_as(tenant, running).await?;
        let (_, engine) = self.engine_of(tenant).await?;
        let since = self.now().saturating_sub(engine.descriptor.limits.age_max);
        let reconciled = self.reconcile(tenant, since).await?;
        Ok(RestoreReport {
            published,
            reconciled,
        })
    }

    /// Notes that the store was put back, so that what is sealed from now on is called otherwise than what was
    /// sealed in the life that was lost.
    async fn begin_anew(&self, tenant: TenantId) -> Result<(), FlowError> {
        for _ in 0..ATTEMPTS_MAX {
            let mut stored = self.must::<Tenant>(tenant, tenant).await?;
            stored.fact.restored_at = Some(self.now());
            let mut change = self.change();
            change.writes.push(stored.write()?);
            if self.apply(&change).await? {
                return Ok(());
            }
        }
        Err(FlowError::Contended)
    }

    /// Says of every batch on its way that it may have been sent since its use, whatever is known here.
    pub(super) async fn doubt(&self, tenant: TenantId) -> Result<(), FlowError> {
        let claim = Claim {
            limit: Listing::LIMIT_MAX,
            lease: self.lease(),
        };
        let mut claimed = Vec::new();
        loop {
            let page = self.store.claim_batches(tenant, Timestamp::MAX, claim);
            let page = page.await?;
            if page.is_empty() {
                break;
            }
            claimed.extend(page);
        }
        for batch in claimed {
            let verdict = Verdict::Again {
                due_at: self.now(),
                first_sent_at: first_sent(&batch).or(Some(batch.used_at)),
            };
            self.store
                .settle_batch(batch.id, batch.fence, &verdict)
                .await?;
        }
        Ok(())
    }
}
