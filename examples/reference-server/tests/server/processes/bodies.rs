//! R-G6: bodies that are longer than they say, or never end.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::super::world::{Bought, World, metered};

const BODY_MAX: u32 = 1_000_000;
const MIB: usize = 1 << 20;

async fn open() -> (World, Bought) {
    let world = World::with(|settings| {
        settings.request_bytes_max = BODY_MAX;
        settings.upstream_timeout = Duration::from_secs(10);
    })
    .await;
    let product = world.product("weather").await;
    let plan = world.plan(&product, metered("1")).await;
    let bought = world.buy(&plan).await;
    (world, bought)
}

/// A call with this framing.
fn head(bought: &Bought, framing: &str) -> String {
    let key = &bought.key;
    format!("POST /weather/now HTTP/1.1\r\nHost: g\r\nX-Api-Key: {key}\r\n{framing}\r\n\r\n")
}

/// Sends the head and then as many pieces as are taken; the answer, and the bytes that were taken.
async fn flood(world: &World, head: &str, piece: &[u8], bytes_max: usize) -> (String, usize) {
    let gateway = world.server().gateway_address();
    let mut stream = TcpStream::connect(gateway).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let sending = async {
        let mut taken = 0;
        while taken < bytes_max {
            let sent = timeout(Duration::from_secs(5), writing.write_all(piece)).await;
            match sent {
                Ok(Ok(())) => taken += piece.len(),
                Ok(Err(_)) | Err(_) => break,
            }
        }
        taken
    };
    let receiving = async {
        let mut answer = Vec::new();
        drop(timeout(Duration::from_secs(20), reading.read_to_end(&mut answer)).await);
        String::from_utf8_lossy(&answer).into_owned()
    };
    let (taken, answer) = tokio::join!(sending, receiving);
    (answer, taken)
}

async fn assert_nothing_is_owed(world: &World, bought: &Bought) {
    assert_eq!(world.upstream.asked().len(), 0, "a part of a call is none");
    let path = format!("/api/v1/subscriptions/{}/usage", bought.id);
    let statement = world.owner(Method::GET, &path, Value::Null).await.ok();
    assert_eq!(statement["total"]["amount"], json!("0.00"));
}

/// Sixteen clients at once send without an end: each is stopped, and none of it is kept.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_without_an_end_is_stopped_and_takes_no_memory_r_g6() {
    let (world, bought) = open().await;
    let head = head(&bought, "Transfer-Encoding: chunked");
    let piece = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
    let before = memory_at_most();
    let floods = (0..16).map(|_| flood(&world, &head, &piece, 200 * MIB));
    for (answer, taken) in futures::future::join_all(floods).await {
        // A client that only writes may be cut off before it reads its answer.
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 413 "),
            "{answer}"
        );
        // What was taken beyond the limit lies in the buffers of both sockets.
        assert!(taken < 20 * MIB, "{taken}");
    }
    let grown = memory_at_most() - before;
    println!("16 endless bodies took {} KiB", grown / 1_024);
    assert!(grown < 32 * MIB, "{grown}");
    assert_nothing_is_owed(&world, &bought).await;
}

/// Too much is refused before anything of it is read.
#[tokio::test]
async fn a_length_beyond_the_limit_is_refused_at_once_r_g6() {
    let (world, bought) = open().await;
    for length in [u64::from(BODY_MAX) + 1, u64::MAX >> 1, u64::MAX - 2] {
        let head = head(&bought, &format!("Content-Length: {length}"));
        let (answer, _) = flood(&world, &head, &[b'x'; 65_536], 50 * MIB).await;
        // Beyond any length there is, a request has no meaning.
        let status = if length < u64::MAX >> 1 { "413" } else { "4" };
        let expected = format!("HTTP/1.1 {status}");
        assert!(answer.starts_with(&expected), "{length}: {answer}");
    }
    assert_nothing_is_owed(&world, &bought).await;
}

/// A client that promises more than it sends, and goes.
#[tokio::test]
async fn a_body_shorter_than_its_length_is_no_call_r_g6() {
    let (world, bought) = open().await;
    let head = head(&bought, "Content-Length: 1000");
    let gateway = world.server().gateway_address();
    for part in [0, 1, 999] {
        let mut stream = TcpStream::connect(gateway).await.unwrap();
        let body = "x".repeat(part);
        let sent = format!("{head}{body}");
        stream.write_all(sent.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let closed = timeout(Duration::from_secs(5), read).await;
        assert!(closed.is_ok(), "{part}: it is still open");
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.contains("200 OK"), "{part}: {answer}");
    }
    assert_nothing_is_owed(&world, &bought).await;
}

/// A longer body than its length is another request, and no good one.
#[tokio::test]
async fn what_follows_a_body_is_no_part_of_it_r_g6() {
    let (world, bought) = open().await;
    let head = head(&bought, "Content-Length: 3");
    let (answer, _) = flood(&world, &head, b"abc and more\r\n\r\n", 1).await;
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 1, "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 400").count(), 1, "{answer}");
    let asked = world.upstream.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].body, b"abc");
}

/// The most that this process has had in memory, in bytes.
#[cfg(target_os = "linux")]
fn memory_at_most() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<usize>().unwrap() * 1_024
}
