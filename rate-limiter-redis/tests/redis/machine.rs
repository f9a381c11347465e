//! This machine: its clock, the shared server, and servers of a test's own.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use monetization_rate_limiter::{Limit, Limits, Timestamp, Window};
use monetization_rate_limiter_redis::{
    Clock, Holder, HolderKey, Namespace, NodeId, Options, RedisLimiter, SharedLimits,
};
use tempfile::TempDir;

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

/// A server of a test's own, to be broken.
pub(crate) struct Server {
    port: u16,
    child: Child,
    _folder: TempDir,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        Self::start_at(port).await
    }

    async fn start_at(port: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let child = Command::new("redis-server")
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
            ])
            .args(["--appendonly", "no", "--dir"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server: scripts/servers.sh installs it");
        let server = Self {
            port,
            child,
            _folder: folder,
        };
        let begun = Instant::now();
        while !server.answers() {
            assert!(
                begun.elapsed() < Duration::from_secs(10),
                "the server does not answer"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server
    }

    fn answers(&self) -> bool {
        let connection = redis::Client::open(self.url()).unwrap().get_connection();
        connection.is_ok_and(|mut it| redis::cmd("PING").exec(&mut it).is_ok())
    }

    pub(crate) fn socket(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.socket())
    }

    /// Has the server do something.
    pub(crate) fn tell(&self, words: &[&str]) {
        let mut connection = redis::Client::open(self.url())
            .unwrap()
            .get_connection()
            .unwrap();
        redis::cmd(words[0])
            .arg(&words[1..])
            .exec(&mut connection)
            .unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Kills it, so that nothing of what it had is left, and starts it anew in the same place after a while.
    pub(crate) async fn killed_for(mut self, away: impl Future<Output = ()>) -> Self {
        let port = self.port;
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        away.await;
        Self::start_at(port).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
