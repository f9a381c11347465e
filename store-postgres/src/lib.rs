#![doc = include_str!("../README.md")]

use std::time::Duration;

use async_trait::async_trait;
use monetization_core::clock::Clock;
use monetization_core::store::{Store, StoreError};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres};

use crate::connection::{Connections, Done, Role};
use crate::error::failed;
use crate::news::News;
use crate::openings::Opening;

pub use import::Import;
pub use inspection::{Example, Finding, Held, Inspection, Schema};
pub use options::PostgresOptions;

mod batches;
mod connection;
mod convert;
mod directory;
mod error;
mod import;
mod inspection;
mod ledger;
mod migrate;
mod news;
mod openings;
mod options;
mod quotas;
mod rows;
mod segments;
mod work;

/// A [`Store`] in a PostgreSQL database, which any number of processes share. Made by
/// [`open`](Self::open).
///
/// It is used within the tokio runtime that it was opened in. Any number of tasks may share it,
/// behind an [`Arc`](std::sync::Arc). When it is dropped, writes that were begun are finished.
///
/// Everything it can do is in the traits of the port. They are used as for any other store:
///
/// ```no_run
/// use monetization_core::clock::Timestamp;
/// use monetization_core::consumer::Consumer;
/// use monetization_core::ids::{ChangeSetId, ConsumerId, TenantId, TypedId};
/// use monetization_core::store::{Applied, ChangeSet, Rows, StoreExt, Write};
/// use monetization_store_postgres::{PostgresOptions, PostgresStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let options = PostgresOptions::new("postgres://market@127.0.0.1/market")?;
/// let here = PostgresStore::open(&options).await?;
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
/// assert_eq!(here.apply(&change).await?, Applied::New);
///
/// // What one process was answered is what every other one reads, and the change is recognised.
/// let there = PostgresStore::open(&options).await?;
/// let read = there.fact::<Consumer>(acme.tenant, acme.id).await?;
/// assert_eq!(read.map(|stored| stored.fact), Some(acme));
/// assert_eq!(there.apply(&change).await?, Applied::Again);
/// # Ok(())
/// # }
/// ```
///
/// # What is done in whose name
/// Each transaction takes on one of three roles of the database, and may do what that role may:
///
/// | role | who | sees |
/// |---|---|---|
/// | `monetization_tenant` | whatever names one tenant: its facts, sums, batches, jobs | that tenant's rows |
/// | `monetization_ledger` | appends and blocks of quotas, of many tenants in one transaction | the ledger, segments, quotas |
/// | `monetization_worker` | gates and jobs that look for what is due, whoever's it is | facts, operations, states of batches |
#[derive(Debug)]
pub struct PostgresStore {
    connections: Connections,
    /// What claims lapse by, where it is not the database's time.
    clock: Option<Clock>,
    /// What this store's blocks of quotas belong to.
    opening: Opening,
    /// What tells of changes.
    news: News,
}

/// A statement whose values are being bound.
type Statement = Query<'static, Postgres, PgArguments>;

impl PostgresStore {
    /// Opens the database, and brings it to the shape this program knows.
    ///
    /// # What it needs
    /// | | the first time, and to migrate | otherwise |
    /// |---|---|---|
    /// | the database | there, in UTF-8; its owner logs in | there |
    /// | the schema `monetization` | may be missing | there |
    /// | the roles | may be missing, if who logs in may make some | whoever logs in is a member of the three |
    /// | connections | one, and those of the pool as they are needed | the same |
    ///
    /// Several processes may open it at once: one migrates, the others wait for it.
    ///
    /// Blocks of strict quotas of processes that are gone stay out until
    /// [`settle_orphans`](monetization_core::store::Quotas::settle_orphans) is called, and their
    /// time has lapsed.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be reached, where a newer program has migrated it,
    /// where a migration it was made by is not one of this program's, and where whoever logs in
    /// may not do what is to be done. Its source says which.
    ///
    /// ```no_run
    /// use std::error::Error;
    ///
    /// use monetization_store_postgres::{PostgresOptions, PostgresStore};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn Error>> {
    /// let nobody = PostgresOptions::new("postgres://market@127.0.0.1:1/market")?;
    /// let refused = PostgresStore::open(&nobody).await.unwrap_err();
    /// assert_eq!(refused.to_string(), "failed to open the database: the store is out of reach");
    /// println!("{}", refused.source().ok_or("no source")?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn open(options: &PostgresOptions) -> Result<Self, StoreError> {
        const OPEN: &str = "open the database";
        let connected = connection::connect(options).await;
        let mut connection = connected.map_err(|error| failed(OPEN, error))?;
        migrate::migrate(&mut connection).await?;
        import::require_whole(&mut connection, OPEN).await?;
        drop(connection);
        let connections = Connections::new(options);
        let clock = options.clock.clone();
        let opening = Opening::begin(connections.clone(), clock.clone(), options.opening_lease);
        Ok(Self {
            opening: opening.await?,
            news: News::new(connection::connect_options(options)),
            connections,
            clock,
        })
    }

    /// Ends all connections but the one that listens for news, after what is under way on them. Whatever is
    /// asked of the store then is refused. Dropping the store ends all of them without waiting for it.
    ///
    /// Blocks of quotas that are still out lapse with the store's opening; whoever wants them free sooner
    /// settles them first, which a gatekeeper does as it stops.
    pub async fn close(&self) {
        self.connections.close().await;
    }

    /// Now, by the clock that claims lapse by; `None` for the database's own.
    fn asked_at(&self) -> Option<i64> {
        self.clock.as_ref().map(|clock| clock.now().as_micros())
    }

    /// Reads all that a query finds, in one transaction that writes nothing: one state of the database,
    /// beside whatever is being written.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot, or where no connection becomes free.
    async fn read_all<T>(
        &self,
        doing: &'static str,
        role: Role,
        query: Statement,
        read: impl Fn(&PgRow) -> sqlx::Result<T> + Send,
    ) -> Result<Vec<T>, StoreError> {
        let rows = self
            .connections
            .read(role, async |connection: &mut PgConnection| {
                query.fetch_all(connection).await
            });
        let rows = rows.await;
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
        role: Role,
        query: Statement,
        read: impl Fn(&PgRow) -> sqlx::Result<T> + Send,
    ) -> Result<Option<T>, StoreError> {
        let found = self.read_all(doing, role, query, read).await?;
        Ok(found.into_iter().next())
    }

    /// Runs a statement that changes one row, and answers whether it did. The statement is made anew for
    /// each attempt, since a transaction that others overtake is begun again.
    ///
    /// # Errors
    /// As [`Connections::write`].
    async fn change_one(
        &self,
        doing: &'static str,
        role: Role,
        statement: impl Fn() -> sqlx::Result<Statement> + Send + Sync + 'static,
    ) -> Result<bool, StoreError> {
        let changed = self
            .connections
            .write(doing, role, statement, |connection, statement| {
                Box::pin(async move {
                    let changed = statement()?.execute(connection).await?;
                    Ok(Done::Commit(changed.rows_affected() == 1))
                })
            });
        changed.await
    }
}

#[async_trait]
impl Store for PostgresStore {
    fn name(&self) -> &'static str {
        "postgres"
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let statement = || Ok(sqlx::query("UPDATE ping SET number = number + 1"));
        self.change_one("write a sign of life", Role::Worker, statement)
            .await
            .map(drop)
    }
}

/// A length of time, as the database counts it.
fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
