//! A whole server: both listeners, the request path, the control plane and the background work.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use monetization_core::clock::{Clock, ManualClock, Timestamp};
use monetization_core::entropy::Entropy;
use monetization_core::flows::{self, Credentials, FlowError, Monetizer};
use monetization_core::ids::TenantId;
use monetization_core::key::Pepper;
use monetization_core::runtime::{Gatekeeper, GatekeeperOptions};
use monetization_core::store::{Store, StoreError};
use monetization_core::text::Slug;
use monetization_engine_mock::provider::Rules;
use monetization_engine_mock::{Control, JournalPlace};
use monetization_gateway_tower::{LayerOptions, TokioRuntime};
use tokio::sync::Notify;

use crate::app::{App, AppParts};
use crate::background::Rounds;
use crate::clock_watch::ClockWatch;
use crate::control;
use crate::engine_secrets::{EngineSecrets, SecretsError, SecretsOf};
use crate::engines::{self, Chosen, EngineChoiceError, EngineParts};
use crate::first_start::{self, FirstStart, Market};
use crate::gateway::Gateway;
use crate::listener::{Bounds, Listener};
use crate::orphans;
use crate::plans::{self, PlansError};
use crate::proxy::{BodyBounds, Proxy, ProxyBounds, Reach};
use crate::set_aside::{SetAsideError, SetAsideFile};
use crate::settings::Settings;
#[cfg(feature = "stripe")]
use crate::settings::is_stripe;
use crate::shared_rates;
use crate::task::Task;
use sockets::Sockets;

mod sockets;

/// A running server. Dropping it stops it without bringing anything to its end, as a crash would;
/// [`shutdown`](Self::shutdown) is the way to go.
#[derive(Debug)]
pub struct Server {
    app: Arc<App>,
    gateway: Listener,
    control: Listener,
    request_path: Task,
    background: Task,
    stop_background: Arc<Notify>,
}

