//! Bytes on their way between two ends.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{End, Fate};

/// Makes the client's end see a reset as soon as it is dropped here.
pub(super) fn reset(client: &TcpStream) {
    // A socket that cannot be reset is gone already.
    client.set_zero_linger().unwrap_or(());
}

/// Passes on what comes from either end until the fate is met or both have come to their end.
/// Both are closed when this returns.
pub(super) async fn relay(
    mut client: TcpStream,
    mut server: TcpStream,
    fate: Fate,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    match fate {
        Fate::Pass | Fate::Delay(_) | Fate::Refuse => {
            let asks = pass(&mut from_client, &mut to_server);
            let answers = pass(&mut from_server, &mut to_client);
            tokio::try_join!(asks, answers)?;
        }
        Fate::Cut {
            towards: End::Server,
            bytes,
        } => {
            let answers = pass(&mut from_server, &mut to_client);
            tokio::select! {
                asked = pass_some(&mut from_client, &mut to_server, bytes) => asked?,
                answered = answers => answered?,
            }
        }
        Fate::Cut {
            towards: End::Client,
            bytes,
        } => {
            let asks = pass_on(&mut from_client, &mut to_server);
            tokio::select! {
                answered = pass_some(&mut from_server, &mut to_client, bytes) => answered?,
                asked = asks => asked?,
            }
        }
        Fate::DropReply => {
            let asks = pass_on(&mut from_client, &mut to_server);
            tokio::select! {
                begun = from_server.read_u8() => drop(begun?),
                asked = asks => asked?,
            }
        }
        Fate::HalfClose => {
            to_client.shutdown().await?;
            let mut unheard = tokio::io::sink();
            let answers = pass(&mut from_server, &mut unheard);
            tokio::try_join!(pass(&mut from_client, &mut to_server), answers)?;
        }
    }
    Ok(())
}

/// Passes everything on, and its end.
async fn pass(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    tokio::io::copy(from, to).await?;
    to.shutdown().await
}

/// Passes everything on, and its end; then waits for whatever else ends the connection.
async fn pass_on(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    pass(from, to).await?;
    std::future::pending().await
}

/// Passes at most so many bytes on.
async fn pass_some(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    bytes: u64,
) -> io::Result<()> {
    tokio::io::copy(&mut from.take(bytes), to).await?;
    to.flush().await
}
