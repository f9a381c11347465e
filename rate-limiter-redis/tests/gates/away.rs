//! The server goes away while calls go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use monetization_conformance::redis::Server;
use monetization_conformance::size_in_ci;
use monetization_core::runtime::{Denial, Gatekeeper};
use monetization_core::secret::Secret;
use monetization_rate_limiter_redis::{GateRates, RedisLimiter};

use crate::machine::{namespace, options, wait_until};
use crate::shop::{DONE, Shop};

const BUDGET: Duration = Duration::from_millis(50);
const RECOVERY_MAX: Duration = Duration::from_secs(2);
const AWAY: Duration = Duration::from_millis(400);
const NODES: usize = 3;

struct Seen {
    calls: AtomicU64,
    late: AtomicU64,
    refused: AtomicU64,
    closed_leaks: AtomicU64,
    is_away: AtomicBool,
    is_over: AtomicBool,
}

struct World {
    shop: Arc<Shop>,
    nodes: Vec<RedisLimiter>,
    gatekeepers: Vec<Gatekeeper>,
}

impl World {
    async fn over(server: &Server) -> Self {
        let (shop, namespace) = (Arc::new(Shop::open().await), namespace());
        let mut nodes = Vec::new();
        for _ in 0..NODES {
            let mut chosen = options(&server.url(), namespace);
            chosen.budget = BUDGET;
            chosen.announce_every = Duration::from_millis(200);
            chosen.nodes_at_first = u32::try_from(NODES).unwrap().try_into().unwrap();
            let node = RedisLimiter::start(chosen, Arc::new(shop.clock.clone())).await;
            nodes.push(node.unwrap());
        }
        let is_known = |node: &RedisLimiter| node.nodes().get() as usize == NODES;
        wait_until(|| nodes.iter().all(is_known)).await;
        let rates = nodes.iter().map(|node| GateRates::new(node.clone()));
        let gatekeepers = rates.map(|rates| shop.gatekeeper(Some(Arc::new(rates))));
        Self {
            gatekeepers: gatekeepers.collect(),
            shop,
            nodes,
        }
    }

    async fn is_there(&self) {
        wait_until(|| self.nodes.iter().all(|node| node.away().is_none())).await;
    }

    async fn is_away(&self) {
        wait_until(|| self.nodes.iter().all(|node| node.away().is_some())).await;
    }
}

/// The maximum that a call is told of its rate: the plan's, or that of a share.
async fn told(shop: &Shop, by: &Gatekeeper, key: &Secret) -> Option<u64> {
    match shop.admit(by, key).await {
        Ok(permit) => {
            let max = permit.standings().as_slice()[0].max;
            permit.settle_in_background(DONE);
            Some(max)
        }
        Err(Denial::Limited(limited)) => Some(limited.standings.as_slice()[0].max),
        Err(_) => None,
    }
}

