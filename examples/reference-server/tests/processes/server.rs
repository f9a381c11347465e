use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reference_server::cli::ENVIRONMENT_PREFIX;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::client::Api;

/// A directory in which one server after the other keeps its state.
#[derive(Debug)]
pub(crate) struct Home {
    directory: TempDir,
    arguments: Vec<String>,
    /// The owner's token, once the first start has told it.
    token: Option<String>,
}

/// A server that is running. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    said: mpsc::UnboundedReceiver<String>,
    complaints: Arc<Mutex<String>>,
    /// Where the gateway listens.
    pub(crate) gateway: SocketAddr,
    /// The control plane.
    pub(crate) api: Api,
}

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_reference-server");
/// Longer than any start takes on a busy machine.
const START_WITHIN: Duration = Duration::from_secs(60);
/// What the server promises to need at most to stop.
const STOP_WITHIN: Duration = Duration::from_secs(10);

impl Home {
    /// An empty directory; its servers are started with these arguments besides the usual.
    pub(crate) fn new(arguments: &[&str]) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            arguments: arguments.iter().map(ToString::to_string).collect(),
            token: None,
        }
    }

    /// Another directory, for a server beside those of this one, on the same database: with the same pepper,
    /// and these arguments instead.
    #[cfg(feature = "postgres")]
    pub(crate) fn beside(&self, arguments: &[&str]) -> Self {
        let mut other = Self::new(arguments);
        std::fs::copy(
            self.directory().join("pepper"),
            other.directory().join("pepper"),
        )
        .unwrap();
        other.token.clone_from(&self.token);
        other
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Starts a server on what the one before has left, and waits until it listens.
    pub(crate) async fn start(&mut self) -> Process {
        let command = Command::new(BINARY);
        self.start_by(command).await
    }

    /// The same by a command that ends in being the server.
    pub(crate) async fn start_by(&mut self, mut command: Command) -> Process {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with(ENVIRONMENT_PREFIX) {
                command.env_remove(name);
            }
        }
        command
            .arg("serve")
            .arg("--data-directory")
            .arg(self.directory())
            .args([
                "--gateway-address",
                "127.0.0.1:0",
                "--control-address",
                "127.0.0.1:0",
            ])
            .args([
                "--allow-private-upstreams=true",
                "--shutdown-delay-seconds=0",
            ])
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let complaints = listen(child.stderr.take().unwrap());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (say, mut said) = mpsc::unbounded_channel();
        // Read to the end whoever listens: a server whose pipe is closed could not say goodbye.
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                drop(say.send(line));
            }
        });
        let introduced = timeout(START_WITHIN, self.introduction(&mut said)).await;
        let (gateway, api) = introduced.unwrap();
        Process {
            child,
            said,
            complaints,
            gateway,
            api,
        }
    }

    async fn introduction(
        &mut self,
        said: &mut mpsc::UnboundedReceiver<String>,
    ) -> (SocketAddr, Api) {
        let (mut gateway, mut control) = (None, None);
        loop {
            if let (Some(gateway), Some(address), Some(token)) = (gateway, control, &self.token) {
                let token = token.clone();
                return (gateway, Api { address, token });
            }
            let line = said
                .recv()
                .await
                .expect("the server has ended before it listened");
            if let Some(url) = line.strip_prefix("gateway ") {
                gateway = Some(address_of(url));
            } else if let Some(url) = line.strip_prefix("control plane ") {
                control = Some(address_of(url));
            } else if let Some(token) = line.strip_prefix("platform owner ") {
                self.token = Some(token.trim().to_owned());
            }
        }
    }
}

impl Process {
    /// What it has told its operator so far.
    pub(crate) fn complaints(&self) -> String {
        self.complaints.lock().unwrap().clone()
    }

    /// `kill -9`, and waits until nothing of it is left.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM. It has to be over in good order and in good time.
    pub(crate) async fn terminate(mut self) {
        let status = self.signal_and_wait().await;
        let mut last = String::new();
        while let Some(line) = self.said.recv().await {
            last = line;
        }
        assert!(status.success(), "{status}; its last words: {last}");
        assert_eq!(last, "stopped");
    }

    /// Whether it has not ended by itself.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    async fn signal_and_wait(&mut self) -> ExitStatus {
        signal("TERM", self.id());
        let ended = timeout(STOP_WITHIN, self.child.wait()).await;
        ended.expect("the server takes too long to stop").unwrap()
    }
}

/// Sends a process this signal.
pub(crate) fn signal(name: &str, process: u32) {
    let mut kill = std::process::Command::new("sh");
    kill.args(["-c", &format!("kill -{name} \"$0\"")]);
    let sent = kill.arg(process.to_string()).status();
    assert!(sent.unwrap().success());
}

/// Keeps the lines, and passes them on.
#[expect(
    clippy::print_stderr,
    reason = "a test that fails shows what its servers said"
)]
fn listen(errors: ChildStderr) -> Arc<Mutex<String>> {
    let kept = Arc::<Mutex<String>>::default();
    let complaints = Arc::clone(&kept);
    tokio::spawn(async move {
        let mut lines = BufReader::new(errors).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            eprintln!("{line}");
            *kept.lock().unwrap() += &(line + "\n");
        }
    });
    complaints
}

/// The address in `http://127.0.0.1:1234/...`.
fn address_of(url: &str) -> SocketAddr {
    let (_, rest) = url.split_once("http://").unwrap();
    let (address, _) = rest.split_once('/').unwrap();
    address.parse().unwrap()
}
