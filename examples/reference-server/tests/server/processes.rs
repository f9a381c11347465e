//! The binary as a process of its own.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};

use super::tls;
use super::world::{Text, free};

mod bodies;
mod clocks;
mod commands;
mod exchanges;
mod outage;
mod secrets;
mod slowness;
mod smuggling;

const BINARY: &str = env!("CARGO_BIN_EXE_reference-server");

fn command(directory: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command
        .current_dir(directory)
        .args([
            "--gateway-address",
            "127.0.0.1:0",
            "--control-address",
            "127.0.0.1:0",
        ])
        .args(["--data-directory", "data", "--allow-private-upstreams"])
        .env("MONETIZATION_SERVER_SHUTDOWN_DELAY_SECONDS", "0")
        .env("RUST_LOG", "trace")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// A process, and what it has printed so far.
struct Serving {
    child: Child,
    out: BufReader<tokio::process::ChildStdout>,
    printed: String,
}

impl Serving {
    async fn start(directory: &Path, until: &str) -> Self {
        Self::start_by(command(directory), until).await
    }

    async fn start_by(mut command: Command, until: &str) -> Self {
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut serving = Self {
            child,
            out,
            printed: String::new(),
        };
        serving.wait_for(until).await;
        serving
    }

    async fn wait_for(&mut self, word: &str) {
        while !self.printed.contains(word) {
            let read = self.out.read_line(&mut self.printed).await.unwrap();
            assert!(read > 0, "it ended: {}", self.printed);
        }
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().unwrap().to_string();
        // The shell's own: there is no other where little is installed.
        let mut kill = std::process::Command::new("sh");
        let sent = kill
            .args(["-c", "kill -s \"$1\" \"$0\""])
            .args([&pid, signal])
            .status();
        assert!(sent.unwrap().success());
    }

    /// What follows this word on its line.
    fn after(&self, word: &str) -> String {
        let mut lines = self.printed.lines();
        let line = lines.find_map(|line| line.strip_prefix(word));
        line.unwrap_or_else(|| panic!("{word}: {}", self.printed))
            .trim()
            .to_owned()
    }

    fn address(&self, word: &str) -> String {
        let url = self.after(word);
        url.split('/').nth(2).unwrap().to_owned()
    }

    /// Asks it to stop; answers everything it has printed, and its errors.
    async fn stop(mut self) -> (String, String) {
        self.signal("TERM");
        let ended = tokio::time::timeout(Duration::from_secs(10), self.child.wait()).await;
        assert!(
            ended
                .expect("it stops within 10 seconds")
                .unwrap()
                .success()
        );
        self.out.read_to_string(&mut self.printed).await.unwrap();
        let mut errors = String::new();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut errors)
            .await
            .unwrap();
        (self.printed, errors)
    }
}

/// Asks the control plane or the gateway, with a header that says who asks.
async fn send(
    method: Method,
    url: &str,
    (name, value): (&str, &str),
    body: &Value,
) -> (u16, Value) {
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let request = Request::builder()
        .method(method)
        .uri(url)
        .header(name, value)
        .header("content-type", "application/json")
        .body(Full::from(body))
        .unwrap();
    let response = client.request(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (
        status,
        serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    )
}

/// The control plane of a process, under one token.
struct Api<'a> {
    url: &'a str,
    bearer: String,
}

impl Api<'_> {
    async fn ask(&self, method: Method, path: &str, body: Value) -> Value {
        let url = format!("{}{path}", self.url);
        let (status, answer) = send(method, &url, ("authorization", &self.bearer), &body).await;
        assert!(status < 300, "{path}: {status} {answer}");
        answer
    }
}

/// Puts a product on sale; answers its plan.
async fn sell(owner: &Api<'_>, upstream: &str) -> Value {
    let publishers = owner
        .ask(Method::GET, "/api/v1/publishers", Value::Null)
        .await;
    let product = json!({
        "publisher": publishers["items"][0]["id"], "slug": "weather", "name": "n",
        "description": "", "gateway_endpoint": upstream,
    });
    let product = owner.ask(Method::POST, "/api/v1/products", product).await["id"].text();
    let path = format!("/api/v1/products/{product}");
    let plan = json!({ "name": "n", "terms": free() });
    let plan = owner
        .ask(Method::POST, &format!("{path}/plans"), plan)
        .await;
    owner
        .ask(Method::PATCH, &path, json!({ "status": "active" }))
        .await;
    plan["id"].clone()
}

