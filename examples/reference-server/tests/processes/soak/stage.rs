use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use monetization_conformance::fault_proxy::{Fates, FaultProxy};
use monetization_conformance::is_long;
use serde_json::json;
use tokio::process::Child;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::super::client::Api;
use super::super::dice::Dice;
use super::super::ledger::{self, Accounts};
use super::super::load::{CallId, Crowd, Ids, Load, Tally};
use super::super::market::Market;
use super::super::provider::Provider;
use super::super::publishers::{SECRET, is_all_confirmed, publish};
use super::super::publishing::{let_time_pass, until_known_to_the_engine};
use super::super::server::{Home, Process, signal};
use super::super::upstream::Upstream;
use super::Scene;
use super::faults::{Fault, told};
use super::memory::PROVIDER;
use super::verdict::End;

/// All processes, the networks between them, and whoever calls.
pub(super) struct Stage {
    pub(super) home: Home,
    /// There is always one, except while it is started anew.
    server: Option<Process>,
    pub(super) publisher: Child,
    pub(super) provider: Provider,
    pub(super) upstream: Upstream,
    pub(super) market: Arc<Market>,
    /// What newcomers buy.
    pub(super) priced: String,
    pub(super) newcomers: usize,
    pub(super) to_provider: FaultProxy,
    pub(super) to_gateway: FaultProxy,
    pub(super) to_control: FaultProxy,
    steady: Load,
    shaky: Load,
    limited: Load,
    /// Clients that call once and behave badly; each answers the call whose answer it has had.
    pub(super) passers: JoinSet<Option<CallId>>,
    pub(super) passing: Ids,
    pub(super) befallen: BTreeMap<Fault, u64>,
    quota: u64,
    seconds: u64,
}

/// Clients of each of the loads.
const CLIENTS: u64 = 6;
const LIMITED_CLIENTS: u64 = 2;
const PAUSE_MS_MAX: u64 = 120;
/// Seldom enough that the quota is used up after more than half of the time.
const LIMITED_PAUSE_MS_MAX: u64 = 500;
const QUOTA_PER_SECOND: u64 = 4;
/// Calls that can be under way when a server is killed: those of the loads, and passers.
const UNDER_WAY_MAX: u64 = 2 * CLIENTS + LIMITED_CLIENTS + 20;
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);
/// Longer than leases and pauses after failures take together, on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(240);
pub(super) const POLL: Duration = Duration::from_millis(50);

impl Stage {
    /// With names for the calls of so many seconds.
    pub(super) async fn set(seconds: u64) -> Self {
        let proxy = async |to| FaultProxy::start(to, Fates::listed([])).await.unwrap();
        let to_control = proxy(NOWHERE).await;
        let news = format!(
            "--webhook-url=http://{}/webhooks/mock",
            to_control.address()
        );
        let secret = format!("--webhook-secret={SECRET}");
        let provider = Provider::start(&[&news, &secret, "--payment=automatically"]).await;
        let to_provider = proxy(provider.address).await;
        let mut home = Home::new(&[
            "--invoicing=by_engine",
            "--publish-every-seconds=3",
            &format!("--mock-url=http://{}", to_provider.address()),
            &format!("--mock-webhook-secret={SECRET}"),
        ]);
        let server = home.start().await;
        to_control.point_at(server.api.address);
        let to_gateway = proxy(server.gateway).await;

        let upstream = Upstream::start().await;
        let each = usize::try_from(seconds / 240 + 4).unwrap();
        let quota = seconds * QUOTA_PER_SECOND;
        let (market, priced) = sold(&server.api, upstream.address, 3 * each, quota).await;
        until_known_to_the_engine(home.directory()).await;

        let market = Arc::new(market);
        let load = |places, clients, pause_ms_max| {
            let crowd = Crowd {
                clients,
                wait_ms_max: 20,
                pause_ms_max,
            };
            Load::start_with(&market, Ids::among(places), crowd)
        };
        let limited = 3 * each..3 * each + 1;
        let publisher = publisher(&home, to_provider.address());
        let stage = Self {
            publisher,
            steady: load(0..each, CLIENTS, PAUSE_MS_MAX),
            shaky: load(each..2 * each, CLIENTS, PAUSE_MS_MAX),
            limited: load(limited, LIMITED_CLIENTS, LIMITED_PAUSE_MS_MAX),
            passing: Ids::among(2 * each..3 * each),
            passers: JoinSet::new(),
            befallen: BTreeMap::new(),
            newcomers: market.subscriptions.len(),
            server: Some(server),
            home,
            provider,
            upstream,
            market,
            priced,
            to_provider,
            to_gateway,
            to_control,
            quota,
            seconds,
        };
        stage.shaky.point_at(stage.to_gateway.address());
        stage.point_at_the_server();
        stage
    }

    pub(super) fn server(&self) -> &Process {
        self.server.as_ref().unwrap()
    }

