//! A marketplace of one product and one subscriber, behind the layer.

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use monetization_core::clock::{Clock, ManualClock, Timestamp};
use monetization_core::entropy::Entropy;
use monetization_core::ids::{ApiKeyId, ChangeSetId};
use monetization_core::key::Pepper;
use monetization_core::memory::MemoryStore;
use monetization_core::plan::{Overage, QuotaDraft, QuotaWindow, Rate, RateWindow};
use monetization_core::runtime::{Gatekeeper, GatekeeperOptions};
use monetization_core::store::{
    Applied, ChangeSet, Fact, Ledger, Rows, Store, StoreExt, Stored, Write,
};
use monetization_core::subscription::Subscription;
use monetization_core::usage::UsageRecord;
use monetization_gateway_tower::{
    CommitMode, GatewayBody, LayerOptions, Monetization, MonetizationLayer, TokioRuntime,
};
use tower::{Layer, Service, ServiceExt};

pub(crate) use gated::{Gate, GatedStore};
pub(crate) use market::Offer;
use market::{facts, key_to};

mod gated;
mod market;

pub(crate) type TestBody = UnsyncBoxBody<Bytes, Broken>;

/// A service that the layer can stand before, for requests with this body.
pub(crate) trait Upstream<B>:
    Service<Request<B>, Response = Response<TestBody>, Error = Infallible, Future: Send + 'static>
    + Clone
    + Send
    + 'static
{
}

impl<S, B> Upstream<B> for S where
    S: Service<
            Request<B>,
            Response = Response<TestBody>,
            Error = Infallible,
            Future: Send + 'static,
        > + Clone
        + Send
        + 'static
{
}

/// What an upstream fails with.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Broken(pub(crate) &'static str);

/// What a test's world begins with.
pub(crate) struct Setting {
    pub(crate) start: Timestamp,
    pub(crate) offer: Offer,
    pub(crate) gatekeeper: GatekeeperOptions,
    /// Whether process time is moved by hand too.
    pub(crate) frozen: bool,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            start: at("2026-06-10T12:00:00Z"),
            offer: Offer::default(),
            gatekeeper: GatekeeperOptions::default(),
            frozen: false,
        }
    }
}

pub(crate) struct World {
    pub(crate) store: Arc<GatedStore>,
    pub(crate) memory: Arc<MemoryStore>,
    pub(crate) time: ManualClock,
    pub(crate) clock: Clock,
    pub(crate) entropy: Arc<Entropy>,
    pub(crate) pepper: Pepper,
    pub(crate) gatekeeper: Gatekeeper,
    pub(crate) subscription: Subscription,
    pub(crate) key: String,
    pub(crate) key_id: ApiKeyId,
}

impl World {
    /// A world whose records are being written.
    pub(crate) async fn start(setting: Setting) -> Self {
        let world = Self::without_runner(setting).await;
        world.run();
        world
    }

    pub(crate) fn run(&self) -> tokio::task::JoinHandle<()> {
        let runtime = TokioRuntime::current();
        tokio::spawn(self.gatekeeper.clone().run(Arc::new(runtime)))
    }

    pub(crate) async fn without_runner(setting: Setting) -> Self {
        let (clock, time) = if setting.frozen {
            Clock::manual(setting.start)
        } else {
            Clock::manual_business(setting.start)
        };
        let entropy = Arc::new(Entropy::seeded(7));
        let pepper = Pepper::new(b"a pepper for tests only").unwrap();
        let memory = Arc::new(MemoryStore::new(clock.clone()));
        let store = Arc::new(GatedStore::new(Arc::clone(&memory)));
        let as_store: Arc<dyn Store> = Arc::<GatedStore>::clone(&store);
        let gatekeeper = Gatekeeper::new(
            as_store,
            clock.clone(),
            Arc::clone(&entropy),
            pepper.clone(),
            setting.gatekeeper,
        );
        let (product, version, subscription) = facts(&setting.offer, &entropy);
        let (key, text) = key_to(&subscription, &entropy, &pepper);
        let world = Self {
            store,
            memory,
            time,
            clock,
            entropy,
            pepper,
            gatekeeper,
            subscription,
            key: text,
            key_id: key.id,
        };
        world.insert(&product).await;
        world.insert(&version).await;
        let subscription = world.subscription.clone();
        world.insert(&subscription).await;
        world.insert(&key).await;
        world.gatekeeper.refresh().await.unwrap();
        world
    }

    pub(crate) fn options(&self) -> LayerOptions {
        LayerOptions::new(TokioRuntime::current())
    }