/// What a server keeps its state in and tells the time by.
#[derive(Debug)]
pub struct Ingredients {
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Clock,
    /// What moves the business time, where it stands still by itself.
    pub manual_clock: Option<ManualClock>,
    /// Where ids and secrets come from.
    pub entropy: Arc<Entropy>,
    /// What secrets are digested with.
    pub pepper: Pepper,
    /// Where the mock engine keeps its journal.
    pub journal: JournalPlace,
    /// How the mock engine conducts itself.
    pub rules: Rules,
    /// When the newest record was made, where there is one.
    pub newest_record: Option<Timestamp>,
    /// For how long a process that nobody hears of keeps its blocks of quotas, where several share the store.
    /// `None` where this one is alone with it: what the one before has left is taken back at once.
    pub lease: Option<Duration>,
    /// Where use is kept that the ledger cannot take; nowhere, and the ledger is asked again and
    /// again, if nothing is said.
    pub set_aside: Option<PathBuf>,
}

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("failed to listen on {address}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The engine cannot be had.
    #[error(transparent)]
    Engine(#[from] EngineChoiceError),
    /// The tenant was made with another engine.
    #[error(
        "the data was begun with engine {stored}, and the settings say {chosen}: choose that one, or another data directory"
    )]
    OtherEngine {
        /// The engine of the tenant.
        stored: Slug,
        /// The engine of the settings.
        chosen: Slug,
    },
    /// What secrets are digested with is not what the data was begun with.
    #[error(
        "the data was begun with another pepper, and no key or token would be recognised: put the pepper of a \
         server that serves from this database, or of a back-up, in the place of this server's (the file \
         pepper in the data directory, or --pepper-file)"
    )]
    OtherPepper,
    /// The store does not answer.
    #[error("failed to prepare the store")]
    Store(#[from] StoreError),
    /// What was set aside cannot be read.
    #[error("failed to look at what was set aside")]
    SetAside(#[from] SetAsideError),
    /// The engine's secrets cannot be read.
    #[error("failed to read the engine's secrets")]
    Secrets(#[from] SecretsError),
    /// TLS cannot be set up.
    #[error("failed to prepare TLS to upstreams")]
    Tls(#[from] rustls::Error),
    /// A plan file cannot be sold.
    #[error("failed to put plans on sale")]
    Plans(#[from] PlansError),
    /// The place where rates are counted together cannot be used.
    #[error("failed to share rates by --redis")]
    SharedRates {
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The first tenant cannot be made.
    #[error("failed to prepare the marketplace")]
    Market(#[from] FlowError),
}

impl Server {
    /// Starts a server. On an empty store it makes a tenant and tokens, which are in the answer.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(
        settings: &Settings,
        ingredients: Ingredients,
    ) -> Result<(Self, Option<FirstStart>), StartError> {
        let sockets = Sockets::bind(settings)?;
        let clock = ingredients.clock.clone();
        let (app, first_start) = prepare(settings, ingredients, sockets.control_address).await?;
        let runtime = TokioRuntime::current();
        let request_path = app.gatekeeper.clone().run(Arc::new(runtime.clone()));
        let request_path = Task::spawn(request_path);
        let own = vec![sockets.gateway_address, sockets.control_address];
        let gateway = gateway(settings, &app, clock, (runtime, own))?;
        let control = control::router(Arc::clone(&app));
        let bounds = Bounds {
            head_within: settings.head_timeout,
            unread_within: settings.stall_timeout,
            ..Bounds::default()
        };
        let (gateway, control) = sockets.serve(gateway, control, bounds)?;
        let stop_background = Arc::new(Notify::new());
        let background = Task::spawn({
            let (app, stop) = (Arc::clone(&app), Arc::clone(&stop_background));
            async move {
                tokio::select! {
                    () = app.run_rounds(&stop) => {}
                    () = app.settle_orphans_on() => {}
                }
            }
        });
        let server = Self {
            app,
            gateway,
            control,
            request_path,
            background,
            stop_background,
        };
        Ok((server, first_start))
    }

    /// Where the gateway listens.
    #[must_use]
    pub fn gateway_address(&self) -> SocketAddr {
        self.gateway.address()
    }

    /// Where the control plane listens.
    #[must_use]
    pub fn control_address(&self) -> SocketAddr {
        self.control.address()
    }

    /// Does now what would be done within a second: jobs, deliveries of the mock engine, news for
    /// the gates.
    pub async fn round(&self) {
        self.app.round().await;
    }

    /// Reads the engine's secrets again: they hold for its next call and its next message. Where that
    /// cannot be, those that hold stay.
    ///
    /// # Errors
    /// [`SecretsError`].
    pub fn reload_secrets(&self) -> Result<(), SecretsError> {
        self.app.engine_secrets.reload()
    }

    /// Sets the business time where it stands still by itself, forward or not at all. What falls
    /// due then is done with the next [`round`](Self::round).
    pub fn set_time(&self, to: Timestamp) {
        if let Some(manual) = &self.app.manual_clock
            && to > self.app.now()
        {
            manual.set(to);
        }
    }

    /// The flows of this server, for a look behind the API.
    #[must_use]
    pub fn monetizer(&self) -> &Monetizer {
        &self.app.monetizer
    }

    /// The provider's side of the mock engine, where that is the engine and in this process.
    #[must_use]
    pub fn mock(&self) -> Option<&Control> {
        self.app.mock.as_ref()
    }

    /// Says that it is not ready, and goes on serving: whoever sends calls here has time to send them
    /// elsewhere before it stops.
    pub fn leave(&self) {
        self.app.leave();
    }

    /// Stops: says that it is not ready, takes no further connection, lets calls under way come
    /// to their end, writes every record, and gives blocks of quotas and rates back. Answers the number of
    /// calls that were not recorded when its time was up, which is nothing where all went well.
    pub async fn shutdown(self) -> usize {
        self.app.leave();
        self.stop_background.notify_one();
        tokio::join!(self.gateway.stop(), self.control.stop());
        self.app.gatekeeper.shutdown();
        let ending = async {
            self.request_path.end().await;
            self.background.end().await;
            self.app.errands.end().await;
        };
        drop(tokio::time::timeout(END_WITHIN, ending).await);
        if let Some(link) = &self.app.shared_rates {
            link.release().await;
        }
        self.app.gatekeeper.committer().backlog()
    }
}

/// How long the last records may take, once the connections are closed.
const END_WITHIN: Duration = Duration::from_millis(2_500);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Everything but the listeners: engine, marketplace, gates.
async fn prepare(
    settings: &Settings,
    ingredients: Ingredients,
    control: SocketAddr,
) -> Result<(Arc<App>, Option<FirstStart>), StartError> {
    let Ingredients {
        store,
        clock,
        manual_clock,
        entropy,
        pepper,
        journal,
        rules,
        newest_record,
        lease,
        set_aside,
    } = ingredients;
    let here = format!("http://{}", reachable(control));
    let public_url = settings.public_url.as_deref().unwrap_or(&here);
    let parts = EngineParts {
        start: clock.now(),
        journal,
        rules,
        payment_url_base: format!("{public_url}/mock/pay/"),
        entropy: &entropy,
    };
    let Chosen {
        engines,
        mock,
        webhook_secrets,
        demands,
    } = choose(settings, parts, (&*store, &clock)).await?;
    let credentials = Credentials::default();
    let of_flows = flows_with(&credentials);
    let (by, random) = (clock.clone(), Arc::clone(&entropy));
    let monetizer = Monetizer::new(Arc::clone(&store), engines, by, random, pepper.clone())
        .with_settings(of_flows);
    let (tenant, first_start) = market(&monetizer, settings, lease.is_some()).await?;
    let of = SecretsOf {
        engine: settings.engine.clone(),
        tenant,
        credentials,
        demands,
    };
    let engine_secrets = EngineSecrets::new(settings.engine_secrets.clone(), of, webhook_secrets)?;
    if lease.is_none() {
        orphans::take_back(&*store).await?;
    }
    let set_aside = open_set_aside(set_aside.as_deref(), &*store).await?;
    let random = (&clock, &*entropy);
    let (shared_rates, beside) = shared_rates::beside(settings, set_aside.clone(), random).await?;
    let options = gatekeeper_options(settings);
    let gatekeeper = Gatekeeper::with(store, (clock, entropy), pepper, options, beside);
    gatekeeper.refresh().await?;
    let app = Arc::new(App::new(AppParts {
        monetizer,
        gatekeeper,
        tenant,
        engine_secrets,
        mock,
        manual_clock,
        rounds: Rounds::new(webhook_target(&here, &settings.engine)),
        clock_watch: ClockWatch::new(newest_record),
        publish_every: settings.publish_every,
        news_every: settings.news_every,
        reconcile_every: settings.reconcile_every,
        lease,
        set_aside,
        shared_rates,
    }));
    Ok((app, first_start))
}

fn flows_with(credentials: &Credentials) -> flows::Settings {
    flows::Settings {
        credentials: credentials.clone(),
        ..flows::Settings::default()
    }
}

async fn open_set_aside(
    path: Option<&Path>,
    store: &dyn Store,
) -> Result<Option<Arc<SetAsideFile>>, SetAsideError> {
    Ok(match path {
        Some(path) => Some(Arc::new(SetAsideFile::open(path, store).await?)),
        None => None,
    })
}

async fn choose(
    settings: &Settings,
    parts: EngineParts<'_>,
    (store, clock): (&dyn Store, &Clock),
) -> Result<Chosen, StartError> {
    if let Some(stripe) = choose_stripe(settings, store, clock).await? {
        return Ok(stripe);
    }
    Ok(match &settings.mock_process {
        Some(process) => engines::choose_process(process).await?,
        None => engines::choose(&settings.engine, parts)?,
    })
}

#[cfg(feature = "stripe")]
async fn choose_stripe(
    settings: &Settings,
    store: &dyn Store,
    clock: &Clock,
) -> Result<Option<Chosen>, StartError> {
    if !is_stripe(&settings.engine) {
        return Ok(None);
    }
    let (Some(stripe), Some(secrets)) = (&settings.stripe, &settings.engine_secrets) else {
        return Err(SecretsError::NoFile.into());
    };
    // What the tenant was made with holds for whoever makes its invoices.
    let known = first_start::known(store).await?;
    let days = known.map_or(settings.payment_days, |tenant| tenant.payment_days);
    let engine = engines::stripe::engine(stripe, clock.clone(), days)?;
    Ok(Some(engines::stripe::choose(engine, (stripe, secrets))?))
}

/// It was not built in.
#[cfg(not(feature = "stripe"))]
async fn choose_stripe(
    _: &Settings,
    _: &dyn Store,
    _: &Clock,
) -> Result<Option<Chosen>, StartError> {
    Ok(None)
}

fn gatekeeper_options(settings: &Settings) -> GatekeeperOptions {
    GatekeeperOptions {
        without_store_max: settings.without_store.unwrap_or_default(),
        ..GatekeeperOptions::default()
    }
}

/// Where this process reaches itself.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port())
    } else {
        address
    }
}

fn webhook_target(here: &str, engine: &Slug) -> Uri {
    // An address and a slug always make a URL.
    Uri::try_from(format!("{here}/webhooks/{engine}")).unwrap_or_default()
}

async fn market(
    monetizer: &Monetizer,
    settings: &Settings,
    is_shared: bool,
) -> Result<(TenantId, Option<FirstStart>), StartError> {
    let market = Market {
        engine: settings.engine.clone(),
        invoicing: settings.invoicing,
        payment_days: settings.payment_days,
        grace_days: settings.grace_days,
    };
    // The tokens of a first start that fails are told to nobody.
    let sales = plans::read(&settings.plans)?;
    let (tenant, first_start) = first_start::tenant(monetizer, market).await?;
    if tenant.engine != settings.engine {
        return Err(StartError::OtherEngine {
            stored: tenant.engine,
            chosen: settings.engine.clone(),
        });
    }
    if !monetizer.has_pepper_of(tenant.id).await? {
        return Err(StartError::OtherPepper);
    }
    if is_shared && !sales.is_empty() {
        let turn = plans::Turn::take(&**monetizer.store(), tenant.id, monetizer.now()).await?;
        plans::put_on_sale(monetizer, tenant.id, &sales).await?;
        turn.end(monetizer.now()).await?;
    } else {
        plans::put_on_sale(monetizer, tenant.id, &sales).await?;
    }
    Ok((tenant.id, first_start))
}

fn gateway(
    settings: &Settings,
    app: &App,
    clock: Clock,
    (runtime, own): (TokioRuntime, Vec<SocketAddr>),
) -> Result<Gateway, StartError> {
    let reach = Reach {
        private: settings.private_upstreams,
        own,
        within: CONNECT_WITHIN,
    };
    let body = BodyBounds {
        bytes_max: usize::try_from(settings.request_bytes_max).unwrap_or(usize::MAX),
        idle_max: settings.stall_timeout,
    };
    let bounds = ProxyBounds {
        head_within: settings.upstream_timeout,
        body,
    };
    let options = LayerOptions {
        headers: settings.limit_headers,
        commit: settings.commit,
        hides_server: true,
        ..LayerOptions::new(runtime)
    };
    let body_bytes_max = u64::from(settings.request_bytes_max);
    let proxy = Proxy::new(reach, bounds)?;
    Ok(Gateway::new(
        (app.gatekeeper.clone(), clock),
        Arc::clone(&app.metrics),
        options,
        proxy,
        body_bytes_max,
    ))
}
