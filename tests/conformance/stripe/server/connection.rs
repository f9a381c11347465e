//! Connections, each kept as long as its client wants.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::{Shared, answering, control};
use crate::stripe::fake;

/// What is sent back. Where it ends in an error, so does the connection.
pub(super) type Sent = Response<BoxBody<Bytes, io::Error>>;

const BODY_MAX: usize = 1 << 20;

/// Takes connections until it is aborted, and ends them with itself.
pub(super) async fn take(socket: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            taken = socket.accept() => {
                // A client that has gone again already is none.
                let Ok((client, _)) = taken else { continue };
                connections.spawn(serve(client, Arc::clone(&shared)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(client: TcpStream, shared: Arc<Shared>) {
    let service = service_fn(|request| answer(request, Arc::clone(&shared)));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(client), service);
    // That a connection ends in an error is what some faults are.
    drop(connection.await);
}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> io::Result<Sent> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY_MAX).collect().await;
    let body = body.map_err(io::Error::other)?.to_bytes();
    let headers = head.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        (name.as_str().to_owned(), value.into_owned())
    });
    let request = fake::Request {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: headers.collect(),
        body: body.to_vec(),
    };
    if request.path.starts_with("/v1/") || request.path.starts_with("/v2/") {
        answering::answer(&shared, request).await
    } else {
        control::answer(&shared, &request).await
    }
}
