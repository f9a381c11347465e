//! Blocks of strict quotas that servers have left behind that are gone.
//!
//! Where a server is alone with its store they are taken back as it starts. Where several share one, whoever
//! was not heard of for a lease is gone; that is asked about as often. None of them is heard of while the store
//! is away, however, so nobody is taken for gone until it has been there for long enough for all of them to
//! say that they live.

use std::time::Duration;

use monetization_core::store::{Store, StoreError};

use crate::app::App;
use crate::report;

/// How often within a lease it is looked whether the store is there: as often as servers say that they live.
const LOOKS: u32 = 3;
/// News that are older mean that the store is away.
const NEWS_AGE_MAX: Duration = Duration::from_secs(1);

impl App {
    /// Takes back what servers have left that are gone, from time to time, for as long as it is polled.
    pub(crate) async fn settle_orphans_on(&self) {
        let Some(lease) = self.lease else {
            return std::future::pending().await;
        };
        let pause = lease.checked_div(LOOKS).unwrap_or(lease);
        let mut looks_left = LOOKS;
        loop {
            tokio::time::sleep(pause).await;
            let age = self.gatekeeper.news_age();
            if age.is_none_or(|age| age > NEWS_AGE_MAX) {
                looks_left = LOOKS;
                continue;
            }
            looks_left = looks_left.saturating_sub(1);
            if looks_left == 0 {
                // Where the store does not answer, the rounds tell.
                drop(take_back(self.store()).await);
                looks_left = LOOKS;
            }
        }
    }
}

/// Takes back the blocks of quotas of those who are gone, and tells the operator.
///
/// # Errors
/// [`StoreError`] where the store does not answer.
pub(crate) async fn take_back(store: &dyn Store) -> Result<(), StoreError> {
    let orphans = store.settle_orphans().await?;
    if orphans > 0 {
        report::line(format_args!(
            "a server did not end in good order: {orphans} blocks of quotas that it had were taken back, and \
             what it had recorded is there; nothing has to be done"
        ));
    }
    Ok(())
}
