use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use monetization_conformance::size;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::dice::Dice;
use super::ledger::Books;
use super::load::{CallId, RESOURCES};
use super::market::{Market, PRODUCT};
use super::server::Home;
use super::upstream::Upstream;

const CLIENTS_AT_ONCE: u64 = 50;

/// R-M2. The upstream keeps calls waiting for a moment, so that clients also leave meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_the_upstream_saw_is_recorded_once() {
    let clients: u64 = size(1_000, 10_000);
    let upstream = Upstream::start().await;
    let mut home = Home::new(&[]);
    let server = home.start().await;
    let terms = json!({ "billing": "free", "currency": "USD", "cycle": "month" });
    let subscribers = usize::try_from(clients.div_ceil(u64::from(RESOURCES))).unwrap();
    let market = Market::open(&server.api, upstream.address, terms, subscribers).await;
    let market = Arc::new(market);
    let mut served_whole = Vec::new();
    for wave in 0..clients / CLIENTS_AT_ONCE {
        let mut under_way = JoinSet::new();
        for client in 0..CLIENTS_AT_ONCE {
            let number = wave * CLIENTS_AT_ONCE + client;
            let resource = u16::try_from(number % u64::from(RESOURCES)).unwrap();
            let subscription = usize::try_from(number / u64::from(RESOURCES)).unwrap();
            let id = call(subscription, resource);
            let key = market.subscriptions[subscription].key.clone();
            let dice = Dice::seeded(number);
            under_way.spawn(fickle_client(server.gateway, key, id, dice));
        }
        while let Some(id) = under_way.join_next().await {
            served_whole.extend(id.unwrap());
        }
    }
    server.terminate().await;

    let books = Books::audited(home.directory(), &market).await;
    let seen = upstream.seen();
    let mut recorded: BTreeMap<CallId, u64> = BTreeMap::new();
    for record in &books.records {
        // There is one call of each subscription and resource; the status may not be known.
        let id = call(record.subscription, record.resource);
        *recorded.entry(id).or_default() += 1;
        // A client may leave after its call was let through and before a byte of it was sent on.
        let is_for_nothing = record.status.is_none() && record.quantity == 0;
        assert!(
            seen.contains_key(&id) || is_for_nothing,
            "charged and not served: {record:?}"
        );
    }
    let (rows, served, whole) = (books.records.len(), seen.len(), served_whole.len());
    println!("{clients} clients: {served} calls served, {rows} recorded, {whole} received whole");
    assert!(
        recorded.values().all(|rows| *rows == 1),
        "something was recorded twice"
    );
    assert!(
        seen.values().all(|times| *times == 1),
        "something was served twice"
    );
    let dodged: Vec<_> = { seen.keys() }
        .filter(|id| !recorded.contains_key(id))
        .collect();
    assert_eq!(dodged, Vec::<&CallId>::new(), "served and not recorded");
    assert!(served_whole.iter().all(|id| seen.contains_key(id)));
    // The run is worth something: some left before they were served, some after, some stayed.
    let clients = usize::try_from(clients).unwrap();
    assert!(served < clients && whole < served && whole > clients / 10);
}

/// Sends a request or a part of it, reads the answer or a part of it, and hangs up in one way or
/// another. Answers its call if the whole answer was received.
pub(super) async fn fickle_client(
    gateway: SocketAddr,
    key: String,
    id: CallId,
    dice: Dice,
) -> Option<CallId> {
    let body = "b".repeat(usize::try_from([0, 500, 40_000][pick(&dice, 3)]).unwrap());
    let head = head(id, &key, dice.below(20), body.len());
    let whole = head.len() + body.len();
    let sent = match dice.below(6) {
        0 => pick(&dice, head.len()),
        1 => head.len() + pick(&dice, body.len() + 1),
        _ => whole,
    };
    let mut stream = TcpStream::connect(gateway).await.ok()?;
    if dice.below(3) == 0 {
        // It is gone at once when it goes, and whatever is on the way meets nobody.
        stream.set_zero_linger().unwrap();
    }
    let request = [head.as_bytes(), body.as_bytes()].concat();
    stream.write_all(&request[..sent]).await.ok()?;
    if sent < whole {
        return None;
    }
    if dice.below(8) == 0 {
        stream.shutdown().await.ok()?;
    }
    let read_max = match dice.below(4) {
        0 => 0,
        1 => pick(&dice, 400),
        2 => pick(&dice, 32_000),
        _ => usize::MAX,
    };
    read(&mut stream, read_max)
        .await
        .filter(|answer| is_whole(answer, id))
        .map(|_| id)
}

/// The head of a call that is the only one of its connection.
pub(super) fn head(id: CallId, key: &str, wait_ms: u64, body_bytes: usize) -> String {
    format!(
        "POST /{PRODUCT}/r{} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\
         X-API-Key: {key}\r\nX-Call: {id}\r\nX-Wait-Ms: {wait_ms}\r\n\
         Content-Length: {body_bytes}\r\n\r\n",
        id.resource
    )
}

async fn read(stream: &mut TcpStream, bytes_max: usize) -> Option<Vec<u8>> {
    let mut answer = Vec::new();
    let mut stream = stream.take(u64::try_from(bytes_max).unwrap());
    stream.read_to_end(&mut answer).await.ok()?;
    Some(answer)
}

/// Whether everything of a call's good answer has arrived, by its length or its last chunk.
pub(super) fn is_whole(answer: &[u8], id: CallId) -> bool {
    let answer = std::str::from_utf8(answer).unwrap();
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        return false;
    };
    if !head.starts_with(&format!("HTTP/1.1 {}", id.status)) {
        return false;
    }
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    match length {
        Some(length) => body.len() == length.parse::<usize>().unwrap(),
        None => body.ends_with("\r\n0\r\n\r\n"),
    }
}

fn call(subscription: usize, resource: u16) -> CallId {
    CallId {
        subscription,
        resource,
        status: 200,
    }
}

fn pick(dice: &Dice, end: usize) -> usize {
    usize::try_from(dice.below(u64::try_from(end).unwrap())).unwrap()
}
