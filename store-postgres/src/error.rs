//! What sqlx's errors mean to a caller of the store.
//!
//! Inside the crate everything fails with sqlx's error, in which the cause lies whole. It
//! becomes a [`StoreError`] in one place for each way out: a read, a write, the opening.

use monetization_core::store::{StoreError, StoreErrorKind};
use sqlx::Error;

/// What a failure before the commit means: nothing was written.
///
/// ```text
/// disk full, too many connections of the server's own      Full
/// unreachable, shutting down, read-only, timed out, ...     Unavailable
/// no connection is free                                     Unavailable
/// constraint, permission, missing table, decoding, ...      Broken
/// ```
pub(crate) fn failed(doing: &'static str, error: Error) -> StoreError {
    StoreError::new(kind(&error), doing).because(error)
}

/// What a failure of the commit itself means: unless the server has said that it undid the
/// transaction, it may have kept it.
pub(crate) fn commit_failed(doing: &'static str, error: Error) -> StoreError {
    let kind = if is_overtaken(&error) {
        StoreErrorKind::Unavailable
    } else {
        StoreErrorKind::Unknown
    };
    StoreError::new(kind, doing).because(error)
}

/// That what was read, or is to be written, makes no sense. It becomes
/// [`StoreErrorKind::Broken`].
pub(crate) fn senseless(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Decode(why.into())
}

/// That the database would do what it is asked, but not for this store as it stands. It becomes
/// [`StoreErrorKind::Unavailable`].
pub(crate) fn gone(why: &'static str) -> Error {
    Error::Io(std::io::Error::other(why))
}

/// Whether the server has undone the transaction so that another one can go on: the same is run
/// again.
///
/// A value that stands there already (`23505`) is no such reason: whoever meets one has overlooked
/// somebody, and would meet it again. Statements that may meet one say what to do (`ON CONFLICT`).
pub(crate) fn is_overtaken(error: &Error) -> bool {
    const SERIALIZATION_FAILURE: &str = "40001";
    const DEADLOCK_DETECTED: &str = "40P01";
    matches!(
        code(error).as_deref(),
        Some(SERIALIZATION_FAILURE | DEADLOCK_DETECTED)
    )
}

/// Whether others hold what was asked for, for longer than it was waited for.
pub(crate) fn is_locked(error: &Error) -> bool {
    code(error).as_deref() == Some(LOCK_NOT_AVAILABLE)
}

/// Whether a number that was added to does not fit its column any more.
pub(crate) fn is_overflow(error: &Error) -> bool {
    const OUT_OF_RANGE: &str = "22003";
    code(error).as_deref() == Some(OUT_OF_RANGE)
}

/// The server's word for what happened.
fn code(error: &Error) -> Option<String> {
    let code = error.as_database_error()?.code()?;
    Some(code.into_owned())
}

/// What a caller can make of it. Kinds that sqlx adds some day make no sense until looked at.
fn kind(error: &Error) -> StoreErrorKind {
    match error {
        Error::Database(error) => {
            let code = error.code();
            code.map_or(StoreErrorKind::Broken, |code| kind_of_code(&code))
        }
        Error::Io(_)
        | Error::Tls(_)
        | Error::Protocol(_)
        | Error::PoolTimedOut
        | Error::PoolClosed
        | Error::WorkerCrashed => StoreErrorKind::Unavailable,
        _ => StoreErrorKind::Broken,
    }
}

/// By the five characters of SQL's standard, of which the first two name the class:
///
/// | class | what it is | kind |
/// |---|---|---|
/// | `08` | connections | `Unavailable` |
/// | `40` | undone in favour of others | `Unavailable` |
/// | `53` | resources; `53100` is a full disk | `Unavailable`; `Full` |
/// | `57` | an operator: shutting down, cancelled, timed out | `Unavailable` |
/// | `58` | the system beneath the server | `Unavailable` |
/// | any other | a mistake of this program or in the data | `Broken` |
fn kind_of_code(code: &str) -> StoreErrorKind {
    const DISK_FULL: &str = "53100";
    const READ_ONLY: &str = "25006";
    const IDLE_TOO_LONG: &str = "25P03";
    match (code, code.get(..2)) {
        (DISK_FULL, _) => StoreErrorKind::Full,
        (READ_ONLY | IDLE_TOO_LONG | LOCK_NOT_AVAILABLE, _) => StoreErrorKind::Unavailable,
        // Connection, transaction undone, resources, an operator's hand, the system under it.
        (_, Some("08" | "40" | "53" | "57" | "58")) => StoreErrorKind::Unavailable,
        _ => StoreErrorKind::Broken,
    }
}

/// The server's code of a wait for a lock that took too long.
const LOCK_NOT_AVAILABLE: &str = "55P03";
