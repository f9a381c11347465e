use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use tokio::net::TcpListener;

use super::super::caller::SOON;

/// Takes messages, refuses as many as it is told to, and keeps what it got.
#[derive(Clone, Default)]
pub(super) struct Receiver(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    refuses: VecDeque<StatusCode>,
    got: Vec<(HeaderMap, Bytes, StatusCode)>,
}

impl Receiver {
    /// Listens on a free port, or on this one; the first messages are answered so.
    pub(super) async fn start(
        at: SocketAddr,
        refuses: impl IntoIterator<Item = StatusCode>,
    ) -> (Self, SocketAddr) {
        let receiver = Self::default();
        receiver.0.lock().unwrap().refuses.extend(refuses);
        let socket = TcpListener::bind(at).await.unwrap();
        let address = socket.local_addr().unwrap();
        let router = Router::new()
            .route("/webhooks", post(take))
            .with_state(receiver.clone());
        tokio::spawn(axum::serve(socket, router).into_future());
        (receiver, address)
    }

    pub(super) fn got(&self) -> Vec<(HeaderMap, Bytes, StatusCode)> {
        self.0.lock().unwrap().got.clone()
    }

    /// The names of the messages that were taken, in the order in which they came.
    pub(super) fn taken(&self) -> Vec<String> {
        let taken = self.got().into_iter();
        let taken = taken.filter(|(_, _, status)| status.is_success());
        taken
            .map(|(headers, ..)| headers["webhook-id"].to_str().unwrap().to_owned())
            .collect()
    }

    /// Waits until so many were taken.
    pub(super) async fn until_taken(&self, many: usize) {
        let waited = tokio::time::timeout(SOON, async {
            while self.taken().len() < many {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        });
        waited.await.unwrap();
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let mut kept = receiver.0.lock().unwrap();
    let status = kept.refuses.pop_front().unwrap_or(StatusCode::NO_CONTENT);
    kept.got.push((headers, body, status));
    status
}

/// A free port of loopback.
pub(super) fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}
