//! A server on loopback that answers as it is told, and what tests need besides.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use monetization_core::engine::{Engine, EngineContext, IdempotencyKey};
use monetization_core::ids::{TenantId, TypedId};
use monetization_core::secret::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::StripeOptions;

pub(crate) const KEY: &str = "sk_test_canary6c1f";

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
    pub(crate) connection: usize,
}

impl Seen {
    /// Method, path and form, as one line.
    pub(crate) fn line(&self) -> String {
        format!("{} {} {}", self.method, self.path, self.body)
            .trim_end()
            .to_owned()
    }

    pub(crate) fn key(&self) -> Option<&str> {
        self.headers.get("idempotency-key").map(String::as_str)
    }
}

/// What becomes of a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Answer {
        status: u16,
        headers: Vec<(&'static str, &'static str)>,
        body: String,
    },
    /// The connection ends without an answer.
    Reset,
    /// No answer comes.
    Hang,
    /// Half of an answer comes.
    Half,
}

impl Reply {
    pub(crate) fn ok(body: impl Into<String>) -> Self {
        Self::answer(200, body)
    }

    pub(crate) fn answer(status: u16, body: impl Into<String>) -> Self {
        Self::Answer {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name, value));
        }
        self
    }

    pub(crate) fn missing() -> Self {
        let error = r#"{"error":{"type":"invalid_request_error","code":"resource_missing","message":"No such thing"}}"#;
        Self::answer(404, error)
    }

    /// An empty list.
    pub(crate) fn nothing() -> Self {
        Self::list(&[])
    }

    pub(crate) fn list(objects: &[&str]) -> Self {
        Self::ok(format!(
            r#"{{"object":"list","data":[{}],"has_more":false}}"#,
            objects.join(",")
        ))
    }
}

type Answering = Box<dyn FnMut(&Seen) -> Reply + Send>;

/// Stripe's place in a test.
pub(crate) struct Server {
    address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Answers each request as `answering` says.
    pub(crate) async fn start(answering: impl FnMut(&Seen) -> Reply + Send + 'static) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", socket.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let answering: Arc<Mutex<Answering>> = Arc::new(Mutex::new(Box::new(answering)));
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            for connection in 0.. {
                let (stream, _) = socket.accept().await.unwrap();
                let served = serve(stream, connection, Arc::clone(&log), Arc::clone(&answering));
                tokio::spawn(served);
            }
        });
        Self { address, seen }
    }

    /// Gives these answers one after the other, and none after them.
    pub(crate) async fn telling(replies: impl IntoIterator<Item = Reply>) -> Self {
        let mut replies: VecDeque<Reply> = replies.into_iter().collect();
        Self::start(move |_| replies.pop_front().unwrap_or(Reply::Reset)).await
    }

    pub(crate) fn options(&self) -> StripeOptions {
        StripeOptions {
            base_url: self.address.clone(),
            ..StripeOptions::default()
        }
    }

    pub(crate) fn engine(&self) -> Engine {
        crate::engine(&self.options()).unwrap()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The requests so far, a line each.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().iter().map(Seen::line).collect()
    }
}

async fn serve(
    mut stream: TcpStream,
    connection: usize,
    log: Arc<Mutex<Vec<Seen>>>,
    answering: Arc<Mutex<Answering>>,
) {
    while let Some(mut seen) = read(&mut stream).await {
        seen.connection = connection;
        let reply = (answering.lock().unwrap())(&seen);
        log.lock().unwrap().push(seen);
        let (status, headers, body) = match reply {
            Reply::Answer {
                status,
                headers,
                body,
            } => (status, headers, body),
            Reply::Reset => return,
            Reply::Hang => return std::future::pending().await,
            Reply::Half => {
                let half = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"id\":";
                stream.write_all(half.as_bytes()).await.unwrap();
                return;
            }
        };
        let mut head = format!(
            "HTTP/1.1 {status} Said\r\ncontent-length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let answer = format!("{head}\r\n{body}");
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}

async fn read(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ').map(str::to_owned);
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers: BTreeMap<String, String> = headers
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    while bytes.len() < head_end + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some(Seen {
        method: words.next()?,
        path: words.next()?,
        headers,
        body: String::from_utf8(bytes[head_end + 4..].to_vec()).unwrap(),
        connection: 0,
    })
}

pub(crate) fn cx(key: &str) -> EngineContext {
    EngineContext {
        tenant: TenantId::derived(&[b"t"]),
        credentials: Some(Secret::new(KEY)),
        account: None,
        key: IdempotencyKey::new(key),
        repeated: false,
        timeout: Duration::from_secs(10),
    }
}

/// The same, made for the second time.
pub(crate) fn again(key: &str) -> EngineContext {
    EngineContext {
        repeated: true,
        ..cx(key)
    }
}
