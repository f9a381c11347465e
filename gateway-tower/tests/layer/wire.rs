//! Over real sockets: R-G1, R-G2, R-G7, R-M2.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use monetization_core::entropy::Entropy;
use monetization_core::ids::RecordId;
use monetization_core::usage::Ending;
use monetization_gateway_tower::{Forward, GatewayBody};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tower::Service;

use crate::support::{Broken, Gate, Setting, TestBody, World, send, whole};

/// Serves on a port of its own until the listener is dropped.
struct Server {
    address: std::net::SocketAddr,
    accepting: tokio::task::JoinHandle<()>,
    connections: Arc<tokio::sync::Mutex<JoinSet<()>>>,
}

impl Server {
    async fn start<S>(service: S) -> Self
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

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends raw bytes and reads all that comes until the server closes.
    async fn exchange(&self, request: &[u8]) -> Vec<u8> {
        let mut stream = self.connect().await;
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        // A reset is an end, too.
        drop(stream.read_to_end(&mut answer).await);
        answer
    }

    /// Waits until every connection is closed.
    async fn finish(self) {
        self.accepting.abort();
        let mut connections = self.connections.lock().await;
        while connections.join_next().await.is_some() {}
    }
}

type Seen = Arc<Mutex<Vec<HeaderMap>>>;

fn echo() -> (
    Seen,
    impl Service<
        Request<Incoming>,
        Response = Response<TestBody>,
        Error = Infallible,
        Future: Send + 'static,
    > + Clone
    + Send
    + 'static,
) {
    let seen = Seen::default();
    let sink = Arc::clone(&seen);
    let service = tower::service_fn(move |request: Request<Incoming>| {
        sink.lock().unwrap().push(request.headers().clone());
        async { Ok(Response::new(whole("ok"))) }
    });
    (seen, service)
}

struct Dice(Entropy);

impl Dice {
    fn below(&self, end: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        usize::try_from(u64::from_be_bytes(bytes) % u64::try_from(end).unwrap()).unwrap()
    }

    fn pick<'a>(&self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// How careless servers read a header's name.
fn read_carelessly(name: &HeaderName) -> String {
    name.as_str()
        .replace(|letter: char| !letter.is_ascii_alphanumeric(), "-")
}

/// A request with names of headers that only we may send, written in some way.
fn forged(dice: &Dice, key: &str) -> String {
    let names = [
        "x-consumer-id",
        "x-consumer-custom-id",
        "x-consumer-username",
        "x-consumer-groups",
        "x-credential-identifier",
        "x-credential-x",
        "x-anonymous-consumer",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "forwarded",
        "proxy-authorization",
    ];
    let mut lines: Vec<String> = (0..=dice.below(3))
        .map(|_| {
            let letters = dice.pick(&names).chars();
            let variant: String = letters
                .map(|letter| match letter {
                    '-' => dice.pick(&["-", "_", "-", "."]).chars().next().unwrap(),
                    letter if dice.below(2) == 0 => letter.to_ascii_uppercase(),
                    letter => letter,
                })
                .collect();
            format!("{variant}: forged\r\n")
        })
        .collect();
    let place = dice.below(lines.len() + 1);
    lines.insert(place, format!("X-API-Key: {key}\r\n"));
    format!(
        "GET /weather/ HTTP/1.1\r\nHost: a\r\n{}\r\n",
        lines.concat()
    )
}

#[tokio::test]
async fn two_thousand_forged_headers_never_reach_the_upstream_r_g1() {
    let world = World::start(Setting::default()).await;
    let (seen, service) = echo();
    let server = Server::start(world.layer(world.background(), service)).await;
    let dice = Dice(Entropy::seeded(11));
    let mut requests: String = (0..2_000).map(|_| forged(&dice, &world.key)).collect();
    requests.push_str("GET /weather/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let (mut reader, mut writer) = server.connect().await.into_split();
    let reading = tokio::spawn(async move {
        let mut answers = Vec::new();
        reader.read_to_end(&mut answers).await.unwrap();
        answers
    });
    writer.write_all(requests.as_bytes()).await.unwrap();
    let answers = String::from_utf8(reading.await.unwrap()).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2_000);

    let consumer = world.subscription.consumer.to_string();
    let ours = [
        ("x-consumer-custom-id", "user-17"),
        ("x-consumer-id", consumer.as_str()),
        ("x-consumer-username", "ada"),
    ];
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 2_000);
    for headers in &*seen {
        let mut reserved: Vec<(String, &str)> = headers
            .iter()
            .map(|(name, value)| (read_carelessly(name), value.to_str().unwrap()))
            .filter(|(name, _)| name != "host")
            .collect();
        reserved.sort_unstable();
        let reserved: Vec<(&str, &str)> = reserved
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
            .collect();
        assert_eq!(reserved, ours);
    }
}

