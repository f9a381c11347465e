//! Requests to servers of others, and servers of our own for theirs.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use monetization_conformance::engine::CANARY;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What a server answers to `POST /v1/customers` and a form: a success.
pub(crate) async fn ask(server: &str, what: &str, form: &str) -> Value {
    let (method, path) = what.split_once(' ').unwrap();
    let request = Request::builder()
        .method(method)
        .uri(format!("{server}{path}"))
        .header("authorization", format!("Bearer {CANARY}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::from(form.to_owned())))
        .unwrap();
    let answer = passed_on(request).await.unwrap();
    let body = String::from_utf8_lossy(answer.body());
    assert!(answer.status().is_success(), "{what} {form}: {body}");
    // Some successes say nothing.
    serde_json::from_str(&body).unwrap_or_default()
}

/// What a server answers, over a connection of its own.
pub(crate) async fn passed_on(request: Request<Full<Bytes>>) -> io::Result<Response<Bytes>> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.request(request).await.map_err(io::Error::other)?;
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?;
    Ok(Response::from_parts(head, body.to_bytes()))
}

/// Answers requests to a port of loopback; where an answer is an error, the connection ends.
pub(crate) struct Listening {
    pub(crate) address: SocketAddr,
    _taking: JoinSet<()>,
}

impl Listening {
    pub(crate) async fn start<F>(
        answer: impl Fn(Request<Bytes>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = io::Result<Response<Bytes>>> + Send + 'static,
    {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let answer = Arc::new(answer);
        let mut taking = JoinSet::new();
        taking.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = socket.accept().await.unwrap();
                let answer = Arc::clone(&answer);
                let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                    let answer = Arc::clone(&answer);
                    async move {
                        let (head, body) = request.into_parts();
                        let body = body.collect().await.map_err(io::Error::other)?;
                        let request = Request::from_parts(head, body.to_bytes());
                        answer(request).await.map(|answer| answer.map(Full::new))
                    }
                });
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(client), service);
                // It may end in an error: that is how replies are lost.
                connections.spawn(async move { drop(connection.await) });
            }
        });
        Self {
            address,
            _taking: taking,
        }
    }
}
