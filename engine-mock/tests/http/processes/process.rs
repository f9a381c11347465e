use std::process::{ExitStatus, Output, Stdio};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::super::caller::SOON;

/// The binary, running. Dropping it kills it.
pub(super) struct Process {
    child: Child,
    /// Where it listens.
    pub(super) url: String,
}

pub(super) const BINARY: &str = env!("CARGO_BIN_EXE_engine-mock");

pub(super) fn command(arguments: &[&str]) -> Command {
    usual(Command::new(BINARY), arguments)
}

/// The same with a file that may have so many bytes, in steps of 512: what is beyond is an error.
pub(super) fn command_with_little_room(bytes: u64, arguments: &[&str]) -> Command {
    let mut shell = Command::new("sh");
    let limited = "trap '' XFSZ; ulimit -f \"$1\"; shift; exec \"$@\"";
    shell.args(["-c", limited, "sh", &(bytes / 512).to_string(), BINARY]);
    usual(shell, arguments)
}

fn usual(mut command: Command, arguments: &[&str]) -> Command {
    command
        .env_remove("MONETIZATION_MOCK_WEBHOOK_SECRET")
        .args(["--address", "127.0.0.1:0"])
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

/// Runs it to its end.
pub(super) async fn output(mut command: Command) -> Output {
    timeout(SOON, command.output()).await.unwrap().unwrap()
}

impl Process {
    /// Starts it and waits until it listens.
    pub(super) async fn start(arguments: &[&str]) -> Self {
        Self::by(command(arguments)).await
    }

    pub(super) async fn by(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = timeout(SOON, lines.next_line()).await.unwrap().unwrap();
        let line = line.expect("it has ended before it listened");
        let url = line.strip_prefix("listening on ").unwrap().to_owned();
        Self { child, url }
    }

    /// `kill -9`, and waits until nothing of it is left.
    pub(super) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM; how it ended.
    pub(super) async fn terminate(mut self) -> ExitStatus {
        let mut kill = Command::new("sh");
        kill.args(["-c", "kill -TERM \"$0\""])
            .arg(self.child.id().unwrap().to_string());
        assert!(kill.status().await.unwrap().success());
        timeout(SOON, self.child.wait()).await.unwrap().unwrap()
    }
}
