//! Turns among servers that start at once: two that look for a plan by its name at the same time would both
//! make it.

use std::time::Duration;

use monetization_core::clock::Timestamp;
use monetization_core::ids::TenantId;
use monetization_core::store::{JobRun, JobStart, JobState, Store};
use monetization_core::text::Slug;

use super::PlansError;

/// The turn of one server.
pub(crate) struct Turn<'a> {
    store: &'a dyn Store,
    tenant: TenantId,
    name: Slug,
    run: JobRun,
}

/// Of a server that dies within its turn, the turn is over after this.
const TURN: Duration = Duration::from_secs(10);
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// Longer than a few servers need one after the other.
const TRIES_MAX: u32 = 600;

impl<'a> Turn<'a> {
    /// Waits until no other server puts plans on sale.
    ///
    /// # Errors
    /// [`PlansError::Store`], [`PlansError::Busy`].
    pub(crate) async fn take(
        store: &'a dyn Store,
        tenant: TenantId,
        now: Timestamp,
    ) -> Result<Self, PlansError> {
        #[expect(clippy::unwrap_used, reason = "it is a name")]
        let name: Slug = "put-on-sale".parse().unwrap();
        for _ in 0..TRIES_MAX {
            match store.start_job(tenant, &name, now, TURN).await? {
                JobStart::Started(run) => {
                    return Ok(Self {
                        store,
                        tenant,
                        name,
                        run,
                    });
                }
                JobStart::Busy(_) => tokio::time::sleep(AGAIN_AFTER).await,
            }
        }
        Err(PlansError::Busy)
    }

    /// Lets the next server have its turn.
    ///
    /// # Errors
    /// [`PlansError::Store`].
    pub(crate) async fn end(self, now: Timestamp) -> Result<(), PlansError> {
        let ended = JobRun {
            state: JobState::Succeeded,
            ended_at: Some(now),
            ..self.run
        };
        let kept = self.store.keep_job(self.tenant, &self.name, &ended, TURN);
        kept.await?;
        Ok(())
    }
}
