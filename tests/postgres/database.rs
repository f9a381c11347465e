//! Databases that a store has made.

use monetization_conformance::postgres::Database;
use monetization_store_postgres::{PostgresOptions, PostgresStore};

/// How a store reaches this database.
pub(crate) fn options(database: &Database) -> PostgresOptions {
    options_of(&database.address())
}

/// Makes it, with the tables that a store has when it is new.
pub(crate) async fn make(database: &Database) {
    let migrate = async |address: &str| {
        let store = PostgresStore::open(&options_of(address)).await.unwrap();
        store.close().await;
    };
    database.make(migrate).await;
}

fn options_of(address: &str) -> PostgresOptions {
    PostgresOptions::new(address).unwrap()
}
