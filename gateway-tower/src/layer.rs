use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body::Body;
use monetization_core::clock::{Clock, Timestamp};
use monetization_core::runtime::{Decided, Gatekeeper, Permit, Target};
use monetization_core::usage::Outcome;
use tower::{Layer, Service};

use crate::asked::Asked;
use crate::body::GatewayBody;
use crate::call::{Admission, Call, Calling, OfRequest};
use crate::commit::CommitWait;
use crate::forward::Forward;
use crate::limit_headers::{self, Policies};
use crate::options::{CommitMode, LayerOptions, Mount};
use crate::request_bytes::{RequestBytes, announces_too_much};
use crate::{hygiene, refusal};

/// Puts the request path of a [`Gatekeeper`] around a service. Cheap to clone.
///
/// Something has to run [`Gatekeeper::run`] beside it: it reads the news of the store and writes
/// the records. The crate's documentation says what happens to a call.
///
/// It belongs outside of everything that reads or rewrites a request, and inside of what is done
/// for every connection: compression of answers, tracing, limits on the size of a request's head.
/// Where answers are compressed inside of it, what is metered is the compressed answer, which makes
/// no difference to a meter that counts requests.
///
/// ```
/// use std::sync::Arc;
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use monetization_core::clock::Clock;
/// use monetization_core::entropy::Entropy;
/// use monetization_core::key::Pepper;
/// use monetization_core::memory::MemoryStore;
/// use monetization_core::runtime::{Gatekeeper, GatekeeperOptions};
/// use monetization_gateway_tower::{LayerOptions, MonetizationLayer, TokioRuntime};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let clock = Clock::system();
/// let gatekeeper = Gatekeeper::new(
///     Arc::new(MemoryStore::default()),
///     clock.clone(),
///     Arc::new(Entropy::system()),
///     Pepper::new(b"kept outside of the store")?,
///     GatekeeperOptions::default(),
/// );
/// let options = LayerOptions::new(TokioRuntime::current());
/// let service = ServiceBuilder::new()
///     .layer(MonetizationLayer::new(gatekeeper, clock, options))
///     .service(service_fn(async |_: Request<Full<Bytes>>| {
///         Ok::<_, std::convert::Infallible>(Response::new(Full::from("sunny")))
///     }));
///
/// // Two servers may read this path in two ways, so it is not even asked whose call it is.
/// let request = Request::get("/weather/../oracle").body(Full::default())?;
/// assert_eq!(service.oneshot(request).await?.status(), 400);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MonetizationLayer(Arc<Shared>);

/// What all calls through one layer share: one reference is all that a call keeps of it.
pub(crate) struct Shared {
    gatekeeper: Gatekeeper,
    clock: Clock,
    pub(crate) options: LayerOptions,
    policies: Policies,
}

impl MonetizationLayer {
    /// A layer that decides by this gatekeeper.
    ///
    /// `clock` gives the business time of calls, which fixes their segments, windows and records; it
    /// should be the gatekeeper's. All services that the layer makes share one gatekeeper and its
    /// counters.
    #[must_use]
    pub fn new(gatekeeper: Gatekeeper, clock: Clock, options: LayerOptions) -> Self {
        Self(Arc::new(Shared {
            gatekeeper,
            clock,
            options,
            policies: Policies::default(),
        }))
    }
}

impl<S> Layer<S> for MonetizationLayer {
    type Service = Monetization<S>;

    fn layer(&self, inner: S) -> Monetization<S> {
        Monetization {
            inner,
            shared: Arc::clone(&self.0),
        }
    }
}

/// A service whose calls are authenticated, entitled, limited and metered.
///
/// It is ready when the inner service is; what a decision needs is waited for within the call, so
/// that a subscriber whose quota has to be fetched holds up nobody else. The inner service has to be
/// `Clone`, and its futures `Send + 'static`, because the rest of a call outlives its client.
///
/// Its error type is the inner service's, for readiness only: an error of a call is answered with
/// 502.
#[derive(Clone, Debug)]
pub struct Monetization<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S, B, RB> Service<Request<B>> for Monetization<S>
where
    S: Service<Request<B>, Response = Response<RB>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: Send + 'static,
    RB: Body<Data = Bytes> + Send + 'static,
    RB::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<GatewayBody<RB>>;
    type Error = S::Error;
    type Future = Call<S, B, RB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Call<S, B, RB> {
        let shared = &self.shared;
        let options = &shared.options;
        hygiene::clean(request.headers_mut(), options);
        let asked = match Asked::read(request.uri(), request.headers(), &options.mount) {
            Ok(asked) => asked,
            Err(error) => return Call::answered(refusal::unreadable(error)),
        };
        if announces_too_much(request.headers()) {
            return Call::answered(refusal::body_too_long());
        }
        let now = shared.clock.now();
        let target = shared.target(&asked, request.method());
        match shared.gatekeeper.decide(request.headers(), &target, now) {
            Decided::Granted(permit) => shared.forward(&mut self.inner, request, asked, permit),
            Decided::Denied(denial) => {
                Call::answered(refusal::denied(&denial, request.headers(), now, options))
            }
            Decided::Waits => {
                // The service that was polled ready is the one to call; its clone has to get ready anew.
                let clone = self.inner.clone();
                let inner = std::mem::replace(&mut self.inner, clone);
                let admission = Arc::clone(shared).admit(request, asked, now);
                Call::admitting(Arc::clone(shared), inner, Box::pin(admission))
            }
        }
    }
}

