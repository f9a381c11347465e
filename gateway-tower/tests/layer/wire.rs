//! Over real sockets: R-G1, R-G2, R-G7, R-M2.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use monetization_core::entropy::Entropy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::sockets::{Dice, Server};
use crate::support::{Broken, Gate, Setting, TestBody, Upstream, World, send, whole};

type Seen = Arc<Mutex<Vec<HeaderMap>>>;

fn echo() -> (Seen, impl Upstream<Incoming>) {
    let seen = Seen::default();
    let sink = Arc::clone(&seen);
    let service = tower::service_fn(move |request: Request<Incoming>| {
        sink.lock().unwrap().push(request.headers().clone());
        async { Ok(Response::new(whole("ok"))) }
    });
    (seen, service)
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
