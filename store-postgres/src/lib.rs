#![doc = include_str!("../README.md")]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use monetization_core::clock::Clock;
use monetization_core::store::{Store, StoreError};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres};

use crate::connection::{Connections, Done, Role};
use crate::error::failed;
use crate::openings::Opening;

pub use inspection::{Example, Finding, Held, Inspection, Schema};
pub use options::PostgresOptions;

mod batches;
mod connection;
mod convert;
mod directory;
mod error;
mod inspection;
mod ledger;
mod migrate;
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
/// behind an [`Arc`]. When it is dropped, writes that were begun are finished.
#[derive(Debug)]
pub struct PostgresStore {
    connections: Connections,
    /// What claims lapse by, where it is not the database's time.
    clock: Option<Clock>,
    /// What this store's blocks of quotas belong to.
    opening: Arc<Opening>,
}

/// A statement whose values are being bound.
type Statement = Query<'static, Postgres, PgArguments>;

impl PostgresStore {
    /// Opens the database, and brings it to the shape this program knows.
    ///
    /// Blocks of strict quotas of processes that are gone stay out until
    /// [`settle_orphans`](monetization_core::store::Quotas::settle_orphans) is called, and their
    /// time has lapsed.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot be reached, where a newer program has migrated it,
    /// where a migration it was made by is not one of this program's, and where whoever logs in
    /// may not do what is to be done. Its source says which.
    pub async fn open(options: &PostgresOptions) -> Result<Self, StoreError> {
        const OPEN: &str = "open the database";
        let connected = connection::connect(options).await;
        let mut connection = connected.map_err(|error| failed(OPEN, error))?;
        migrate::migrate(&mut connection).await?;
        drop(connection);
        let connections = Connections::new(options);
        let clock = options.clock.clone();
        let opening = Opening::begin(connections.clone(), clock.clone(), options.opening_lease);
        Ok(Self {
            opening: opening.await?,
            connections,
            clock,
        })
    }

    /// Ends all connections, after what is under way on them. Whatever is asked of the store then is
    /// refused. Dropping the store does the same without waiting for it.
    pub async fn close(&self) {
        self.connections.close().await;
    }

    /// Now, by the clock that claims lapse by; `None` for the database's own.
    fn asked_at(&self) -> Option<i64> {
        self.clock.as_ref().map(|clock| clock.now().as_micros())
    }

    /// Reads all that a query finds.
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

    /// Runs a statement that changes one row, and answers whether it did.
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
