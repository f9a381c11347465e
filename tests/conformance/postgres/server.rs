use std::fs::OpenOptions;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

/// A server of one test's own, which may be killed: all others share one that lives.
///
/// What it keeps is in a folder that is removed with it. Its port stays the same.
#[derive(Debug)]
pub struct Server {
    folder: TempDir,
    port: u16,
    settings: Vec<String>,
    process: Option<Child>,
}

/// How a server is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Stop {
    /// It rolls back what is open, and writes down all it has.
    Fast,
    /// It drops everything, and recovers when it starts again.
    Immediate,
}

/// Sends processes a signal, by the shell: as a program `kill` may be missing.
const KILL: &str = "kill -s $0 $@";

/// What it writes to its log, in its folder.
const LOG: &str = "log";

impl Server {
    /// One with an empty database, which runs. It has these settings, such as `fsync=off`, besides its defaults.
    pub async fn start(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(folder.path()));
        }
        let mut init = as_postgres("initdb");
        init.arg("--pgdata").arg(folder.path().join("data"));
        init.args(["--username=monetization", "--auth=trust"]);
        init.args(["--encoding=UTF8", "--locale=C", "--no-sync"]);
        run(init.current_dir(folder.path()).stdout(Stdio::null()));
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut server = Self {
            folder,
            port: free.local_addr().unwrap().port(),
            settings: settings.iter().map(ToString::to_string).collect(),
            process: None,
        };
        drop(free);
        server.go_on().await;
        server
    }

    /// Where it listens.
    #[must_use]
    pub fn socket(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// How a store reaches its database: as a superuser.
    #[must_use]
    pub fn address(&self) -> String {
        self.address_over(self.socket())
    }

    /// The same over something in between, such as a proxy.
    #[must_use]
    pub fn address_over(&self, socket: SocketAddr) -> String {
        format!("postgres://monetization@{socket}/postgres?sslmode=disable")
    }

    /// What it has written to its log.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join(LOG)).unwrap()
    }

    /// Kills its processes, all of them at once and without a word.
    pub fn kill(&mut self) {
        if self.process.is_none() {
            return;
        }
        // They are in sessions of their own, and would end what they are at without their parent.
        self.signal("KILL");
        let process = self.process.take();
        process.unwrap().wait().unwrap();
    }

    /// Tells it to stop, and waits until it has.
    pub fn stop(&mut self, how: Stop) {
        let Some(mut process) = self.process.take() else {
            return;
        };
        let signal = match how {
            Stop::Fast => "INT",
            Stop::Immediate => "QUIT",
        };
        let id = process.id().to_string();
        run(Command::new("sh").args(["-c", KILL, signal, &id]));
        process.wait().unwrap();
    }

    /// Sends this signal to all its processes, if it runs.
    pub fn signal(&self, name: &str) {
        let Some(process) = &self.process else {
            return;
        };
        let id = process.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        let mut kill = Command::new("sh");
        kill.args(["-c", KILL, name, &id.to_string()]);
        kill.args(children.split_whitespace());
        // One of them may have ended by itself meanwhile.
        kill.stderr(Stdio::null()).status().unwrap();
    }

    /// Starts it again where it does not run, and lets it go on where it was stopped; returns once it can
    /// be asked.
    pub async fn go_on(&mut self) {
        self.signal("CONT");
        for _ in 0..200 {
            let process = match &mut self.process {
                Some(process) => process,
                none => none.insert(spawn(self.folder.path(), self.port, &self.settings)),
            };
            let ended = process.try_wait().unwrap().is_some();
            if ended {
                // What a process of the one before it still holds is free before long.
                self.process = None;
            } else if PgConnection::connect(&self.address()).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the server does not start");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(folder: &Path, port: u16, settings: &[String]) -> Child {
    let mut server = as_postgres("postgres");
    server.arg("-D").arg(folder.join("data"));
    server.args(["-p", &port.to_string()]);
    server.args(["-c", "listen_addresses=127.0.0.1"]);
    server.args(["-c", "unix_socket_directories="]);
    for setting in settings {
        server.args(["-c", setting]);
    }
    let mut log = OpenOptions::new();
    let log = log
        .create(true)
        .append(true)
        .open(folder.join(LOG))
        .unwrap();
    server.current_dir(folder).stderr(log).spawn().unwrap()
}

/// One of its programs, which refuse to be run by root.
fn as_postgres(program: &str) -> Command {
    let program = newest().join(program);
    if !is_root() {
        return Command::new(program);
    }
    let mut as_postgres = Command::new("setpriv");
    as_postgres.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    as_postgres.arg(program);
    as_postgres
}

/// Where Debian has the programs of its newest version.
fn newest() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").unwrap();
    let versions = versions.map(|version| version.unwrap().path());
    let of = |path: &PathBuf| -> Option<u32> { path.file_name()?.to_str()?.parse().ok() };
    versions.max_by_key(of).unwrap().join("bin")
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

fn run(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}
