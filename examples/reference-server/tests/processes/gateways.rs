//! Several servers on one database of PostgreSQL's, each a process with a data directory of its own.

use std::net::SocketAddr;
use std::process::{Output, Stdio};
use std::time::Duration;

use http::{Method, StatusCode};
use http_body_util::Full;
use monetization_conformance::fault_proxy::{Fate, Fates, FaultProxy};
use monetization_conformance::postgres::Database;
use monetization_core::clock::Clock;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use super::client::{Answer, Api, Connection};
use super::load::{CallId, request};
use super::market::{Market, Subscription};
use super::server::{BINARY, Home, Process};
use super::upstream::Upstream;

mod copied;
mod draining;
mod messages;
mod provided;
mod starting;

/// How long a server that is gone keeps what it had.
pub(super) const LEASE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);
/// Longer than any of the waits here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Servers of one database.
pub(super) struct Group {
    database: Database,
    homes: Vec<Home>,
    servers: Vec<Process>,
}

impl Group {
    /// So many servers of an empty database, with these arguments besides the usual.
    pub(super) async fn start(count: usize, arguments: &[&str]) -> Self {
        let database = Database::unused();
        database.make_empty().await;
        let address = format!("--database={}", database.address());
        let lease = format!("--lease-seconds={}", LEASE.as_secs());
        let arguments = [&[&*address, &*lease], arguments].concat();
        let mut homes = vec![Home::new(&arguments)];
        let mut servers = vec![homes[0].start().await];
        for _ in 1..count {
            let mut other = homes[0].beside(&arguments);
            servers.push(other.start().await);
            homes.push(other);
        }
        Self {
            database,
            homes,
            servers,
        }
    }

    /// Their control planes.
    pub(super) fn apis(&self) -> Vec<&Api> {
        self.servers.iter().map(|server| &server.api).collect()
    }

    /// Ends what is left of them; everything agrees with itself.
    pub(super) async fn end(self) {
        for server in self.servers {
            server.terminate().await;
        }
        assert_checked(&self.database.address()).await;
        self.database.remove().await;
    }
}

/// Everything in the database agrees with itself.
pub(super) async fn assert_checked(database: &str) {
    let checked = run(&["check", "--database", database]).await;
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(checked.status.success(), "{said}");
    assert!(said.contains("invariants hold"), "{said}");
}

/// One command of the binary, to its end.
pub(super) async fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(BINARY);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    timeout(PATIENCE, command.output()).await.unwrap().unwrap()
}

/// A call that is answered to its end; `None` where it is cut off.
async fn try_call(gateway: SocketAddr, of: &Subscription) -> Option<Answer> {
    let id = CallId {
        subscription: 0,
        resource: 0,
        status: 200,
    };
    let mut connection = Connection::open(gateway).await.unwrap();
    let request = request(id, &of.key).body(Full::default());
    connection.send(request.unwrap()).await
}

async fn call(gateway: SocketAddr, of: &Subscription) -> u16 {
    try_call(gateway, of).await.unwrap().status
}

/// Calls until it is answered so, and answers how long that took.
async fn until_answered(gateway: SocketAddr, of: &Subscription, status: u16) -> Duration {
    let clock = Clock::system();
    let calling = async {
        while try_call(gateway, of)
            .await
            .is_none_or(|answer| answer.status != status)
        {
            sleep(POLL).await;
        }
    };
    timeout(PATIENCE, calling).await.unwrap();
    clock.uptime()
}

/// Units that are handed out, and not spent.
async fn held(database: &Database) -> u64 {
    const HELD: &str = "SELECT COALESCE(SUM(leased - committed), 0)::bigint FROM quota";
    let mut connection = database.connect().await;
    let held: i64 = sqlx::query_scalar(HELD)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    u64::try_from(held).unwrap()
}

/// Calls until the gateway has more units than it has spent, and answers how many calls that took.
async fn until_it_holds(database: &Database, gateway: SocketAddr, of: &Subscription) -> u64 {
    for served in 1..=10 {
        assert_eq!(call(gateway, of).await, 200);
        if held(database).await > 0 {
            return served;
        }
    }
    panic!("it never had more than it had spent");
}

