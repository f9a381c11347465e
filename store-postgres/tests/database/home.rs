use std::error::Error;
use std::slice;

use monetization_conformance::postgres::Database;
use monetization_conformance::sample::{Sample, Subscriber};
use monetization_core::store::{Appended, ChangeSet, Expected, Ledger, Row, Rows, Write};
use monetization_core::usage::UsageRecord;
use monetization_store_postgres::{Inspection, PostgresOptions, PostgresStore};
use sqlx::PgConnection;

/// A database for one test.
#[derive(Debug)]
pub(crate) struct Home(Database);

impl Home {
    pub(crate) async fn make() -> Self {
        let database = Database::unused();
        let migrate = async |address: &str| {
            let options = PostgresOptions::new(address).unwrap();
            PostgresStore::open(&options).await.unwrap().close().await;
        };
        database.make(migrate).await;
        Self(database)
    }

    pub(crate) fn options(&self) -> PostgresOptions {
        PostgresOptions::new(&self.0.address()).unwrap()
    }

    pub(crate) async fn open(&self) -> PostgresStore {
        PostgresStore::open(&self.options()).await.unwrap()
    }

    pub(crate) async fn look(&self) -> Inspection {
        Inspection::open(&self.options()).await.unwrap()
    }

    /// As somebody else who logs in, of whom the server asks no password.
    pub(crate) fn options_of(&self, login: &str) -> PostgresOptions {
        let address = self.0.address();
        let (_, place) = address.split_once('@').unwrap();
        PostgresOptions::new(&format!("postgres://{login}@{place}")).unwrap()
    }

    /// A connection of the tables' owner.
    pub(crate) async fn owner(&self) -> PgConnection {
        self.0.connect().await
    }
}

/// The change that writes these rows, which are new.
pub(crate) fn writing(sample: &Sample, rows: impl IntoIterator<Item = Row>) -> ChangeSet {
    let write = |row| Write {
        row,
        expected: Expected::Absent,
    };
    ChangeSet {
        writes: rows.into_iter().map(write).collect(),
        ..sample.change()
    }
}

pub(crate) async fn apply(store: &PostgresStore, change: &ChangeSet) {
    store.apply(change).await.unwrap();
}

/// Appends a record, which is new.
pub(crate) async fn append(store: &PostgresStore, record: &UsageRecord) {
    let appended = store.append(slice::from_ref(record)).await.unwrap();
    assert_eq!(appended, [Appended::New]);
}

/// A record of the first month that counts one unit, and spends one of the month's.
pub(crate) fn spending(sample: &Sample, of: &Subscriber) -> UsageRecord {
    UsageRecord {
        spent: vec![of.spent(None, 1)],
        ..sample.record(of, of.segment(0), 1)
    }
}

/// The whole story of an error, one cause after the other.
pub(crate) fn story(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", story(source)),
        None => error.to_string(),
    }
}
