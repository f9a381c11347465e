//! How much waits for an operator: counted once in a while, for whoever collects the figures.

use std::time::Duration;

use monetization_core::store::{Listing, StoreError};

use crate::app::App;
use crate::metrics::figure;
use crate::report;
use crate::schedule::tenants;

/// How often it is counted: it takes a look at each tenant.
pub(crate) const EVERY: Duration = Duration::from_secs(60);

impl App {
    /// Counts what waits, when it is time. Answers what has gone wrong.
    pub(crate) async fn count_what_waits(&self) -> Option<String> {
        let _alone = self.counting_what_waits.begin(self.now())?;
        let error = self.count_waiting().await.err()?;
        Some(format!(
            "failed to count what waits for an operator: {}",
            report::chain(&error)
        ))
    }

    async fn count_waiting(&self) -> Result<(), StoreError> {
        let (mut parked, mut held) = (0_usize, 0_usize);
        for tenant in tenants(self.store()).await? {
            let limit = Listing::LIMIT_MAX;
            let operations = self.store().parked_intents(tenant, None, limit).await?;
            parked = parked.saturating_add(operations.len());
            let batches = self.store().held_batches(tenant, None, limit).await?;
            held = held.saturating_add(batches.len());
        }
        let count = |of: usize| figure(u64::try_from(of).unwrap_or(u64::MAX));
        self.metrics.work.operations_parked.set(count(parked));
        self.metrics.work.batches_held.set(count(held));
        Ok(())
    }
}