/// What is there after a stop is there after the next start, and tokens are not told again.
#[tokio::test]
async fn a_second_start_goes_on_where_the_first_has_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let first = Serving::start(folder.path(), "README.md").await;
    let owner = format!("Bearer {}", first.after("platform owner"));
    let consumers = |control: String| format!("http://{control}/api/v1/consumers");
    let url = consumers(first.address("control plane"));
    let (status, made) = send(
        Method::POST,
        &url,
        ("authorization", &owner),
        &json!({ "name": "n" }),
    )
    .await;
    assert_eq!(status, 201);
    first.stop().await;
    let second = Serving::start(folder.path(), "control plane").await;
    let url = format!(
        "{}/{}",
        consumers(second.address("control plane")),
        made["id"].text()
    );
    let (status, read) = send(Method::GET, &url, ("authorization", &owner), &Value::Null).await;
    assert_eq!((status, &read), (200, &made));
    let (printed, _) = second.stop().await;
    assert!(!printed.contains("mk_admin_"), "{printed}");
}

#[tokio::test]
async fn what_is_wrong_with_the_settings_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let fails = async |arguments: &[&str], variable: Option<&str>| {
        let mut command = command(folder.path());
        command.args(arguments);
        if let Some(name) = variable {
            command.env(name, "x");
        }
        let output = command.output().await.unwrap();
        assert!(output.stdout.is_empty());
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, said) = fails(&["--payment-days", "x", "--commit", "y"], None).await;
    assert_eq!(code, Some(1));
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(
        said.contains("--payment-days") && said.contains("--commit"),
        "{said}"
    );
    let (code, said) = fails(&["--engine", "paypal"], None).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("known are mock, none"), "{said}");
    let (code, said) = fails(&[], Some("MONETIZATION_SERVER_GATEWAY_ADRESS")).await;
    assert_eq!(code, Some(1));
    assert!(
        said.contains("MONETIZATION_SERVER_GATEWAY_ADRESS"),
        "{said}"
    );
    let (code, _) = fails(&["--no-such-option"], None).await;
    assert_eq!(code, Some(2));
}

/// An upstream that proves who it is by a certificate of a CA that nobody knows but this test.
#[tokio::test]
async fn an_upstream_over_tls_is_reached_if_its_certificate_is_trusted() {
    let folder = tempfile::tempdir().unwrap();
    let (upstream, ca) = tls::upstream("localhost").await;
    let trusted = folder.path().join("ca.pem");
    std::fs::write(&trusted, ca).unwrap();
    for (host, trusts, expected) in [
        ("localhost", true, 200),
        ("127.0.0.1", true, 502),
        ("localhost", false, 502),
    ] {
        let data = tempfile::tempdir().unwrap();
        let mut command = command(data.path());
        if trusts {
            command.env("SSL_CERT_FILE", &trusted);
        }
        let serving = Serving::start_by(command, "README.md").await;
        let url = format!("http://{}", serving.address("control plane"));
        let owner = Api {
            url: &url,
            bearer: format!("Bearer {}", serving.after("platform owner")),
        };
        let plan = sell(&owner, &format!("https://{host}:{upstream}")).await;
        let developer = Api {
            url: &url,
            bearer: format!("Bearer {}", serving.after("developer")),
        };
        let order = json!({ "plan": plan, "buyer": { "user_id": "u", "name": "b" } });
        let bought = developer
            .ask(Method::POST, "/api/v1/subscriptions", order)
            .await;
        let key = bought["key"]["key"].text();
        let call = format!("http://{}/weather/today", serving.address("gateway"));
        let (status, answer) = send(Method::GET, &call, ("x-api-key", &key), &Value::Null).await;
        assert_eq!(status, expected, "{host}, trusted: {trusts}");
        assert!(!answer.to_string().contains(&upstream.to_string()));
        let (_, errors) = serving.stop().await;
        assert_eq!(errors.contains("certificate"), expected == 502, "{errors}");
    }
}

/// Whoever sends calls here has time to send them elsewhere.
#[tokio::test]
async fn it_says_that_it_leaves_before_it_goes() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(folder.path());
    command.env("MONETIZATION_SERVER_SHUTDOWN_DELAY_SECONDS", "300");
    let mut serving = Serving::start_by(command, "README.md").await;
    let ready = format!("http://{}/readyz", serving.address("control plane"));
    let call = format!("http://{}/weather/today", serving.address("gateway"));
    let asked = async |url: &str| {
        send(Method::GET, url, ("accept", "*/*"), &Value::Null)
            .await
            .0
    };
    assert_eq!((asked(&ready).await, asked(&call).await), (200, 401));
    serving.signal("TERM");
    serving.wait_for("leaving").await;
    assert_eq!((asked(&ready).await, asked(&call).await), (503, 401));
    // The second signal: it does not wait for the five minutes to pass.
    let (printed, errors) = serving.stop().await;
    assert!(printed.ends_with("stopped\n"), "{printed}");
    assert_eq!(errors, "");
}
