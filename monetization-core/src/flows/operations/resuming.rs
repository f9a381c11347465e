//! Operations that were given up, and are carried out again.

use crate::flows::{FlowError, Monetizer};
use crate::ids::{IntentId, TenantId};
use crate::intent::IntentState;

impl Monetizer {
    /// Has an operation that was given up carried out again with the next round of operations, as if it
    /// had not been tried before. That it is to be carried out already is as good. Those that were given
    /// up are listed by [`parked_intents`](crate::store::Work::parked_intents).
    ///
    /// What an earlier try has left at the engine is found there and not done twice, and what is not wanted
    /// any more is left out: a credit that the engine has refused counts for nothing, and may have been
    /// ordered anew.
    ///
    /// # Errors
    /// [`FlowError::NotFound`] where there is no such operation, or it is done; [`FlowError::Store`].
    pub async fn resume_operation(
        &self,
        tenant: TenantId,
        operation: IntentId,
    ) -> Result<(), FlowError> {
        let resumed = self.store.resume_intent(tenant, operation, self.now());
        if resumed.await? {
            return Ok(());
        }
        match self.store.intent_state(tenant, operation).await? {
            Some(IntentState::Open) => Ok(()),
            _ => {
                let id = operation.to_string();
                Err(FlowError::NotFound { id })
            }
        }
    }
}
