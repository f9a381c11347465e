//! The API that the demos sell: a real server on loopback, which keeps a count of its own.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::net::TcpListener;

use crate::listener::{Bounds, Listener};

/// An upstream that answers as its callers ask it to, and counts what it answers to whom.
#[derive(Debug)]
pub(super) struct Upstream {
    listener: Listener,
    counts: Arc<Mutex<BTreeMap<String, Count>>>,
}

/// What was answered to one consumer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) calls: u64,
    /// Calls that were answered 2xx.
    pub(super) good: u64,
}

/// The status to be answered; 200 where it is not said.
pub(super) const STATUS: &str = "x-demo-status";
/// Bytes to be answered; a few where it is not said.
pub(super) const BYTES: &str = "x-demo-bytes";
/// What tells the upstream's answers from the gateway's own.
pub(super) const MARK: &str = "x-demo-upstream";

impl Upstream {
    pub(super) async fn start() -> io::Result<Self> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let counts = Arc::new(Mutex::new(BTreeMap::new()));
        let counting = Arc::clone(&counts);
        let service = tower::service_fn(move |request: Request<Incoming>| {
            std::future::ready(Ok::<_, Infallible>(answer(&request, &counting)))
        });
        let listener = Listener::start(socket, service, Bounds::default())?;
        Ok(Self { listener, counts })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// What it has answered to the consumer of this id.
    pub(super) fn count(&self, consumer: &str) -> Count {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(consumer).copied().unwrap_or_default()
    }

    pub(super) async fn stop(self) {
        self.listener.stop().await;
    }
}

fn answer(
    request: &Request<Incoming>,
    counts: &Mutex<BTreeMap<String, Count>>,
) -> Response<Filler> {
    let headers = request.headers();
    let status = number(headers, STATUS).and_then(|status| u16::try_from(status).ok());
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.unwrap_or(StatusCode::OK);
    let consumer = headers.get("x-consumer-id").and_then(|id| id.to_str().ok());
    let consumer = consumer.unwrap_or("nobody").to_owned();
    {
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(consumer).or_default();
        count.calls = count.calls.saturating_add(1);
        count.good = count.good.saturating_add(u64::from(status.is_success()));
    }
    let mut response = Response::new(Filler(number(headers, BYTES).unwrap_or(16)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(MARK, HeaderValue::from_static("1"));
    headers.insert("content-type", HeaderValue::from_static("text/plain"));
    response
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

/// A body of so many bytes that are not worth looking at.
#[derive(Debug)]
struct Filler(u64);

static BLANKS: [u8; 256 * 1024] = [b'.'; 256 * 1024];

impl Body for Filler {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.0 == 0 {
            return Poll::Ready(None);
        }
        let length = usize::try_from(self.0)
            .unwrap_or(usize::MAX)
            .min(BLANKS.len());
        self.0 = self
            .0
            .saturating_sub(u64::try_from(length).unwrap_or(u64::MAX));
        let piece = BLANKS.get(..length).unwrap_or_default();
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.0 == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0)
    }
}
