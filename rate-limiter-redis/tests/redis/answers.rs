//! Whose answers calls get.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use monetization_conformance::sample::Sample;
use monetization_conformance::{seed, size_in_ci};
use monetization_rate_limiter::Window;
use monetization_rate_limiter_redis::{
    Ask, Away, By, Outcome, RedisLimiter, SharedLimits, WhenAway,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::machine::{address, calendar, clock, holder, namespace, nodes, options, wait_until};

const HOLDERS: u64 = 40;
const MAX: u64 = 1 << 50;

/// Each holder has taken another number of millions, so that an answer shows whose it is.
const APART: u64 = 1_000_000;

fn used(outcome: &Outcome) -> u64 {
    MAX - outcome.decision().unwrap().standings()[0].remaining()
}

#[tokio::test]
#[ignore = "needs Redis: scripts/test.sh starts one"]
async fn calls_that_are_given_up_leave_no_answer_to_others_r_q6() {
    let (namespace, sample) = (namespace(), Sample::seeded(seed()));
    let (node, limits) = (
        nodes(1, namespace).await.remove(0),
        calendar(Window::Year, MAX),
    );
    let holders: Vec<_> = (0..HOLDERS).map(|id| holder(namespace, id)).collect();
    for (holder, id) in holders.iter().zip(0..) {
        assert!(
            node.take(holder, &Ask::new(&limits).weighing(id * APART))
                .await
                .is_allowed()
        );
    }
    // Every tenth holder's key is made into something else.
    let foreign_keys: Vec<&str> = holders
        .iter()
        .step_by(10)
        .map(|it| it.key().as_str())
        .collect();
    let mut connection = make_foreign(&foreign_keys);
    let (mut given_up, mut answered, mut foreign) = (0_u64, 0_u64, 0_u64);
    for round in 0..size_in_ci(500, 2_000, 10_000_u64) {
        let calls = (0..10).map(|_| {
            let id = sample.below(HOLDERS);
            let patience = Duration::from_micros(sample.below(300));
            let (holder, ask) = (&holders[usize::try_from(id).unwrap()], Ask::new(&limits));
            let node = &node;
            async move {
                (
                    id,
                    tokio::time::timeout(patience, node.take(holder, &ask)).await,
                )
            }
        });
        for (id, outcome) in futures::future::join_all(calls).await {
            match outcome {
                Err(_) => given_up += 1,
                Ok(Outcome::Decided {
                    by: By::Share { away, .. },
                    ..
                }) => {
                    assert_eq!((away, id % 10), (Away::Foreign, 0), "holder {id}");
                    foreign += 1;
                }
                Ok(outcome) => {
                    let used = used(&outcome);
                    assert!(
                        used >= id * APART && used - id * APART <= 10 * (round + 1),
                        "holder {id}: {used}"
                    );
                    answered += 1;
                }
            }
        }
    }
    println!("{given_up} given up, {answered} answered, {foreign} with a foreign key");
    assert!(given_up > 100 && answered > 100 && foreign > 10);
    redis::cmd("DEL")
        .arg(foreign_keys)
        .exec(&mut connection)
        .unwrap();
}

/// Puts lists and texts where counters were.
fn make_foreign(keys: &[&str]) -> redis::Connection {
    let mut connection = redis::Client::open(address())
        .unwrap()
        .get_connection()
        .unwrap();
    for (key, at) in keys.iter().zip(0..) {
        let mut made = redis::pipe();
        made.del(key);
        if at % 2 == 0 {
            made.rpush(key, "foreign");
        } else {
            made.set(key, "a text of somebody else's");
        }
        made.exec(&mut connection).unwrap();
    }
    connection
}

/// Between limiter and server, and puts an answer that nobody asked for before the next one when told.
struct Intruder {
    address: String,
    is_told: Arc<AtomicBool>,
}

impl Intruder {
    async fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = address().trim_start_matches("redis://").to_owned();
        let is_told = Arc::new(AtomicBool::new(false));
        let intruder = Self {
            address: format!("redis://{}", socket.local_addr().unwrap()),
            is_told: Arc::clone(&is_told),
        };
        tokio::spawn(async move {
            loop {
                let (client, _) = socket.accept().await.unwrap();
                let server = TcpStream::connect(&server).await.unwrap();
                tokio::spawn(intrude(client, server, Arc::clone(&is_told)));
            }
        });
        intruder
    }
}

async fn intrude(client: TcpStream, server: TcpStream, is_told: Arc<AtomicBool>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let asks = async move {
        drop(tokio::io::copy(&mut from_client, &mut to_server).await);
    };
    let answers = async move {
        let mut bytes = [0; 4_096];
        while let Ok(count @ 1..) = from_server.read(&mut bytes).await {
            if is_told.swap(false, Ordering::SeqCst) {
                let stray = b"*6\r\n$16\r\n0123456789abcdef\r\n:1\r\n:1800000000000000\r\n:1\r\n:1830297600000000\r\n:0\r\n";
                to_client.write_all(stray).await.unwrap();
            }
            if to_client.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(asks, answers);
}

#[tokio::test]
#[ignore = "needs Redis: scripts/test.sh starts one"]
async fn a_shifted_answer_closes_the_connection_and_reaches_nobody_r_q6() {
    let (intruder, namespace) = (Intruder::start().await, namespace());
    let node = RedisLimiter::start(options(&intruder.address, namespace), clock())
        .await
        .unwrap();
    let limits: SharedLimits = calendar(Window::Year, MAX);
    let holders: Vec<_> = (0..HOLDERS).map(|id| holder(namespace, id)).collect();
    for (holder, id) in holders.iter().zip(0..) {
        assert!(
            node.take(holder, &Ask::new(&limits).weighing(id * APART))
                .await
                .is_allowed()
        );
    }
    let mut misfits = 0;
    for round in 1..=size_in_ci(10, 20, 200_u64) {
        intruder.is_told.store(true, Ordering::SeqCst);
        let ask = Ask::new(&limits).when_away(WhenAway::Refuse);
        let calls = holders.iter().map(|holder| node.take(holder, &ask));
        for (outcome, id) in futures::future::join_all(calls)
            .await
            .into_iter()
            .zip(0_u64..)
        {
            match outcome {
                Outcome::Refused(away) => misfits += u64::from(away == Away::Misfit),
                outcome @ Outcome::Decided { .. } => {
                    let used = used(&outcome);
                    assert!(
                        used >= id * APART && used - id * APART <= round,
                        "holder {id}: {used}"
                    );
                }
            }
        }
        wait_until(|| node.away().is_none()).await;
    }
    println!("{misfits} answers did not fit");
    assert!(misfits > 0);
}
