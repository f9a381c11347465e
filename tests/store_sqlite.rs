//! The store suite, run over SQLite.
#![expect(clippy::unwrap_used, reason = "tests stop where it is not as they say")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use monetization_conformance::store::Backend;
use monetization_conformance::store_suite;
use monetization_core::clock::Clock;
use monetization_core::delegate_store;
use monetization_core::store::{Store, StoreError};
use monetization_store_sqlite::{SqliteOptions, SqliteStore};

/// Databases in a directory of their own. Opening again opens a copy of the files as they are,
/// which is what a process that died leaves behind.
#[derive(Debug)]
struct Sqlite {
    directory: tempfile::TempDir,
    openings: AtomicUsize,
}

impl Sqlite {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            openings: AtomicUsize::new(0),
        }
    }

    fn path(&self, opening: usize) -> PathBuf {
        self.directory.path().join(format!("{opening}.db"))
    }

    fn options(&self, clock: Clock) -> SqliteOptions {
        let opening = self.openings.fetch_add(1, Ordering::Relaxed);
        let path = self.path(opening);
        if let Some(before) = opening.checked_sub(1) {
            copy(&self.path(before), &path);
        }
        SqliteOptions::new(path).with_clock(clock)
    }
}

#[async_trait]
impl Backend for Sqlite {
    async fn open(&self, clock: Clock) -> Arc<dyn Store> {
        let options = self.options(clock);
        Arc::new(SqliteStore::open(&options).await.unwrap())
    }
}

/// The same, by two stores on one file: the owner appends and hands out blocks, all else is done
/// beside it.
#[derive(Debug)]
struct TwoAtOnce(Sqlite);

#[async_trait]
impl Backend for TwoAtOnce {
    async fn open(&self, clock: Clock) -> Arc<dyn Store> {
        let options = self.0.options(clock);
        let owner = SqliteStore::open(&options).await.unwrap();
        let beside = SqliteStore::open_beside(&options).await.unwrap();
        Arc::new(Pair { owner, beside })
    }
}

#[derive(Debug)]
struct Pair {
    owner: SqliteStore,
    beside: SqliteStore,
}

delegate_store!(Ledger, Quotas: [] Pair, it => it.owner);
delegate_store!(Rows, Directory, Batches, Work: [] Pair, it => it.beside);

#[async_trait]
impl Store for Pair {
    fn name(&self) -> &'static str {
        self.owner.name()
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.beside.ping().await
    }
}

/// Copies the database and its log, without what lives in shared memory.
fn copy(from: &Path, to: &Path) {
    for suffix in ["", "-wal"] {
        let [from, to] = [from, to].map(|path| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        });
        if from.exists() {
            std::fs::copy(from, to).unwrap();
        }
    }
}

store_suite!(Sqlite::new() => behaviours, model, reopening);

mod beside {
    use super::*;

    store_suite!(TwoAtOnce(Sqlite::new()) => behaviours, model, reopening);
}
