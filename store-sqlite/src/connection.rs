//! The connections to the file: one that writes, a few that read, and the lock that says whose
//! file it is.
//!
//! # Writes
//! [`Writer::write`] runs a job in a task of its own: it waits for its turn, begins a
//! transaction, lets the job work, and ends the transaction. What the caller holds is only the
//! answer, so a caller that is dropped changes nothing about the write, and one that is not
//! polled does not keep the next write waiting. Jobs never wait for anything but the database.
//!
//! # What may go wrong
//! | what | then |
//! |---|---|
//! | the job fails | the transaction is undone, what is remembered is forgotten |
//! | the commit fails | the same; unless the disk was full it may stand in the file all the same |
//! | SQLite undoes a transaction by itself, as it does when the disk is full | the same: to undo it again does no harm |
//! | the job panics, or its runtime ends | the next write undoes what is left first |
//!
//! The statements that begin and end a transaction are run as they are, and not through sqlx's
//! own transactions: those keep count of what is open, and lose it where SQLite undoes something
//! by itself.
//!
//! # Others who write
//! A store beside the owner's, in another process, writes too, one transaction at a time for the
//! whole file. SQLite counts the commits of others; a transaction that finds that count changed
//! forgets what was remembered.

use std::fmt;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use monetization_core::store::{StoreError, StoreErrorKind};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqliteConnection, SqlitePool};
use tokio::sync::Mutex;

use crate::error::{OpenError, commit_failed, failed};
use crate::hot::Hot;
use crate::options::{SqliteOptions, Synchronous};

/// That the file is ours alone: held for as long as anything of ours may still write to it, and
/// given back by the operating system when the process dies.
#[derive(Debug)]
pub(crate) struct Owner {
    _file: File,
}

impl Owner {
    /// Takes the file, which is the one beside the database that ends in `.owner`.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unavailable`] where somebody has it, or where it cannot be made.
    pub(crate) fn take(database: &Path) -> Result<Self, StoreError> {
        Self::try_take(database)?.ok_or_else(|| {
            let owner_file = Self::file(database);
            refused(OpenError::Owned { owner_file })
        })
    }

    /// Takes the file as soon as nobody has it any more, but not later than after `wait_max`.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub(crate) async fn take_within(
        database: &Path,
        wait_max: Duration,
    ) -> Result<Self, StoreError> {
        let taken = async {
            loop {
                if let Some(owner) = Self::try_take(database)? {
                    return Ok(owner);
                }
                tokio::time::sleep(OWNER_POLL).await;
            }
        };
        let taken = tokio::time::timeout(wait_max, taken).await;
        taken.unwrap_or_else(|_| Self::take(database))
    }

    /// `None` where somebody has it.
    fn try_take(database: &Path) -> Result<Option<Self>, StoreError> {
        let owner_file = Self::file(database);
        let opened = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&owner_file);
        let locked = opened.and_then(|file| match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        });
        match locked {
            Ok(file) => Ok(file.map(|file| Self { _file: file })),
            Err(source) => Err(refused(OpenError::OwnerFile { owner_file, source })),
        }
    }

    /// The file that stands for this database, however its path is written.
    pub(crate) fn file(database: &Path) -> PathBuf {
        let one_way = database.canonicalize();
        let mut file = one_way
            .unwrap_or_else(|_| database.to_owned())
            .into_os_string();
        file.push(".owner");
        PathBuf::from(file)
    }
}

fn refused(error: OpenError) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, "open the database").because(error)
}

/// The one connection of this store that writes. Jobs run one after the other, each in a task of its own: a
/// caller that goes away, or forgets to poll, neither stops a write halfway nor holds up others.
#[derive(Clone)]
pub(crate) struct Writer(Arc<Mutex<Desk>>);

/// What became of a job.
pub(crate) enum Done<T> {
    /// Keep what was written, and answer this.
    Commit(T),
    /// Undo what was written, and answer this. What the job remembers is what was there before.
    Undo(T),
}

/// What a job works with, within one transaction.
pub(crate) struct Transaction<'a> {
    /// Where its statements go.
    pub(crate) connection: &'a mut SqliteConnection,
    /// What is remembered of the rows. A job that changes a row changes it here too.
    pub(crate) hot: &'a mut Hot,
}

/// What a job is doing. Where it fails, the transaction is undone.
pub(crate) type Job<'a, T> =
    std::pin::Pin<Box<dyn Future<Output = sqlx::Result<Done<T>>> + Send + 'a>>;

impl Writer {
    /// Writes on this connection to the file: as its owner, or beside whoever owns it.
    pub(crate) fn new(connection: SqliteConnection, owner: Option<Owner>) -> Self {
        Self(Arc::new(Mutex::new(Desk {
            connection,
            hot: Hot::default(),
            clean: true,
            version: None,
            _owner: owner,
        })))
    }

    /// Runs a job in a transaction, after those that were asked for before.
    ///
    /// # Errors
    /// [`StoreErrorKind::Unknown`] where the commit failed or the task was lost; any other kind
    /// means that nothing was written.
    pub(crate) async fn write<T, J>(&self, doing: &'static str, job: J) -> Result<T, StoreError>
    where
        T: Send + 'static,
        J: for<'a> FnOnce(Transaction<'a>) -> Job<'a, T> + Send + 'static,
    {
        let desk = Arc::clone(&self.0);
        let task = tokio::spawn(async move { desk.lock().await.write(doing, job).await });
        task.await.unwrap_or_else(|gone| {
            Err(StoreError::new(StoreErrorKind::Unknown, doing).because(gone))
        })
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Writer")
    }
}

