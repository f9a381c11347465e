//! A server of one test, which may be killed: all others share one that lives.

use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use monetization_store_postgres::PostgresOptions;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

/// A server of PostgreSQL with what it keeps, in a folder that is removed. It syncs nothing to the disk that
/// it does not sync by default.
pub(crate) struct Server {
    folder: TempDir,
    port: u16,
    process: Option<Child>,
}

impl Server {
    /// One with an empty database, which runs.
    pub(crate) async fn start() -> Self {
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
            process: None,
        };
        drop(free);
        server.go_on().await;
        server
    }

    /// How a store reaches it.
    pub(crate) fn options(&self) -> PostgresOptions {
        PostgresOptions::new(&self.address()).unwrap()
    }

    /// Kills its processes, all of them at once and without a word.
    pub(crate) fn kill(&mut self) {
        let Some(mut process) = self.process.take() else {
            return;
        };
        // They are in sessions of their own, and would end what they are at without their parent.
        let id = process.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        let mut kill = Command::new("kill");
        kill.args(["-KILL", &id.to_string()]);
        kill.args(children.split_whitespace());
        // One of them may have ended by itself meanwhile.
        kill.stderr(Stdio::null()).status().unwrap();
        process.wait().unwrap();
    }

    /// Starts it again; returns once it can be asked.
    pub(crate) async fn go_on(&mut self) {
        for _ in 0..200 {
            let process = match &mut self.process {
                Some(process) => process,
                none => none.insert(spawn(self.folder.path(), self.port)),
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
        unreachable!("the server does not start");
    }
}

impl Server {
    fn address(&self) -> String {
        let port = self.port;
        format!("postgres://monetization@127.0.0.1:{port}/postgres?sslmode=disable")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(folder: &Path, port: u16) -> Child {
    let mut server = as_postgres("postgres");
    server.arg("-D").arg(folder.join("data"));
    server.args(["-p", &port.to_string()]);
    server.args(["-c", "listen_addresses=127.0.0.1"]);
    server.args(["-c", "unix_socket_directories="]);
    let server = server.current_dir(folder).stderr(Stdio::null());
    server.spawn().unwrap()
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
