//! What the server asks of the engine from time to time by itself.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use monetization_core::clock::Timestamp;
use monetization_core::flows::{FlowError, Monetizer, ReconcileReport};
use tokio::sync::OwnedMutexGuard;

use crate::app::App;
use crate::news::tell_caught;
use crate::report;
use crate::schedule::tenants;

/// How far back counts are compared: no engine takes use that is older.
pub(crate) const COMPARED: Duration = Duration::from_secs(35 * 86_400);

/// When something is asked again; one at a time.
#[derive(Debug)]
pub(crate) struct Recurring {
    every: Option<Duration>,
    last: Mutex<Option<Timestamp>>,
    one_at_a_time: Arc<tokio::sync::Mutex<()>>,
}

impl Recurring {
    /// As often as that, from now on; never where nothing is said.
    pub(crate) fn new(every: Option<Duration>) -> Self {
        Self {
            every,
            last: Mutex::default(),
            one_at_a_time: Arc::default(),
        }
    }

    /// Whether it is time; what is handed out is to be held for as long as it takes.
    pub(crate) fn begin(&self, now: Timestamp) -> Option<OwnedMutexGuard<()>> {
        let every = self.every?;
        let alone = Arc::clone(&self.one_at_a_time).try_lock_owned().ok()?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| now.saturating_since(last) >= every);
        is_due.then(|| {
            *last = Some(now);
            alone
        })
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
enum Question {
    /// What has happened there: messages that did not arrive.
    News,
    /// What it has counted, against what was reported to it.
    Count,
}

impl App {
    /// Asks the engine what it is time to ask; that goes on by itself.
    pub(crate) fn ask_on_schedule(&self) {
        let questions = [
            (&self.asking_for_news, Question::News),
            (&self.asking_for_counts, Question::Count),
        ];
        for (recurring, question) in questions {
            let Some(alone) = recurring.begin(self.now()) else {
                continue;
            };
            let (monetizer, metrics) = (self.monetizer.clone(), Arc::clone(&self.metrics));
            self.errands.spawn(async move {
                let _alone = alone;
                match question.ask(&monetizer).await {
                    Ok(differing) if matches!(question, Question::Count) => {
                        metrics.compared(differing, monetizer.now());
                    }
                    Ok(_) => {}
                    Err(error) => report::failure(question.doing(), &error),
                }
            });
        }
    }
}

impl Question {
    const fn doing(self) -> &'static str {
        match self {
            Self::News => "ask the engine for its news",
            Self::Count => "compare what was reported with what the engine has counted",
        }
    }

    /// Asks for every tenant, and tells the operator what came of that. Answers in how many periods the engine
    /// has counted something else, as far as that was the question.
    async fn ask(self, monetizer: &Monetizer) -> Result<usize, FlowError> {
        let mut differing = 0_usize;
        for tenant in tenants(&**monetizer.store()).await? {
            let asked = match self {
                Self::News => monetizer.catch_up(tenant).await.map(|it| tell_caught(&it)),
                Self::Count => {
                    let since = monetizer.now().saturating_sub(COMPARED);
                    let report = monetizer.reconcile(tenant, since).await;
                    report.map(|it| {
                        differing = differing.saturating_add(it.differing.len());
                        tell_compared(&it);
                    })
                }
            };
            match asked {
                // It cannot tell: there is nothing to ask for.
                Err(FlowError::Unable { .. }) => {}
                asked => asked?,
            }
        }
        Ok(differing)
    }
}

fn tell_compared(report: &ReconcileReport) {
    for of in &report.differing {
        report::line(format_args!(
            "an operator has to look: of {} in the period of {} from {} to {} the engine has counted {}, and {} was confirmed by it (what it may have: {})",
            of.meter,
            of.subscription,
            of.period.start,
            of.period.end,
            of.counted.scaled(),
            of.confirmed.scaled(),
            of.perhaps.scaled()
        ));
    }
    for (batch, fate) in &report.decided {
        report::line(format_args!(
            "batch {batch}, of which nobody knew whether it had arrived, is {} by the engine's count",
            fate.state().as_str()
        ));
    }
    for (subscription, why) in &report.failed {
        report::line(format_args!(
            "the use of {subscription} cannot be compared with the engine's count: {why}"
        ));
    }
}
