//! Row-level security and grants: what holds even where a statement of ours would forget its tenant.

use monetization_conformance::postgres::Database;
use monetization_conformance::sample::{Sample, Subscriber, batch};
use monetization_core::ids::{TenantId, TypedId};
use monetization_core::store::{
    Batches, Expected, JobStart, Kind, Ledger, Quotas, Rows, Sealed, Work, Write,
};
use monetization_core::usage::{Tally, TallyKey};
use monetization_store_postgres::PostgresStore;
use sqlx::{AssertSqlSafe, Executor, PgConnection};
use std::time::Duration;

use crate::database::{make, options};

/// A row in every table that is anybody's.
async fn live(store: &PostgresStore, sample: &Sample) -> Subscriber {
    let of = sample.subscriber();
    let mut change = sample.change();
    change.writes.push(Write {
        row: sample.row(of.tenant, Kind::Product),
        expected: Expected::Absent,
    });
    change.writes[0].row.keys = vec![monetization_core::store::RowKey::new(
        monetization_core::store::Index::ProductSlug,
        "weather",
    )];
    change.intents = vec![sample.intent(of.tenant)];
    store.apply(&change).await.unwrap();
    let lease = sample.lease(&of, 100, 10);
    store.lease(&lease).await.unwrap();
    let mut record = sample.record(&of, of.segment(0), 2);
    record.spent = vec![of.spent(Some(lease.id), 1)];
    let mut tallied = sample.record(&of, of.segment(0), 3);
    tallied.counted[0].meter = sample.id();
    tallied.counted[0].tally = Tally::Max;
    assert!(TallyKey::of(&tallied, &tallied.counted[0]).is_some());
    let mut reported = sample.record(&of, of.segment(0), 1);
    reported.outcome = None;
    reported.event = Some(monetization_core::usage::ForeignEvent {
        source: "billing".parse().unwrap(),
        id: "evt_1".parse().unwrap(),
        digest: [7; 32],
    });
    store.append(&[record, tallied, reported]).await.unwrap();
    let sums = store.sums(of.tenant, of.segment(0).id).await.unwrap();
    let sum = sums.iter().find(|sum| sum.key.meter == of.meter).unwrap();
    let sealed = store.seal(&batch(of.tenant, sum)).await.unwrap();
    assert_eq!(sealed, Sealed::New);
    let started = store
        .start_job(
            of.tenant,
            &"publish".parse().unwrap(),
            monetization_conformance::sample::START,
            Duration::from_secs(60),
        )
        .await;
    assert!(matches!(started.unwrap(), JobStart::Started(_)));
    of
}

/// Every table with a column `tenant`.
async fn walled(connection: &mut PgConnection) -> Vec<String> {
    let tables = "SELECT table_name::text FROM information_schema.columns
        JOIN information_schema.tables USING (table_schema, table_name)
        WHERE table_schema = 'monetization' AND column_name = 'tenant'
            AND table_type = 'BASE TABLE'
            AND table_name NOT IN (SELECT inhrelid::regclass::text FROM pg_inherits)
        ORDER BY 1";
    let tables: Vec<String> = sqlx::query_scalar(tables)
        .fetch_all(connection)
        .await
        .unwrap();
    assert!(tables.len() >= 14, "{tables:?}");
    tables
}

async fn count(connection: &mut PgConnection, table: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {table}")))
        .fetch_one(connection)
        .await
        .unwrap()
}

