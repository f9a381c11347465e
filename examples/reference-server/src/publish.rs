//! The command `publish`: use on its way to the provider, from a process of its own.

use std::io::{self, Write};
use std::time::Duration;

use monetization_core::flows::{self, Credentials, FlowError, Monetizer};
use monetization_core::ids::TenantId;
use monetization_core::store::{JobStart, StoreError};
use tokio::sync::watch;

use crate::beside::{self, BesideError};
use crate::report;
use crate::schedule::tenants;
use crate::settings::PublishSettings;
use crate::signals::Signals;

/// Why nothing could be published.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The database or the provider cannot be had.
    #[error(transparent)]
    Beside(#[from] BesideError),
    /// Signals cannot be listened to, or nothing can be printed.
    #[error("failed to talk to the operating system")]
    System(#[from] io::Error),
}

/// How long a call of the provider may take at most.
const ENGINE_TIMEOUT_MAX: Duration = Duration::from_secs(30);

/// Publishes every tenant's use, once or until SIGTERM or SIGINT, and tells `out` of each run.
/// Answers whether the last run of every tenant has succeeded.
///
/// # Errors
/// [`PublishError`].
pub async fn publish(
    settings: &PublishSettings,
    mut out: impl Write,
) -> Result<bool, PublishError> {
    let stop = stop()?;
    let credentials = Credentials::default();
    let of = &settings.of;
    let timing = flows::Settings {
        credentials: credentials.clone(),
        publish_lease: settings.lease,
        // Others may repeat what has lapsed: nobody waits for an answer for longer than that.
        engine_timeout: settings.lease.min(ENGINE_TIMEOUT_MAX),
        ..flows::Settings::default()
    };
    let monetizer = beside::open(of, timing).await?;
    let mut first = settings.after_restore.then_some(AfterRestore);
    loop {
        beside::sign_in(of, (&credentials, &**monetizer.store())).await;
        let run = publish_all(&monetizer, (&stop, first.take()), &mut out);
        let succeeded = match run.await {
            Ok(succeeded) => succeeded,
            Err(Failure::Store(error)) => {
                report::failure("publish use", &error);
                false
            }
            Err(Failure::Out(error)) => return Err(error.into()),
        };
        let Some(every) = settings.every else {
            return Ok(succeeded);
        };
        let mut stop = stop.clone();
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            _ = stop.wait_for(|stop| *stop) => return Ok(succeeded),
        }
    }
}

/// What turns true once the process is told to stop.
fn stop() -> io::Result<watch::Receiver<bool>> {
    let mut signals = Signals::listen()?;
    let (tell, stop) = watch::channel(false);
    tokio::spawn(async move {
        signals.next().await;
        tell.send_replace(true);
        // Whoever waits for it is told for as long as there is anybody.
        tell.closed().await;
    });
    Ok(stop)
}

/// The runs are the first ones over a database that was put back.
#[derive(Clone, Copy)]
struct AfterRestore;

enum Failure {
    Store(StoreError),
    Out(io::Error),
}

async fn publish_all(
    monetizer: &Monetizer,
    (stop, first): (&watch::Receiver<bool>, Option<AfterRestore>),
    out: &mut impl Write,
) -> Result<bool, Failure> {
    let mut succeeded = true;
    let tenants = tenants(&**monetizer.store())
        .await
        .map_err(Failure::Store)?;
    for tenant in tenants {
        if *stop.borrow() {
            break;
        }
        let outcome = match first {
            Some(AfterRestore) => publish_restored(monetizer, tenant, stop).await,
            None => publish_one(monetizer, tenant, stop).await,
        };
        let (said, has_succeeded) = match outcome {
            Ok(outcome) => outcome,
            Err(error) => (format!("failed: {}", report::chain(&error)), false),
        };
        succeeded &= has_succeeded;
        writeln!(out, "{tenant}  {said}")
            .and_then(|()| out.flush())
            .map_err(Failure::Out)?;
    }
    Ok(succeeded)
}

/// Asks the provider what it has of what this database does not know, and publishes the rest.
async fn publish_restored(
    monetizer: &Monetizer,
    tenant: TenantId,
    stop: &watch::Receiver<bool>,
) -> Result<(String, bool), FlowError> {
    let run = match monetizer.start_publishing(tenant).await? {
        JobStart::Started(run) => run,
        JobStart::Busy(_) => {
            return Ok(("another publisher is at work: stop it".to_owned(), false));
        }
    };
    let restored = monetizer.publish_restored(tenant, run).await?.reconciled;
    for differing in &restored.differing {
        report::line(format_args!(
            "{}: the provider has counted {}, and {} is known here",
            differing.subscription,
            differing.counted.scaled(),
            differing.confirmed.scaled()
        ));
    }
    for (subscription, problem) in &restored.failed {
        report::line(format_args!("{subscription} cannot be compared: {problem}"));
    }
    let (decided, differing) = (restored.decided.len(), restored.differing.len());
    let (said, succeeded) = publish_one(monetizer, tenant, stop).await?;
    let said = format!("{decided} decided by the provider's count, {differing} differ; {said}");
    Ok((said, succeeded && restored.failed.is_empty()))
}

/// What is said of a run, and whether all went well.
async fn publish_one(
    monetizer: &Monetizer,
    tenant: TenantId,
    stop: &watch::Receiver<bool>,
) -> Result<(String, bool), FlowError> {
    let run = match monetizer.start_publishing(tenant).await? {
        JobStart::Started(run) => run,
        JobStart::Busy(_) => return Ok(("another publisher is at work".to_owned(), true)),
    };
    let goes_on = || !*stop.borrow();
    let published = monetizer.publish_while(tenant, run, &goes_on).await?;
    for reason in &published.unsealed {
        report::line(format_args!("use was not published: {reason}"));
    }
    if published.taken_over {
        let said = "taken over by another publisher: this one was not heard of for longer than its \
            lease, and has sent nothing since; nothing has to be done";
        return Ok((said.to_owned(), true));
    }
    let held = u64::try_from(published.unsealed.len()).unwrap_or(u64::MAX);
    let (confirmed, all) = (published.run.done, published.run.failed);
    let failed = all.saturating_sub(held);
    let said = format!("{confirmed} confirmed, {failed} failed, {held} held");
    Ok((said, all == 0))
}
