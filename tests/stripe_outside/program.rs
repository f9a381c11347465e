//! Programs of others, each a process that ends with its test.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// Python with what `requirements.txt` pins.
pub(crate) fn python() -> Command {
    let mut command = Command::new(installed("python/bin/python"));
    // Nobody stands between us and loopback, and lines are told when they are written.
    command.env("NO_PROXY", "*").env("PYTHONUNBUFFERED", "1");
    command
}

/// Node, and the folder of a package that `package-lock.json` pins.
pub(crate) fn node(package: &str) -> (Command, PathBuf) {
    let package = installed(&format!("node/node_modules/{package}"));
    (Command::new("node"), package)
}

/// What `scripts/outside.sh` has put into the target folder.
fn installed(path: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let path = target.join("outside").join(path);
    let place = path.display();
    assert!(path.exists(), "{place} is missing: run scripts/outside.sh");
    path
}

/// A program that is running, and what it prints.
pub(crate) struct Program {
    _child: Child,
    printed: Lines<BufReader<ChildStdout>>,
}

impl Program {
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let printed = BufReader::new(child.stdout.take().unwrap()).lines();
        Self {
            _child: child,
            printed,
        }
    }

    /// What follows `word` on the next line that has it.
    pub(crate) async fn told(&mut self, word: &str) -> String {
        loop {
            let line = self.printed.next_line().await.unwrap();
            let line = line.unwrap_or_else(|| panic!("it ended before it said {word:?}"));
            if let Some((_, after)) = line.split_once(word) {
                return after.trim().to_owned();
            }
        }
    }
}