#[tokio::test]
async fn no_connection_header_takes_off_what_we_add_r_g2() {
    let world = World::start(Setting::default()).await;
    let seen: Arc<Mutex<Vec<HeaderMap>>> = Arc::default();
    let sink = Arc::clone(&seen);
    let service = tower::service_fn(move |request: Request<TestBody>| {
        sink.lock().unwrap().push(request.headers().clone());
        async { Ok::<_, Infallible>(Response::new(whole("ok"))) }
    });
    let service = world.layer(world.background(), service);
    let added = [
        "x-consumer-id",
        "x-consumer-custom-id",
        "x-consumer-username",
    ];
    for name in added {
        let upper = name.to_ascii_uppercase();
        let forms: [&[(&'static str, String)]; 10] = [
            &[("connection", name.into())],
            &[("connection", upper.clone())],
            &[("connection", format!("close, {name}"))],
            &[("connection", format!("{name}, x-hop"))],
            &[("connection", format!(" ,, {name} ,"))],
            &[("connection", format!("x-hop,\t{upper}"))],
            &[
                ("connection", "keep-alive".into()),
                ("connection", name.into()),
            ],
            &[
                ("proxy-connection", name.into()),
                ("connection", "x-hop".into()),
            ],
            &[("connection", added.join(", "))],
            &[
                ("connection", format!("{name}, connection")),
                ("keep-alive", name.into()),
            ],
        ];
        for form in forms {
            let mut request = world.get("/");
            let headers = request.headers_mut();
            headers.insert(
                HeaderName::from_static(name),
                HeaderValue::from_static("forged"),
            );
            headers.insert("x-hop", HeaderValue::from_static("1"));
            for (header, value) in form {
                headers.append(*header, HeaderValue::from_str(value).unwrap());
            }
            assert_eq!(send(&service, request).await.status, 200, "{form:?}");
            let headers = seen.lock().unwrap().pop().unwrap();
            for name in added {
                assert_eq!(headers.get_all(name).iter().count(), 1, "{form:?}");
                assert_ne!(headers[name], "forged", "{form:?}");
            }
            let lists_hop = form.iter().any(|(_, value)| value.contains("x-hop"));
            assert_eq!(headers.contains_key("x-hop"), !lists_hop, "{form:?}");
            for gone in ["connection", "proxy-connection", "keep-alive"] {
                assert!(!headers.contains_key(gone), "{gone} of {form:?}");
            }
        }
    }
    let mut request = world.get("/");
    request.headers_mut().insert(
        "te",
        HeaderValue::from_static("gzip, trailers;q=1, Trailers"),
    );
    assert_eq!(send(&service, request).await.status, 200);
    assert_eq!(seen.lock().unwrap().pop().unwrap()["te"], "trailers");
}

#[tokio::test]
async fn heads_that_are_too_large_or_no_text_are_refused_and_cost_nothing_r_g7() {
    let world = World::start(Setting::default()).await;
    let (seen, service) = echo();
    let server = Server::start(world.layer(world.background(), service)).await;
    let key = &world.key;
    let head = |path: &[u8], extra: &[u8]| {
        let mut request = b"GET ".to_vec();
        request.extend_from_slice(path);
        request.extend_from_slice(b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-API-Key: ");
        request.extend_from_slice(key.as_bytes());
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(extra);
        request.extend_from_slice(b"\r\n");
        request
    };
    let many: String = (0..120).map(|number| format!("a{number}: 1\r\n")).collect();
    let large = format!("a: {}\r\n", "x".repeat(600 * 1024));
    let path = b"/weather/".as_slice();
    let table: [(Vec<u8>, &str); 8] = [
        (head(path, b""), "HTTP/1.1 200"),
        (head(path, many.as_bytes()), "HTTP/1.1 431"),
        (head(path, large.as_bytes()), "HTTP/1.1 431"),
        (head(path, b"x-\xffname: 1\r\n"), "HTTP/1.1 400"),
        (head("/w\u{e9}ather/".as_bytes(), b""), "HTTP/1.1 400"),
        (head(b"/weather/\xff", b""), "HTTP/1.1 400"),
        (head(b"http://b/weather/", b""), "HTTP/1.1 400"),
        (head(path, b"Host: b\r\n"), "HTTP/1.1 400"),
    ];
    for (request, expected) in table {
        let answer = server.exchange(&request).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with(expected), "{expected}: {answer}");
    }
    assert_eq!(seen.lock().unwrap().len(), 1);
    assert_eq!(world.records().await.len(), 1);
}

#[tokio::test]
async fn an_answer_that_is_held_back_breaks_off_on_the_wire() {
    let world = World::start(Setting::default()).await;
    world.store.set(Gate::Refuses);
    for length in [None, Some(8)] {
        let service = tower::service_fn(move |_: Request<Incoming>| {
            let frame = || Ok::<_, Broken>(Frame::data(Bytes::from_static(b"part")));
            let frames = [frame(), frame()];
            let mut response = Response::new(StreamBody::new(stream::iter(frames)).boxed_unsync());
            if let Some(length) = length {
                response
                    .headers_mut()
                    .insert("content-length", HeaderValue::from(length));
            }
            async { Ok::<_, Infallible>(response) }
        });
        let server = Server::start(world.layer(world.options(), service)).await;
        let request = format!(
            "GET /weather/ HTTP/1.1\r\nHost: a\r\nX-API-Key: {}\r\n\r\n",
            world.key
        );
        let answer = String::from_utf8(server.exchange(request.as_bytes()).await).unwrap();
        // The server closes though nobody asked it to, and what came is no whole answer.
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        match length {
            Some(_) => assert_eq!(body, "part"),
            None => assert!(!body.ends_with("0\r\n\r\n"), "{body}"),
        }
    }
}

/// An upstream that answers in parts and keeps the ids of the calls it has seen.
fn in_parts(
    seen: &Arc<Mutex<BTreeSet<RecordId>>>,
) -> impl Service<
    Request<Incoming>,
    Response = Response<TestBody>,
    Error = Broken,
    Future: Send + 'static,
> + Clone
+ Send
+ 'static {
    let seen = Arc::clone(seen);
    tower::service_fn(move |request: Request<Incoming>| {
        let record = request.extensions().get::<Forward>().unwrap().record;
        assert!(seen.lock().unwrap().insert(record), "an id is given once");
        async move {
            let known = request.uri().path() == "/known";
            drop(
                request
                    .into_body()
                    .collect()
                    .await
                    .map_err(|_| Broken("cut off"))?,
            );
            tokio::task::yield_now().await;
            let parts = stream::unfold(0, |part| async move {
                tokio::task::yield_now().await;
                let frame = Frame::data(Bytes::from_static(&[b'x'; 3_000]));
                (part < 4).then_some((Ok::<_, Broken>(frame), part + 1))
            });
            let mut response = Response::new(StreamBody::new(parts).boxed_unsync());
            let headers = response.headers_mut();
            headers.insert(
                "x-record",
                HeaderValue::try_from(record.to_string()).unwrap(),
            );
            if known {
                headers.insert("content-length", HeaderValue::from(12_000));
            }
            Ok(response)
        }
    })
}

/// The id of a whole answer; `None` where it is not whole.
fn whole_answer(answer: &[u8]) -> Option<RecordId> {
    let answer = std::str::from_utf8(answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let is_whole = if head.contains("content-length: 12000") {
        body.len() == 12_000
    } else {
        body.ends_with("\r\n0\r\n\r\n")
    };
    let (_, id) = head.split_once("x-record: ")?;
    let id = id.lines().next()?.parse().ok()?;
    is_whole.then_some(id)
}

/// Sends a part of a request or all of it, reads a part of the answer or all of it, hangs up.
async fn fickle_client(address: std::net::SocketAddr, key: String, seed: u64) -> Option<RecordId> {
    let dice = Dice(Entropy::seeded(seed));
    let path = dice.pick(&["/weather/known", "/weather/unknown"]);
    let body = "b".repeat(dice.below(2) * 500);
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-API-Key: {key}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let sent = match dice.below(3) {
        0 => dice.below(request.len() + 1),
        _ => request.len(),
    };
    let mut read = match dice.below(3) {
        0 => usize::MAX,
        1 => dice.below(600),
        _ => dice.below(13_000),
    };
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&request.as_bytes()[..sent]).await.ok()?;
    if sent < request.len() {
        return None;
    }
    let mut answer = Vec::new();
    let mut buffer = vec![0; 4_096];
    while read > 0 {
        let room = read.min(buffer.len());
        let count = stream.read(&mut buffer[..room]).await.ok()?;
        if count == 0 {
            break;
        }
        answer.extend_from_slice(&buffer[..count]);
        read -= count;
    }
    whole_answer(&answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_hang_up_anywhere_dodge_no_record_r_m2() {
    let clients: u64 = match option_env!("FICKLE_CLIENTS") {
        Some(clients) => clients.parse().unwrap(),
        None => 1_000,
    };
    let world = Arc::new(World::start(Setting::default()).await);
    let seen = Arc::default();
    let service = world.layer(world.options(), in_parts(&seen));
    let server = Server::start(service).await;
    let mut whole = BTreeSet::new();
    for wave in 0..clients.div_ceil(50) {
        let mut under_way = JoinSet::new();
        for client in 0..50 {
            let seed = wave * 50 + client;
            let world = Arc::clone(&world);
            let address = server.address;
            under_way.spawn(async move {
                let id = fickle_client(address, world.key.clone(), seed).await?;
                // Whoever has the end of an answer is in the ledger already.
                use monetization_core::store::Ledger;
                let of = &world.subscription;
                let segment = of.segment_at(world.clock.now()).unwrap();
                let records = world
                    .memory
                    .records(of.tenant, segment.id, None, usize::MAX);
                let known = records.await.unwrap().iter().any(|record| record.id == id);
                assert!(known, "{id} is not in the ledger");
                Some(id)
            });
        }
        while let Some(client) = under_way.join_next().await {
            whole.extend(client.unwrap());
        }
    }
    server.finish().await;
    let records = world.records().await;
    let recorded: BTreeSet<RecordId> = records.iter().map(|record| record.id).collect();
    assert_eq!(records.len(), recorded.len());
    let seen = seen.lock().unwrap();
    assert_eq!(recorded, *seen);
    assert!(whole.is_subset(&recorded));
    // The run is worth something: some received all, some left at each stage.
    let ended = |ending| {
        let of = |record: &&monetization_core::usage::UsageRecord| {
            record
                .outcome
                .is_some_and(|outcome| outcome.ending == ending)
        };
        records.iter().filter(of).count()
    };
    assert!(whole.len() > 100 && seen.len() < usize::try_from(clients).unwrap());
    assert!(ended(Ending::Complete) >= whole.len());
    assert!(ended(Ending::ClientGone) > 0 || ended(Ending::NoAnswer) > 0);
}
