//! R-G4: requests that two servers would read differently, over raw sockets. What lies hidden in
//! them never becomes a call, and what the upstream saw is what was billed.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use http::Method;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::super::world::{Text, World, metered};

/// Ways to say that a body comes in chunks, some of which only some servers understand. The first
/// [`PLAIN`] are one and the same to all.
const CHUNKED: [&str; 18] = [
    "Transfer-Encoding: chunked",
    "transfer-encoding: CHUNKED",
    "Transfer-Encoding:chunked",
    "Transfer-Encoding:\tchunked",
    "Transfer-Encoding: chunked ",
    "Transfer-Encoding : chunked",
    " Transfer-Encoding: chunked",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding: \"chunked\"",
    "Transfer-Encoding: chunked, identity",
    "Transfer-Encoding: identity, chunked",
    "Transfer-Encoding: chunked, chunked",
    "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "Transfer-Encoding:\r\n chunked",
    "X-Fold: x\r\n Transfer-Encoding: chunked",
    "Transfer-Encoding: \x0bchunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
];

const PLAIN: usize = 5;

/// Lengths of which `N` is where the hidden call ends.
const LENGTHS: [&str; 16] = [
    "Content-Length: 0\r\nContent-Length: N",
    "Content-Length: N\r\nContent-Length: 0",
    "Content-Length: N\r\nContent-Length: N",
    "Content-Length: N, N",
    "Content-Length: 0, N",
    "Content-Length: +N",
    "Content-Length: -1",
    "Content-Length: 0xN",
    "Content-Length: N N",
    "Content-Length: ",
    "Content-Length: 1e3",
    "Content-Length: 99999999999999999999",
    "Content-Length : N",
    "Content-Length\x0b: N",
    "Content-Length: 0\r\n N",
    "X-Fold: x\r\n Content-Length: N",
];

/// Bodies in chunks that are wrong, or look ended where they are not.
const CHUNKS: [&str; 12] = [
    "0x0\r\n\r\n",
    "+0\r\n\r\n",
    "-1\r\n\r\n",
    "\r\n0\r\n\r\n",
    "g\r\n\r\n",
    "5\nhello\n0\n\n",
    "5\r\nhelloXX0\r\n\r\n",
    "3\r\nhello\r\n0\r\n\r\n",
    "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "ffffffffffffffff\r\nhello\r\n0\r\n\r\n",
    "0;a=\"\r\n\r\n\"\r\n\r\n",
    "0\n\r\n\r\n",
];

/// Bodies in chunks that end as they should, with fields behind them that are no part of the head.
const ENDED: [&str; 3] = [
    "3\r\nabc\r\n0\r\n\r\n",
    "0\r\nContent-Length: 5\r\n\r\n",
    "0\r\nHost: elsewhere\r\nX-Api-Key: nobody\r\n\r\n",
];

/// Requests that ask to leave HTTP/1.1 before anybody has agreed, or come from before it.
const OTHERS: [&str; 9] = [
    "GET OUTER HTTP/1.1\r\nHEAD\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "GET OUTER HTTP/1.1\r\nHEAD\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
     HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    "GET OUTER HTTP/1.1\r\nHEAD\r\nUpgrade: websocket\r\n\r\n",
    "GET OUTER HTTP/1.0\r\nHEAD\r\n\r\n",
    "POST OUTER HTTP/1.0\r\nHEAD\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST OUTER HTTP/1.0\r\nHEAD\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n\
     0\r\n\r\n",
    "CONNECT gateway:80 HTTP/1.1\r\nHEAD\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "GET OUTER\r\n\r\n",
];