impl Shared {
    /// Decides about a call that has to wait for what the decision needs.
    async fn admit<B>(
        self: Arc<Self>,
        request: Request<B>,
        asked: Asked,
        now: Timestamp,
    ) -> Admission<B> {
        // Whoever waits holds the headers and not the body, which need not be shared.
        let (parts, body) = request.into_parts();
        let target = self.target(&asked, &parts.method);
        let admitted = self.gatekeeper.admit(&parts.headers, &target, now).await;
        match admitted {
            Ok(permit) => {
                let request = Request::from_parts(parts, body);
                Ok((request, asked, permit))
            }
            Err(denial) => {
                let answer = refusal::denied(&denial, &parts.headers, now, &self.options);
                Err(answer)
            }
        }
    }

    fn target<'a>(&'a self, asked: &'a Asked, method: &'a Method) -> Target<'a> {
        Target {
            product: asked.product(&self.options.mount),
            method: method.as_str(),
            path: asked.path(),
        }
    }

    /// Sends a call that was let through to the inner service: without the key, with the headers
    /// that say who calls, and, behind a first segment, below the product's endpoint.
    pub(crate) fn forward<S, B, RB>(
        self: &Arc<Self>,
        inner: &mut S,
        mut request: Request<B>,
        asked: Asked,
        permit: Permit,
    ) -> Call<S, B, RB>
    where
        S: Service<Request<B>, Response = Response<RB>>,
        S::Future: Send + 'static,
        S::Error: Send + 'static,
        RB: Body<Data = Bytes> + Send + 'static,
        RB::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        hygiene::take_credentials(request.headers_mut(), &self.options);
        hygiene::introduce(request.headers_mut(), permit.identity());
        if permit.reads_answers() {
            hygiene::ask_for_all(request.headers_mut());
        }
        let path_and_query = asked.forwarded();
        if self.options.mount == Mount::FirstSegment {
            *request.uri_mut() = path_and_query.clone().into();
        }
        request
            .extensions_mut()
            .insert(Forward::new(&permit, path_and_query));
        let request_bytes = permit
            .counts_bytes()
            .then(|| RequestBytes::of(request.headers()));
        if let Some(bytes) = &request_bytes {
            request.extensions_mut().insert(bytes.clone());
        }
        let of_request = OfRequest {
            is_head: request.method() == Method::HEAD,
            bytes: request_bytes,
        };
        match catch_unwind(AssertUnwindSafe(|| inner.call(request))) {
            Ok(future) => Call::calling(Calling::new(
                Box::pin(future),
                permit,
                of_request,
                Arc::clone(self),
            )),
            Err(_) => Call::panicked(self, permit),
        }
    }

    /// Hands the call's record to the ledger; the wait for it, where the answer's end has to wait.
    ///
    /// The record is on its way when this returns, whether the wait is polled to its end, dropped,
    /// or given up.
    pub(crate) fn settle(&self, permit: Permit, outcome: Outcome) -> Option<CommitWait> {
        let waits = self.options.commit == CommitMode::Durable || permit.must_be_durable();
        if !waits {
            permit.settle_in_background(outcome);
            return None;
        }
        let settlement = permit.settle(outcome);
        let runtime = Arc::clone(&self.options.runtime);
        Some(CommitWait::new(
            settlement,
            runtime,
            self.options.commit_wait_max,
        ))
    }

    /// Is done once no further call is let in.
    pub(crate) async fn closed(&self) {
        self.gatekeeper.committer().closed().await;
    }

    /// Tells the client how its limits stand.
    pub(crate) fn tell_limits(&self, permit: &Permit, headers: &mut HeaderMap) {
        let (style, now) = (self.options.headers, self.clock.now());
        limit_headers::write(style, &self.policies, permit, now, headers);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Shared")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
