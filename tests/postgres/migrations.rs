//! Migrations with several processes at work, and the ledger's months.

use std::error::Error;

use futures::future::join_all;
use monetization_conformance::postgres::Database;
use monetization_conformance::sample::Sample;
use monetization_conformance::size;
use monetization_core::store::{Appended, Ledger, StoreErrorKind};
use monetization_store_postgres::{Inspection, PostgresStore, Schema};
use sqlx::Executor;

use crate::database::{make, options};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn four_processes_that_start_at_once_migrate_once_r_d10() {
    for _ in 0..size(3, 50) {
        let database = Database::unused();
        database.make_empty().await;
        let options = options(&database);
        let opened = join_all((0..4).map(|_| PostgresStore::open(&options))).await;
        for store in opened {
            store.unwrap();
        }
        let applied: i64 = sqlx::query_scalar("SELECT count(*) FROM migration")
            .fetch_one(&mut database.connect().await)
            .await
            .unwrap();
        assert_eq!(applied, 1);
        database.remove().await;
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn a_database_of_a_newer_or_another_program_is_refused() {
    for (tamper, why) in [
        (
            "INSERT INTO migration (version, name, checksum, needs)
                VALUES (999, 'an_index', '', 1), (1000, 'later', '', 2)",
            "the database has migration 1000 (later)",
        ),
        (
            "UPDATE migration SET checksum = '\\x00'",
            "is not the one that was applied to this database",
        ),
    ] {
        let database = Database::unused();
        make(&database).await;
        let mut connection = database.connect().await;
        connection.execute(tamper).await.unwrap();
        let refused = PostgresStore::open(&options(&database)).await.unwrap_err();
        assert_eq!(refused.kind(), StoreErrorKind::Broken);
        let said = refused.source().unwrap().to_string();
        assert!(said.contains(why), "{said}");
    }
}

/// The release before goes on, and starts anew, while the next one has migrated the database.
#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn a_newer_database_that_needs_no_newer_program_is_opened_r_d10() {
    let database = Database::unused();
    make(&database).await;
    let before = PostgresStore::open(&options(&database)).await.unwrap();
    let newer = "CREATE TABLE later (number bigint);
        ALTER TABLE segment ADD COLUMN later bigint NOT NULL DEFAULT 7;
        INSERT INTO migration (version, name, checksum, needs) VALUES (2, 'later', '', 1)";
    let mut connection = database.connect().await;
    connection.execute(newer).await.unwrap();
    let sample = Sample::seeded(1);
    let of = sample.subscriber();
    let after = PostgresStore::open(&options(&database)).await.unwrap();
    for store in [before, after] {
        let records = sample.records(&of, of.segment(0), 3);
        store.append(&records).await.unwrap();
        let again = store.append(&records).await.unwrap();
        assert_eq!(again, [Appended::Duplicate; 3]);
    }
    let mut look = Inspection::open(&options(&database)).await.unwrap();
    assert_eq!(look.schema().await.unwrap(), Schema::Known);
    let findings = look.check().await.unwrap();
    assert!(findings.iter().all(|finding| finding.holds()));
}

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn a_month_of_the_ledger_can_be_taken_away_once_it_is_closed() {
    let database = Database::unused();
    make(&database).await;
    let mut connection = database.connect().await;
    let made: bool = sqlx::query_scalar("SELECT make_month('2026-01-01')")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert!(made);
    let store = PostgresStore::open(&options(&database)).await.unwrap();
    let sample = Sample::seeded(1);
    let of = sample.subscriber();
    let records = sample.records(&of, of.segment(0), 10);
    store.append(&records).await.unwrap();
    let held: i64 = sqlx::query_scalar("SELECT count(*) FROM record_2026_01")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(held, 10);
    let sums = store.sums(of.tenant, of.segment(0).id).await.unwrap();
    for table in ["record", "tallied"] {
        let detach = format!("ALTER TABLE {table} DETACH PARTITION {table}_2026_01");
        connection
            .execute(sqlx::AssertSqlSafe(detach))
            .await
            .unwrap();
    }
    // What is owed is in the sums; the evidence is where the month was taken.
    let after = store.sums(of.tenant, of.segment(0).id).await.unwrap();
    assert_eq!(after, sums);
    let left = store
        .records(of.tenant, of.segment(0).id, None, 100)
        .await
        .unwrap();
    assert_eq!(left, []);
}