/// Every payload of a caller; `hidden` is a whole call of its own.
fn payloads(hidden: &str) -> Vec<String> {
    let mut payloads = Vec::new();
    let post = |framing: &str, body: &str| {
        format!("POST OUTER HTTP/1.1\r\nHEAD\r\n{framing}\r\n\r\n{body}")
    };
    let ended = format!("0\r\n\r\n{hidden}");
    let size = format!("{:x}\r\n", hidden.len());
    let chunk = format!("{size}{hidden}\r\n0\r\n\r\n");
    for (place, chunked) in CHUNKED.into_iter().enumerate() {
        for (length, body) in [(ended.len(), &ended), (size.len(), &chunk)] {
            let length = format!("Content-Length: {length}");
            payloads.push(post(&format!("{length}\r\n{chunked}"), body));
            payloads.push(post(&format!("{chunked}\r\n{length}"), body));
        }
        if place >= PLAIN {
            payloads.push(post(chunked, &ended));
        }
    }
    for lengths in LENGTHS {
        let framing = lengths.replace('N', &hidden.len().to_string());
        payloads.push(post(&framing, hidden));
    }
    for chunks in CHUNKS {
        payloads.push(post(CHUNKED[0], &format!("{chunks}{hidden}")));
    }
    payloads.extend(OTHERS.map(|other| format!("{other}{hidden}")));
    payloads
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_hidden_in_a_request_never_becomes_a_call_r_g4() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let plan = world.plan(&product, metered("1")).await;
    let gateway = world.server().gateway_address();
    let count = payloads("").len();
    let mut calls = Vec::new();
    for number in 0..count {
        let bought = world.buy(&plan).await;
        let head = format!("Host: gateway\r\nX-Api-Key: {}", bought.key);
        let hidden = format!("GET /weather/inner{number} HTTP/1.1\r\n{head}\r\n\r\n");
        let payload = payloads(&hidden)
            .swap_remove(number)
            .replace("OUTER", &format!("/weather/outer{number}"))
            .replace("HEAD", &head);
        calls.push((payload, bought.id));
    }
    let sent = stream::iter(&calls).map(|(payload, _)| send(gateway, payload));
    let answers: Vec<String> = sent.buffered(16).collect().await;

    let (mut served, mut found) = (0, String::new());
    for (number, (payload, subscription)) in calls.iter().enumerate() {
        let asked = world.upstream.asked();
        let times = |path: String| asked.iter().filter(|it| it.target.path() == path).count();
        let (outer, inner) = (
            times(format!("/outer{number}")),
            times(format!("/inner{number}")),
        );
        let billed = billed(&world, subscription).await;
        if inner > 0 || outer > 1 || billed != outer {
            let answer = &answers[number];
            writeln!(
                found,
                "{outer} served, {inner} hidden ones, {billed} billed: {payload:?}: {answer:?}"
            )
            .unwrap();
        }
        served += outer;
    }
    assert!(found.is_empty(), "{found}");
    // Some of them are only unusual, so that the rest is not refused for another reason.
    println!("{count} payloads, {served} served");
    assert!(count > 50 && served > 5 && served < count / 2);
    world.end().await;
}

/// A connection is kept for those who say plainly where their requests end.
#[tokio::test]
async fn plain_requests_on_one_connection_are_served_and_billed_each_r_g4() {
    let world = World::start().await;
    let product = world.product("weather").await;
    let bought = world.buy(&world.plan(&product, metered("1")).await).await;
    let head = format!("Host: gateway\r\nX-Api-Key: {}", bought.key);
    let get = format!("GET /weather/now HTTP/1.1\r\n{head}\r\n\r\n");
    let post = |framing: &str, body: &str| {
        format!("POST /weather/now HTTP/1.1\r\n{head}\r\n{framing}\r\n\r\n{body}")
    };
    let mut calls = format!("{get}{}", post("Content-Length: 3", "abc"));
    for chunked in &CHUNKED[..PLAIN] {
        for ended in ENDED {
            calls += &post(chunked, ended);
        }
    }
    calls += &get;
    let count = 3 + PLAIN * ENDED.len();
    let answer = send(world.server().gateway_address(), &calls).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), count, "{answer}");
    assert_eq!(world.upstream.asked().len(), count);
    assert_eq!(billed(&world, &bought.id).await, count);
}

/// Sends it, and reads until the server closes or has nothing more to say.
async fn send(gateway: SocketAddr, payload: &str) -> String {
    let mut stream = TcpStream::connect(gateway).await.unwrap();
    drop(stream.write_all(payload.as_bytes()).await);
    let mut answer = Vec::new();
    // Long enough for a call that was hidden to be served, too.
    let quiet = Duration::from_millis(500);
    while let Ok(Ok(1..)) = timeout(quiet, stream.read_buf(&mut answer)).await {}
    drop(stream.shutdown().await);
    let end = timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await;
    drop(end.expect("the server closes"));
    String::from_utf8_lossy(&answer).into_owned()
}

/// Calls at a dollar each.
pub(super) async fn billed(world: &World, subscription: &str) -> usize {
    let path = format!("/api/v1/subscriptions/{subscription}/usage");
    let statement = world.owner(Method::GET, &path, Value::Null).await.ok();
    let total = statement["total"]["amount"].text();
    total.strip_suffix(".00").unwrap().parse().unwrap()
}
