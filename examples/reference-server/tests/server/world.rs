//! A whole server in a test, and those who use it.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
#[cfg(feature = "postgres")]
use monetization_conformance::postgres::Database;
use monetization_core::clock::{Clock, ManualClock};
use monetization_core::entropy::Entropy;
use monetization_core::invoice::Invoicing;
use monetization_core::key::Pepper;
use monetization_core::memory::MemoryStore;
use monetization_core::secret::Secret;
use monetization_core::store::Store;
use monetization_engine_mock::provider::Rules;
use monetization_engine_mock::{Control, JournalPlace, MemoryJournal};
#[cfg(feature = "postgres")]
use monetization_store_postgres::{PostgresOptions, PostgresStore};
use monetization_store_sqlite::{SqliteOptions, SqliteStore};
use reference_server::data_directory::DataDirectory;
use reference_server::first_start::FirstStart;
use reference_server::server::{Ingredients, Server};
use reference_server::settings::Settings;
use serde_json::{Value, json};

use super::upstream::Upstream;

/// The instant at which every test begins.
pub(super) const START: &str = "2026-03-01T00:00:00Z";

/// A server over a store in memory, with the mock engine, whose business time stands still.
pub(super) struct World {
    running: Option<Server>,
    pub(super) first: FirstStart,
    pub(super) upstream: Upstream,
    kept: Kept,
    clock: Clock,
    manual: ManualClock,
    settings: Settings,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// What is left when the server dies.
struct Kept {
    store: Arc<dyn Store>,
    journal: JournalPlace,
    pepper: Pepper,
}

/// An answer that was received to its end.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) bytes: Bytes,
}

/// A subscription in a test.
#[derive(Debug, Clone)]
pub(super) struct Bought {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) payment_url: Option<String>,
}

impl World {
    pub(super) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// A world in which the engine makes the invoices.
    pub(super) async fn billed_by_engine() -> Self {
        Self::with(|settings| settings.invoicing = Invoicing::ByEngine).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::wrapped(|store| store, change).await
    }

    /// A world whose store has something around it.
    pub(super) async fn wrapped(
        wrap: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store>,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let (clock, manual) = Clock::manual_business(START.parse().unwrap());
        let kept = Kept {
            store: wrap(Arc::new(MemoryStore::new(clock.clone()))),
            journal: JournalPlace::Memory(MemoryJournal::default()),
            pepper: Pepper::new(b"a pepper of the tests").unwrap(),
        };
        Self::over(kept, (clock, manual), change).await
    }

    /// A world that keeps everything in this directory, as the binary does.
    pub(super) async fn kept_in(directory: &Path, change: impl FnOnce(&mut Settings)) -> Self {
        let directory = DataDirectory::open(directory).unwrap();
        let options = SqliteOptions::new(directory.database());
        let kept = Kept {
            store: Arc::new(SqliteStore::open(&options).await.unwrap()),
            journal: JournalPlace::File(directory.journal()),
            pepper: directory.pepper(&Entropy::system()).unwrap(),
        };
        let clock = Clock::manual_business(START.parse().unwrap());
        Self::over(kept, clock, change).await
    }

    /// A world whose store is this database of PostgreSQL's, which is empty.
    #[cfg(feature = "postgres")]
    pub(super) async fn in_database(database: &Database) -> Self {
        let options = PostgresOptions::new(&database.address()).unwrap();
        let store = PostgresStore::open(&options).await.unwrap();
        let clock = Clock::manual_business(START.parse().unwrap());
        let kept = Kept {
            store: Arc::new(store),
            journal: JournalPlace::Memory(MemoryJournal::default()),
            pepper: Pepper::new(b"a pepper of the tests").unwrap(),
        };
        Self::over(kept, clock, |_| {}).await
    }

