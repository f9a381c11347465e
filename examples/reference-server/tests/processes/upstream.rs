use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::load::CallId;

/// What is sold: a server of the test's own, which keeps the calls it has seen. A call has to name
/// itself in `x-call`, and may ask to be kept waiting with `x-wait-ms`.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<BTreeMap<CallId, u64>>>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen: Arc<Mutex<BTreeMap<CallId, u64>>> = Arc::default();
        let counting = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                drop(stream.set_nodelay(true));
                let counting = Arc::clone(&counting);
                let service = service_fn(move |request: Request<Incoming>| {
                    answer(request, Arc::clone(&counting))
                });
                let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(serving);
            }
        });
        Self { address, seen }
    }

    /// How often each call was seen.
    pub(crate) fn seen(&self) -> BTreeMap<CallId, u64> {
        self.seen.lock().unwrap().clone()
    }
}

async fn answer(
    request: Request<Incoming>,
    seen: Arc<Mutex<BTreeMap<CallId, u64>>>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, hyper::Error> {
    let id: CallId = text(request.headers(), "x-call").unwrap().parse().unwrap();
    *seen.lock().unwrap().entry(id).or_default() += 1;
    let wait = text(request.headers(), "x-wait-ms").map_or(0, |wait| wait.parse().unwrap());
    // A body that breaks off breaks this off too; the call was seen all the same.
    request.into_body().collect().await?;
    if wait > 0 {
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
    let mut response = Response::new(body(id));
    *response.status_mut() = id.status.try_into().unwrap();
    Ok(response)
}

/// Bodies of known and of unknown length, small, large and none.
fn body(id: CallId) -> BoxBody<Bytes, Infallible> {
    static BLANKS: [u8; 30_000] = [b'.'; 30_000];
    match id.resource % 4 {
        0 => Full::new(Bytes::from_static(b"known\n")).boxed(),
        1 => Full::new(Bytes::from_static(&BLANKS)).boxed(),
        2 => Full::default().boxed(),
        _ => {
            let part = || Ok(Frame::data(Bytes::from_static(&BLANKS[..5_000])));
            StreamBody::new(stream::iter([part(), part(), part()])).boxed()
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