fn strict(max: u64) -> Value {
    json!({
        "billing": "free", "currency": "USD", "cycle": "month",
        "quotas": [{ "window": "ever", "max": max, "overage": "strict" }],
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn a_key_that_one_gateway_revokes_the_other_refuses_within_a_second() {
    let group = Group::start(2, &["--engine=none"]).await;
    let [a, b] = &group.servers[..] else { panic!() };
    let upstream = Upstream::start().await;
    let market = Market::open(&a.api, upstream.address, strict(100), 1).await;
    let bought = &market.subscriptions[0];
    // Sold at one, and known at the other as soon as it is asked for.
    assert_eq!(call(b.gateway, bought).await, 200);
    assert_eq!(call(a.gateway, bought).await, 200);
    let mut slowest = Duration::ZERO;
    for _ in 0..10 {
        let keys = format!("/api/v1/subscriptions/{}/keys", bought.id);
        let made = a.api.post(&keys, Value::Null).await;
        let further = Subscription {
            id: bought.id.clone(),
            key: made["key"].as_str().unwrap().to_owned(),
        };
        assert_eq!(call(b.gateway, &further).await, 200);
        let key = format!("/api/v1/keys/{}", made["id"].as_str().unwrap());
        a.api.ask(Method::DELETE, &key, Value::Null).await;
        slowest = slowest.max(until_answered(b.gateway, &further, 401).await);
    }
    println!("the slowest was refused after {slowest:?}");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    group.end().await;
}

/// R-Q1, R-D6. What a gateway had leased that was killed comes back, and the quota is reached exactly.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn blocks_of_a_gateway_that_was_killed_come_back_to_the_others_r_q1() {
    const MAX: u64 = 40;
    let mut group = Group::start(2, &["--engine=none"]).await;
    let upstream = Upstream::start().await;
    let a = &group.servers[0];
    let market = Market::open(&a.api, upstream.address, strict(MAX), 1).await;
    let bought = &market.subscriptions[0];
    let (gateway, b) = (group.servers[0].gateway, group.servers.remove(1));
    let mut served = until_it_holds(&group.database, b.gateway, bought).await;
    // Before it can give back what it has not spent.
    b.kill().await;
    let clock = Clock::system();
    let held_back = held(&group.database).await;
    assert!(held_back > 0, "it was killed too late");
    while call(gateway, bought).await == 200 {
        served += 1;
    }
    assert_eq!(served, MAX - held_back);
    assert_eq!(group.servers[0].complaints(), "");
    let reaching = async {
        while served < MAX {
            match call(gateway, bought).await {
                200 => served += 1,
                status => assert_eq!(status, 429),
            }
            sleep(POLL).await;
        }
    };
    timeout(PATIENCE, reaching).await.unwrap();
    println!("its blocks came back after {:?}", clock.uptime());
    assert!(
        clock.uptime() > LEASE / 2,
        "it was not taken for dead at once"
    );
    assert_eq!(call(gateway, bought).await, 429);
    let said = group.servers[0].complaints();
    assert!(said.contains("blocks of quotas"), "{said}");
    group.end().await;
}

/// A server whose database is behind a proxy, beside the first of a group.
struct Cuttable {
    proxy: FaultProxy,
    server: Process,
}

impl Cuttable {
    async fn start(group: &Group) -> Self {
        let server = group.database.server_address();
        let proxy = FaultProxy::start(server, Fates::listed([])).await.unwrap();
        let address = group.database.address();
        let through = address.replace(&server.to_string(), &proxy.address().to_string());
        let arguments = [
            &*format!("--database={through}"),
            &*format!("--lease-seconds={}", LEASE.as_secs()),
            "--engine=none",
        ];
        let server = group.homes[0].beside(&arguments).start().await;
        Self { proxy, server }
    }

    fn cut(&self) {
        let refuse = vec![Fate::Refuse; 100_000];
        self.proxy.set_fates(Fates::listed(refuse));
        self.proxy.sever();
    }

    fn mend(&self) {
        self.proxy.set_fates(Fates::listed([]));
    }
}

/// R-Q1. What it had leased is others' by then: it lets nobody's call come to a good end with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn a_gateway_that_was_away_for_longer_than_its_lease_exceeds_no_quota_r_q1() {
    const MAX: u64 = 40;
    let mut group = Group::start(1, &["--engine=none"]).await;
    let b = Cuttable::start(&group).await;
    let a = &group.servers[0];
    let upstream = Upstream::start().await;
    let market = Market::open(&a.api, upstream.address, strict(MAX), 1).await;
    let bought = &market.subscriptions[0];
    let mut served = until_it_holds(&group.database, b.server.gateway, bought).await;
    b.cut();
    let held_back = held(&group.database).await;
    assert!(held_back > 0, "it was cut off too late");
    let reaching = async {
        while served < MAX {
            served += u64::from(call(a.gateway, bought).await == 200);
            sleep(POLL).await;
        }
    };
    timeout(PATIENCE, reaching).await.unwrap();
    b.mend();
    let mut cut_off = 0;
    let refusing = async {
        loop {
            match try_call(b.server.gateway, bought).await {
                Some(answer) if answer.status == 429 => break,
                Some(answer) => assert_ne!(answer.status, 200, "more than was bought"),
                None => cut_off += 1,
            }
            sleep(POLL).await;
        }
    };
    timeout(PATIENCE, refusing).await.unwrap();
    println!("{cut_off} calls were cut off, with {held_back} units held");
    assert!(cut_off <= 1, "the first shows that the block is gone");
    group.servers.push(b.server);
    group.end().await;
}

/// R-A6. A gateway that has lost its database refuses calls, and the one beside it goes on; afterwards
/// it goes on by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn a_gateway_without_its_database_refuses_calls_and_recovers_by_itself_r_a6() {
    let mut group = Group::start(1, &["--engine=none"]).await;
    let b = Cuttable::start(&group).await;
    let gateway = b.server.gateway;
    let a = &group.servers[0];
    let upstream = Upstream::start().await;
    let terms = json!({ "billing": "free", "currency": "USD", "cycle": "month" });
    let market = Market::open(&a.api, upstream.address, terms, 1).await;
    let bought = &market.subscriptions[0];
    for _ in 0..3 {
        assert_eq!(call(gateway, bought).await, 200);
        b.cut();
        sleep(Duration::from_millis(1_500)).await;
        let refused = try_call(gateway, bought).await.unwrap();
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE.as_u16());
        assert!(refused.headers.contains_key("retry-after"));
        assert_eq!(
            call(a.gateway, bought).await,
            200,
            "the other has its database"
        );
        b.mend();
        let open = until_answered(gateway, bought, 200).await;
        println!("open again after {open:?}");
        assert!(open < Duration::from_secs(5), "{open:?}");
    }
    group.servers.push(b.server);
    group.end().await;
}
