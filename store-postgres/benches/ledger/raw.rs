//! The peer: statements written by hand for this one purpose, into the tables and indexes that the
//! store has made.
//!
//! It judges nothing, takes on no role and believes what it is given. A batch is one insert of all its
//! records, one of what it adds to sums, one of what it adds to counters, and a commit.

use std::collections::BTreeMap;
use std::time::Instant;

use futures::future::join_all;
use monetization_conformance::bench::world::BATCH;
use monetization_conformance::postgres::Database;
use monetization_core::ids::TypedId;
use monetization_core::subscription::Segment;
use monetization_core::usage::UsageRecord;
use sqlx::{Connection, Executor, PgConnection, Row};
use uuid::Uuid;

const RECORDS: &str = "INSERT INTO record (tenant, key, segment, meter, quantity, occurred_at,
     recorded_at, position, status, ending, spent)
     SELECT *, 0, 200, 0, $8 FROM unnest(
     $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::bigint[], $6::bigint[], $7::bigint[])
     ON CONFLICT DO NOTHING";
const SUMS: &str = "INSERT INTO sum (tenant, segment, origin, meter, total, sealed, by_engine)
     SELECT tenant, segment, segment, meter, total, 0, true
     FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[])
     AS more (tenant, segment, meter, total)
     ON CONFLICT (tenant, segment, origin, meter) DO UPDATE SET total = sum.total + excluded.total";
const QUOTAS: &str = "INSERT INTO quota
     (tenant, subscription, quota, start_at, end_at, committed, leased)
     SELECT tenant, subscription, 'month', start_at, end_at, units, units
     FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[])
     AS more (tenant, subscription, start_at, end_at, units)
     ON CONFLICT (subscription, quota, start_at, end_at, tenant) DO UPDATE
     SET committed = quota.committed + excluded.committed, leased = quota.leased + excluded.leased";
/// What each record spends, as its row tells it; the same length for all.
const SPENT: &str = r#"[["month",1767225600000000,1769904000000000,null,1]]"#;

/// What is written of each batch.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work {
    /// Records, sums and counters, as the store does.
    All,
    /// Records alone.
    Records,
}

/// Connections of those who append at once.
pub(crate) struct Raw(Vec<PgConnection>);

impl Raw {
    pub(crate) async fn connected(database: &Database, appenders: usize) -> Self {
        Self(join_all((0..appenders).map(|_| database.connect())).await)
    }

    /// Records a second.
    pub(crate) async fn rate(&mut self, batches: &[Vec<UsageRecord>], work: Work) -> f64 {
        let started = Instant::now();
        let appenders = self.0.len();
        join_all(self.0.iter_mut().enumerate().map(async |(number, it)| {
            for records in batches.iter().skip(number).step_by(appenders) {
                append(it, records, work).await;
            }
        }))
        .await;
        (batches.len() * BATCH) as f64 / started.elapsed().as_secs_f64()
    }

    /// Records a second, each in a transaction of its own.
    pub(crate) async fn single_rate(&mut self, records: &[UsageRecord]) -> f64 {
        let started = Instant::now();
        for record in records {
            append(&mut self.0[0], std::slice::from_ref(record), Work::Records).await;
        }
        records.len() as f64 / started.elapsed().as_secs_f64()
    }
}

async fn append(connection: &mut PgConnection, records: &[UsageRecord], work: Work) {
    match work {
        Work::Records => write_records(connection, records).await,
        Work::All => {
            let mut transaction = connection.begin().await.unwrap();
            write_records(&mut transaction, records).await;
            write_sums_and_counters(&mut transaction, records).await;
            transaction.commit().await.unwrap();
        }
    }
}

async fn write_records(connection: &mut PgConnection, records: &[UsageRecord]) {
    let uuids = |of: fn(&UsageRecord) -> Uuid| -> Vec<Uuid> { records.iter().map(of).collect() };
    let numbers = |of: fn(&UsageRecord) -> i64| -> Vec<i64> { records.iter().map(of).collect() };
    let insert = sqlx::query(RECORDS)
        .bind(uuids(|it| it.tenant.uuid()))
        .bind(uuids(UsageRecord::ledger_key))
        .bind(uuids(|it| it.segment.id.uuid()))
        .bind(uuids(|it| it.counted[0].meter.uuid()))
        .bind(numbers(|it| it.counted[0].quantity.scaled()))
        .bind(numbers(|it| it.occurred_at.as_micros()))
        .bind(numbers(|it| it.recorded_at.as_micros()))
        .bind(SPENT);
    let inserted = insert.execute(connection).await.unwrap();
    let inserted = usize::try_from(inserted.rows_affected()).unwrap();
    assert_eq!(inserted, records.len());
}

async fn write_sums_and_counters(connection: &mut PgConnection, records: &[UsageRecord]) {
    let mut more: BTreeMap<Uuid, (Segment, i64)> = BTreeMap::new();
    for record in records {
        let segment = record.segment;
        more.entry(segment.id.uuid()).or_insert((segment, 0)).1 += 1;
    }
    let units: Vec<i64> = more.values().map(|(_, units)| *units).collect();
    let tenants = vec![records[0].tenant.uuid(); more.len()];
    let meters = vec![records[0].counted[0].meter.uuid(); more.len()];
    let segments: Vec<Uuid> = more.keys().copied().collect();
    let sums = sqlx::query(SUMS)
        .bind(&tenants)
        .bind(segments)
        .bind(meters)
        .bind(units);
    sums.execute(&mut *connection).await.unwrap();

    let mut more: Vec<(Segment, i64)> = more.into_values().collect();
    more.sort_unstable_by_key(|(segment, _)| segment.subscription);
    let instants = |of: fn(&Segment) -> i64| -> Vec<i64> {
        more.iter().map(|(segment, _)| of(segment)).collect()
    };
    let subscriptions = more.iter().map(|(it, _)| it.subscription.uuid());
    let quotas = sqlx::query(QUOTAS)
        .bind(&tenants)
        .bind(subscriptions.collect::<Vec<Uuid>>())
        .bind(instants(|segment| segment.period.start.as_micros()))
        .bind(instants(|segment| segment.period.end.as_micros()))
        .bind(more.iter().map(|(_, units)| *units).collect::<Vec<i64>>());
    quotas.execute(connection).await.unwrap();
}

/// Records, what all sums hold, and what all quota counters hold.
pub(crate) async fn totals(database: &Database) -> [i64; 3] {
    let select = "SELECT (SELECT count(*) FROM record), (SELECT sum(total)::bigint FROM sum),
         (SELECT sum(committed)::bigint FROM quota)";
    let row = database.connect().await.fetch_one(select).await.unwrap();
    [row.get(0), row.get(1), row.get(2)]
}
