//! Servers that are terminated under load, and one whose database stalls.

use std::sync::Arc;

use monetization_conformance::{size, size_in_ci};

use super::super::ledger::shared::books;
use super::super::load::{Crowd, Ids, Load, Tally};
#[cfg(target_os = "linux")]
use super::super::soak::memory::held;
use super::super::termination::{terminate_under, unheard_and_none_lost};
use super::*;

/// Calls are kept waiting by their upstream, so that many are under way at any time.
const CROWD: Crowd = Crowd {
    clients: 8,
    wait_ms_max: 60,
    pause_ms_max: 0,
};

/// R-M4. One of three is terminated again and again, and the others go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn a_termination_among_three_servers_drains_what_is_under_way_r_m4() {
    let terminations = size_in_ci(3, 10, 100);
    let mut group = Group::start(3, &["--engine=none"]).await;
    let upstream = Upstream::start().await;
    let each = size(4, 16);
    let api = &group.servers[0].api;
    let market = Market::open(api, upstream.address, strict(10_000_000), 3 * each).await;
    let market = Arc::new(market);
    let load = |place| {
        let ids = Ids::among(place * each..(place + 1) * each);
        Load::start_with(&market, ids, CROWD)
    };
    let loads = [0, 1, 2].map(load);
    for (load, server) in loads.iter().zip(&group.servers).skip(1) {
        load.point_at(server.gateway);
    }
    let shaky = (&mut group.homes[0], group.servers.remove(0));
    let last = terminate_under(&loads[0], shaky, terminations).await;
    group.servers.push(last);
    let mut tally = Tally::default();
    for load in loads {
        tally.add(load.finish().await);
    }
    for server in group.servers.drain(..) {
        server.terminate().await;
    }
    let books = books(&mut group.database.connect().await, &market).await;
    println!("{terminations} terminations: {tally}");
    let unheard = unheard_and_none_lost(&books, &tally, &upstream);
    assert_eq!(unheard, 0, "a call that was accepted has its answer");
    assert_eq!(tally.refused, [].into());
    let leased = "SELECT coalesce(sum(leased - committed), 0)::bigint FROM quota";
    let mut connection = group.database.connect().await;
    let leased: i64 = sqlx::query_scalar(leased)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(leased, 0, "blocks of quotas were not given back");
    group.end().await;
}

/// R-M4. Calls wait for seconds, and then they are refused at once and told when to come again. Once the database
/// answers, what was served is recorded, and everybody is served again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn a_gateway_whose_database_stalls_loses_no_call_and_recovers_by_itself_r_m4() {
    let stall = Duration::from_secs(size(12, 30));
    let mut group = Group::start(1, &["--engine=none"]).await;
    let b = Cuttable::start(&group).await;
    let gateway = b.server.gateway;
    let upstream = Upstream::start().await;
    let terms = json!({ "billing": "free", "currency": "USD", "cycle": "month" });
    let api = &group.servers[0].api;
    let market = Arc::new(Market::open(api, upstream.address, terms, 5).await);
    let load = Load::start_with(&market, Ids::among(0..4), CROWD);
    let probes = Ids::among(4..5);
    load.point_at(gateway);
    load.until_received(100).await;
    #[cfg(target_os = "linux")]
    let before = held(b.server.id()).unwrap();

    b.proxy.stall();
    let clock = Clock::system();
    let (mut refused, mut kept_waiting) = (0, 0);
    while clock.uptime() < stall {
        let probe = probe(gateway, &market.subscriptions[4], probes.next());
        match timeout(Duration::from_secs(1), probe).await {
            Ok(answer) => {
                let answer = answer.unwrap();
                assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE.as_u16());
                assert!(answer.headers.contains_key("retry-after"));
                refused += 1;
                sleep(POLL).await;
            }
            Err(_) => kept_waiting += 1,
        }
    }
    println!("{refused} refused, {kept_waiting} waited");
    assert!(
        refused > kept_waiting,
        "{refused} refused, {kept_waiting} waited"
    );
    #[cfg(target_os = "linux")]
    {
        let grown = held(b.server.id()).unwrap().saturating_sub(before);
        println!("{grown} KiB more than before");
        assert!(grown < 32 * 1_024, "{grown} KiB");
    }
    b.proxy.go_on();
    let received = load.received();
    load.until_received(received + 100).await;
    let tally = load.finish().await;
    group.servers.push(b.server);
    for server in group.servers.drain(..) {
        server.terminate().await;
    }
    let books = books(&mut group.database.connect().await, &market).await;
    println!("{stall:?}: {tally}");
    let unheard = unheard_and_none_lost(&books, &tally, &upstream);
    let left = kept_waiting + usize::try_from(tally.cut_off).unwrap();
    assert!(unheard <= left, "{unheard} of {left}");
    assert!(tally.refused.keys().all(|status| *status == 503), "{tally}");
    group.end().await;
}

/// The answer to this call, once it is there.
async fn probe(gateway: SocketAddr, of: &Subscription, id: CallId) -> Option<Answer> {
    let mut connection = Connection::open(gateway).await?;
    let request = request(id, &of.key).body(Full::default()).unwrap();
    connection.send(request).await
}
