//! Use is published when somebody asks for it, and by itself where the settings say how often.

use std::sync::Arc;

use monetization_core::flows::FlowError;
use monetization_core::ids::{TenantId, TypedId};
use monetization_core::store::{JobStart, JobState, Kind, Listing, Store, StoreError};

use crate::app::App;
use crate::report;

/// Every tenant that there is.
pub(crate) async fn tenants(store: &dyn Store) -> Result<Vec<TenantId>, StoreError> {
    let mut tenants = Vec::new();
    let mut after = None;
    loop {
        let page = store.all(Kind::Tenant, after, Listing::LIMIT_MAX).await?;
        after = page.last().map(|row| row.id);
        let count = page.len();
        tenants.extend(page.iter().map(|row| TenantId::from_uuid(row.id)));
        if count < Listing::LIMIT_MAX {
            return Ok(tenants);
        }
    }
}

impl App {
    /// Starts a run of publishing, which goes on by itself, unless one is under way.
    pub(crate) async fn start_publishing(&self, tenant: TenantId) -> Result<JobStart, FlowError> {
        let start = self.monetizer.start_publishing(tenant).await?;
        if let JobStart::Started(run) = &start {
            let (monetizer, run) = (self.monetizer.clone(), run.clone());
            let metrics = Arc::clone(&self.metrics);
            self.errands.spawn(async move {
                let published = monetizer.publish(tenant, run).await;
                match &published {
                    Ok(published) => {
                        for reason in &published.unsealed {
                            report::line(format_args!("use was not published: {reason}"));
                        }
                    }
                    Err(error) => report::failure("publish use", error),
                }
                let is_whole = published.is_ok_and(|it| it.run.state == JobState::Succeeded);
                metrics.published(is_whole.then(|| monetizer.now()));
            });
        }
        Ok(start)
    }

    /// Starts the runs whose time has come: the last one of the tenant, whoever made it, began as
    /// long ago as the settings say. Answers what has gone wrong.
    pub(crate) async fn publish_on_schedule(&self) -> Option<String> {
        let outcome = self.start_what_is_due().await;
        let error = outcome.err()?;
        Some(format!("failed to publish use: {}", report::chain(&error)))
    }

    async fn start_what_is_due(&self) -> Result<(), FlowError> {
        let Some(every) = self.publish_every else {
            return Ok(());
        };
        for tenant in tenants(self.store()).await? {
            let last = self.monetizer.last_publishing(tenant).await?;
            let is_due =
                last.is_none_or(|run| self.now().saturating_since(run.started_at) >= every);
            if is_due {
                self.start_publishing(tenant).await?;
            }
        }
        Ok(())
    }
}
