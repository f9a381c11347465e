//! Clients that hang up at any point.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::stream;
use http::{HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use monetization_conformance::size;
use monetization_core::entropy::Entropy;
use monetization_core::ids::RecordId;
use monetization_core::store::Ledger;
use monetization_core::usage::Ending;
use monetization_gateway_tower::Forward;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tower::Service;

use crate::sockets::{Dice, Server};
use crate::support::{Broken, Setting, TestBody, World};

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
    let clients: u64 = size(1_000, 10_000);
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
