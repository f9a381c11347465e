//! Servers of Redis, from the program `redis-server`, each of one test's own: to be broken.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test stops where its server does not do as it is told"
)]

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// A server that keeps nothing on the disk. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    port: u16,
    child: Child,
    folder: TempDir,
}

impl Server {
    /// One that is empty and runs, on a free port.
    pub async fn start() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let folder = tempfile::tempdir().unwrap();
        let child = spawn(&folder, port);
        let server = Self {
            port,
            child,
            folder,
        };
        server.until_it_answers().await;
        server
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// How a client reaches it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.socket())
    }

    /// Has the server do something.
    pub fn tell(&self, words: &[&str]) {
        let client = redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_connection().unwrap();
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]).exec(&mut connection).unwrap();
    }

    /// Sends its process this signal, such as `STOP`.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        // The shell has it built in; as a program it may be missing.
        let kill = ["-c", "kill -s $0 $1", name, &id];
        let sent = Command::new("sh").args(kill).status();
        assert!(sent.unwrap().success());
    }

    /// Kills it, so that nothing of what it had is left.
    pub fn kill(&mut self) {
        // It may be gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Starts it anew in the same place where it was killed, and lets it go on where it was stopped;
    /// returns once it answers.
    pub async fn go_on(&mut self) {
        if self.child.try_wait().unwrap().is_some() {
            self.child = spawn(&self.folder, self.port);
        } else {
            self.signal("CONT");
        }
        self.until_it_answers().await;
    }

    /// Kills it, and starts it anew in the same place after a while.
    #[must_use]
    pub async fn killed_for(mut self, away: impl Future<Output = ()>) -> Self {
        self.kill();
        away.await;
        self.go_on().await;
        self
    }

    async fn until_it_answers(&self) {
        for _ in 0..2_000 {
            let connection = redis::Client::open(self.url()).unwrap().get_connection();
            if connection.is_ok_and(|mut it| redis::cmd("PING").exec(&mut it).is_ok()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("the server does not answer");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(folder: &TempDir, port: u16) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no", "--dir"])
        .arg(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server: scripts/servers.sh installs it")
}
