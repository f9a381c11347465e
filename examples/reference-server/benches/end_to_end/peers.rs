//! The upstream, and the bare reverse proxy before it.

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt;
use http::Uri;
use http::header::HOST;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;

/// What the upstream says to everything.
pub(crate) const ANSWER: &str =
    r#"{"city": "Rome", "sky": "clear", "celsius": 21, "wind": "SW 3"}"#;

/// Answers at once.
pub(crate) async fn upstream() {
    serve(Router::new().fallback(async || ANSWER)).await;
}

/// Forwards over pooled connections, and does nothing else.
pub(crate) async fn bare(upstream: SocketAddr) {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<_, Body> = Client::builder(TokioExecutor::new()).build(connector);
    let router = Router::new().fallback(forward);
    serve(router.with_state(Bare { client, upstream })).await;
}

#[derive(Clone)]
struct Bare {
    client: Client<HttpConnector, Body>,
    upstream: SocketAddr,
}

async fn forward(State(bare): State<Bare>, mut request: Request) -> Response {
    let path = request.uri().path_and_query().unwrap();
    let target = format!("http://{}{path}", bare.upstream);
    *request.uri_mut() = Uri::try_from(target).unwrap();
    request.headers_mut().remove(HOST);
    bare.client.request(request).await.unwrap().into_response()
}

async fn serve(router: Router) {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    println!("{}", socket.local_addr().unwrap());
    let socket = socket.tap_io(|stream| stream.set_nodelay(true).unwrap());
    axum::serve(socket, router).await.unwrap();
}
