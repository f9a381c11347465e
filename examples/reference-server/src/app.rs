//! What the control plane and the background work share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use monetization_core::clock::{ManualClock, Timestamp};
use monetization_core::flows::Monetizer;
use monetization_core::ids::TenantId;
use monetization_core::runtime::Gatekeeper;
use monetization_core::store::Store;
use monetization_engine_mock::Control;

use crate::answer_watch::AnswerWatch;
use crate::background::Rounds;
use crate::clock_watch::ClockWatch;
use crate::control::Estimators;
use crate::engine_secrets::EngineSecrets;
use crate::metrics::Metrics;
use crate::recurring::Recurring;
use crate::set_aside::SetAsideFile;
use crate::shared_rates::Link;
use crate::task::Errands;
use crate::waiting;

/// A running server, as its control plane sees it.
#[derive(Debug)]
pub(crate) struct App {
    /// Everything that is done with store and engine.
    pub(crate) monetizer: Monetizer,
    /// The request path: told of changes, asked for its health.
    pub(crate) gatekeeper: Gatekeeper,
    /// The marketplace whose catalogue is public.
    pub(crate) tenant: TenantId,
    /// What the engine is signed in to with, and what its messages are signed with.
    pub(crate) engine_secrets: EngineSecrets,
    /// The provider's side of the mock engine, where that is the engine and in this process.
    pub(crate) mock: Option<Control>,
    /// Moves the business time, where it stands still by itself.
    pub(crate) manual_clock: Option<ManualClock>,
    /// What is done from time to time.
    pub(crate) rounds: Rounds,
    /// Whether the clock has fallen behind.
    pub(crate) clock_watch: ClockWatch,
    /// Whether there are answers that meters could not read.
    pub(crate) answer_watch: AnswerWatch,
    /// How often use is published without anybody asking for it.
    pub(crate) publish_every: Option<Duration>,
    /// When the engine is asked for news that did not arrive.
    pub(crate) asking_for_news: Recurring,
    /// When the engine is asked what it has counted.
    pub(crate) asking_for_counts: Recurring,
    /// For how long a server that nobody hears of keeps its blocks of quotas, where several share the store.
    pub(crate) lease: Option<Duration>,
    /// When it is counted what waits for an operator.
    pub(crate) counting_what_waits: Recurring,
    /// Where use is kept that the ledger cannot take.
    pub(crate) set_aside: Option<Arc<SetAsideFile>>,
    /// Where rates are counted that several servers share.
    pub(crate) shared_rates: Option<Link>,
    /// Where estimates are worked out.
    pub(crate) estimators: Estimators,
    /// What is counted and measured.
    pub(crate) metrics: Arc<Metrics>,
    /// What goes on by itself, whoever has begun it.
    pub(crate) errands: Errands,
    ready: AtomicBool,
}

/// What an [`App`] is made of.
#[derive(Debug)]
pub(crate) struct AppParts {
    pub(crate) monetizer: Monetizer,
    pub(crate) gatekeeper: Gatekeeper,
    pub(crate) tenant: TenantId,
    pub(crate) engine_secrets: EngineSecrets,
    pub(crate) mock: Option<Control>,
    pub(crate) manual_clock: Option<ManualClock>,
    pub(crate) rounds: Rounds,
    pub(crate) clock_watch: ClockWatch,
    pub(crate) publish_every: Option<Duration>,
    pub(crate) news_every: Option<Duration>,
    pub(crate) reconcile_every: Option<Duration>,
    pub(crate) lease: Option<Duration>,
    pub(crate) set_aside: Option<Arc<SetAsideFile>>,
    pub(crate) shared_rates: Option<Link>,
}

impl App {
    /// An app that is ready to be asked.
    pub(crate) fn new(parts: AppParts) -> Self {
        let AppParts {
            monetizer,
            gatekeeper,
            tenant,
            engine_secrets,
            mock,
            manual_clock,
            rounds,
            clock_watch,
            publish_every,
            news_every,
            reconcile_every,
            lease,
            set_aside,
            shared_rates,
        } = parts;
        Self {
            monetizer,
            gatekeeper,
            tenant,
            engine_secrets,
            mock,
            manual_clock,
            rounds,
            clock_watch,
            publish_every,
            asking_for_news: Recurring::new(news_every),
            asking_for_counts: Recurring::new(reconcile_every),
            counting_what_waits: Recurring::new(Some(waiting::EVERY)),
            lease,
            set_aside,
            shared_rates,
            estimators: Estimators::default(),
            answer_watch: AnswerWatch::default(),
            metrics: Arc::new(Metrics::new()),
            errands: Errands::default(),
            ready: AtomicBool::new(true),
        }
    }

    /// The store.
    pub(crate) fn store(&self) -> &dyn Store {
        &**self.monetizer.store()
    }

    /// The business time.
    pub(crate) fn now(&self) -> Timestamp {
        self.monetizer.now()
    }

    /// Whether it should be sent calls.
    pub(crate) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// From now on it says that it should not be sent calls.
    pub(crate) fn leave(&self) {
        self.ready.store(false, Ordering::Release);
    }

    /// Lets the gates know of what has been written, so that it holds for the next call.
    pub(crate) async fn tell_gates(&self) {
        if let Err(error) = self.gatekeeper.refresh().await {
            // The gates follow by themselves, or close.
            crate::report::failure("tell the gates of a change", &error);
        }
    }
}
