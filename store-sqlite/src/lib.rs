#![doc = include_str!("../README.md")]

use async_trait::async_trait;
use monetization_core::clock::Clock;
use monetization_core::store::{Store, StoreError, StoreErrorKind};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection, SqlitePool};

use crate::bulk::Statement;
use crate::connection::{Done, Owner, Transaction, Writer};
use crate::error::{OpenError, failed};

pub use export::Export;
pub use inspection::{Example, Finding, Held, Inspection, Schema};
pub use options::{SqliteOptions, Synchronous};

mod batches;
mod bulk;
mod connection;
mod convert;
mod directory;
mod error;
mod export;
mod hot;
mod inspection;
mod ledger;
mod load;
mod migrate;
mod options;
mod quotas;
mod rows;
mod segments;
mod work;

/// A [`Store`] in one SQLite file. Made by [`open`](Self::open).
///
/// It is used within a tokio runtime. Any number of tasks may share it, behind an
/// [`Arc`](std::sync::Arc); it may move from one runtime to another. When it is dropped, writes
/// that were begun are finished first, and then the file is given up.
///
/// Everything it can do is in the traits of the port. They are used as for any other store:
///
/// ```
/// use monetization_core::clock::Timestamp;
/// use monetization_core::consumer::Consumer;
/// use monetization_core::ids::{ChangeSetId, ConsumerId, TenantId, TypedId};
/// use monetization_core::store::{Applied, ChangeSet, Rows, StoreExt, Write};
/// use monetization_store_sqlite::{SqliteOptions, SqliteStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("market.db");
/// let options = SqliteOptions::new(path);
/// let store = SqliteStore::open(&options).await?;
/// let acme = Consumer {
///     id: ConsumerId::derived(&[b"acme"]),
///     tenant: TenantId::derived(&[b"market"]),
///     name: "Acme".parse()?,
///     members: Vec::new(),
///     grace_days: None,
///     created_at: Timestamp::EPOCH,
/// };
/// let mut change = ChangeSet::new(ChangeSetId::derived(&[b"acme signs up"]), Timestamp::EPOCH);
/// change.writes.push(Write::insert(&acme)?);
/// assert_eq!(store.apply(&change).await?, Applied::New);
/// drop(store);
///
/// // What was answered is there when the file is opened again, and is recognised.
/// let store = SqliteStore::open(&options).await?;
/// let read = store.fact::<Consumer>(acme.tenant, acme.id).await?;
/// assert_eq!(read.map(|stored| stored.fact), Some(acme));
/// assert_eq!(store.apply(&change).await?, Applied::Again);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct SqliteStore {
    /// All writes.
    writer: Writer,
    /// All reads but those that a write needs.
    readers: SqlitePool,
    /// What claims lapse by.
    clock: Clock,
    /// Greater than that of every opening whose blocks of quotas are still out; `None` where the
    /// store was opened beside the owner.
    opening: Option<i64>,
}

