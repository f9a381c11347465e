//! R-G5: many clients that take their time. Each is let go when its time is up, and meanwhile
//! others are served.

use std::net::SocketAddr;
use std::time::Duration;

use monetization_conformance::size;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::super::world::{World, free, metered};
use super::smuggling::billed;

const HEAD_WITHIN: Duration = Duration::from_secs(2);
const ANSWER_WITHIN: Duration = Duration::from_secs(4);
/// What a busy machine may take on top.
const SLACK: Duration = Duration::from_secs(10);

/// How a client is slow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slow {
    /// It says nothing.
    Silent,
    /// Its head comes byte by byte and never ends.
    Head,
    /// Its body comes byte by byte and never ends.
    Body,
    /// It was served, and stays.
    Idle,
}

const KINDS: [Slow; 4] = [Slow::Silent, Slow::Head, Slow::Body, Slow::Idle];
const STALL: Duration = Duration::from_secs(1);

/// A client that asks for more than the buffers on the way hold, and reads nothing of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_its_answer_unread_is_let_go_and_recorded_r_g5() {
    let world = World::with(|settings| settings.stall_timeout = STALL).await;
    let product = world.product("weather").await;
    let bought = world.buy(&world.plan(&product, metered("1")).await).await;
    let gateway = world.server().gateway_address();
    let mut stream = TcpStream::connect(gateway).await.unwrap();
    let key = &bought.key;
    let call = format!("GET /weather/long HTTP/1.1\r\nHost: g\r\nX-Api-Key: {key}\r\n\r\n");
    stream.write_all(call.as_bytes()).await.unwrap();
    let ended = async {
        while billed(&world, &bought.id).await == 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(STALL + SLACK, ended).await.expect("it is recorded");
    let mut taken = Vec::new();
    let end = timeout(SLACK, stream.read_to_end(&mut taken)).await;
    drop(end.expect("the connection is over"));
    assert!(taken.starts_with(b"HTTP/1.1 200 "), "it was served");
    assert!(taken.len() < 1 << 26, "and never got all of it");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_clients_are_let_go_in_time_and_keep_nobody_from_being_served_r_g5() {
    let world = World::with(|settings| {
        settings.head_timeout = HEAD_WITHIN;
        settings.upstream_timeout = ANSWER_WITHIN;
    })
    .await;
    let product = world.product("weather").await;
    let plan = world.plan(&product, free()).await;
    let key = world.buy(&plan).await.key;
    let gateway = world.server().gateway_address();
    let mut clients = JoinSet::new();
    for number in 0..size(200, 2_000) {
        let kind = KINDS[number % KINDS.len()];
        clients.spawn(be_slow(gateway, key.clone(), kind));
    }
    let mut served = 0;
    while let Some(ended) = {
        let within = Duration::from_secs(5);
        let call = timeout(within, world.call(&key, "/weather/now")).await;
        assert_eq!(call.expect("a call in good order waits").status, 200);
        served += 1;
        clients.join_next().await
    } {
        ended.unwrap();
    }
    println!("{served} calls were served meanwhile");
    let asked = world.upstream.asked().len();
    let idle = size(200, 2_000) / KINDS.len();
    assert_eq!(asked, served + idle, "a slow body is no call");
    world.end().await;
}

/// Goes on until the server closes.
async fn be_slow(gateway: SocketAddr, key: String, kind: Slow) {
    let mut stream = TcpStream::connect(gateway).await.unwrap();
    let head = format!("POST /weather/now HTTP/1.1\r\nHost: g\r\nX-Api-Key: {key}\r\n");
    let begin = match kind {
        Slow::Silent => String::new(),
        Slow::Head => head,
        Slow::Body => format!("{head}Content-Length: 100000\r\n\r\n"),
        Slow::Idle => format!("{head}Content-Length: 0\r\n\r\n"),
    };
    stream.write_all(begin.as_bytes()).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let mut answer = Vec::new();
    let trickling = async {
        let trickles = matches!(kind, Slow::Head | Slow::Body);
        while trickles && writing.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        std::future::pending::<()>().await;
    };
    let allowed = match kind {
        Slow::Body => ANSWER_WITHIN + HEAD_WITHIN,
        Slow::Silent | Slow::Head | Slow::Idle => HEAD_WITHIN,
    };
    let closed = async {
        tokio::select! {
            // A reset is an end, too.
            closed = reading.read_to_end(&mut answer) => drop(closed),
            () = trickling => {}
        }
    };
    let closed = timeout(allowed + SLACK, closed).await;
    assert!(closed.is_ok(), "{kind:?} is still connected");
    let is_served = answer.starts_with(b"HTTP/1.1 200 ");
    assert_eq!(is_served, kind == Slow::Idle, "{kind:?}");
}
