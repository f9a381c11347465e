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
    pub(crate) fn take(database: &Path) -> Result<Self, StoreError> {
        let owner_file = Self::file(database);
        let refused = |error| {
            StoreError::new(StoreErrorKind::Unavailable, "open the database").because(error)
        };
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
            Ok(Some(file)) => Ok(Self { _file: file }),
            Ok(None) => Err(refused(OpenError::Owned { owner_file })),
            Err(source) => Err(refused(OpenError::OwnerFile { owner_file, source })),
        }
    }

    fn file(database: &Path) -> PathBuf {
        // Two ways to write one path must lead to one lock.
        let one_way = database.canonicalize();
        let mut file = one_way
            .unwrap_or_else(|_| database.to_owned())
            .into_os_string();
        file.push(".owner");
        PathBuf::from(file)
    }
}

/// The one connection that writes. Jobs run one after the other, each in a task of its own: a
/// caller that goes away, or forgets to poll, neither stops a write halfway nor holds up others.
#[derive(Clone)]
pub(crate) struct Writer(Arc<Mutex<Desk>>);

/// What became of a job.
pub(crate) enum Done<T> {
    /// Keep what was written, and answer this.
    Commit(T),
    /// Undo what was written, and answer this. The job has not touched what is kept in memory.
    Undo(T),
}

/// What a job works with, within one transaction.
pub(crate) struct Transaction<'a> {
    pub(crate) connection: &'a mut SqliteConnection,
    pub(crate) hot: &'a mut Hot,
}

/// What a job is doing.
pub(crate) type Job<'a, T> =
    std::pin::Pin<Box<dyn Future<Output = sqlx::Result<Done<T>>> + Send + 'a>>;

impl Writer {
    pub(crate) fn new(connection: SqliteConnection, owner: Owner) -> Self {
        Self(Arc::new(Mutex::new(Desk {
            connection,
            hot: Hot::default(),
            clean: true,
            _owner: owner,
        })))
    }

    /// Runs a job in a transaction. An error means that nothing was written, unless it says
    /// that this is not known.
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

struct Desk {
    connection: SqliteConnection,
    hot: Hot,
    /// Whether the last transaction was brought to its end; one that was not (the runtime was
    /// shut down, a job panicked) is undone before the next.
    clean: bool,
    _owner: Owner,
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

    async fn begin(&mut self) -> sqlx::Result<()> {
        if !self.clean {
            self.undo().await;
        }
        self.clean = false;
        self.execute("BEGIN IMMEDIATE").await
    }

    async fn undo(&mut self) {
        self.hot.forget();
        // SQLite undoes some failed transactions by itself, so there may be none to undo.
        drop(self.execute("ROLLBACK").await);
    }

    async fn execute(&mut self, statement: &'static str) -> sqlx::Result<()> {
        let done = sqlx::query(statement).execute(&mut self.connection).await;
        done.map(drop)
    }
}

/// The connection that writes.
pub(crate) async fn connect(options: &SqliteOptions) -> sqlx::Result<SqliteConnection> {
    let mut connect = connect_options(options)
        .create_if_missing(true)
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

/// In KiB, as SQLite wants a negative number to be read: 64 MiB.
const WRITER_CACHE: &str = "-65536";
/// Pages after which the log is copied into the database: 16 MiB.
const WAL_PAGES: &str = "4096";
/// What is left of the log on disk after a burst: 64 MiB.
const WAL_BYTES_MAX: &str = "67108864";
const STATEMENTS_MAX: usize = 256;
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
            let mut connection = connect(&options).await.unwrap();
            for (pragma, expected) in [
                ("PRAGMA synchronous", stored),
                ("PRAGMA foreign_keys", 1),
                ("PRAGMA wal_autocheckpoint", 4096),
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
