//! News of the engine: what an operator is told of them, and asking for those that never arrived.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use monetization_core::clock::Timestamp;
use monetization_core::flows::{CaughtUp, FlowError, Monetizer, Rejected};

use crate::app::App;
use crate::report;
use crate::schedule::tenants;

/// When the engine is asked for its news.
#[derive(Debug)]
pub(crate) struct NewsPolls {
    every: Option<Duration>,
    last: Mutex<Option<Timestamp>>,
    one_at_a_time: Arc<tokio::sync::Mutex<()>>,
}

impl NewsPolls {
    /// As often as that; never where nothing is said.
    pub(crate) fn new(every: Option<Duration>) -> Self {
        Self {
            every,
            last: Mutex::default(),
            one_at_a_time: Arc::default(),
        }
    }

    /// Whether it is time; then the next one is due that much later.
    fn is_due(&self, now: Timestamp) -> bool {
        let Some(every) = self.every else {
            return false;
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| now.saturating_since(last) >= every);
        if is_due {
            *last = Some(now);
        }
        is_due
    }
}

impl App {
    /// Asks the engine for news that did not arrive, where it is time; that goes on by itself.
    pub(crate) fn catch_up_on_schedule(&self) {
        let Ok(alone) = Arc::clone(&self.news_polls.one_at_a_time).try_lock_owned() else {
            return;
        };
        if !self.news_polls.is_due(self.now()) {
            return;
        }
        let monetizer = self.monetizer.clone();
        tokio::spawn(async move {
            let _alone = alone;
            if let Err(error) = catch_up(&monetizer).await {
                report::failure("ask the engine for its news", &error);
            }
        });
    }
}

/// Tells the operator what news want looked at.
pub(crate) fn tell(contradictions: &[String], rejected: Rejected) {
    for contradiction in contradictions {
        report::line(format_args!("an operator has to look: {contradiction}"));
    }
    if rejected.count > 0 {
        report::line(format_args!(
            "an operator has to look: the engine has refused {} reports that it had taken, and names {} of them; the others are found by reconciling",
            rejected.count, rejected.named
        ));
    }
}

async fn catch_up(monetizer: &Monetizer) -> Result<(), FlowError> {
    for tenant in tenants(&**monetizer.store()).await? {
        match monetizer.catch_up(tenant).await {
            Ok(caught) => tell_caught(&caught),
            // It tells no news again: there is nothing to ask for.
            Err(FlowError::Unable { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn tell_caught(caught: &CaughtUp) {
    if caught.new > 0 {
        report::line(format_args!(
            "{} messages of the engine were taken in by asking for them, before or instead of their delivery",
            caught.new
        ));
    }
    tell(&caught.contradictions, caught.rejected);
    for (message, why) in &caught.given_up {
        report::line(format_args!(
            "an operator has to look: message {message} of the engine cannot be taken in: {why}"
        ));
    }
    for (account, why) in &caught.failed {
        let of = account
            .as_ref()
            .map_or("the tenant's own account", |it| it.as_str());
        report::line(format_args!(
            "the engine's news about {of} cannot be read: {why}"
        ));
    }
}
