use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use monetization_conformance::sample::START;
use monetization_core::entropy::Entropy;
use monetization_core::ids::ConsumerId;
use monetization_core::secret::Secret;
use monetization_engine_mock::provider::Order;
use monetization_engine_mock::serve::{self, ServedClock};
use monetization_engine_mock::transport::{Call, Request};
use monetization_engine_mock::{MockEngine, MockOptions};
use serde_json::Value;
use tokio::net::TcpListener;

/// Longer than anything here takes on a busy machine.
pub(super) const SOON: Duration = Duration::from_secs(30);

/// A mock that is served by this process.
pub(super) struct Served {
    pub(super) mock: MockEngine,
    pub(super) address: SocketAddr,
}

impl Served {
    pub(super) async fn start(options: MockOptions) -> Self {
        Self::by(options, ServedClock::ByHand).await
    }

    pub(super) async fn by(options: MockOptions, clock: ServedClock) -> Self {
        let mock = MockEngine::open(options).unwrap();
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let router = serve::router(&mock, clock);
        tokio::spawn(serve::run(socket, router, std::future::pending()));
        Self { mock, address }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Sends requests as people do.
pub(super) struct Rest {
    base: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Rest {
    pub(super) fn at(base: impl Into<String>) -> Self {
        Self {
            base: base.into(),
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// The status and the body, which is text where it is not JSON.
    pub(super) async fn send(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let request = ::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.to_owned())))
            .unwrap();
        let answer = tokio::time::timeout(SOON, self.client.request(request));
        let answer = answer.await.unwrap().unwrap();
        let status = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        (
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        )
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        let (status, body) = self.send("GET", path, "").await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.send("POST", path, &body.to_string()).await
    }
}

/// A call that makes a customer known: who they are hangs on `seed`.
pub(super) fn customer_call(key: &str, seed: u64, within: Duration) -> Call {
    let consumer: ConsumerId = Entropy::seeded(seed).id(START);
    Call {
        account: None,
        credentials: Some(Secret::new("canary-credentials")),
        key: key.to_owned(),
        timeout: within,
        request: Request::Do(Order::EnsureCustomer {
            consumer,
            name: "Example Ltd".parse().unwrap(),
        }),
        breaks: None,
    }
}

/// An error and all its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        told = format!("{told}: {cause}");
        next = cause.source();
    }
    told
}

/// Everything that was noted, shared with whoever notes it.
pub(super) type Notes<T> = Arc<std::sync::Mutex<Vec<T>>>;
