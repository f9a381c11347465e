//! One HTTP exchange at a time, over connections that are kept.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use monetization_core::field::FieldError;

use crate::transport::Cause;

/// Connections to whomever is asked.
///
/// Each exchange is one attempt. A kept connection that its other end has closed meanwhile is
/// replaced as long as nothing of the request was put on it; that is still the same attempt.
#[derive(Debug, Clone)]
pub(crate) struct Pool(Client<HttpConnector, Outgoing>);

/// Bytes of the body of an answer; a longer one is as good as none.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// For how long a connection is kept that nobody uses.
const KEPT_FOR: Duration = Duration::from_secs(30);

/// That no whole answer came back.
#[derive(Debug)]
pub(crate) struct Silence {
    /// Whether the request may have arrived whole.
    pub(crate) left: bool,
    /// What is known of why.
    pub(crate) cause: Cause,
}

impl Pool {
    /// No connections yet.
    pub(crate) fn new() -> Self {
        let mut connector = HttpConnector::new();
        // A call is one small write, and its answer another.
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEPT_FOR)
            .build(connector);
        Self(client)
    }

    /// Sends a request and waits for its whole answer. `within` is for all of it, from connecting
    /// to the last byte.
    pub(crate) async fn exchange(
        &self,
        request: Request<Bytes>,
        within: Duration,
    ) -> Result<Response<Bytes>, Silence> {
        let left = Arc::new(AtomicBool::new(false));
        let request = request.map(|bytes| Outgoing {
            bytes: Some(bytes),
            left: Arc::clone(&left),
        });
        let answered = tokio::time::timeout(within, self.answer(request)).await;
        let cause = match answered {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(cause)) => cause,
            Err(elapsed) => elapsed.into(),
        };
        let left = left.load(Ordering::Acquire);
        Err(Silence { left, cause })
    }

    async fn answer(&self, request: Request<Outgoing>) -> Result<Response<Bytes>, Cause> {
        let (parts, body) = self.0.request(request).await?.into_parts();
        let bytes = Limited::new(body, ANSWER_BYTES_MAX).collect().await?;
        Ok(Response::from_parts(parts, bytes.to_bytes()))
    }
}

/// Reads an address that can be asked over plain HTTP, or says of `field` what is wrong with it.
pub(crate) fn plain_address(field: &str, text: &str) -> Result<Uri, FieldError> {
    let refuse = |problem: &str| {
        let problem = format!("{text:?} {problem}: allowed is http://host:port/path");
        FieldError::new(field, problem)
    };
    let address: Uri = text.parse().map_err(|_| refuse("is no address"))?;
    if address.scheme_str() != Some("http") {
        return Err(refuse("does not begin with http://"));
    }
    let named = address
        .authority()
        .filter(|authority| !authority.as_str().contains('@'));
    if named.is_none_or(|authority| authority.host().is_empty()) {
        return Err(refuse("names no host, or somebody at it"));
    }
    Ok(address)
}

/// A body that tells when it is asked for. Until then nothing but a head can have left, and a head
/// alone makes nobody do anything.
#[derive(Debug)]
struct Outgoing {
    bytes: Option<Bytes>,
    left: Arc<AtomicBool>,
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.left.store(true, Ordering::Release);
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.as_ref().is_none_or(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.bytes.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
    }
}
