//! The server forgets: at a command, or because time is over.

use std::time::{Duration, Instant};

use monetization_conformance::redis::Server;
use monetization_conformance::sample::Sample;
use monetization_conformance::{seed, size_in_ci};
use monetization_rate_limiter::{Timestamp, Window};
use monetization_rate_limiter_redis::{Ask, By, Outcome, RedisLimiter, Way};

use crate::machine::{calendar, clock, holder, namespace, options};

async fn node(
    server: &Server,
    namespace: monetization_rate_limiter_redis::Namespace,
) -> RedisLimiter {
    RedisLimiter::start(options(&server.url(), namespace), clock())
        .await
        .unwrap()
}

async fn is_let_through(
    node: &RedisLimiter,
    holder: &monetization_rate_limiter_redis::Holder,
    ask: &Ask<'_>,
) -> bool {
    let outcome = node.take(holder, ask).await;
    let is_share = matches!(
        outcome,
        Outcome::Decided {
            by: By::Share { .. },
            ..
        }
    );
    assert!(!is_share, "{outcome:?}");
    outcome.is_allowed()
}

/// Each time all counters are lost, at most a whole limit passes anew; and scripts that are lost too are missed by nobody.
#[tokio::test]
#[ignore = "needs Redis: scripts/test.sh starts one"]
async fn each_loss_lets_at_most_a_limit_through_again_r_q3() {
    const MAX: u64 = 50;
    let (server, namespace, sample) = (Server::start().await, namespace(), Sample::seeded(seed()));
    for way in [Way::EachCall, Way::Blocks] {
        let nodes = [
            node(&server, namespace).await,
            node(&server, namespace).await,
        ];
        let limits = calendar(Window::Year, MAX);
        let id = sample.below(u64::MAX);
        let holders = nodes.each_ref().map(|_| holder(namespace, id));
        let (mut passed, mut losses) = (0, 0);
        for _ in 0..size_in_ci(5, 20, 100) {
            for _ in 0..sample.below(3 * MAX) {
                let at = usize::try_from(sample.below(2)).unwrap();
                let ask = Ask::new(&limits).by(way);
                passed += u64::from(is_let_through(&nodes[at], &holders[at], &ask).await);
            }
            let lost = [["FLUSHALL", "SYNC"], ["SCRIPT", "FLUSH"]]
                [usize::try_from(sample.below(2)).unwrap()];
            server.tell(&lost);
            losses += u64::from(lost[0] == "FLUSHALL");
        }
        println!("{way:?}: {passed} passed, {losses} losses, limit {MAX}");
        assert!(
            passed <= MAX * (losses + 1),
            "{passed} passed with {losses} losses"
        );
        assert!(passed >= MAX);
    }
}

/// Whoever makes up ids by the million fills the server only until their windows are over.
#[tokio::test]
#[ignore = "needs Redis: scripts/test.sh starts one"]
async fn what_is_over_takes_no_memory_r_q7() {
    const BYTES_MAX: u64 = 300;
    let (server, namespace) = (Server::start().await, namespace());
    let node = node(&server, namespace).await;
    let limits = calendar(Window::Minute, 5);
    let keys = size_in_ci(20_000, 50_000, 1_000_000_u64);
    let before = memory(&server);
    let begun = Instant::now();
    for first in (0..keys).step_by(100) {
        let holders: Vec<_> = (first..first + 100)
            .map(|id| holder(namespace, id))
            .collect();
        let ask = Ask::new(&limits);
        let calls = holders
            .iter()
            .map(|holder| is_let_through(&node, holder, &ask));
        assert!(
            futures::future::join_all(calls)
                .await
                .into_iter()
                .all(|it| it)
        );
    }
    let each = (memory(&server) - before) / size(&server).max(1);
    println!("{keys} keys in {:?}, {each} bytes each", begun.elapsed());
    assert!(each <= BYTES_MAX, "{each} bytes a key");
    // Every key goes with its window; the longest wait is a minute.
    let end = Window::Minute.containing(clock().now()).end;
    let left = end
        .saturating_since(clock().now())
        .min(Duration::from_secs(61));
    assert!(end > Timestamp::EPOCH);
    tokio::time::sleep(left).await;
    let over = Instant::now();
    while size(&server) > 1 {
        assert!(
            over.elapsed() < Duration::from_secs(30),
            "{} keys are still there",
            size(&server)
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("gone {:?} after the window", over.elapsed());
}

fn connection(server: &Server) -> redis::Connection {
    redis::Client::open(server.url())
        .unwrap()
        .get_connection()
        .unwrap()
}

fn size(server: &Server) -> u64 {
    redis::cmd("DBSIZE").query(&mut connection(server)).unwrap()
}

fn memory(server: &Server) -> u64 {
    let info: String = redis::cmd("INFO")
        .arg("memory")
        .query(&mut connection(server))
        .unwrap();
    let used = info
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"));
    used.unwrap().trim().parse().unwrap()
}
