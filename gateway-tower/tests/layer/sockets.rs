//! Real sockets, and chance that can be repeated.

use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use monetization_core::entropy::Entropy;
use monetization_gateway_tower::GatewayBody;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tower::Service;

use crate::support::TestBody;

/// Serves on a port of its own until the listener is dropped.
pub(crate) struct Server {
    pub(crate) address: std::net::SocketAddr,
    accepting: tokio::task::JoinHandle<()>,
    connections: Arc<tokio::sync::Mutex<JoinSet<()>>>,
}

impl Server {
    pub(crate) async fn start<S>(service: S) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<GatewayBody<TestBody>>>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(tokio::sync::Mutex::new(JoinSet::new()));
        let open = Arc::clone(&connections);
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = TowerToHyperService::new(service.clone());
                open.lock().await.spawn(async move {
                    let connection = http1::Builder::new()
                        .timer(TokioTimer::new())
                        .serve_connection(TokioIo::new(stream), service);
                    // Clients that hang up are what is tried here.
                    drop(connection.await);
                });
            }
        });
        Self {
            address,
            accepting,
            connections,
        }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends raw bytes and reads all that comes until the server closes.
    pub(crate) async fn exchange(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = self.connect().await;
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        // A reset is an end, too.
        drop(stream.read_to_end(&mut answer).await);
        answer
    }

    /// Waits until every connection is closed.
    pub(crate) async fn finish(self) {
        self.accepting.abort();
        let mut connections = self.connections.lock().await;
        while connections.join_next().await.is_some() {}
    }
}

pub(crate) struct Dice(pub(crate) Entropy);

impl Dice {
    pub(crate) fn below(&self, end: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        usize::try_from(u64::from_be_bytes(bytes) % u64::try_from(end).unwrap()).unwrap()
    }

    pub(crate) fn pick<'a>(&self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}