/// Calls at one gatekeeper all the time, under a plan that stays open and one that closes.
async fn call(shop: Arc<Shop>, by: Gatekeeper, keys: [Secret; 2], seen: Arc<Seen>) {
    while !seen.is_over.load(Ordering::Relaxed) {
        for (key, is_closed) in keys.iter().zip([false, true]) {
            let was_away = seen.is_away.load(Ordering::Relaxed);
            let begun = Instant::now();
            let max = told(&shop, &by, key).await;
            let late = begun.elapsed() > BUDGET * 2;
            seen.calls.fetch_add(1, Ordering::Relaxed);
            seen.late.fetch_add(u64::from(late), Ordering::Relaxed);
            if is_closed {
                // A share is never spent; what lies in a block was counted when it was had.
                let leaks = was_away && max.is_some_and(|max| max != MAX);
                seen.closed_leaks
                    .fetch_add(u64::from(leaks), Ordering::Relaxed);
            } else {
                seen.refused
                    .fetch_add(u64::from(max.is_none()), Ordering::Relaxed);
            }
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

const MAX: u64 = 90_000_000;

#[derive(Clone, Copy, Debug)]
enum Fault {
    Killed,
    Stopped,
    Flushed,
    OutOfMemory,
}

async fn suffer(fault: Fault, server: Server) -> Server {
    let away = tokio::time::sleep(AWAY);
    match fault {
        Fault::Killed => return server.killed_for(away).await,
        Fault::Stopped => {
            server.signal("STOP");
            away.await;
            server.signal("CONT");
        }
        Fault::Flushed => server.tell(&["FLUSHALL"]),
        Fault::OutOfMemory => {
            server.tell(&["CONFIG", "SET", "maxmemory", "1"]);
            away.await;
            server.tell(&["CONFIG", "SET", "maxmemory", "0"]);
        }
    }
    server
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Redis: scripts/test.sh starts one"]
async fn calls_go_on_while_it_is_away_and_closed_plans_leak_nothing_r_q3() {
    let mut server = Server::start().await;
    let world = World::over(&server).await;
    let rate = r#""rates": [{"kind": "calendar", "window": "hour", "max": 90000000}]"#;
    let keys = [
        world.shop.subscriber(rate).await,
        world
            .shop
            .subscriber(&format!(r#"{rate}, "rates_when_away": "refuse""#))
            .await,
    ];
    let seen = Arc::new(Seen {
        calls: AtomicU64::new(0),
        late: AtomicU64::new(0),
        refused: AtomicU64::new(0),
        closed_leaks: AtomicU64::new(0),
        is_away: AtomicBool::new(false),
        is_over: AtomicBool::new(false),
    });
    let callers: Vec<_> = world
        .gatekeepers
        .iter()
        .map(|by| {
            let (shop, seen) = (Arc::clone(&world.shop), Arc::clone(&seen));
            tokio::spawn(call(shop, by.clone(), keys.clone(), seen))
        })
        .collect();
    let mut longest = Duration::ZERO;
    let faults = [
        Fault::Killed,
        Fault::Stopped,
        Fault::Flushed,
        Fault::OutOfMemory,
    ];
    for round in 0..size_in_ci(8, 12, 200) {
        seen.is_away.store(true, Ordering::Relaxed);
        server = suffer(faults[round % faults.len()], server).await;
        let back = Instant::now();
        world.is_there().await;
        seen.is_away.store(false, Ordering::Relaxed);
        longest = longest.max(back.elapsed());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    seen.is_over.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    let [calls, late, refused, leaks] =
        [&seen.calls, &seen.late, &seen.refused, &seen.closed_leaks]
            .map(|count| count.load(Ordering::Relaxed));
    println!(
        "{calls} calls, {late} later than {:?}, {refused} open ones refused, recovered within {longest:?}",
        BUDGET * 2
    );
    assert_eq!((refused, leaks), (0, 0));
    assert!(late * 100 <= calls, "{late} of {calls} calls were late");
    assert!(longest <= RECOVERY_MAX, "{longest:?}");
}

/// Three gatekeepers have known of each other: without the server each lets a third through.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Redis: scripts/test.sh starts one"]
async fn while_it_is_away_each_gatekeeper_lets_its_share_through_r_q1() {
    let server = Server::start().await;
    let world = World::over(&server).await;
    let key = world
        .shop
        .subscriber(r#""rates": [{"kind": "gcra", "count": 30, "seconds": 86400, "burst": 30}]"#)
        .await;
    let suffered = async {
        world.is_away().await;
        let mut passed = 0;
        for by in &world.gatekeepers {
            assert_eq!(told(&world.shop, by, &key).await, Some(10));
            passed += 1;
            for _ in 0..50 {
                passed += u64::from(world.shop.call(by, &key).await);
            }
        }
        assert_eq!(passed, 30);
    };
    let server = server.killed_for(suffered).await;
    world.is_there().await;
    let told = told(&world.shop, &world.gatekeepers[0], &key).await;
    assert_eq!(told, Some(30));
    drop(server);
}

/// A server that forgets lets a rate through again, and nothing of a strict quota.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Redis: scripts/test.sh starts one"]
async fn a_server_that_forgets_lets_nothing_of_a_strict_quota_through_again_r_q4() {
    let server = Server::start().await;
    let world = World::over(&server).await;
    for _ in 0..size_in_ci(3, 10, 100) {
        let key = world
            .shop
            .subscriber(
                r#""rates": [{"kind": "calendar", "window": "hour", "max": 1000000}],
                "quotas": [{"window": "month", "max": 60, "overage": "strict"}]"#,
            )
            .await;
        let mut passed = 0;
        for number in 0..150 {
            let by = &world.gatekeepers[number % NODES];
            passed += u64::from(world.shop.call(by, &key).await);
            if number % 25 == 20 {
                server.tell(&["FLUSHALL"]);
            }
        }
        assert_eq!(passed, 60);
    }
}
