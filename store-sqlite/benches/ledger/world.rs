//! Files to put records into.

use std::path::PathBuf;

use monetization_conformance::bench::growing::begin;
use monetization_conformance::bench::world::World;
use monetization_store_sqlite::{SqliteOptions, SqliteStore};
use tempfile::TempDir;

/// An empty directory beside what was built: temporary files may be kept in memory.
pub(crate) fn directory() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

pub(crate) fn options(directory: &TempDir, name: &str) -> SqliteOptions {
    SqliteOptions::new(path(directory, name))
}

pub(crate) fn path(directory: &TempDir, name: &str) -> PathBuf {
    directory.path().join(name)
}

/// A store in which every subscription has been used once.
pub(crate) async fn store(options: &SqliteOptions, world: &mut World) -> SqliteStore {
    let store = SqliteStore::open(options).await.unwrap();
    begin(&store, world).await;
    store
}