    async fn over(
        kept: Kept,
        (clock, manual): (Clock, ManualClock),
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let mut settings = Settings::default();
        settings.gateway_address = ([127, 0, 0, 1], 0).into();
        settings.control_address = ([127, 0, 0, 1], 0).into();
        settings.private_upstreams = true;
        change(&mut settings);
        let parts = ingredients(&kept, (&clock, &manual));
        let (server, first) = Server::start(&settings, parts).await.unwrap();
        Self {
            running: Some(server),
            first: first.unwrap(),
            upstream: Upstream::start("upstream").await,
            kept,
            clock,
            manual,
            settings,
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// The server dies on the spot, and another takes up what it has left.
    pub(super) async fn crash(&mut self) {
        self.running = None;
        let parts = ingredients(&self.kept, (&self.clock, &self.manual));
        let (server, first) = Server::start(&self.settings, parts).await.unwrap();
        assert!(first.is_none(), "the second start is no first one");
        self.running = Some(server);
    }

    /// The server stops in good order.
    pub(super) async fn end(mut self) {
        let unrecorded = self.running.take().unwrap().shutdown().await;
        assert_eq!(unrecorded, 0);
    }

    pub(super) fn server(&self) -> &Server {
        self.running.as_ref().unwrap()
    }

    pub(super) fn mock(&self) -> &Control {
        self.server().mock().unwrap()
    }

    /// Lets so much business time go by, and everything happen that falls due in it.
    pub(super) async fn advance(&self, seconds: u64) {
        let by = json!({ "advance_seconds": seconds });
        self.owner(Method::POST, "/mock/clock", by).await.ok();
    }

    pub(super) async fn travel(&self, to: &str) {
        self.owner(Method::POST, "/mock/clock", json!({ "to": to }))
            .await
            .ok();
    }

    pub(super) async fn owner(&self, method: Method, path: &str, body: Value) -> Reply {
        self.ask(Some(&self.first.owner_token), method, path, body)
            .await
    }

    pub(super) async fn publisher(&self, method: Method, path: &str, body: Value) -> Reply {
        self.ask(Some(&self.first.publisher_token), method, path, body)
            .await
    }

    pub(super) async fn developer(&self, method: Method, path: &str, body: Value) -> Reply {
        self.ask(Some(&self.first.developer_token), method, path, body)
            .await
    }

    pub(super) async fn anybody(&self, method: Method, path: &str) -> Reply {
        self.ask(None, method, path, Value::Null).await
    }

    pub(super) async fn ask(
        &self,
        token: Option<&Secret>,
        method: Method,
        path: &str,
        body: Value,
    ) -> Reply {
        let mut request = Request::builder().method(method).uri(self.control(path));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {}", token.reveal()));
        }
        let bytes = if body.is_null() {
            Bytes::new()
        } else {
            request = request.header("content-type", "application/json");
            Bytes::from(body.to_string())
        };
        self.send(request.body(Full::new(bytes)).unwrap()).await
    }

    pub(super) async fn send(&self, request: Request<Full<Bytes>>) -> Reply {
        let response = self.client.request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Reply {
            status: parts.status,
            headers: parts.headers,
            bytes: body.collect().await.unwrap().to_bytes(),
        }
    }

    pub(super) fn control(&self, path: &str) -> String {
        format!("http://{}{path}", self.server().control_address())
    }

    pub(super) fn gateway(&self, path: &str) -> String {
        format!("http://{}{path}", self.server().gateway_address())
    }

    /// A call through the gateway.
    pub(super) async fn call(&self, key: &str, path: &str) -> Reply {
        let request = Request::get(self.gateway(path)).header("x-api-key", key);
        self.send(request.body(Full::default()).unwrap()).await
    }

    /// A product of the first publisher, on sale at the engine and in the catalogue.
    pub(super) async fn product(&self, slug: &str) -> String {
        let product = self.draft(slug).await;
        let path = format!("/api/v1/products/{product}");
        self.owner(
            Method::POST,
            &format!("{path}/monetize"),
            json!({"enabled": true}),
        )
        .await
        .ok();
        self.owner(Method::PATCH, &path, json!({"status": "active"}))
            .await
            .ok();
        product
    }

    pub(super) async fn draft(&self, slug: &str) -> String {
        let new = json!({
            "publisher": self.first.publisher, "slug": slug, "name": "An API",
            "description": "What it does.", "gateway_endpoint": self.upstream.url(),
        });
        self.owner(Method::POST, "/api/v1/products", new).await.ok()["id"].text()
    }

    pub(super) async fn plan(&self, product: &str, terms: Value) -> String {
        let path = format!("/api/v1/products/{product}/plans");
        let new = json!({ "name": "A plan", "terms": terms });
        self.owner(Method::POST, &path, new).await.ok()["id"].text()
    }

    /// The first consumer's developer subscribes.
    pub(super) async fn buy(&self, plan: &str) -> Bought {
        self.buy_as(&self.first.developer_token, plan).await
    }

    /// The developer with this token subscribes.
    pub(super) async fn buy_as(&self, token: &Secret, plan: &str) -> Bought {
        let path = "/api/v1/subscriptions";
        let made = self.ask(Some(token), Method::POST, path, order(plan)).await;
        let made = made.ok();
        Bought {
            id: made["id"].text(),
            key: made["key"]["key"].as_str().unwrap_or_default().to_owned(),
            payment_url: made["payment_url"].as_str().map(ToOwned::to_owned),
        }
    }

    /// Pays at the checkout page.
    pub(super) async fn pay(&self, url: &str) -> Reply {
        // A server that was started again listens elsewhere; the page is the same.
        let path = url.split_once("/mock/pay/").unwrap().1;
        let request = Request::post(self.control(&format!("/mock/pay/{path}")));
        self.send(request.body(Full::default()).unwrap()).await
    }

    pub(super) async fn subscription(&self, id: &str) -> Value {
        let path = format!("/api/v1/subscriptions/{id}");
        self.owner(Method::GET, &path, Value::Null).await.ok()
    }

    /// The invoices of a subscription, the first one first.
    pub(super) async fn invoices(&self, of: &str) -> Vec<Value> {
        let list = self
            .owner(Method::GET, "/api/v1/invoices?limit=100", Value::Null)
            .await
            .ok();
        let mut invoices = list["items"].as_array().unwrap().clone();
        invoices.retain(|invoice| invoice["subscription"] == of);
        invoices.sort_by_key(|invoice| invoice["issued_at"].text());
        invoices
    }

    /// A consumer of its own with a developer's token.
    pub(super) async fn stranger(&self) -> (String, Secret) {
        let new = json!({ "name": "Somebody else" });
        let consumer = self
            .owner(Method::POST, "/api/v1/consumers", new)
            .await
            .ok()["id"]
            .text();
        let token = json!({ "role": "developer", "consumer": consumer });
        let token = self.owner(Method::POST, "/api/v1/tokens", token).await.ok();
        (consumer, Secret::new(token["token"].text()))
    }
}

impl Reply {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.text()))
    }

    /// The body of an answer that must be good.
    #[track_caller]
    pub(super) fn ok(&self) -> Value {
        assert!(self.status.is_success(), "{}: {}", self.status, self.text());
        self.json()
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The code of a problem.
    pub(super) fn code(&self) -> String {
        let kind = self.headers.get("content-type").unwrap();
        assert_eq!(kind, "application/problem+json", "{}", self.text());
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        problem["code"].text()
    }

    /// The field that a problem names first.
    #[track_caller]
    pub(super) fn field(&self) -> String {
        assert_eq!(
            self.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{}",
            self.text()
        );
        assert_eq!(self.code(), "invalid_field");
        self.json()["errors"][0]["field"].text()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

/// Texts in JSON.
pub(super) trait Text {
    fn text(&self) -> String;
}

impl Text for Value {
    #[track_caller]
    fn text(&self) -> String {
        self.as_str()
            .unwrap_or_else(|| panic!("{self} is no text"))
            .to_owned()
    }
}

pub(super) fn order(plan: &str) -> Value {
    json!({ "plan": plan, "buyer": { "user_id": "u-17", "name": "buyer" } })
}

pub(super) fn free() -> Value {
    json!({ "billing": "free", "currency": "USD", "cycle": "month" })
}

pub(super) fn fixed(base_price: &str) -> Value {
    json!({ "billing": "fixed", "currency": "USD", "cycle": "month", "base_price": base_price })
}

pub(super) fn metered(unit_price: &str) -> Value {
    json!({
        "billing": "metered", "currency": "USD", "cycle": "month",
        "usage": [{ "meter": "requests", "unit_price": unit_price }],
    })
}

fn ingredients(kept: &Kept, (clock, manual): (&Clock, &ManualClock)) -> Ingredients {
    Ingredients {
        store: Arc::clone(&kept.store),
        clock: clock.clone(),
        manual_clock: Some(manual.clone()),
        entropy: Arc::new(Entropy::system()),
        pepper: kept.pepper.clone(),
        journal: kept.journal.clone(),
        newest_record: None,
        lease: None,
        set_aside: None,
        rules: Rules::default(),
    }
}
