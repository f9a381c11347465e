//! Forwards calls that the layer has let through to where their products are served.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::HOST;
use http::uri::{PathAndQuery, Uri};
use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use monetization_core::text::Endpoint;
use monetization_gateway_tower::{Forward, RequestBytes};
use tower::Service;

use crate::report;
pub(crate) use body::{BodyBounds, RequestBody};
pub(crate) use connect::{Connector, Reach};

mod body;
mod connect;
mod tls;

/// Forwards calls over pooled connections: method, headers and bodies as they come, both bodies
/// streaming. Redirections are the client's business and never followed.
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    client: Client<HttpsConnector<Connector>, RequestBody>,
    bounds: ProxyBounds,
}

/// What an upstream and a client may hold up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProxyBounds {
    /// For how long the head of an answer is waited for, the request's body included.
    pub(crate) head_within: Duration,
    /// The body of a request.
    pub(crate) body: BodyBounds,
}

/// Where the proxy leaves word of why there is no answer: an extension of the request, so that
/// whoever answers the client can tell it apart.
#[derive(Debug, Clone, Default)]
pub(crate) struct Word(Arc<OnceLock<Failing>>);

/// Why there is no answer, beyond that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failing {
    /// The upstream took too long.
    UpstreamSlow,
    /// The request's body is too long.
    BodyTooLong,
    /// The client took too long with its body.
    ClientSlow,
    /// The client broke off within its body.
    ClientGone,
}

impl Failing {
    /// Whether the client is to blame, so that there is nothing for the operator to mend.
    fn is_of_the_client(self) -> bool {
        match self {
            Self::BodyTooLong | Self::ClientSlow | Self::ClientGone => true,
            Self::UpstreamSlow => false,
        }
    }
}

/// There is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyError {
    /// The layer let the call through without saying where to.
    #[error("the call says not where to go")]
    Nowhere,
    /// The target is no URL.
    #[error("the target is no URL")]
    Target(#[source] http::Error),
    /// The upstream took too long.
    #[error("no answer within the time allowed")]
    Slow,
    /// The upstream could not be reached or broke off.
    #[error("no answer came back")]
    Broken(#[source] hyper_util::client::legacy::Error),
}

/// Idle connections that are kept to one upstream.
const IDLE_MAX: usize = 256;
/// Shorter than most servers keep them, so that a call does not meet a closing connection.
const IDLE_FOR: Duration = Duration::from_secs(8);

impl Proxy {
    /// Forwards to what `reach` allows.
    ///
    /// # Errors
    /// Where TLS cannot be set up.
    pub(crate) fn new(reach: Reach, bounds: ProxyBounds) -> Result<Self, rustls::Error> {
        let connector = tls::encrypting(Connector::new(reach))?;
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_FOR)
            .pool_max_idle_per_host(IDLE_MAX)
            // A call that may have arrived is never sent again by us.
            .retry_canceled_requests(false)
            .build(connector);
        Ok(Self { client, bounds })
    }

    async fn forward(self, request: Request<Incoming>) -> Result<Response<Incoming>, ProxyError> {
        let (mut parts, body) = request.into_parts();
        let word = parts.extensions.remove::<Word>().unwrap_or_default();
        let read = parts.extensions.remove::<RequestBytes>();
        let forward = parts.extensions.remove::<Forward>();
        let forward = forward.ok_or(ProxyError::Nowhere)?;
        parts.uri = target(&forward.endpoint, &forward.path_and_query)?;
        // The client has asked for our host; the upstream's name follows from the target.
        parts.headers.remove(HOST);
        parts.version = Version::HTTP_11;
        let body = RequestBody::new(body, self.bounds.body, word.clone(), read);
        let answer = self.client.request(Request::from_parts(parts, body));
        match tokio::time::timeout(self.bounds.head_within, answer).await {
            Ok(Ok(mut response)) => {
                // The version is of one connection and not of the next.
                *response.version_mut() = Version::HTTP_11;
                Ok(response)
            }
            Ok(Err(error)) => Err(ProxyError::Broken(error)),
            Err(_) => {
                word.leave(Failing::UpstreamSlow);
                Err(ProxyError::Slow)
            }
        }
    }
}

impl Service<Request<Incoming>> for Proxy {
    type Response = Response<Incoming>;
    type Error = ProxyError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Incoming>, ProxyError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), ProxyError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let proxy = self.clone();
        Box::pin(async move {
            let word = request.extensions().get::<Word>().cloned();
            let answered = proxy.forward(request).await;
            let failing = word.as_ref().and_then(Word::read);
            if let Err(error) = &answered
                && !failing.is_some_and(Failing::is_of_the_client)
            {
                report::failure("forward a call", error);
            }
            answered
        })
    }
}

impl Word {
    /// Leaves word; what was left first stays.
    pub(crate) fn leave(&self, failing: Failing) {
        // Of two reasons the first has led to the second.
        let _first_stays = self.0.set(failing);
    }

    /// What was left.
    pub(crate) fn read(&self) -> Option<Failing> {
        self.0.get().copied()
    }
}

fn target(endpoint: &Endpoint, below: &PathAndQuery) -> Result<Uri, ProxyError> {
    let base = endpoint.as_str().trim_end_matches('/');
    Uri::try_from(format!("{base}{below}")).map_err(|error| ProxyError::Target(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_the_endpoint_and_what_was_priced_below_it() {
        let table = [
            ("http://127.0.0.1:9000", "/a?b", "http://127.0.0.1:9000/a?b"),
            ("http://up.example/v1/", "/a", "http://up.example/v1/a"),
            ("http://up.example/v1", "/", "http://up.example/v1/"),
        ];
        for (endpoint, below, expected) in table {
            let endpoint = endpoint.parse().unwrap();
            let target = target(&endpoint, &PathAndQuery::from_static(below)).unwrap();
            assert_eq!(target, expected);
        }
    }
}
