//! This machine: its clock, and the server that tests share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use monetization_rate_limiter::{Limit, Limits, Timestamp, Window};
use monetization_rate_limiter_redis::{
    Clock, Holder, HolderKey, Namespace, NodeId, Options, RedisLimiter, SharedLimits,
};

#[derive(Debug)]
pub(crate) struct Machine(Instant);

impl Clock for Machine {
    fn now(&self) -> Timestamp {
        Timestamp::EPOCH.saturating_add(SystemTime::now().duration_since(UNIX_EPOCH).unwrap())
    }

    fn uptime(&self) -> Duration {
        self.0.elapsed()
    }
}

pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(Machine(Instant::now()))
}

/// The server that the tests share.
pub(crate) fn address() -> String {
    std::env::var("MONETIZATION_REDIS").expect("MONETIZATION_REDIS: run by scripts/servers.sh")
}

/// Another number each time, in every process.
pub(crate) fn number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    u64::from(std::process::id()) << 32 | NEXT.fetch_add(1, Ordering::Relaxed)
}

pub(crate) fn namespace() -> Namespace {
    Namespace::new(&format!("test {}", number()))
}

pub(crate) fn options(address: &str, namespace: Namespace) -> Options {
    let node = (u128::from(number()) << 64 | 7).to_be_bytes();
    let mut options = Options::new(address, namespace, NodeId::new(node));
    // Neighbours keep this machine busy; what holds within the usual budget is shown where it matters.
    options.budget = Duration::from_secs(2);
    options
}

/// So many nodes on the shared server that know of each other.
pub(crate) async fn nodes(count: usize, namespace: Namespace) -> Vec<RedisLimiter> {
    let mut nodes = Vec::new();
    for at in 1..=count {
        let mut options = options(&address(), namespace);
        options.nodes_at_first = u32::try_from(count).unwrap().try_into().unwrap();
        options.announce_every = Duration::from_millis(200);
        let node = RedisLimiter::start(options, clock()).await.unwrap();
        assert_eq!(node.away(), None, "no Redis at {}", address());
        assert_eq!(node.nodes().get() as usize, at);
        nodes.push(node);
    }
    wait_until(|| {
        nodes
            .iter()
            .all(|node| node.nodes().get() as usize == count)
    })
    .await;
    nodes
}

pub(crate) async fn wait_until(is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(10), "it never came");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn holder(namespace: Namespace, id: u64) -> Holder {
    Holder::new(HolderKey::new(namespace, &id.to_be_bytes()))
}

pub(crate) fn calendar(window: Window, max: u64) -> SharedLimits {
    SharedLimits::new(Limits::new([Limit::calendar(window, max)]).unwrap()).unwrap()
}
