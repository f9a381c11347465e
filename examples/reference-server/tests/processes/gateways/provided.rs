//! Servers and publishers that share a provider, too.

use std::collections::BTreeMap;

use monetization_conformance::size;
use sqlx::PgConnection;

use super::super::dice::Dice;
use super::super::ledger;
use super::super::ledger::shared::{count, meters};
use super::super::provider::Provider;
use super::super::publishers::SECRET;
use super::super::publishing::Used;
use super::*;

const SUBSCRIBERS: usize = 20;

/// A command of a process beside the servers.
async fn beside(command: &str, group: &Group, provider: &Provider) -> Output {
    let address = group.database.address();
    let url = format!("http://{}", provider.address);
    run(&[command, "--database", &address, "--mock-url", &url]).await
}

async fn counted(group: &Group, provider: &Provider) -> BTreeMap<String, i64> {
    let meters = meters(&mut group.database.connect().await).await;
    provider.counted(&meters).await
}

/// R-P3, and what `reconcile` says of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn two_nodes_and_two_publishers_report_every_unit_once_and_reconcile_agrees_r_p3() {
    let secret = format!("--webhook-secret={SECRET}");
    let provider = Provider::start(&[&secret, "--batch-max=2"]).await;
    let url = format!("--mock-url=http://{}", provider.address);
    let secret = format!("--mock-webhook-secret={SECRET}");
    let arguments = [
        "--invoicing=by_engine",
        "--publish-every-seconds=1",
        &url,
        &secret,
    ];
    let group = Group::start(2, &arguments).await;
    let upstream = Upstream::start().await;
    let terms = json!({
        "billing": "metered", "currency": "USD", "cycle": "month",
        "usage": [{ "meter": "requests", "unit_price": "0.01" }],
    });
    let [a, b] = &group.servers[..] else { panic!() };
    let market = Market::open(&a.api, upstream.address, terms, SUBSCRIBERS).await;
    let mut connection = group.database.connect().await;
    let until = async |connection: &mut PgConnection, select| {
        let waiting = async {
            while count(connection, select).await > 0 {
                sleep(POLL).await;
            }
        };
        timeout(PATIENCE, waiting).await.unwrap();
    };
    until(&mut connection, ledger::OPERATIONS_LEFT).await;
    let (mut used, dice) = (Used::default(), Dice::seeded(9));
    for round in 0..size(3, 30) {
        used.report(&a.api, &market, &dice).await;
        used.report(&b.api, &market, &dice).await;
        let publishing = [0; 2].map(|_| beside("publish", &group, &provider));
        let published = futures::future::join_all(publishing).await;
        assert!(
            published.iter().all(|it| it.status.success()),
            "{round}: {published:?}"
        );
    }
    until(&mut connection, ledger::LEFT).await;
    assert_eq!(counted(&group, &provider).await, used.of);

    let agreed = beside("reconcile", &group, &provider).await;
    let said = String::from_utf8_lossy(&agreed.stdout);
    assert!(agreed.status.success(), "{said}");
    println!("{} units\n{said}", used.total());
    let forget = "UPDATE batch SET to_total = to_total - 1
        WHERE number = (SELECT max(number) FROM batch)";
    sqlx::query(forget).execute(&mut connection).await.unwrap();
    let differs = beside("reconcile", &group, &provider).await;
    let said = String::from_utf8_lossy(&differs.stdout);
    println!("{said}");
    assert_eq!(differs.status.code(), Some(1), "{said}");
    assert!(said.contains("differs"), "{said}");
    let restore = "UPDATE batch SET to_total = to_total + 1
        WHERE number = (SELECT max(number) FROM batch)";
    sqlx::query(restore).execute(&mut connection).await.unwrap();
    group.end().await;
    provider.terminate().await;
}
