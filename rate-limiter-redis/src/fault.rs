//! Why the server did not decide.

use std::error::Error as _;
use std::io;
use std::sync::Arc;

use redis::{ErrorKind, RedisError, ServerErrorKind};
use thiserror::Error;

/// Why a call was not decided by the server.
///
/// All but [`Foreign`](Self::Foreign) concern every holder: after the first call that finds out (of slow answers three in a
/// row) no other waits, until a probe is answered in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Away {
    /// There is no connection, or it broke.
    #[error("no connection to the server")]
    Disconnected,
    /// Asked for by `rediss://`, it could not prove who it is, or does not speak TLS.
    #[error("server has no certificate that is trusted, or speaks no TLS")]
    Untrusted,
    /// No answer came within the budget. What was asked may have been counted all the same.
    #[error("no answer within the budget")]
    Slow,
    /// The server is a replica, or was made one. The next probe connects anew, in case its name leads elsewhere by now.
    #[error("server is read-only")]
    ReadOnly,
    /// The server has no memory left to count in, and does not make room by forgetting.
    #[error("server is out of memory")]
    OutOfMemory,
    /// The server is reading its data after a start.
    #[error("server is loading its data")]
    Loading,
    /// The server does not let us do what is needed: a password or a right is missing.
    #[error("server refuses this client")]
    Forbidden,
    /// The server answered with another error. What it says is not kept: it may repeat what was asked.
    #[error("server failed")]
    Failed,
    /// What is under the holder's key is not ours. Other holders are not concerned.
    #[error("key of the holder keeps something else")]
    Foreign,
    /// An answer was not to what had been asked. The connection was closed.
    #[error("answer does not fit what was asked")]
    Misfit,
}

impl Away {
    /// Whether all holders are concerned, so that it makes no sense to ask for the next one.
    pub(crate) const fn concerns_all(self) -> bool {
        !matches!(self, Self::Foreign)
    }

    /// Whether the connection is of no more use.
    pub(crate) const fn ends_connection(self) -> bool {
        matches!(self, Self::Disconnected | Self::Misfit)
    }
}

impl From<&RedisError> for Away {
    fn from(error: &RedisError) -> Self {
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::ReadOnly) => Self::ReadOnly,
            ErrorKind::Server(ServerErrorKind::BusyLoading) => Self::Loading,
            ErrorKind::Server(ServerErrorKind::NoPerm) | ErrorKind::AuthenticationFailed => {
                Self::Forbidden
            }
            ErrorKind::Server(_) | ErrorKind::Extension => by_code(error),
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType => Self::Misfit,
            _ if error.is_timeout() => Self::Slow,
            ErrorKind::Io if is_about_tls(error) => Self::Untrusted,
            _ => Self::Disconnected,
        }
    }
}

/// What the client hands on of TLS is invalid data, in a box of its own.
fn is_about_tls(error: &RedisError) -> bool {
    type Boxed = Arc<dyn std::error::Error + Send + Sync>;
    error
        .source()
        .and_then(|source| source.downcast_ref::<Boxed>())
        .and_then(|boxed| boxed.downcast_ref::<io::Error>())
        .is_some_and(|error| error.kind() == io::ErrorKind::InvalidData)
}

/// Older servers wrap what a command in a script says into an error of the script.
fn by_code(error: &RedisError) -> Away {
    let detail = error.detail().unwrap_or_default();
    let says = |word| error.code() == Some(word) || detail.contains(word);
    if says("WRONGTYPE") || says("FOREIGN") {
        Away::Foreign
    } else if says("OOM") {
        Away::OutOfMemory
    } else if says("READONLY") {
        Away::ReadOnly
    } else if says("LOADING") {
        Away::Loading
    } else if says("NOAUTH") || says("WRONGPASS") {
        Away::Forbidden
    } else {
        Away::Failed
    }
}
