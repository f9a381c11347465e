//! Serves HTTP/1.1 on a socket, with bounds on what a client may hold up.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutWriter;
use tower::Service;

use crate::task::Task;

/// Connections that may wait to be taken: as many as Linux allows unless told otherwise. One that finds
/// no place among them tries again only after seconds.
const BACKLOG: u32 = 4_096;

/// A socket that listens, and where.
///
/// # Errors
/// Where the address is taken, or not of this machine.
pub(crate) fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A server that is started again need not wait for the connections of the one before.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let socket = socket.listen(BACKLOG)?;
    let bound = socket.local_addr()?;
    Ok((socket, bound))
}

/// What a client may hold up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// For how long it may take to send the head of a request, or send nothing at all.
    pub(crate) head_within: Duration,
    /// For how long it may take nothing of an answer.
    pub(crate) unread_within: Duration,
    /// Bytes of the head of a request; more is answered with 431.
    pub(crate) head_bytes_max: usize,
    /// Connections at once; further ones wait to be taken.
    pub(crate) connections_max: usize,
    /// For how long calls that are under way may take once the server is stopping.
    pub(crate) drain_within: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            head_within: Duration::from_secs(10),
            unread_within: Duration::from_secs(30),
            head_bytes_max: 64 * 1024,
            connections_max: 10_000,
            drain_within: Duration::from_secs(7),
        }
    }
}

/// A socket that is served until it is told to stop.
#[derive(Debug)]
pub(crate) struct Listener {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: Task,
}

impl Listener {
    /// Begins to serve.
    ///
    /// # Errors
    /// Where the socket does not say its address.
    pub(crate) fn start<S, B>(socket: TcpListener, service: S, bounds: Bounds) -> io::Result<Self>
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let address = socket.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let serving = Task::spawn(serve(socket, service, bounds, stopped));
        Ok(Self {
            address,
            stop,
            serving,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the socket, and is done when the calls that were under way are, or their time is up.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        self.serving.end().await;
    }
}

async fn serve<S, B>(
    socket: TcpListener,
    service: S,
    bounds: Bounds,
    mut stopped: watch::Receiver<bool>,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(bounds.connections_max));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&socket, &places) => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            _ = stopped.wait_for(|stopped| *stopped) => break,
        };
        let Some((stream, place)) = accepted else {
            continue;
        };
        let mut stream = TimeoutWriter::new(stream);
        stream.set_timeout(Some(bounds.unread_within));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(bounds.head_within)
            .max_buf_size(bounds.head_bytes_max)
            .serve_connection(
                TokioIo::new(Box::pin(stream)),
                TowerToHyperService::new(service.clone()),
            );
        let watched = graceful.watch(connection);
        connections.spawn(async move {
            // A client that breaks off is no failure of ours.
            drop(watched.await);
            drop(place);
        });
    }
    drop(socket);
    let drained = tokio::time::timeout(bounds.drain_within, graceful.shutdown()).await;
    if drained.is_err() {
        connections.abort_all();
    }
    while connections.join_next().await.is_some() {}
}

/// The next connection and its place. `None` where there is none now, which goes by.
async fn accept(
    socket: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match socket.accept().await {
        Ok((stream, _)) => {
            // Answers are small and complete: waiting to fill packets only makes them late.
            drop(stream.set_nodelay(true));
            Some((stream, place))
        }
        Err(error) => {
            crate::report::failure("take a connection", &error);
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}
