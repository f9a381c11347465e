use monetization_core::store::{Ledger, Quotas, Rows};
use monetization_store_sqlite::Inspection;
use sqlx::Row;

use crate::sample::{Home, Use};

#[tokio::test]
async fn every_view_can_be_read_at_the_shell() {
    let home = Home::new();
    let store = home.open().await;
    let of = Use::seeded(1);
    store.apply(&of.change()).await.unwrap();
    let request = of.lease(10);
    store.lease(&request).await.unwrap();
    let mut leased = of.record();
    leased.spent = vec![of.spent(Some(request.id))];
    store.append(&[leased, of.event("evt-1")]).await.unwrap();
    let mut raw = home.stranger().await;
    let views = sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'view'");
    let views: Vec<String> = views.fetch_all(&mut raw).await.unwrap();
    assert!(views.len() >= 10, "{views:?}");
    for view in views {
        let select = sqlx::AssertSqlSafe(format!("SELECT * FROM {view}"));
        sqlx::query(select).fetch_all(&mut raw).await.unwrap();
    }
    let spent = sqlx::query("SELECT * FROM v_spent ORDER BY lease")
        .fetch_all(&mut raw)
        .await
        .unwrap();
    let leases: Vec<Option<String>> = spent.iter().map(|row| row.get("lease")).collect();
    assert_eq!(leases, [None, Some(request.id.to_string())]);
    let records = "SELECT subscription, event_name FROM v_record ORDER BY event_name";
    let records = sqlx::query(records).fetch_all(&mut raw).await.unwrap();
    let events: Vec<Option<String>> = records.iter().map(|row| row.get("event_name")).collect();
    assert_eq!(events, [None, Some("evt-1".to_owned())]);
    let subscription: String = records[0].get("subscription");
    assert_eq!(subscription, of.segment.subscription.to_string());
}

#[tokio::test]
async fn the_ledger_cannot_be_changed_even_by_hand() {
    let home = Home::new();
    let store = home.open().await;
    let of = Use::seeded(2);
    store
        .append(&[of.record(), of.event("evt-1")])
        .await
        .unwrap();
    let mut raw = home.stranger().await;
    let meddling = [
        "UPDATE record SET quantity = 0",
        "DELETE FROM record",
        "UPDATE event SET digest = zeroblob(32)",
        "DELETE FROM event",
        "UPDATE sum SET sealed = total + 1",
        "UPDATE sum SET total = -1",
        "UPDATE quota SET committed = leased + 1",
    ];
    for statement in meddling {
        let done = sqlx::raw_sql(statement).execute(&mut raw).await;
        assert!(done.is_err(), "{statement}");
    }
}

/// The evidence and the sums are written by different statements; they must tell the same.
#[tokio::test]
async fn the_records_add_up_to_the_sums_and_counters() {
    let home = Home::new();
    let store = home.open().await;
    for seed in 0..5 {
        let of = Use::seeded(seed);
        for batch in [1, 7, 513, 600] {
            store.append(&of.records(batch)).await.unwrap();
        }
        store
            .append(&[of.event("evt-1"), of.event("evt-2"), of.event("evt-1")])
            .await
            .unwrap();
    }
    let mut raw = home.stranger().await;
    let findings = Inspection::open(home.path()).await.unwrap().check().await;
    for finding in findings.unwrap() {
        assert!(finding.holds(), "{finding:?}");
    }
    let total: i64 = sqlx::query_scalar("SELECT sum(total) FROM sum")
        .fetch_one(&mut raw)
        .await
        .unwrap();
    assert_eq!(total, 5 * (1 + 7 + 513 + 600 + 2));
}

/// What is compared is looked up: otherwise a check of a large database would take days.
#[tokio::test]
async fn no_check_compares_every_row_with_every_other() {
    let home = Home::new();
    let store = home.open().await;
    store.append(&Use::seeded(5).records(2)).await.unwrap();
    drop(store);
    let mut file = home.stranger().await;
    let checks = concat!(env!("CARGO_MANIFEST_DIR"), "/sql/check");
    let mut count = 0;
    for check in std::fs::read_dir(checks).unwrap() {
        let check = check.unwrap().path();
        let query = std::fs::read_to_string(&check).unwrap();
        let explain = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {query}")));
        for step in explain.fetch_all(&mut file).await.unwrap() {
            let step: String = step.get("detail");
            let is_nested = step.starts_with("RIGHT-JOIN")
                || (step.starts_with("SCAN") && step.ends_with("LEFT-JOIN"));
            assert!(!is_nested, "{}: {step}", check.display());
        }
        count += 1;
    }
    assert_eq!(count, 21);
}