    /// Ends the server in this way, and starts it anew on what it has left.
    pub(super) async fn renew_server(&mut self, end: impl AsyncFnOnce(Process)) {
        end(self.server.take().unwrap()).await;
        for load in [&self.steady, &self.limited] {
            load.point_nowhere();
        }
        let server = self.home.start().await;
        self.to_gateway.point_at(server.gateway);
        self.to_control.point_at(server.api.address);
        self.server = Some(server);
        self.point_at_the_server();
    }

    pub(super) async fn renew_publisher(&mut self) {
        self.publisher.wait().await.unwrap();
        self.publisher = publisher(&self.home, self.to_provider.address());
    }

    /// Ends all faults, lets everything come to rest, and ends the processes in good order.
    pub(super) async fn drain(mut self) -> End {
        self.provider.clear_faults().await;
        for network in [&self.to_provider, &self.to_gateway, &self.to_control] {
            network.set_fates(Fates::listed([]));
        }
        // A quota is reached exactly, also with units that dead servers had leased.
        self.limited.until_refused(LIMITED_CLIENTS * 10).await;
        let mut tally = Tally::default();
        for load in [self.steady, self.shaky, self.limited] {
            tally.add(load.finish().await);
        }
        let mut passers = 0;
        for received in self.passers.join_all().await {
            passers += 1;
            tally.received.extend(received);
        }
        signal("TERM", self.publisher.id().unwrap());
        self.publisher.wait().await.unwrap();
        self.server.take().unwrap().terminate().await;
        self.provider.terminate_and_start_again().await;
        self.to_provider.point_at(self.provider.address);
        if !is_long() {
            let_time_pass(self.home.directory()).await;
        }

        let server = self.home.start().await;
        self.to_control.point_at(server.api.address);
        let directory = self.home.directory();
        let publisher = publisher(&self.home, self.provider.address);
        let resting = async {
            while !is_all_confirmed(directory).await
                || !self.provider.all("messages").await.is_empty()
            {
                sleep(POLL).await;
            }
            until_known_to_the_engine(directory).await;
        };
        let rested = timeout(PATIENCE, resting).await;
        assert!(
            rested.is_ok(),
            "it does not come to rest: {}",
            ledger::standing(directory).await
        );
        drop(publisher);
        server.terminate().await;
        let kills = self.befallen.get(&Fault::KillServer).copied();
        End {
            accounts: Accounts::audited(self.home.directory(), &self.market).await,
            provider: self.provider,
            upstream: self.upstream,
            market: self.market,
            tally,
            passers,
            lost_max: UNDER_WAY_MAX * kills.unwrap_or_default(),
            lapsed_max: 0,
            quota: self.quota,
            records_min: 20 * self.seconds,
        }
    }

    fn point_at_the_server(&self) {
        for load in [&self.steady, &self.limited] {
            load.point_at(self.server().gateway);
        }
    }
}

impl Scene for Stage {
    async fn befall(&mut self, dice: &Dice, is_calm: bool) {
        self.meet(Fault::drawn(dice, is_calm), dice).await;
    }

    fn assert_alive(&mut self) {
        let publisher = self.publisher.try_wait().unwrap();
        assert_eq!(publisher, None, "the publisher has ended by itself");
        let server = self.server.as_mut().unwrap();
        assert!(server.is_running(), "the server has ended by itself");
    }

    fn processes(&self) -> Vec<(String, u32)> {
        vec![
            ("server".to_owned(), self.server().id()),
            ("publisher".to_owned(), self.publisher.id().unwrap()),
            (PROVIDER.to_owned(), self.provider.id()),
        ]
    }

    fn loads(&self) -> Vec<&Load> {
        vec![&self.steady, &self.shaky, &self.limited]
    }

    async fn standing(&self) -> String {
        ledger::standing(self.home.directory()).await
    }

    fn faults(&self) -> String {
        let networks = [
            ("the provider", &self.to_provider),
            ("the gateway", &self.to_gateway),
            ("the control plane", &self.to_control),
        ];
        told(&self.befallen, &networks)
    }
}

/// So many subscriptions without limits, then one with a strict quota; and what newcomers may buy.
async fn sold(api: &Api, upstream: SocketAddr, unlimited: usize, quota: u64) -> (Market, String) {
    let mut terms = json!({
        "billing": "metered", "currency": "USD", "cycle": "month",
        "usage": [{ "meter": "requests", "unit_price": "0.01" }],
    });
    let mut market = Market::open(api, upstream, terms.clone(), unlimited).await;
    terms["quotas"] = json!([{ "window": "period", "max": quota, "overage": "strict" }]);
    let limited = market.sell(api, terms.clone()).await;
    market.subscribe(api, &limited, 1).await;
    terms["base_price"] = json!("5.00");
    let priced = market.sell(api, terms).await;
    (market, priced)
}

/// A publisher that makes a run each second.
fn publisher(home: &Home, provider: SocketAddr) -> Child {
    let mut command = publish(home.directory(), provider, &["--every-seconds=1"]);
    command.spawn().unwrap()
}
