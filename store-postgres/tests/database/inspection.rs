//! What nobody can do to the ledger, and what the checks cost.

use monetization_conformance::sample::{Sample, text};
use monetization_core::store::Ledger;
use monetization_core::usage::{ForeignEvent, UsageRecord};
use sqlx::{AssertSqlSafe, Executor, Row};

use crate::home::{Home, append, spending};

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn the_ledger_cannot_be_changed_even_by_hand() {
    let home = Home::make().await;
    let store = home.open().await;
    let sample = Sample::seeded(3);
    let of = sample.subscriber();
    append(&store, &spending(&sample, &of)).await;
    let event = ForeignEvent::new(text("crm"), text("evt-1"), b"one");
    let reported = UsageRecord {
        id: event.record(of.tenant),
        event: Some(event),
        outcome: None,
        ..sample.record(&of, of.segment(0), 1)
    };
    append(&store, &reported).await;
    let mut owner = home.owner().await;
    for statement in [
        "UPDATE record SET quantity = 0",
        "DELETE FROM record",
        "UPDATE event SET digest = digest",
        "DELETE FROM event",
        "UPDATE sum SET sealed = total + 1",
        "UPDATE sum SET total = -1",
        "UPDATE quota SET committed = leased + 1",
    ] {
        assert!(owner.execute(statement).await.is_err(), "{statement}");
    }
}

/// Whoever looks may read, and that is all.
#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn the_role_that_looks_writes_nothing() {
    let home = Home::make().await;
    let mut owner = home.owner().await;
    let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'monetization'";
    let tables: Vec<String> = sqlx::query_scalar(tables)
        .fetch_all(&mut owner)
        .await
        .unwrap();
    assert!(tables.len() > 20, "{tables:?}");
    for table in tables {
        for right in [
            "INSERT",
            "UPDATE",
            "DELETE",
            "TRUNCATE",
            "REFERENCES",
            "TRIGGER",
        ] {
            let ask = "SELECT has_table_privilege('monetization_inspector', $1, $2)";
            let may: bool = sqlx::query_scalar(ask)
                .bind(format!("monetization.{table}"))
                .bind(right)
                .fetch_one(&mut owner)
                .await
                .unwrap();
            assert!(!may, "{right} {table}");
        }
    }
}

/// The evidence and the sums are written by different statements; they must tell the same.
#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn the_records_add_up_to_the_sums_and_counters() {
    let home = Home::make().await;
    let store = home.open().await;
    for seed in 0..5 {
        let sample = Sample::seeded(seed);
        let of = sample.subscriber();
        for count in [1, 7, 600] {
            let records: Vec<UsageRecord> = (0..count).map(|_| spending(&sample, &of)).collect();
            store.append(&records).await.unwrap();
        }
    }
    for finding in home.look().await.check().await.unwrap() {
        assert!(finding.holds(), "{finding:?}");
    }
    let mut owner = home.owner().await;
    let total: i64 = sqlx::query_scalar("SELECT sum(total)::bigint FROM sum")
        .fetch_one(&mut owner)
        .await
        .unwrap();
    assert_eq!(total, 5 * (1 + 7 + 600));
}

/// What is compared is looked up or sorted: otherwise a check of a large database would take days.
#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn no_check_compares_every_row_with_every_other() {
    let home = Home::make().await;
    let mut owner = home.owner().await;
    let size = "SET large.subscriptions = 500; SET large.calls = 10";
    for statements in [size, include_str!("large.sql"), "ANALYZE"] {
        owner.execute(statements).await.unwrap();
    }
    for finding in home.look().await.check().await.unwrap() {
        assert!(finding.holds(), "{finding:?}");
    }
    let checks = concat!(env!("CARGO_MANIFEST_DIR"), "/sql/check");
    let mut count = 0;
    for check in std::fs::read_dir(checks).unwrap() {
        let check = check.unwrap().path();
        let query = std::fs::read_to_string(&check).unwrap();
        let explain = AssertSqlSafe(format!("EXPLAIN (ANALYZE, TIMING OFF) {query}"));
        for step in owner.fetch_all(explain).await.unwrap() {
            let step: &str = step.get(0);
            let (_, compared) = step
                .split_once("Rows Removed by Join Filter: ")
                .unwrap_or(("", "0"));
            let compared: u64 = compared.parse().unwrap();
            assert!(compared < 50_000, "{}: {step}", check.display());
        }
        count += 1;
    }
    assert_eq!(count, 22);
}