/// All that writing takes, behind one lock.
struct Desk {
    connection: SqliteConnection,
    hot: Hot,
    /// Whether the last transaction was brought to its end; one that was not (the runtime was
    /// shut down, a job panicked) is undone before the next.
    clean: bool,
    /// What SQLite counts the commits of other connections by. While it stands, nobody else has
    /// written, and what is remembered is what the database says.
    version: Option<i64>,
    /// Given back after the last write, which may outlive the store.
    _owner: Option<Owner>,
}

impl Desk {
    async fn write<T, J>(&mut self, doing: &'static str, job: J) -> Result<T, StoreError>
    where
        J: for<'a> FnOnce(Transaction<'a>) -> Job<'a, T>,
    {
        self.begin().await.map_err(|error| failed(doing, error))?;
        let done = job(Transaction {
            connection: &mut self.connection,
            hot: &mut self.hot,
        });
        let ended = match done.await {
            Ok(Done::Commit(answer)) => {
                let committed = self.execute("COMMIT").await.map(|()| answer);
                committed.map_err(|error| commit_failed(doing, error))
            }
            Ok(Done::Undo(answer)) => {
                let undone = self.execute("ROLLBACK").await.map(|()| answer);
                undone.map_err(|error| failed(doing, error))
            }
            Err(error) => Err(failed(doing, error)),
        };
        self.clean = ended.is_ok();
        if !self.clean {
            self.undo().await;
        }
        ended
    }

    /// Begins a transaction that has the right to write from the start: one that read first and
    /// asked for it then would be refused if somebody else had written in between.
    async fn begin(&mut self) -> sqlx::Result<()> {
        if !self.clean {
            self.undo().await;
        }
        self.clean = false;
        let begin = sqlx::query_scalar("BEGIN IMMEDIATE; PRAGMA data_version");
        let version = Some(begin.fetch_one(&mut self.connection).await?);
        if self.version != version {
            self.hot.forget();
            self.version = version;
        }
        Ok(())
    }

    /// Undoes what was written and forgets what was remembered. There may be nothing to undo.
    async fn undo(&mut self) {
        self.hot.forget();
        drop(self.execute("ROLLBACK").await);
    }

    async fn execute(&mut self, statement: &'static str) -> sqlx::Result<()> {
        let done = sqlx::query(statement).execute(&mut self.connection).await;
        done.map(drop)
    }
}

/// The connection that writes. Only an owner may make the file.
///
/// # Errors
/// Where the file can neither be opened nor made.
pub(crate) async fn connect(
    options: &SqliteOptions,
    is_owner: bool,
) -> sqlx::Result<SqliteConnection> {
    let mut connect = connect_options(options)
        .create_if_missing(is_owner)
        .journal_mode(SqliteJournalMode::Wal)
        .pragma("cache_size", WRITER_CACHE)
        .pragma("wal_autocheckpoint", WAL_PAGES)
        .pragma("journal_size_limit", WAL_BYTES_MAX);
    if let Some(pages_max) = options.pages_max {
        connect = connect.pragma("max_page_count", pages_max.to_string());
    }
    connect.connect().await
}

/// The connections that read: they see what is committed and wait for no writer.
pub(crate) fn readers(options: &SqliteOptions) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(options.readers_max.get())
        .acquire_timeout(READER_WAIT)
        .test_before_acquire(false)
        .connect_lazy_with(connect_options(options).pragma("query_only", "ON"))
}

/// What is the same for every connection. Statements are not logged: their values are people's
/// use and prices.
fn connect_options(options: &SqliteOptions) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(&options.path)
        .foreign_keys(true)
        .synchronous(match options.synchronous {
            Synchronous::Full => SqliteSynchronous::Full,
            Synchronous::Normal => SqliteSynchronous::Normal,
        })
        .busy_timeout(options.busy_timeout)
        .pragma("temp_store", "MEMORY")
        .statement_cache_capacity(STATEMENTS_MAX)
        .disable_statement_logging()
}

/// How often it is tried whether the owner has gone.
const OWNER_POLL: Duration = Duration::from_millis(100);
/// In KiB, as SQLite wants a negative number to be read: 64 MiB.
const WRITER_CACHE: &str = "-65536";
/// Pages after which the log is copied into the database: 64 MiB. A page that changes with every
/// commit is copied once each time.
const WAL_PAGES: &str = "16384";
/// What is left of the log on disk after a burst: 128 MiB.
const WAL_BYTES_MAX: &str = "134217728";
/// Statements that a connection keeps prepared: all there are.
const STATEMENTS_MAX: usize = 256;
/// How long a read waits while all readers are at work.
const READER_WAIT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_commit_waits_for_the_disk_unless_it_is_told_not_to() {
        for (synchronous, stored) in [(Synchronous::Full, 2), (Synchronous::Normal, 1)] {
            let directory = tempfile::tempdir().unwrap();
            let options = SqliteOptions::new(directory.path().join("market.db"));
            let options = options.with_synchronous(synchronous);
            let mut connection = connect(&options, true).await.unwrap();
            for (pragma, expected) in [
                ("PRAGMA synchronous", stored),
                ("PRAGMA foreign_keys", 1),
                ("PRAGMA wal_autocheckpoint", 16_384),
            ] {
                let value: i64 = sqlx::query_scalar(pragma)
                    .fetch_one(&mut connection)
                    .await
                    .unwrap();
                assert_eq!(value, expected, "{pragma}");
            }
            let mode: String = sqlx::query_scalar("PRAGMA journal_mode")
                .fetch_one(&mut connection)
                .await
                .unwrap();
            assert_eq!(mode, "wal");
        }
    }
}
