//! Callers that go away anywhere in a read or write.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::slice;
use std::time::Duration;

use monetization_conformance::postgres::Database;
use monetization_conformance::sample::{Sample, Subscriber};
use monetization_conformance::{polled, size};
use monetization_core::ids::TypedId;
use monetization_core::store::{
    Appended, Applied, ChangeSet, Directory, Expected, Kind, Ledger, Quotas, Rows, StoreError,
    Write,
};
use monetization_core::usage::UsageRecord;
use monetization_store_postgres::PostgresStore;

use crate::database::{make, options};

/// What was said of what was written.
#[derive(Default)]
struct Said {
    appended: Vec<UsageRecord>,
    applied: Vec<ChangeSet>,
}

/// One call of the store, dropped after so many polls.
async fn call(
    store: &PostgresStore,
    (sample, of): (&Sample, &Subscriber),
    said: &mut Said,
    polls: usize,
) {
    let worked =
        |answer: Option<Result<_, StoreError>>| answer.is_some_and(|answer| answer.unwrap());
    match sample.below(6) {
        0 => {
            let record = sample.record(of, of.segment(0), 1);
            let append = async {
                let appended = store.append(slice::from_ref(&record)).await?;
                Ok(appended == [Appended::New])
            };
            if worked(polled(append, polls).await) {
                said.appended.push(record);
            }
        }
        1 => {
            let mut change = sample.change();
            change.writes.push(Write {
                row: sample.row(of.tenant, Kind::Product),
                expected: Expected::Absent,
            });
            let apply = async { Ok(store.apply(&change).await? == Applied::New) };
            if worked(polled(apply, polls).await) {
                said.applied.push(change);
            }
        }
        2 => drop(polled(store.lease(&sample.lease(of, 1_000_000, 1)), polls).await),
        3 => drop(polled(store.changes(0, 10), polls).await),
        4 => drop(polled(store.row(of.tenant, Kind::Product, of.tenant.uuid()), polls).await),
        _ => drop(polled(store.records(of.tenant, of.segment(0).id, None, 5), polls).await),
    }
}

/// Transactions in which nothing happens, once those that come to their end have done so.
pub(crate) async fn left_open(database: &Database) -> BTreeMap<String, i64> {
    let mut connection = database.connect().await;
    let mut open = BTreeMap::new();
    for _ in 0..40 {
        let idle = "SELECT query, count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND state LIKE 'idle in transaction%' GROUP BY 1";
        let idle: Vec<(String, i64)> = sqlx::query_as(idle)
            .fetch_all(&mut connection)
            .await
            .unwrap();
        open = idle.into_iter().collect();
        if open.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    open
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn callers_dropped_at_any_poll_leave_no_transaction_and_lose_nothing_r_d7() {
    let database = Database::unused();
    make(&database).await;
    let options = options(&database).with_connections_max(NonZeroU32::new(3).unwrap());
    let store = PostgresStore::open(&options).await.unwrap();
    let sample = Sample::seeded(monetization_conformance::seed());
    let of = sample.subscriber();
    let mut said = Said::default();
    for round in 0..size(600, 5_000) {
        call(&store, (&sample, &of), &mut said, 1 + round % 14).await;
        if round % 100 == 99 {
            assert_eq!(left_open(&database).await, BTreeMap::new(), "round {round}");
        }
    }
    assert!(said.appended.len() > 5, "{}", said.appended.len());
    assert!(said.applied.len() > 5, "{}", said.applied.len());
    for record in &said.appended {
        let again = store.append(slice::from_ref(record)).await.unwrap();
        assert_eq!(again, [Appended::Duplicate], "{record:?}");
    }
    for change in &said.applied {
        assert_eq!(store.apply(change).await.unwrap(), Applied::Again);
    }
}
