//! Databases to put records into.

use monetization_conformance::postgres::Database;
use monetization_store_postgres::{PostgresOptions, PostgresStore};
use sqlx::Executor;

/// A database of its own, with the month that all records fall into.
pub(crate) async fn database() -> (Database, PostgresStore) {
    let database = Database::unused();
    database.make_empty().await;
    let options = PostgresOptions::new(&database.address()).unwrap();
    let store = PostgresStore::open(&options).await.unwrap();
    let month = "SELECT make_month('2026-01-01')";
    database.connect().await.execute(month).await.unwrap();
    (database, store)
}
