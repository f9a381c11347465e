//! What sqlx's errors mean to a caller of the store.
//!
//! Inside the crate everything fails with sqlx's error, in which the cause lies whole. It
//! becomes a [`StoreError`] in one place for each way out: a read, a write, the opening.

use std::path::PathBuf;

use monetization_core::store::{StoreError, StoreErrorKind};
use sqlx::Error;

/// What a failure before the commit means: nothing was written.
///
/// ```text
/// SQLITE_FULL                                       Full
/// busy, locked, I/O, cannot open, no memory, ...    Unavailable
/// no reader is free, the connection's thread died   Unavailable
/// constraint, mismatch, corrupt, decoding, ...      Broken
/// ```
pub(crate) fn failed(doing: &'static str, error: Error) -> StoreError {
    StoreError::new(kind(&error), doing).because(error)
}

/// What a failure of the commit itself means: unless it was refused for want of room, the file
/// may have it. The last page of a transaction is what makes it valid, so one that found no room
/// for all of its pages is not.
pub(crate) fn commit_failed(doing: &'static str, error: Error) -> StoreError {
    let kind = match kind(&error) {
        StoreErrorKind::Full => StoreErrorKind::Full,
        _ => StoreErrorKind::Unknown,
    };
    StoreError::new(kind, doing).because(error)
}

/// That what was read, or is to be written, makes no sense. It becomes
/// [`StoreErrorKind::Broken`].
pub(crate) fn senseless(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Decode(why.into())
}

/// What a caller can make of it. Kinds that sqlx adds some day make no sense until looked at.
fn kind(error: &Error) -> StoreErrorKind {
    match error {
        Error::Database(error) => {
            let code = error.code().and_then(|code| code.parse().ok());
            code.map_or(StoreErrorKind::Broken, kind_of_code)
        }
        Error::Io(_) | Error::PoolTimedOut | Error::PoolClosed | Error::WorkerCrashed => {
            StoreErrorKind::Unavailable
        }
        _ => StoreErrorKind::Broken,
    }
}

/// By SQLite's result code, whose lowest byte says what happened and the others where.
fn kind_of_code(code: u32) -> StoreErrorKind {
    const BUSY: u32 = 5;
    const LOCKED: u32 = 6;
    const NO_MEMORY: u32 = 7;
    const READ_ONLY: u32 = 8;
    const INTERRUPTED: u32 = 9;
    const IO: u32 = 10;
    const FULL: u32 = 13;
    const CANNOT_OPEN: u32 = 14;
    match code & 0xff {
        FULL => StoreErrorKind::Full,
        BUSY | LOCKED | NO_MEMORY | READ_ONLY | INTERRUPTED | IO | CANNOT_OPEN => {
            StoreErrorKind::Unavailable
        }
        _ => StoreErrorKind::Broken,
    }
}

/// Why a file cannot be opened, beyond what SQLite itself says.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// Two owners would hand out one quota twice.
    #[error(
        "{} is locked: another process has this database open; stop that process, or give this \
         one a database file of its own",
        owner_file.display()
    )]
    Owned { owner_file: PathBuf },
    /// The directory may be missing, or not ours to write to.
    #[error("the owner file {} cannot be locked", owner_file.display())]
    OwnerFile {
        owner_file: PathBuf,
        source: std::io::Error,
    },
    /// The same use would be billed from both.
    #[error(
        "what this database kept was moved to {target}, or is being moved there: serve from that one, or \
         finish the move; one that was begun can be given up"
    )]
    Moved { target: String },
    /// It is served from elsewhere by now.
    #[error("the move to {target} is finished, and cannot be given up: serve from that one")]
    MoveFinished { target: String },
    /// A move has one target.
    #[error("it is being moved to {target}: finish that, or give it up first")]
    MovedElsewhere { target: String },
    /// Quotas are handed out, and use is written down, by the owner alone.
    #[error(
        "this store was opened beside the owner of the file: only the owner appends to the \
         ledger and hands out quotas"
    )]
    Beside,
}