    pub(crate) fn background(&self) -> LayerOptions {
        LayerOptions {
            commit: CommitMode::Background,
            ..self.options()
        }
    }

    pub(crate) fn layer<S>(&self, options: LayerOptions, inner: S) -> Monetization<S> {
        MonetizationLayer::new(self.gatekeeper.clone(), self.clock.clone(), options).layer(inner)
    }

    pub(crate) async fn insert<T: Fact>(&self, fact: &T) {
        self.write(Write::insert(fact).unwrap()).await;
    }

    pub(crate) async fn write(&self, write: Write) {
        let id: ChangeSetId = self.entropy.id(self.clock.now());
        let mut change = ChangeSet::new(id, self.clock.now());
        change.writes.push(write);
        assert_eq!(self.memory.apply(&change).await.unwrap(), Applied::New);
    }

    /// Changes a fact that is there.
    pub(crate) async fn change<T: Fact>(&self, id: T::Id, change: impl FnOnce(&mut T) + Send) {
        let tenant = self.subscription.tenant;
        let mut stored: Stored<T> = self.memory.fact(tenant, id).await.unwrap().unwrap();
        change(&mut stored.fact);
        self.write(stored.write().unwrap()).await;
    }

    /// One more key to the same subscription.
    pub(crate) async fn second_key(&self) -> String {
        let (key, text) = key_to(&self.subscription, &self.entropy, &self.pepper);
        self.insert(&key).await;
        text
    }

    /// A call with the key, to the product.
    pub(crate) fn get(&self, path: &str) -> Request<TestBody> {
        self.request("GET", path)
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> Request<TestBody> {
        Request::builder()
            .method(method)
            .uri(format!("/weather{path}"))
            .header("authorization", format!("Bearer {}", self.key))
            .body(empty())
            .unwrap()
    }

    /// The records of the segment that now lies in, after all that is under way is written.
    pub(crate) async fn records(&self) -> Vec<UsageRecord> {
        self.written().await;
        let segment = self.subscription.segment_at(self.clock.now()).unwrap();
        let tenant = self.subscription.tenant;
        self.memory
            .records(tenant, segment.id, None, usize::MAX)
            .await
            .unwrap()
    }

    /// Waits until nothing is under way.
    pub(crate) async fn written(&self) {
        eventually(|| self.gatekeeper.committer().backlog() == 0).await;
    }
}

/// Lets other tasks run until `done`; at most 20 seconds.
pub(crate) async fn eventually(done: impl Fn() -> bool) {
    let waiting = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .expect("it comes in time");
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn per_minute(max: u64) -> Rate {
    Rate::Calendar {
        window: RateWindow::Minute,
        max,
    }
}

pub(crate) fn strict(window: QuotaWindow, max: u64) -> QuotaDraft {
    QuotaDraft::calls(window, max, Overage::Strict)
}

pub(crate) fn loose(window: QuotaWindow, max: u64) -> QuotaDraft {
    QuotaDraft::calls(window, max, Overage::Loose)
}

pub(crate) fn empty() -> TestBody {
    whole("")
}

pub(crate) fn whole(text: &'static str) -> TestBody {
    Full::from(text)
        .map_err(|never: Infallible| match never {})
        .boxed_unsync()
}

/// A service that answers 200 `ok`.
pub(crate) fn ok() -> impl Upstream<TestBody> {
    tower::service_fn(|_: Request<TestBody>| async { Ok(Response::new(whole("ok"))) })
}

/// A service that counts its calls.
pub(crate) fn counted() -> (Arc<AtomicUsize>, impl Upstream<TestBody>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let service = tower::service_fn(move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        async { Ok::<Response<TestBody>, Infallible>(Response::new(whole("ok"))) }
    });
    (calls, service)
}

/// Sends one call and reads the whole answer.
pub(crate) async fn send<S, RB>(service: &S, request: Request<TestBody>) -> Received
where
    S: Service<Request<TestBody>, Response = Response<GatewayBody<RB>>> + Clone,
    S::Error: std::fmt::Debug,
    RB: http_body::Body<Data = Bytes>,
    RB::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let response = service.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Received {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

pub(crate) struct Received {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Received {
    /// A header that is there at most once; empty where it is not.
    pub(crate) fn header(&self, name: &str) -> &str {
        let values: Vec<_> = self.headers.get_all(name).into_iter().collect();
        assert!(values.len() < 2, "{name} is there {} times", values.len());
        values.first().map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn assert_headers(&self, expected: &[(&str, &str)]) {
        for (name, value) in expected {
            assert_eq!(self.header(name), *value, "{name}");
        }
    }
}
