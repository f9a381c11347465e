//! One exchange at a time over HTTP/1.1, with connections that are kept for a minute.
//!
//! What a caller may do next hangs on whether a request has left. A body tells when it is asked for: until
//! then nothing but a head can have left, and a head that announces a body makes nobody do anything. Of a
//! request without a body nothing tells, so only one that was never connected counts as not sent.

use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

/// Connections that are kept. Each exchange is one attempt; a kept connection that its other end has
/// closed meanwhile is replaced as long as nothing was put on it.
#[derive(Debug, Clone)]
pub(super) struct Pool(Client<HttpsConnector<HttpConnector>, Outgoing>);

/// Bytes of an answer; a longer one is as good as none.
const ANSWER_BYTES_MAX: usize = 8 << 20;
/// For how long a connection is kept that nobody uses.
const KEPT_FOR: Duration = Duration::from_secs(60);

type Cause = Box<dyn Error + Send + Sync>;

/// That no whole answer came back.
#[derive(Debug)]
pub(super) struct Silence {
    /// Whether the request may have arrived whole.
    pub(super) left: bool,
    /// What is known of why.
    pub(super) cause: Cause,
}

impl Pool {
    /// No connections yet. Whoever the operating system trusts is trusted.
    ///
    /// # Errors
    /// That no whole answer came, and whether the request may have arrived.
    pub(super) fn new(is_encrypted: bool) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        if is_encrypted {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        let config = ClientConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.enforce_http(false);
        let builder = HttpsConnectorBuilder::new().with_tls_config(config);
        let connector = builder.https_or_http().enable_http1().wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEPT_FOR)
            .build(connector);
        Ok(Self(client))
    }

    /// Sends a request and waits for its whole answer. `within` is for all of it, from connecting to
    /// the last byte.
    ///
    /// # Errors
    /// That no whole answer came, and whether the request may have arrived.
    pub(super) async fn exchange(
        &self,
        request: Request<Bytes>,
        within: Duration,
    ) -> Result<Response<Bytes>, Silence> {
        let left = Arc::new(AtomicBool::new(false));
        let is_empty = request.body().is_empty();
        let request = request.map(|bytes| Outgoing {
            bytes: Some(bytes),
            left: Arc::clone(&left),
        });
        let (cause, is_unconnected) = match tokio::time::timeout(within, self.answer(request)).await
        {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(Trouble::Sending(error))) => {
                let is_unconnected = error.is_connect();
                (error.into(), is_unconnected)
            }
            Ok(Err(Trouble::Reading(cause))) => (cause, false),
            Err(elapsed) => (elapsed.into(), false),
        };
        // Of a request without a body nothing tells when its head has left.
        let left = !is_unconnected && (is_empty || left.load(Ordering::Acquire));
        Err(Silence { left, cause })
    }

    /// The whole answer, its body bounded.
    ///
    /// # Errors
    /// That no whole answer came, and whether the request may have arrived.
    async fn answer(&self, request: Request<Outgoing>) -> Result<Response<Bytes>, Trouble> {
        let answer = self.0.request(request).await.map_err(Trouble::Sending)?;
        let (parts, body) = answer.into_parts();
        let read = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let bytes = read.map_err(Trouble::Reading)?.to_bytes();
        Ok(Response::from_parts(parts, bytes))
    }
}

/// Where an exchange has failed.
enum Trouble {
    Sending(hyper_util::client::legacy::Error),
    Reading(Cause),
}

/// A body that tells when it is asked for. Until then nothing but a head can have left.
#[derive(Debug)]
pub(super) struct Outgoing {
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
