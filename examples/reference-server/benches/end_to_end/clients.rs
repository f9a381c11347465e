//! The load: clients that each send the next call once the last is answered.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use futures::future::join_all;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::peers::ANSWER;

/// Clients, and so connections.
pub(crate) const CLIENTS: usize = 64;
/// Calls of a client in one round.
const CALLS: usize = 100;

/// Open connections to one side.
pub(crate) struct Clients(Vec<Client>);

struct Client {
    connection: SendRequest<Empty<Bytes>>,
    key: String,
}

impl Clients {
    pub(crate) async fn connect(address: SocketAddr, keys: &[String]) -> Self {
        assert_eq!(keys.len(), CLIENTS);
        let mut clients = Vec::new();
        for key in keys {
            let stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
            drop(tokio::spawn(connection));
            clients.push(Client {
                connection: sender,
                key: key.clone(),
            });
        }
        Self(clients)
    }

    /// Requests a second of all clients together.
    pub(crate) async fn round(&mut self) -> f64 {
        let started = Instant::now();
        join_all(self.0.iter_mut().map(Client::calls)).await;
        (CLIENTS * CALLS) as f64 / started.elapsed().as_secs_f64()
    }
}

impl Client {
    async fn calls(&mut self) {
        for _ in 0..CALLS {
            let request = Request::get("/weather/today")
                .header("host", "api.example")
                .header("user-agent", "bench/1.0")
                .header("accept", "*/*")
                .header("x-api-key", &self.key);
            self.connection.ready().await.unwrap();
            let request = request.body(Empty::new()).unwrap();
            let response = self.connection.send_request(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            let body = response.into_body().collect().await.unwrap();
            assert_eq!(body.to_bytes(), ANSWER);
        }
    }
}
