//! What passes by shares, and what a node says of its server.

use std::time::Duration;

use monetization_conformance::redis::Server;
use monetization_rate_limiter::Window;
use monetization_rate_limiter_redis::{Ask, Away, By, Outcome, RedisLimiter, Warning, WhenAway};

use crate::machine::{calendar, clock, holder, namespace, options, wait_until};

/// Three nodes have known of each other; without the server each lets a third through, rounded up, and no more however
/// often the server comes and goes.
#[tokio::test]
#[ignore = "needs Redis: scripts/test.sh starts one"]
async fn while_it_is_away_each_node_has_its_share_r_q1() {
    let (mut server, namespace) = (Server::start().await, namespace());
    let mut nodes = Vec::new();
    for _ in 0..3 {
        let mut chosen = options(&server.url(), namespace);
        chosen.announce_every = Duration::from_millis(100);
        nodes.push(RedisLimiter::start(chosen, clock()).await.unwrap());
    }
    wait_until(|| nodes.iter().all(|node| node.nodes().get() == 3)).await;
    let limits = calendar(Window::Year, 10);
    let holders = [1, 1, 1].map(|id| holder(namespace, id));
    let (mut passed, mut told) = (0, 0);
    for _ in 0..3 {
        let suffered = async {
            wait_until(|| nodes.iter().all(|node| node.away().is_some())).await;
            for (node, holder) in nodes.iter().zip(&holders) {
                for _ in 0..10 {
                    let outcome = node.take(holder, &Ask::new(&limits)).await;
                    let Outcome::Decided { decision, by } = outcome else {
                        panic!("an open call was refused")
                    };
                    assert_eq!(
                        by,
                        By::Share {
                            nodes: 3,
                            away: node.away().unwrap_or(Away::Disconnected)
                        }
                    );
                    assert_eq!(decision.standings()[0].max(), 4);
                    passed += u64::from(decision.is_allowed());
                }
                let closed = Ask::new(&limits).when_away(WhenAway::Refuse);
                told += u64::from(matches!(
                    node.take(holder, &closed).await,
                    Outcome::Refused(Away::Disconnected)
                ));
            }
        };
        server = server.killed_for(suffered).await;
        wait_until(|| nodes.iter().all(|node| node.away().is_none())).await;
    }
    assert_eq!((passed, told), (12, 9));
}

#[tokio::test]
#[ignore = "needs Redis: scripts/test.sh starts one"]
async fn nodes_that_die_or_leave_are_counted_no_more() {
    let (server, namespace) = (Server::start().await, namespace());
    let mut nodes = Vec::new();
    for _ in 0..3 {
        let mut chosen = options(&server.url(), namespace);
        chosen.announce_every = Duration::from_millis(100);
        chosen.node_life = Duration::from_millis(500);
        nodes.push(RedisLimiter::start(chosen, clock()).await.unwrap());
    }
    wait_until(|| nodes.iter().all(|node| node.nodes().get() == 3)).await;
    nodes.pop().unwrap().release().await.unwrap();
    wait_until(|| nodes.iter().all(|node| node.nodes().get() == 2)).await;
    drop(nodes.pop());
    wait_until(|| nodes[0].nodes().get() == 1).await;
}

#[tokio::test]
#[ignore = "needs Redis: scripts/test.sh starts one"]
async fn a_server_that_evicts_is_warned_of_r_q4() {
    let server = Server::start().await;
    let node = RedisLimiter::start(options(&server.url(), namespace()), clock())
        .await
        .unwrap();
    assert_eq!(node.inspect().await, Ok(Vec::new()));
    server.tell(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    let policy = "allkeys-lru".to_owned();
    assert_eq!(node.inspect().await, Ok(vec![Warning::Evicts { policy }]));
}

#[tokio::test]
#[ignore = "needs Redis: scripts/test.sh starts one"]
async fn without_a_server_at_start_it_works_until_there_is_one() {
    let (server, namespace) = (Server::start().await, namespace());
    let mut chosen = options(&server.url(), namespace);
    chosen.announce_every = Duration::from_millis(100);
    chosen.nodes_at_first = 5.try_into().unwrap();
    let (holder, limits) = (holder(namespace, 1), calendar(Window::Year, 10));
    let started = async {
        let node = RedisLimiter::start(chosen, clock()).await.unwrap();
        let outcome = node.take(&holder, &Ask::new(&limits)).await;
        let Outcome::Decided {
            decision,
            by: By::Share { nodes: 5, .. },
        } = outcome
        else {
            panic!("{outcome:?}");
        };
        assert_eq!(decision.standings()[0].remaining(), 1);
        assert!(node.inspect().await.is_err());
        node
    };
    let slot = std::sync::Mutex::new(None);
    let _server = server
        .killed_for(async { *slot.lock().unwrap() = Some(started.await) })
        .await;
    let node = slot.into_inner().unwrap().unwrap();
    wait_until(|| node.away().is_none()).await;
    assert_eq!(node.nodes().get(), 1);
    assert!(matches!(
        node.take(&holder, &Ask::new(&limits)).await,
        Outcome::Decided { by: By::Server, .. }
    ));
}
