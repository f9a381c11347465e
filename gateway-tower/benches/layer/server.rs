//! Processor time of a whole server over loopback: what the layer adds to a call that has to be read
//! from a socket and written to one.
//!
//! Each side is a process of its own, this program started again, so that its processor time can be
//! told from that of the load.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use axum::body::Body;
use futures::future::join_all;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use monetization_conformance::bench::{Goal, Report, Row, median};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

use crate::added::{SIDES, Sides};

const IETF: &str = "server with the complete layer, IETF headers, against a bare server";
const KONG: &str = "server with the complete layer, Kong headers, against a bare server";
const ROUNDS: usize = 61;
const CONNECTIONS: usize = 16;
const CALLS: usize = 100;
/// Says to this program which side it is to serve.
const SIDE: &str = "MONETIZATION_BENCH_SIDE";

/// Serves one side and never returns, where this program was started for that.
pub(crate) fn serve_if_asked() {
    let Ok(side) = std::env::var(SIDE) else {
        return;
    };
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let Sides { key, routers } = Sides::new().await;
        let place = SIDES.iter().position(|known| *known == side).unwrap();
        let router = routers.into_iter().nth(place).unwrap();
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{} {key}", socket.local_addr().unwrap());
        axum::serve(socket, router).await.unwrap();
    });
}

pub(crate) fn run(report: &mut Report) {
    if !report.wants(IETF) && !report.wants(KONG) {
        return;
    }
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let [bare, governor, ietf, kong] = runtime.block_on(measure());
    println!(
        "a bare server takes {:.1} us of processor time a request, with tower_governor {:.1}",
        median(bare.clone()) / 1_000.0,
        median(governor) / 1_000.0
    );
    for (name, ours) in [(IETF, ietf), (KONG, kong)] {
        let rounds = [ours, bare.clone()];
        let unit = "ns of processor time a request";
        report.add(Row::of_rounds(name, rounds, unit, Goal::AtMost(1.15)));
    }
}

async fn measure() -> [Vec<f64>; 4] {
    let mut servers = Vec::new();
    for side in SIDES {
        servers.push(Server::start(side).await);
    }
    let mut figures: [Vec<f64>; 4] = Default::default();
    for round in 0..ROUNDS + 2 {
        for turn in 0..servers.len() {
            let side = (round + turn) % servers.len();
            let figure = servers[side].turn().await;
            if round >= 2 {
                figures[side].push(figure);
            }
        }
    }
    figures
}

/// A side in its process, with open connections to it. Gone when it is dropped.
struct Server {
    process: Child,
    key: String,
    connections: Vec<SendRequest<Body>>,
}

impl Server {
    async fn start(side: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .env(SIDE, side)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(process.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        let (address, key) = line.trim().split_once(' ').unwrap();
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            let stream = TcpStream::connect(address).await.unwrap();
            let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
            drop(tokio::spawn(connection));
            connections.push(sender);
        }
        Self {
            process,
            key: key.to_owned(),
            connections,
        }
    }

    /// Nanoseconds of the server's processor time a request.
    async fn turn(&mut self) -> f64 {
        let before = self.processor_time();
        let key = &self.key;
        join_all(
            self.connections
                .iter_mut()
                .map(|connection| calls(connection, key)),
        )
        .await;
        (self.processor_time() - before) as f64 / (CONNECTIONS * CALLS) as f64
    }

    fn processor_time(&self) -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.process.id())).unwrap();
        let of_task = |task: fs::DirEntry| {
            let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            let running = text.split(' ').next().unwrap_or_default();
            running.parse::<u64>().unwrap_or_default()
        };
        tasks.map(|task| of_task(task.unwrap())).sum()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended already is as good.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

async fn calls(connection: &mut SendRequest<Body>, key: &str) {
    for _ in 0..CALLS {
        let request = Request::get("/today").header("host", "api.example");
        let request = request
            .header("user-agent", "bench/1.0")
            .header("accept", "*/*")
            .header("x-api-key", key);
        connection.ready().await.unwrap();
        let request = request.body(Body::empty()).unwrap();
        let response = connection.send_request(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.into_body().collect().await.unwrap();
    }
}
