use std::collections::BTreeMap;
use std::sync::Arc;

use monetization_conformance::fault_proxy::{Fates, FaultProxy};
use monetization_conformance::{postgres, redis};
use monetization_core::clock::Clock;
use serde_json::json;
use tokio::process::Child;

use super::super::super::client::Api;
use super::super::super::dice::Dice;
use super::super::super::gateways::LEASE;
use super::super::super::ledger::{self, shared};
use super::super::super::load::{Crowd, Ids, Load};
use super::super::super::market::Market;
use super::super::super::provider::Provider;
use super::super::super::publishers::{SECRET, publish};
use super::super::super::upstream::Upstream;
use super::super::Scene;
use super::super::faults::told;
use super::super::memory::PROVIDER;
use super::faults::{Fault, Who};
use super::gateway::{Gateway, Shared};

/// All processes, the networks between them, and whoever calls.
pub(super) struct Stage {
    pub(super) postgres: postgres::Server,
    pub(super) redis: redis::Server,
    pub(super) provider: Provider,
    pub(super) upstream: Upstream,
    pub(super) market: Arc<Market>,
    pub(super) gateways: Vec<Gateway>,
    pub(super) publishers: Vec<Child>,
    pub(super) to_provider: FaultProxy,
    /// They pay by the call; and so do all others.
    pub(super) metered: Load,
    /// They have a rate that the gateways share.
    pub(super) rated: Load,
    /// They have a strict quota.
    pub(super) limited: Load,
    pub(super) befallen: BTreeMap<Fault, u64>,
    /// Who is away or stands still, until which second.
    pub(super) troubles: BTreeMap<Who, u64>,
    pub(super) second: u64,
    /// Publishers that began while the database was away, and ended.
    began_in_vain: u64,
    /// How many subscriptions have neither a rate nor a quota, and how many have a rate.
    pub(super) kinds: (usize, usize),
    pub(super) quota: u64,
    pub(super) seconds: u64,
    /// Since the first call.
    pub(super) clock: Clock,
}

const GATEWAYS: usize = 3;
const PUBLISHERS: usize = 2;
/// Clients of each of the loads.
const CLIENTS: u64 = 6;
pub(super) const LIMITED_CLIENTS: u64 = 2;
const RATED_CLIENTS: u64 = 3;
const PAUSE_MS_MAX: u64 = 200;
/// Seldom enough that the quota is used up after more than half of the time.
const LIMITED_PAUSE_MS_MAX: u64 = 500;
const QUOTA_PER_SECOND: u64 = 3;
/// Calls of each second that a rate lets through, and at once after a pause.
pub(super) const RATE: u64 = 5;
pub(super) const BURST: u64 = 10;
/// Calls that can be under way when a server is killed.
pub(super) const UNDER_WAY_MAX: u64 = CLIENTS + LIMITED_CLIENTS + RATED_CLIENTS;

impl Stage {
    /// With names for the calls of so many seconds.
    pub(super) async fn set(seconds: u64) -> Self {
        // What this machine loses when its power fails is no matter here.
        let settings = ["fsync=off", "full_page_writes=off", "max_connections=200"];
        let postgres = postgres::Server::start(&settings).await;
        let redis = redis::Server::start().await;
        let secret = format!("--webhook-secret={SECRET}");
        let provider = Provider::start(&[&secret]).await;
        let to_provider = FaultProxy::start(provider.address, Fates::listed([]));
        let to_provider = to_provider.await.unwrap();
        let gateways = gateways(&postgres, &redis, &to_provider).await;

        let upstream = Upstream::start().await;
        let kinds = (
            usize::try_from(seconds / 100 + 4).unwrap(),
            usize::try_from(seconds / 1_800 + 2).unwrap(),
        );
        let quota = seconds * QUOTA_PER_SECOND;
        let api = &gateways[0].process.as_ref().unwrap().api;
        let market = Arc::new(sold(api, &upstream, kinds, quota).await);
        shared::until_none(&mut shared::open(&postgres).await, ledger::OPERATIONS_LEFT).await;

        let load = |places, clients, pause_ms_max| {
            let crowd = Crowd {
                clients,
                wait_ms_max: 20,
                pause_ms_max,
            };
            Load::start_with(&market, Ids::among(places), crowd)
        };
        let (metered, rated) = (kinds.0, kinds.0 + kinds.1);
        let mut stage = Self {
            metered: load(0..metered, CLIENTS, PAUSE_MS_MAX),
            rated: load(metered..rated, RATED_CLIENTS, PAUSE_MS_MAX),
            limited: load(rated..rated + 1, LIMITED_CLIENTS, LIMITED_PAUSE_MS_MAX),
            postgres,
            redis,
            provider,
            upstream,
            market,
            gateways,
            publishers: Vec::new(),
            to_provider,
            befallen: BTreeMap::new(),
            troubles: BTreeMap::new(),
            second: 0,
            began_in_vain: 0,
            kinds,
            quota,
            seconds,
            clock: Clock::system(),
        };
        for _ in 0..PUBLISHERS {
            let publisher = stage.start_publisher();
            stage.publishers.push(publisher);
        }
        stage.point_at_gateways();
        stage
    }

    /// One of them.
    pub(super) fn place(&self, dice: &Dice) -> usize {
        usize::try_from(dice.below(self.gateways.len() as u64)).unwrap()
    }

    pub(super) fn gateway(&self, dice: &Dice) -> &Gateway {
        &self.gateways[self.place(dice)]
    }

