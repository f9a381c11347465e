use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// One connection, one call at a time, nothing sent twice.
#[derive(Debug)]
pub(crate) struct Connection(SendRequest<Full<Bytes>>);

/// An answer that was received to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    #[cfg_attr(
        not(feature = "postgres"),
        expect(dead_code, reason = "asked for beside a server of PostgreSQL's")
    )]
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Connection {
    /// `None` where nobody listens.
    pub(crate) async fn open(address: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(address).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.ok()?;
        tokio::spawn(connection);
        Some(Self(sender))
    }

    /// `None` where the answer was not received to its end: the connection is of no use then.
    pub(crate) async fn send(&mut self, mut request: Request<Full<Bytes>>) -> Option<Answer> {
        request
            .headers_mut()
            .insert(HOST, "gateway".parse().unwrap());
        self.0.ready().await.ok()?;
        let response = self.0.send_request(request).await.ok()?;
        let (head, body) = response.into_parts();
        Some(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.collect().await.ok()?.to_bytes(),
        })
    }
}

/// The control plane, asked as the platform's owner.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
}

impl Api {
    /// The body of a good answer.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: Value) -> Value {
        let answer = self.try_to(method, path, body).await;
        let text = String::from_utf8_lossy(&answer.body);
        assert!(
            (200..300).contains(&answer.status),
            "{path}: {} {text}",
            answer.status
        );
        serde_json::from_str(&text).unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        self.ask(Method::POST, path, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.ask(Method::GET, path, Value::Null).await
    }

    /// The answer, whatever it is.
    pub(crate) async fn try_to(&self, method: Method, path: &str, body: Value) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(AUTHORIZATION, format!("Bearer {}", self.token));
        let bytes = match body {
            Value::Null => Bytes::new(),
            body => {
                request = request.header(CONTENT_TYPE, "application/json");
                Bytes::from(body.to_string())
            }
        };
        let mut connection = Connection::open(self.address).await.unwrap();
        connection
            .send(request.body(Full::new(bytes)).unwrap())
            .await
            .unwrap()
    }
}
