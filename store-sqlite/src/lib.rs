//! The embedded store: one SQLite file, through sqlx.
//!
//! A [`SqliteStore`] keeps all that the [`Store`] port asks for in one file. Whatever a write
//! answers with `Ok` is on the disk by then ([`Synchronous::Full`]). One process owns the file
//! while it is open; within it any number of tasks may read and write. Writes are transactions
//! that run one after the other on one connection, reads wait for nobody.
//!
//! ```
//! use monetization_core::store::Store;
//! use monetization_store_sqlite::{SqliteOptions, SqliteStore};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! let path = directory.path().join("market.db");
//! let store = SqliteStore::open(&SqliteOptions::new(path)).await?;
//! store.ping().await?;
//! # Ok(())
//! # }
//! ```

use async_trait::async_trait;
use monetization_core::clock::Clock;
use monetization_core::store::{Store, StoreError};
use sqlx::{Row, SqliteConnection, SqlitePool};

use crate::connection::{Done, Owner, Transaction, Writer};
use crate::error::failed;

pub use options::{SqliteOptions, Synchronous};

mod batches;
mod bulk;
mod connection;
mod convert;
mod directory;
mod error;
mod hot;
mod ledger;
mod load;
mod migrate;
mod options;
mod quotas;
mod rows;
mod segments;
mod work;

/// A [`Store`] in one SQLite file. Made by [`open`](Self::open) within a tokio runtime.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Writer,
    readers: SqlitePool,
    clock: Clock,
    /// Greater than that of every opening whose blocks are still out.
    opening: i64,
}

impl SqliteStore {
    /// Opens the database, or makes it, and brings it to the shape this program knows.
    ///
    /// # Errors
    /// [`StoreError`] where another process or another store of this one has the file open,
    /// where a newer program has written it, where a migration it was made by is not one of
    /// this program's, and where the file cannot be read or written.
    pub async fn open(options: &SqliteOptions) -> Result<Self, StoreError> {
        let owner = Owner::take(&options.path)?;
        let connected = connection::connect(options).await;
        let mut connection = connected.map_err(|error| failed(OPEN, error))?;
        migrate::migrate(&mut connection, options.clock.now()).await?;
        let opening = next_opening(&mut connection).await;
        Ok(Self {
            opening: opening.map_err(|error| failed(OPEN, error))?,
            writer: Writer::new(connection, owner),
            readers: connection::readers(options),
            clock: options.clock.clone(),
        })
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let job = self.writer.write("write a sign of life", |transaction| {
            Box::pin(ping(transaction))
        });
        job.await
    }
}

const OPEN: &str = "open the database";

async fn next_opening(connection: &mut SqliteConnection) -> sqlx::Result<i64> {
    let select = "SELECT coalesce(max(opening), 0) + 1 FROM lease WHERE state = 'open'";
    sqlx::query(select).fetch_one(connection).await?.try_get(0)
}

/// Takes pages and frees them again, so that a full disk shows.
async fn ping(transaction: Transaction<'_>) -> sqlx::Result<Done<()>> {
    sqlx::query("INSERT INTO ping (filler) VALUES (zeroblob(16384))")
        .execute(&mut *transaction.connection)
        .await?;
    sqlx::query("DELETE FROM ping")
        .execute(transaction.connection)
        .await?;
    Ok(Done::Commit(()))
}
