//! Takes back what was reported to an engine by mistake.
//!
//! The engine first: only what it does not count any more is written off here. A crash in between leaves
//! a batch that is confirmed and not counted; taking it back again ends that.

use super::operations::unable;
use super::reconciling::segments_from;
use super::{FlowError, Monetizer};
use crate::engine::{IdempotencyKey, SealedReport, Withdrawal};
use crate::ids::{BatchId, ChangeSetId, TenantId};
use crate::store::{Batch, BatchState, Overturn, Overturned};
use crate::subscription::Subscription;

impl Monetizer {
    /// Takes a batch back that its engine has taken: it is not counted there any more, and written off here,
    /// in the name of whoever `because` names. It is never sent again.
    ///
    /// Whether it is too late for that is the engine's to say, and a value: the engine also knows one again
    /// that it has taken back before, which a crash has left confirmed here. Each order is asked under a key
    /// of its own, so that an answer which the engine keeps for a key does not stand in the way of the next.
    ///
    /// # Errors
    /// [`FlowError::NotFound`] where there is no such batch, or none that the engine has taken;
    /// [`FlowError::Unable`] where its engine takes nothing back; [`FlowError::InUse`] where it was
    /// reported to another account than the tenant's credentials open; [`FlowError::Engine`];
    /// [`FlowError::Store`].
    pub async fn withdraw_batch(
        &self,
        tenant: TenantId,
        batch: BatchId,
        because: &str,
    ) -> Result<Withdrawal, FlowError> {
        let found = self.store.batch(tenant, batch).await?;
        let confirmed = found.filter(|batch| batch.state == BatchState::Confirmed);
        let missing = || FlowError::NotFound {
            id: batch.to_string(),
        };
        let batch = confirmed.ok_or_else(missing)?;
        let engine = self.engines.choose(&batch.place.engine)?;
        let takes_back = engine.descriptor.limits.withdraws_for;
        let reporting = engine.usage.as_ref().filter(|_| takes_back.is_some());
        let reporting = reporting.ok_or_else(|| unable(engine, "take use back"))?;
        let order: ChangeSetId = self.id();
        let key = IdempotencyKey::new(format!("withdraw:{}:{order}", batch.id));
        let cx = self.context(tenant, batch.place.account.clone(), key);
        let realm = reporting.realm(&cx).await?;
        if realm != batch.realm {
            let problem = format!(
                "it was reported to account {}, and the credentials are of {realm}",
                batch.realm
            );
            return Err(FlowError::InUse { problem });
        }
        let report = SealedReport {
            batch: batch.id,
            body: batch.body,
        };
        let withdrawal = reporting.withdraw(&cx, &report).await?;
        if withdrawal == Withdrawal::Withdrawn {
            let mut change = self.change();
            change.overturned.push(Overturned {
                batch: batch.id,
                place: batch.place,
                realm: batch.realm,
                overturn: Overturn::WrittenOff {
                    tenant,
                    because: because.to_owned(),
                },
                sent_by: self.now(),
            });
            self.apply(&change).await?;
        }
        Ok(withdrawal)
    }

    /// All batches of a subscription, segment by segment.
    pub(super) async fn reported_of(&self, of: &Subscription) -> Result<Vec<Batch>, FlowError> {
        let mut batches = Vec::new();
        for segment in segments_from(of, 0, self.now()) {
            batches.extend(self.store.batches(of.tenant, segment.id).await?);
        }
        Ok(batches)
    }
}