impl SqliteStore {
    /// Opens the database, or makes it, and brings it to the shape this program knows.
    ///
    /// Blocks of strict quotas that the last process had not settled stay out until
    /// [`settle_orphans`](monetization_core::store::Quotas::settle_orphans) is called.
    ///
    /// # Errors
    /// [`StoreError`] where another process or another store of this one has the file open,
    /// where a newer program has written it, where a migration it was made by is not one of
    /// this program's, and where the file cannot be read or written. Its source says which, and
    /// what to do.
    ///
    /// ```
    /// use std::error::Error;
    ///
    /// use monetization_store_sqlite::{SqliteOptions, SqliteStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("market.db");
    /// let options = SqliteOptions::new(path);
    /// let store = SqliteStore::open(&options).await?;
    /// let refused = SqliteStore::open(&options).await.unwrap_err();
    /// let why = refused.source().ok_or("no source")?.to_string();
    /// assert!(why.contains("market.db.owner is locked: another process has this database open"));
    /// # drop(store);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn open(options: &SqliteOptions) -> Result<Self, StoreError> {
        let owner = Owner::take_within(&options.path, options.owner_wait).await?;
        let connected = connection::connect(options, true).await;
        let mut connection = connected.map_err(|error| failed(OPEN, error))?;
        migrate::migrate(&mut connection, options.clock.now()).await?;
        export::require_unmoved(&mut connection, OPEN).await?;
        let opening = next_opening(&mut connection).await;
        let opening = opening.map_err(|error| failed(OPEN, error))?;
        Ok(Self::on(options, connection, Some((owner, opening))))
    }

    /// Opens the database of another process, beside it: to publish use, carry out operations,
    /// make reports.
    ///
    /// Everything can be read, changed and claimed as by the owner, each write in its own
    /// transaction. Two things are the owner's alone, because its memory of them is what keeps
    /// quotas exact: to append to the ledger, and to hand out blocks of quotas. They are refused
    /// here with [`StoreErrorKind::Unavailable`](monetization_core::store::StoreErrorKind). The
    /// owner need not be running; if it is, it goes on at once with what is written here.
    ///
    /// A process that is stopped in the middle of a write holds up every other one, for as long
    /// as it is: what works beside an owner should be as trusted as the owner.
    ///
    /// # Errors
    /// [`StoreError`] where there is no such file, where its tables are not those of this
    /// release, and where it cannot be read or written.
    ///
    /// ```
    /// use monetization_core::clock::Timestamp;
    /// use monetization_core::ids::{LeaseId, TenantId, TypedId};
    /// use monetization_core::store::{Ledger, Store, StoreErrorKind};
    /// use monetization_store_sqlite::{SqliteOptions, SqliteStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("market.db");
    /// let options = SqliteOptions::new(path);
    /// let owner = SqliteStore::open(&options).await?;
    /// let beside = SqliteStore::open_beside(&options).await?;
    /// beside.ping().await?;
    /// let refused = beside.append(&[]).await.unwrap_err();
    /// assert_eq!(refused.kind(), StoreErrorKind::Unavailable);
    /// # drop(owner);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn open_beside(options: &SqliteOptions) -> Result<Self, StoreError> {
        let connected = connection::connect(options, false).await;
        let mut connection = connected.map_err(|error| failed(OPEN, error))?;
        let has = migrate::has(&mut connection).await;
        has.map_err(|error| failed(OPEN, error))?.require(OPEN)?;
        export::require_unmoved(&mut connection, OPEN).await?;
        Ok(Self::on(options, connection, None))
    }

    fn on(
        options: &SqliteOptions,
        connection: SqliteConnection,
        owned: Option<(Owner, i64)>,
    ) -> Self {
        let (owner, opening) = owned.unzip();
        Self {
            opening,
            writer: Writer::new(connection, owner),
            readers: connection::readers(options),
            clock: options.clock.clone(),
        }
    }

    /// The number of this opening of the store, where it owns the file.
    ///
    /// # Errors
    /// [`StoreError`] where it does not.
    fn owned(&self, doing: &'static str) -> Result<i64, StoreError> {
        let beside =
            || StoreError::new(StoreErrorKind::Unavailable, doing).because(OpenError::Beside);
        self.opening.ok_or_else(beside)
    }

    /// Reads all that a query finds, beside whatever is being written.
    ///
    /// # Errors
    /// [`StoreError`] where the file cannot be read, or where no reader becomes free.
    async fn read_all<T>(
        &self,
        doing: &'static str,
        query: Statement,
        read: impl Fn(&SqliteRow) -> sqlx::Result<T> + Send,
    ) -> Result<Vec<T>, StoreError> {
        let rows = query.fetch_all(&self.readers).await;
        rows.and_then(|rows| rows.iter().map(read).collect())
            .map_err(|error| failed(doing, error))
    }

    /// Reads the one row that a query finds, if it finds one.
    ///
    /// # Errors
    /// As [`read_all`](Self::read_all).
    async fn read_one<T>(
        &self,
        doing: &'static str,
        query: Statement,
        read: impl FnOnce(&SqliteRow) -> sqlx::Result<T> + Send,
    ) -> Result<Option<T>, StoreError> {
        let row = query.fetch_optional(&self.readers).await;
        row.and_then(|row| row.as_ref().map(read).transpose())
            .map_err(|error| failed(doing, error))
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

/// The number of this opening of the store.
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
