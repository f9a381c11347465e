//! The sides, each a process of its own: this program started again.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use monetization_gateway_tower::CommitMode;
use tempfile::TempDir;
use tokio::runtime::Builder;

use crate::{gateway, peers};

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// What all others forward to.
    Upstream,
    /// A reverse proxy that does nothing else.
    Bare,
    /// The reference server, whose answers do not wait for their records.
    Background,
    /// The reference server, whose answers end once their records are durable.
    Durable,
}

/// Say to this program which side it is, what it forwards to, and where it keeps its state.
const SIDE: &str = "MONETIZATION_BENCH_SIDE";
const UPSTREAM: &str = "MONETIZATION_BENCH_UPSTREAM";
const DIRECTORY: &str = "MONETIZATION_BENCH_DIRECTORY";

/// A side in its process. Gone when it is dropped.
pub(crate) struct Process {
    child: Child,
    _directory: TempDir,
    pub(crate) address: SocketAddr,
    /// What opens the gateway, a key for each client.
    pub(crate) keys: Vec<String>,
}

/// Serves one side and never returns, where this program was started for that.
pub(crate) fn serve_if_asked() {
    let Ok(side) = std::env::var(SIDE) else {
        return;
    };
    let upstream = || -> SocketAddr { std::env::var(UPSTREAM).unwrap().parse().unwrap() };
    let directory = PathBuf::from(std::env::var(DIRECTORY).unwrap());
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match side.as_str() {
            "Upstream" => peers::upstream().await,
            "Bare" => peers::bare(upstream()).await,
            "Background" => gateway::serve(upstream(), &directory, CommitMode::Background).await,
            "Durable" => gateway::serve(upstream(), &directory, CommitMode::Durable).await,
            other => unreachable!("{other} is no side"),
        }
    });
    unreachable!("a side serves until it is killed");
}

/// Starts a side and waits until it serves.
pub(crate) fn start(side: Side, upstream: Option<&Process>) -> Process {
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .env(SIDE, format!("{side:?}"))
        .env(DIRECTORY, Path::new(directory.path()))
        .stdout(Stdio::piped());
    if let Some(upstream) = upstream {
        command.env(UPSTREAM, upstream.address.to_string());
    }
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    said.read_line(&mut line).unwrap();
    let mut words = line.split_whitespace();
    Process {
        child,
        _directory: directory,
        address: words.next().unwrap().parse().unwrap(),
        keys: words.map(str::to_owned).collect(),
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that has ended already is as good.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
