use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;

use http::Method;
use monetization_engine_mock::faults::Injection;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::client::Api;
use super::server::{BINARY, signal};

/// The billing provider as a process of its own, which writes what happens into a file. Dropping it
/// kills it.
#[derive(Debug)]
pub(crate) struct Provider {
    folder: TempDir,
    arguments: Vec<String>,
    child: Child,
    /// Where it listens: somewhere else after it was started again.
    pub(crate) address: SocketAddr,
}

/// Longer than any start or end takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

impl Provider {
    /// Starts one on an empty journal, with these arguments besides the usual.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let (child, address) = begin(folder.path(), &arguments).await;
        Self {
            folder,
            arguments,
            child,
            address,
        }
    }

    /// `kill -9`, and starts it again on its journal. Its old port may be somebody else's by now.
    pub(crate) async fn kill_and_start_again(&mut self) {
        self.child.kill().await.unwrap();
        self.start_again().await;
    }

    /// SIGTERM, and starts it again in the same way.
    pub(crate) async fn terminate_and_start_again(&mut self) {
        self.end().await;
        self.start_again().await;
    }

    /// SIGTERM. It has to be over in good order.
    pub(crate) async fn terminate(mut self) {
        self.end().await;
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Its REST.
    pub(crate) fn api(&self) -> Api {
        Api {
            address: self.address,
            token: String::new(),
        }
    }

    pub(crate) async fn inject(&self, injection: Injection) {
        let injection = serde_json::to_value(injection).unwrap();
        self.api().post("/v1/faults", injection).await;
    }

    /// Takes the faults to come back.
    pub(crate) async fn clear_faults(&self) {
        let api = self.api();
        let cleared = api.try_to(Method::DELETE, "/v1/faults", Value::Null).await;
        assert_eq!(cleared.status, 204);
    }

    /// Lets the calls that are held go on.
    pub(crate) async fn release(&self) {
        let api = self.api();
        let path = "/v1/faults/release";
        let released = api.try_to(Method::POST, path, Value::Null).await;
        assert_eq!(released.status, 204);
    }

    /// What it has counted of these meters, by our names of its subscriptions.
    pub(crate) async fn counted(&self, meters: &[String]) -> BTreeMap<String, i64> {
        let mut counted = BTreeMap::new();
        for subscription in self.all("subscriptions").await {
            let name = subscription["id"].as_str().unwrap();
            let mut units = 0;
            for meter in meters {
                let usage = format!("/v1/subscriptions/{name}/usage/{meter}");
                units += self.api().get(&usage).await["quantity"].as_i64().unwrap();
            }
            let ours = subscription["start"]["subscription"].as_str().unwrap();
            counted.insert(ours.to_owned(), units);
        }
        counted
    }

    /// Everything of one of its lists.
    pub(crate) async fn all(&self, list: &str) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        loop {
            let after = all.last().map_or_else(String::new, |last| {
                format!("?after={}", last["id"].as_str().unwrap())
            });
            let page = self.api().get(&format!("/v1/{list}{after}")).await;
            all.extend(page["items"].as_array().unwrap().iter().cloned());
            if page["more"] == json!(false) {
                return all;
            }
        }
    }

    async fn start_again(&mut self) {
        (self.child, self.address) = begin(self.folder.path(), &self.arguments).await;
    }

    async fn end(&mut self) {
        signal("TERM", self.id());
        let ended = timeout(PATIENCE, self.child.wait()).await;
        assert!(ended.unwrap().unwrap().success());
    }
}

async fn begin(folder: &Path, arguments: &[String]) -> (Child, SocketAddr) {
    let mut child = Command::new(binary())
        .args(["--address", "127.0.0.1:0", "--journal"])
        .arg(folder.join("provider.jsonl"))
        .args(arguments)
        .env_remove("MONETIZATION_MOCK_WEBHOOK_SECRET")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap();
    let line = line.expect("the provider has ended before it listened");
    let address = line.strip_prefix("listening on http://").unwrap();
    (child, address.parse().unwrap())
}

/// Where the program is. A test is given only the binaries of its own package, so this one is built
/// first: where the whole workspace was, that finds nothing to do.
fn binary() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(build)
}

fn build() -> PathBuf {
    let profile = Path::new(BINARY).parent().unwrap();
    let mut cargo = std::process::Command::new(env!("CARGO"));
    // A test of that package comes along, so that what is built has the features of a test build.
    cargo
        .args([
            "build",
            "--workspace",
            "--all-features",
            "--locked",
            "--quiet",
        ])
        .args(["--bin", "engine-mock", "--test", "http"])
        .args(["--message-format", "json-render-diagnostics"])
        .arg("--target-dir")
        .arg(profile.parent().unwrap())
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let output = cargo.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "the provider cannot be built");
    let messages = String::from_utf8(output.stdout).unwrap();
    let mut messages = messages
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let built = messages.find_map(|message: Value| {
        let is_it = message["target"]["name"] == "engine-mock";
        let executable = message["executable"].as_str().filter(|_| is_it);
        executable.map(PathBuf::from)
    });
    built.expect("cargo has told of no such program")
}
