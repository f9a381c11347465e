//! What people see at psql.

use monetization_conformance::sample::{Sample, Subscriber, batch, text};
use monetization_core::ids::TypedId;
use monetization_core::store::{Batches, Kind, Ledger, Quotas, Row};
use monetization_core::usage::{ForeignEvent, UsageRecord};
use monetization_store_postgres::PostgresStore;
use sqlx::{AssertSqlSafe, Executor, PgConnection, Row as _};

use crate::home::{Home, append, apply, spending, writing};

const VIEWS: [&str; 10] = [
    "v_batch",
    "v_consumer",
    "v_invoice",
    "v_product",
    "v_quota",
    "v_record",
    "v_segment",
    "v_spent",
    "v_subscription",
    "v_sum",
];

/// A subscription with a row in every view.
async fn live(store: &PostgresStore, sample: &Sample) -> Subscriber {
    let of = sample.subscriber();
    let kinds = [
        Kind::Product,
        Kind::Consumer,
        Kind::Subscription,
        Kind::Invoice,
    ];
    let rows = kinds.map(|kind| {
        let row = sample.row(of.tenant, kind);
        let body = format!(r#"{{"id":"{}","state":"open"}}"#, row.id);
        Row { body, ..row }
    });
    apply(store, &writing(sample, rows)).await;
    let request = sample.lease(&of, 10, 10);
    store.lease(&request).await.unwrap();
    append(store, &spending(sample, &of)).await;
    let leased = UsageRecord {
        spent: vec![of.spent(Some(request.id), 1)],
        ..sample.record(&of, of.segment(0), 1)
    };
    append(store, &leased).await;
    let event = ForeignEvent::new(text("crm"), text("evt-1"), b"one");
    let reported = UsageRecord {
        id: event.record(of.tenant),
        event: Some(event),
        outcome: None,
        ..sample.record(&of, of.segment(0), 1)
    };
    append(store, &reported).await;
    let sums = store.sums(of.tenant, of.segment(0).id).await.unwrap();
    store.seal(&batch(of.tenant, &sums[0])).await.unwrap();
    of
}

/// How many rows each view shows.
async fn counts(connection: &mut PgConnection) -> Vec<i64> {
    let mut counts = Vec::new();
    for view in VIEWS {
        let count = AssertSqlSafe(format!("SELECT count(*) FROM {view}"));
        let count = sqlx::query_scalar(count).fetch_one(&mut *connection);
        counts.push(count.await.unwrap());
    }
    counts
}

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn every_view_can_be_read_at_the_shell() {
    let home = Home::make().await;
    let store = home.open().await;
    let of = live(&store, &Sample::seeded(1)).await;
    let mut owner = home.owner().await;
    let views = "SELECT viewname::text FROM pg_views WHERE schemaname = 'monetization' ORDER BY 1";
    let views: Vec<String> = sqlx::query_scalar(views)
        .fetch_all(&mut owner)
        .await
        .unwrap();
    assert_eq!(views, VIEWS);
    let shown = [1, 1, 1, 1, 1, 3, 1, 2, 1, 1];
    for role in ["NONE", "monetization_inspector"] {
        let take_on = AssertSqlSafe(format!("SET ROLE {role}"));
        owner.execute(take_on).await.unwrap();
        assert_eq!(counts(&mut owner).await, shown, "{role}");
    }
    let spent = "SELECT lease IS NOT NULL AS is_leased, window_start_at FROM v_spent ORDER BY 1";
    let spent = owner.fetch_all(spent).await.unwrap();
    let leased: Vec<bool> = spent.iter().map(|row| row.get("is_leased")).collect();
    assert_eq!(leased, [false, true]);
    let start: &str = spent[0].get("window_start_at");
    assert_eq!(start, "2026-01-01T00:00:00Z");
    let records = "SELECT subscription, event_name FROM v_record ORDER BY event_name";
    let records = owner.fetch_all(records).await.unwrap();
    let events: Vec<Option<&str>> = records.iter().map(|row| row.get("event_name")).collect();
    assert_eq!(events, [Some("evt-1"), None, None]);
    let subscription: &str = records[0].get("subscription");
    assert_eq!(subscription, of.subscription.to_string());
}

/// A view is no way around the wall between tenants.
#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn a_view_shows_a_tenant_what_belongs_to_it() {
    let home = Home::make().await;
    let store = home.open().await;
    let sample = Sample::seeded(2);
    let tenants = [
        live(&store, &sample).await.tenant,
        live(&store, &sample).await.tenant,
    ];
    let mut owner = home.owner().await;
    let both = counts(&mut owner).await;
    owner.execute("SET ROLE monetization_tenant").await.unwrap();
    assert_eq!(counts(&mut owner).await, [0; 10]);
    for tenant in tenants {
        let name = format!("SET monetization.tenant = '{}'", tenant.uuid());
        owner.execute(AssertSqlSafe(name)).await.unwrap();
        let own: Vec<i64> = counts(&mut owner).await;
        assert_eq!(own.iter().map(|rows| rows * 2).collect::<Vec<_>>(), both);
    }
}
