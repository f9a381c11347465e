//! An upstream that tells what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, Uri};
use tokio::task::JoinHandle;

/// What was asked of it.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) target: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// Answers 200 and its name, or what the path asks for: `/status/503`, `/elsewhere`, `/slow`, `/long`.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    serving: JoinHandle<()>,
}

#[derive(Debug, Clone)]
struct Answering {
    name: &'static str,
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Upstream {
    pub(super) async fn start(name: &'static str) -> Self {
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let state = Answering {
            name,
            address,
            asked: Arc::clone(&asked),
        };
        let router = Router::new().fallback(answer).with_state(state);
        let serving = tokio::spawn(async move { axum::serve(socket, router).await.unwrap() });
        Self {
            address,
            asked,
            serving,
        }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(state): State<Answering>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // What never came to its end asks for nothing.
    let Ok(body) = axum::body::to_bytes(body, 1 << 26).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let path = parts.uri.path().to_owned();
    state.asked.lock().unwrap().push(Asked {
        target: parts.uri,
        headers: parts.headers,
        body: body.to_vec(),
    });
    if let Some(status) = path.strip_prefix("/status/") {
        return StatusCode::from_u16(status.parse().unwrap())
            .unwrap()
            .into_response();
    }
    match path.as_str() {
        "/elsewhere" => {
            let location = format!("http://{}/there?x=1", state.address);
            (StatusCode::FOUND, [("location", location)], "moved").into_response()
        }
        "/slow" => std::future::pending().await,
        // More than the buffers on the way hold.
        "/long" => vec![b'x'; 1 << 26].into_response(),
        "/echo" => body.into_response(),
        _ => state.name.into_response(),
    }
}