/// Acts as this role from here on, in the name of this tenant if any.
async fn act(connection: &mut PgConnection, role: &str, tenant: Option<TenantId>) {
    let tenant = tenant.map_or(String::new(), |tenant| tenant.uuid().to_string());
    let act = format!("RESET ROLE; SET ROLE {role}; SET monetization.tenant = '{tenant}'");
    connection.execute(AssertSqlSafe(act)).await.unwrap();
}

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn a_statement_that_forgets_its_tenant_finds_nothing_of_others_r_a7() {
    let database = Database::unused();
    make(&database).await;
    let store = PostgresStore::open(&options(&database)).await.unwrap();
    let sample = Sample::seeded(1);
    let (own, other) = (live(&store, &sample).await, live(&store, &sample).await);
    let mut connection = database.connect().await;
    let tables = walled(&mut connection).await;
    for table in tables
        .iter()
        .filter(|table| *table != "tally" && *table != "lease")
    {
        act(&mut connection, "monetization_worker", None).await;
        let readable =
            format!("SELECT has_table_privilege('monetization_tenant', '{table}', 'SELECT')");
        let readable: bool = sqlx::query_scalar(AssertSqlSafe(readable))
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert!(readable, "{table}");
        for of in [own, other] {
            act(&mut connection, "monetization_tenant", Some(of.tenant)).await;
            assert!(count(&mut connection, table).await > 0, "{table}: its own");
            let foreign = format!("SELECT count(*) FROM {table} WHERE tenant <> $1");
            let foreign: i64 = sqlx::query_scalar(AssertSqlSafe(foreign))
                .bind(of.tenant.uuid())
                .fetch_one(&mut connection)
                .await
                .unwrap();
            assert_eq!(foreign, 0, "{table}: of others");
        }
        act(&mut connection, "monetization_tenant", None).await;
        assert_eq!(count(&mut connection, table).await, 0, "{table}: nobody's");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn every_table_that_names_a_tenant_has_a_wall() {
    let database = Database::unused();
    make(&database).await;
    let mut connection = database.connect().await;
    for table in walled(&mut connection).await {
        let walled = format!(
            "SELECT relrowsecurity FROM pg_class WHERE oid = 'monetization.{table}'::regclass"
        );
        let walled: bool = sqlx::query_scalar(AssertSqlSafe(walled))
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert!(walled, "{table}");
    }
}

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn nobody_writes_in_the_name_of_another_tenant_r_a7() {
    const NEW_ROW_VIOLATES_POLICY: &str = "42501";
    let database = Database::unused();
    make(&database).await;
    let mut connection = database.connect().await;
    let sample = Sample::seeded(1);
    act(&mut connection, "monetization_tenant", Some(sample.id())).await;
    let other: TenantId = sample.id();
    let insert = "INSERT INTO fact (kind, id, tenant, version, change_seq, body, keys)
        VALUES ('product', gen_random_uuid(), $1, 1, 1, '{}', '[]')";
    let refused = sqlx::query(insert)
        .bind(other.uuid())
        .execute(&mut connection)
        .await
        .unwrap_err();
    let code = refused.as_database_error().unwrap().code().unwrap();
    assert_eq!(code, NEW_ROW_VIOLATES_POLICY, "{refused}");
}

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn what_is_in_the_ledger_can_neither_be_changed_nor_removed() {
    let database = Database::unused();
    make(&database).await;
    let store = PostgresStore::open(&options(&database)).await.unwrap();
    let of = live(&store, &Sample::seeded(1)).await;
    let mut connection = database.connect().await;
    for table in ["record", "event", "tallied"] {
        for statement in [
            format!("UPDATE {table} SET tenant = tenant"),
            format!("DELETE FROM {table}"),
            format!("TRUNCATE {table}"),
        ] {
            for role in [
                "monetization_tenant",
                "monetization_ledger",
                "monetization_worker",
            ] {
                act(&mut connection, role, Some(of.tenant)).await;
                let refused = connection.execute(AssertSqlSafe(statement.clone())).await;
                let refused = refused.unwrap_err().to_string();
                assert!(refused.contains("permission denied"), "{role}: {refused}");
            }
        }
        connection.execute("RESET ROLE").await.unwrap();
        let by_owner = format!("UPDATE {table} SET tenant = tenant");
        let refused = connection.execute(AssertSqlSafe(by_owner)).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("append a correction"), "{refused}");
        assert!(count(&mut connection, table).await > 0, "{table}");
    }
}
