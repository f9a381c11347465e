//! The gateway: the layer, the proxy behind it, and the answers that only their meeting can give.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use monetization_core::clock::Clock;
use monetization_core::runtime::Gatekeeper;
use monetization_gateway_tower::{
    GatewayBody, LayerOptions, Monetization, MonetizationLayer, Refused,
};
use tower::{Layer, Service};

use crate::metrics::Metrics;
use crate::proxy::{Failing, Proxy, Word};

/// Serves `/{product}/...`. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Gateway {
    inner: Monetization<Proxy>,
    body_bytes_max: u64,
    counting: Counting,
}

/// What becomes of calls, and how long it takes.
#[derive(Debug, Clone)]
struct Counting {
    clock: Clock,
    metrics: Arc<Metrics>,
}

/// The body of an answer: the upstream's, metered, or one of ours.
pub(crate) type Body = Either<GatewayBody<Incoming>, Full<Bytes>>;

impl Gateway {
    /// The proxy behind the layer, which counts what becomes of calls. Request bodies have at most
    /// `body_bytes_max` bytes.
    pub(crate) fn new(
        (gatekeeper, clock): (Gatekeeper, Clock),
        metrics: Arc<Metrics>,
        options: LayerOptions,
        proxy: Proxy,
        body_bytes_max: u64,
    ) -> Self {
        let layer = MonetizationLayer::new(gatekeeper, clock.clone(), options);
        Self {
            inner: layer.layer(proxy),
            body_bytes_max,
            counting: Counting { clock, metrics },
        }
    }
}

impl Counting {
    /// Counts an answer to a call that began then.
    fn count(&self, response: &Response<Body>, began: Duration) {
        let after = self.clock.uptime().saturating_sub(began);
        let refused = response.extensions().get::<Refused>();
        self.metrics.answered(response.status(), refused, after);
    }
}

impl Service<Request<Incoming>> for Gateway {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        let (counting, began) = (self.counting.clone(), self.counting.clock.uptime());
        let is_last = is_last(&request);
        if announced_length(request.headers()).is_some_and(|bytes| bytes > self.body_bytes_max) {
            let answer = own_answer(HeaderMap::new(), Failing::BodyTooLong);
            counting.count(&answer, began);
            return Box::pin(std::future::ready(Ok(answer)));
        }
        let word = Word::default();
        request.extensions_mut().insert(word.clone());
        // The proxy is always ready, so the layer around it is.
        let answer = self.inner.call(request);
        Box::pin(async move {
            let Ok(response) = answer.await else {
                return Ok(own_answer(HeaderMap::new(), Failing::UpstreamSlow));
            };
            let mut response = match word.read() {
                Some(failing) if response.status() == StatusCode::BAD_GATEWAY => {
                    own_answer(response.into_parts().0.headers, failing)
                }
                _ => response.map(Either::Left),
            };
            if is_last {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
            }
            counting.count(&response, began);
            Ok(response)
        })
    }
}

/// Whether the connection ends with this request: one whose end a server before us may see
/// elsewhere, so that what follows would be read as somebody else's. That is one whose coding is not
/// plainly `chunked`, and one that would leave HTTP/1.1; where a length stands beside the coding,
/// hyper closes by itself.
fn is_last(request: &Request<Incoming>) -> bool {
    let headers = request.headers();
    let mut codings = headers.get_all(TRANSFER_ENCODING).into_iter();
    let is_plain = codings
        .next()
        .is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
        && codings.next().is_none();
    !is_plain || request.method() == Method::CONNECT || headers.contains_key(UPGRADE)
}

fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Tells the client what the layer could not know. The headers it has set stay.
fn own_answer(mut headers: HeaderMap, failing: Failing) -> Response<Body> {
    let (status, body) = match failing {
        Failing::UpstreamSlow => (
            StatusCode::GATEWAY_TIMEOUT,
            r#"{"type":"about:blank","title":"Gateway Timeout","status":504,"detail":"the service behind the gateway took too long","code":"upstream_timeout"}"#,
        ),
        Failing::BodyTooLong => (
            StatusCode::PAYLOAD_TOO_LARGE,
            r#"{"type":"about:blank","title":"Content Too Large","status":413,"detail":"the body of the request is too long","code":"body_too_long"}"#,
        ),
        Failing::ClientSlow => (
            StatusCode::REQUEST_TIMEOUT,
            r#"{"type":"about:blank","title":"Request Timeout","status":408,"detail":"the body of the request did not arrive in time","code":"body_timeout"}"#,
        ),
        Failing::ClientGone => (
            StatusCode::BAD_REQUEST,
            r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"the body of the request broke off","code":"body_broken"}"#,
        ),
    };
    let problem = HeaderValue::from_static("application/problem+json");
    headers.insert(CONTENT_TYPE, problem);
    headers.remove(CONTENT_LENGTH);
    let mut response = Response::new(Either::Right(Full::new(Bytes::from_static(
        body.as_bytes(),
    ))));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
