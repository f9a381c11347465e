//! Secrets of the engine that are exchanged while a server runs.

use std::path::Path;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use monetization_core::clock::Clock;
use monetization_core::secret::Secret;
use monetization_engine_mock::serve::{self, ServedClock};
use monetization_engine_mock::{Control, MockEngine, MockOptions};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::secrets::{files, holds_none_of};
use super::{Api, Serving, command, sell, send};
use crate::server::upstream::Upstream;
use crate::server::world::{Text, fixed};

const CREDENTIALS: [&str; 3] = ["sk_first_1f2e", "sk_second_3d4c", "sk_third_5b6a"];
/// What the provider signs with, and what the server believes at first.
const SIGNED: &str = "whsec_c2lnbmVkIGJ5IHRoZSBwcm92aWRlcg==";
const BELIEVED: &str = "whsec_YmVsaWV2ZWQgYnkgdGhlIHNlcnZlcg==";

/// A provider over sockets; answers its control and its URL.
async fn provider() -> (Control, String) {
    let options =
        MockOptions::in_memory(Clock::system().now()).with_webhook_secrets([Secret::new(SIGNED)]);
    let mock = MockEngine::open(options).unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    let router = serve::router(&mock, ServedClock::Machine);
    tokio::spawn(serve::run(socket, router, std::future::pending()));
    (mock.control(), url)
}

fn write(path: &Path, credentials: &str, of_messages: &str) {
    let secrets = json!({ "credentials": credentials, "webhook_secrets": [of_messages] });
    std::fs::write(path, secrets.to_string()).unwrap();
}

/// A server, its provider, and the file of the secrets between them.
struct Shop {
    serving: Serving,
    provider: Control,
    owner: String,
    control: String,
    product: String,
    /// Those at the engine, the newest last.
    plans: Vec<Value>,
}

impl Shop {
    async fn open(folder: &Path, secrets: &Path) -> Self {
        let (provider, url) = provider().await;
        let mut command = command(folder);
        command.args(["--mock-url", &url]);
        command.arg("--engine-secrets-file").arg(secrets);
        let serving = Serving::start_by(command, "README.md").await;
        let control = format!("http://{}", serving.address("control plane"));
        let owner = format!("Bearer {}", serving.after("platform owner"));
        let mut shop = Self {
            serving,
            provider,
            owner,
            control,
            product: String::new(),
            plans: Vec::new(),
        };
        let upstream = Upstream::start("upstream").await;
        sell(&shop.api(), &upstream.url()).await;
        let products = shop.ask(Method::GET, "/api/v1/products", Value::Null).await;
        shop.product = products["items"][0]["id"].text();
        shop
    }

    fn api(&self) -> Api<'_> {
        Api {
            url: &self.control,
            bearer: self.owner.clone(),
        }
    }

    async fn ask(&self, method: Method, path: &str, body: Value) -> Value {
        self.api().ask(method, path, body).await
    }

    /// What the calls that put one more plan on sale at the engine sign in with.
    async fn signs_in_with(&mut self) -> Vec<String> {
        let before = self.provider.calls().len();
        let path = format!("/api/v1/products/{}", self.product);
        let plan = json!({ "name": "Another plan", "terms": fixed("5.00") });
        let plan = self.ask(Method::POST, &format!("{path}/plans"), plan).await;
        self.plans.push(plan["id"].clone());
        let enable = json!({ "enabled": true });
        self.ask(Method::POST, &format!("{path}/monetize"), enable)
            .await;
        let calls = self.provider.calls();
        let made = calls[before..].iter().map(|call| {
            let credentials = call.credentials.as_ref();
            credentials.map_or_else(String::new, |it| it.reveal().to_owned())
        });
        made.collect()
    }

    async fn subscribe(&self) {
        let order = json!({ "plan": self.plans[0], "buyer": { "user_id": "u", "name": "b" } });
        let developer = Api {
            url: &self.control,
            bearer: format!("Bearer {}", self.serving.after("developer")),
        };
        developer
            .ask(Method::POST, "/api/v1/subscriptions", order)
            .await;
    }

    /// Posts the provider's first message; answers the status.
    async fn post_message(&self) -> u16 {
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
        let message = self.provider.deliveries().remove(0);
        let mut request = Request::post(format!("{}/webhooks/mock", self.control))
            .body(Full::from(message.body))
            .unwrap();
        request.headers_mut().extend(message.headers);
        client.request(request).await.unwrap().status().as_u16()
    }

    async fn reload(&self) -> (u16, Value) {
        let url = format!("{}/api/v1/engines/reload", self.control);
        let by = ("authorization", self.owner.as_str());
        send(Method::POST, &url, by, &Value::Null).await
    }
}

#[tokio::test]
async fn exchanged_secrets_hold_for_the_next_call_and_are_told_nowhere_j6_j8() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let secrets = elsewhere.path().join("secrets.json");
    write(&secrets, CREDENTIALS[0], BELIEVED);
    let mut shop = Shop::open(folder.path(), &secrets).await;
    assert_signed(&shop.signs_in_with().await, CREDENTIALS[0]);
    shop.subscribe().await;
    assert_eq!(shop.post_message().await, 401);

    write(&secrets, CREDENTIALS[1], SIGNED);
    shop.serving.signal("HUP");
    shop.serving.wait_for("secrets were read again").await;
    assert_signed(&shop.signs_in_with().await, CREDENTIALS[1]);
    assert_eq!(shop.post_message().await, 204);

    std::fs::write(&secrets, format!("{{\"credentials\": \"\", {SIGNED}")).unwrap();
    let (status, refused) = shop.reload().await;
    assert_eq!(
        (status, refused["code"].text()),
        (409, "secrets_unreadable".to_owned())
    );
    shop.serving.signal("HUP");
    assert_signed(&shop.signs_in_with().await, CREDENTIALS[1]);

    write(&secrets, CREDENTIALS[2], SIGNED);
    let (status, nothing) = shop.reload().await;
    assert_eq!((status, &nothing), (204, &Value::Null));
    assert_signed(&shop.signs_in_with().await, CREDENTIALS[2]);
    let engines = shop.ask(Method::GET, "/api/v1/engines", Value::Null).await;
    let (printed, errors) = shop.serving.stop().await;
    assert!(errors.contains("make no sense at line 1"), "{errors}");
    let told = format!("{printed}{errors}{refused}{engines}");
    let all = [&CREDENTIALS[..], &[SIGNED, BELIEVED]].concat();
    let all: Vec<&[u8]> = all
        .iter()
        .map(|secret| secret.trim_start_matches("whsec_").as_bytes())
        .collect();
    holds_none_of(Path::new("what it tells"), told.as_bytes(), &all);
    for (path, bytes) in files(&folder.path().join("data")) {
        holds_none_of(&path, &bytes, &all);
    }
}

fn assert_signed(calls: &[String], with: &str) {
    assert!(!calls.is_empty());
    assert!(calls.iter().all(|it| it == with), "{calls:?}");
}