    pub(super) fn publisher(&mut self, dice: &Dice) -> &mut Child {
        let place = dice.below(self.publishers.len() as u64);
        &mut self.publishers[usize::try_from(place).unwrap()]
    }

    /// Clients call whoever is there, also those who stand still.
    pub(super) fn point_at_gateways(&self) {
        let there = self.gateways.iter().flat_map(|it| &it.process);
        let there: Vec<_> = there.map(|process| process.gateway).collect();
        for load in self.loads() {
            if there.is_empty() {
                load.point_nowhere();
            } else {
                load.point_at_any(there.clone());
            }
        }
    }

    /// Those that have ended begin again, as soon as they find their database.
    pub(super) fn renew_publishers(&mut self) {
        if self.troubles.contains_key(&Who::Postgres) {
            return;
        }
        for place in 0..self.publishers.len() {
            if let Some(ended) = self.publishers[place].try_wait().unwrap() {
                self.began_in_vain += u64::from(ended.code().is_some());
                self.publishers[place] = self.start_publisher();
            }
        }
    }

    pub(super) fn count(&self, faults: &[Fault]) -> u64 {
        let counts = faults.iter().filter_map(|fault| self.befallen.get(fault));
        counts.sum()
    }

    /// A publisher that makes a run each second.
    fn start_publisher(&self) -> Child {
        let database = format!("--database={}", self.postgres.address());
        let arguments = [&*database, "--every-seconds=1"];
        let directory = self.gateways[0].directory();
        let mut command = publish(directory, self.to_provider.address(), &arguments);
        command.spawn().unwrap()
    }
}

impl Scene for Stage {
    async fn befall(&mut self, dice: &Dice, is_calm: bool) {
        self.second += 1;
        self.relieve(self.second).await;
        self.renew_publishers();
        self.meet(Fault::drawn(dice, is_calm), dice).await;
    }

    fn assert_alive(&mut self) {
        for process in self.gateways.iter_mut().flat_map(|it| &mut it.process) {
            assert!(process.is_running(), "a gateway has ended by itself");
        }
        let away = [
            Fault::RestartPostgres,
            Fault::CrashPostgres,
            Fault::PausePostgres,
        ];
        let (ended, away) = (self.began_in_vain, self.count(&away));
        let told = "a publisher ends only where its database is away as it begins";
        assert!(ended <= away, "{told}: {ended} have, {away} times");
    }

    fn processes(&self) -> Vec<(String, u32)> {
        let gateways = self.gateways.iter().enumerate();
        let gateways = gateways.filter_map(|(place, it)| Some((place, it.process.as_ref()?.id())));
        let gateways = gateways.map(|(place, id)| (format!("gateway {}", place + 1), id));
        let publishers = self.publishers.iter().enumerate();
        let publishers = publishers.filter_map(|(place, it)| Some((place, it.id()?)));
        let publishers = publishers.map(|(place, id)| (format!("publisher {}", place + 1), id));
        let provider = (PROVIDER.to_owned(), self.provider.id());
        gateways.chain(publishers).chain([provider]).collect()
    }

    fn loads(&self) -> Vec<&Load> {
        vec![&self.metered, &self.rated, &self.limited]
    }

    async fn standing(&self) -> String {
        if self.troubles.contains_key(&Who::Postgres) {
            return "the database is away".to_owned();
        }
        shared::standing(&mut shared::open(&self.postgres).await).await
    }

    fn faults(&self) -> String {
        let mut networks = vec![("the provider", &self.to_provider)];
        for gateway in &self.gateways {
            networks.push(("PostgreSQL", &gateway.to_postgres));
            networks.push(("Redis", &gateway.to_redis));
        }
        told(&self.befallen, &networks)
    }
}

async fn gateways(
    postgres: &postgres::Server,
    redis: &redis::Server,
    to_provider: &FaultProxy,
) -> Vec<Gateway> {
    let url = format!("--mock-url=http://{}", to_provider.address());
    let secret = format!("--mock-webhook-secret={SECRET}");
    let lease = format!("--lease-seconds={}", LEASE.as_secs());
    let shared = Shared {
        postgres,
        redis: redis.socket(),
        arguments: &["--invoicing=by_engine", &url, &secret, &lease],
    };
    let mut gateways: Vec<Gateway> = Vec::new();
    for _ in 0..GATEWAYS {
        let gateway = Gateway::start(&shared, gateways.first()).await;
        gateways.push(gateway);
    }
    gateways
}

/// So many subscriptions without limits, so many with a rate, then one with a strict quota.
async fn sold(
    api: &Api,
    upstream: &Upstream,
    (unlimited, rated): (usize, usize),
    quota: u64,
) -> Market {
    let terms = json!({
        "billing": "metered", "currency": "USD", "cycle": "month",
        "usage": [{ "meter": "requests", "unit_price": "0.01" }],
    });
    let mut market = Market::open(api, upstream.address, terms.clone(), unlimited).await;
    let mut with_rate = terms.clone();
    with_rate["rates"] = json!([{ "kind": "gcra", "count": RATE, "seconds": 1, "burst": BURST }]);
    let with_rate = market.sell(api, with_rate).await;
    market.subscribe(api, &with_rate, rated).await;
    let mut with_quota = terms;
    with_quota["quotas"] = json!([{ "window": "period", "max": quota, "overage": "strict" }]);
    let with_quota = market.sell(api, with_quota).await;
    market.subscribe(api, &with_quota, 1).await;
    market
}
