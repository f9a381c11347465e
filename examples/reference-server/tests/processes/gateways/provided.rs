//! Servers and publishers that share a provider, too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use monetization_conformance::size_in_ci;
use sqlx::PgConnection;
use tokio::task::JoinSet;

use super::super::dice::Dice;
use super::super::ledger;
use super::super::ledger::shared::{meters, until_none};
use super::super::provider::Provider;
use super::super::publishers::{SECRET, broken_network, faults_of, publish_until};
use super::super::publishing::Used;
use super::*;

const SUBSCRIBERS: usize = 20;

/// Servers, the provider that all of them reach over a network, and that network.
pub(super) struct Provided {
    pub(super) group: Group,
    pub(super) provider: Provider,
    network: FaultProxy,
}

impl Provided {
    /// So many servers with these arguments, and a provider with those.
    pub(super) async fn start(servers: usize, arguments: &[&str], provider: &[&str]) -> Self {
        let secret = format!("--webhook-secret={SECRET}");
        let provider = Provider::start(&[&[&*secret], provider].concat()).await;
        let network = FaultProxy::start(provider.address, Fates::listed([]));
        let network = network.await.unwrap();
        let url = format!("--mock-url=http://{}", network.address());
        let secret = format!("--mock-webhook-secret={SECRET}");
        let group = Group::start(servers, &[&[&*url, &*secret], arguments].concat()).await;
        Self {
            group,
            provider,
            network,
        }
    }

    /// A command of a process beside the servers.
    async fn beside(&self, command: &str) -> Output {
        let address = self.group.database.address();
        let url = format!("http://{}", self.provider.address);
        run(&[command, "--database", &address, "--mock-url", &url]).await
    }

    pub(super) async fn end(self) {
        self.group.end().await;
        self.provider.terminate().await;
    }
}

async fn counted(group: &Group, provider: &Provider) -> BTreeMap<String, i64> {
    let meters = meters(&mut group.database.connect().await).await;
    provider.counted(&meters).await
}

/// R-P3, and what `reconcile` says of it. Whoever publishes does so over a network that breaks most
/// connections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn two_nodes_and_two_publishers_report_every_unit_once_and_reconcile_agrees_r_p3() {
    let (faults, units) = size_in_ci((20, 500), (100, 2_000), (1_000, 100_000));
    let arguments = ["--invoicing=by_engine", "--publish-every-seconds=1"];
    let provided = Provided::start(2, &arguments, &["--batch-max=2"]).await;
    let Provided {
        group,
        provider,
        network,
    } = &provided;
    let upstream = Upstream::start().await;
    let terms = json!({
        "billing": "metered", "currency": "USD", "cycle": "month",
        "usage": [{ "meter": "requests", "unit_price": "0.01" }],
    });
    let [a, b] = &group.servers[..] else { panic!() };
    let market = Market::open(&a.api, upstream.address, terms, SUBSCRIBERS).await;
    let mut connection = group.database.connect().await;
    until_none(&mut connection, ledger::OPERATIONS_LEFT).await;

    network.set_fates(broken_network(9));
    let over = Arc::<AtomicBool>::default();
    let mut publishing = JoinSet::new();
    for _ in 0..2 {
        let of = ["--database".to_owned(), group.database.address()];
        publishing.spawn(publish_until(Arc::clone(&over), of, network.address()));
    }
    let (mut used, dice) = (Used::default(), Dice::seeded(9));
    while used.total() < units || faults_of(network) < faults {
        used.report(&a.api, &market, &dice).await;
        used.report(&b.api, &market, &dice).await;
        sleep(5 * POLL).await;
    }
    let met = faults_of(network);
    network.set_fates(Fates::listed([]));
    until_none(&mut connection, ledger::LEFT).await;
    over.store(true, Ordering::Release);
    let runs = publishing.join_all().await;
    assert!(runs.iter().all(|runs| *runs > 0), "{runs:?}");
    assert_eq!(counted(group, provider).await, used.of);

    let agreed = provided.beside("reconcile").await;
    let said = String::from_utf8_lossy(&agreed.stdout);
    assert!(agreed.status.success(), "{said}");
    println!(
        "{} units, {met} faults, runs {runs:?}\n{said}",
        used.total()
    );
    forgotten(&provided, &mut connection).await;
    provided.end().await;
}

/// What the books have forgotten, `reconcile` tells.
async fn forgotten(provided: &Provided, connection: &mut PgConnection) {
    let change = async |connection: &mut PgConnection, change| {
        sqlx::query(change).execute(connection).await.unwrap();
    };
    let forget = "UPDATE batch SET to_total = to_total - 1
        WHERE number = (SELECT max(number) FROM batch)";
    change(connection, forget).await;
    let differs = provided.beside("reconcile").await;
    let said = String::from_utf8_lossy(&differs.stdout);
    assert_eq!(differs.status.code(), Some(1), "{said}");
    assert!(said.contains("differs"), "{said}");
    let restore = "UPDATE batch SET to_total = to_total + 1
        WHERE number = (SELECT max(number) FROM batch)";
    change(connection, restore).await;
}
