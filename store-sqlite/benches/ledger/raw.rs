//! The peer: statements written by hand for this one purpose, into the tables and indexes that the
//! store has made.
//!
//! It knows all numbers beforehand, looks for no duplicates and judges nothing. A batch is one insert of
//! all its records, one of what it adds to sums, one update of the quota counters, and a commit.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use hashbrown::HashMap;
use monetization_conformance::bench::world::{BATCH, World};
use monetization_core::ids::{SegmentId, TypedId};
use monetization_core::usage::UsageRecord;
use monetization_store_sqlite::{SqliteOptions, SqliteStore};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};

use crate::world::store;

const RECORDS: &str = "INSERT INTO record (key, segment, meter, quantity, occurred_at, recorded_at, \
     resource, status, ending, spent, event, position) VALUES {rows}";
const RECORD: &str = "(?, ?, ?, ?, ?, ?, NULL, 200, 0, ?, NULL, 0)";
const SUMS: &str = "INSERT INTO sum (segment, origin, meter, total, sealed, by_engine) VALUES {rows} \
     ON CONFLICT (segment, origin, meter) DO UPDATE SET total = total + excluded.total";
const SUM: &str = "(?, ?, ?, ?, 0, 1)";
const QUOTAS: &str = "WITH more (number, units) AS (VALUES {rows}) UPDATE quota \
     SET committed = committed + more.units, leased = leased + more.units \
     FROM more WHERE quota.number = more.number";
const QUOTA: &str = "(?, ?)";

pub(crate) struct Raw {
    connection: SqliteConnection,
    /// The numbers of a segment and of its subscription's quota.
    numbers: HashMap<SegmentId, (i64, i64)>,
    meter: i64,
    texts: HashMap<(&'static str, usize), &'static str>,
}

impl Raw {
    /// Takes over a file that the store has begun.
    pub(crate) async fn open(options: &SqliteOptions, world: &mut World) -> Self {
        let begun: SqliteStore = store(options, world).await;
        drop(begun);
        let mut connection = connect(options.path()).await;
        let select = "SELECT segment.id, segment.number, quota.number FROM segment \
             JOIN quota ON quota.subscription = segment.subscription";
        let rows = sqlx::query(select)
            .fetch_all(&mut connection)
            .await
            .unwrap();
        let numbers = rows.iter().map(|row| {
            let id: Vec<u8> = row.get(0);
            let id = uuid::Uuid::from_slice(&id).unwrap();
            (SegmentId::from_uuid(id), (row.get(1), row.get(2)))
        });
        let numbers: HashMap<_, _> = numbers.collect();
        assert_eq!(numbers.len(), world.segments.len());
        let select = "SELECT number FROM meter";
        let meter = sqlx::query_scalar(select).fetch_one(&mut connection).await;
        Self {
            connection,
            numbers,
            meter: meter.unwrap(),
            texts: HashMap::new(),
        }
    }

    /// Records a second.
    pub(crate) async fn rate(&mut self, batches: &[Vec<UsageRecord>]) -> f64 {
        let started = Instant::now();
        for records in batches {
            self.append(records).await;
        }
        (batches.len() * BATCH) as f64 / started.elapsed().as_secs_f64()
    }

    /// One transaction.
    pub(crate) async fn append(&mut self, records: &[UsageRecord]) {
        self.execute("BEGIN IMMEDIATE").await;
        let text = self.text(RECORDS, RECORD, records.len());
        let mut insert = sqlx::query(text);
        let mut more: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
        for record in records {
            let (segment, quota) = self.numbers[&record.segment.id];
            insert = insert
                .bind(record.id.uuid().as_bytes().to_vec())
                .bind(segment)
                .bind(self.meter)
                .bind(record.counted[0].quantity.scaled())
                .bind(record.occurred_at.as_micros())
                .bind(record.recorded_at.as_micros())
                .bind(format!("[[{quota},null,1]]"));
            let more = more.entry(segment).or_insert((quota, 0));
            more.1 += 1;
        }
        let inserted = insert.execute(&mut self.connection).await.unwrap();
        assert_eq!(
            inserted.rows_affected(),
            u64::try_from(records.len()).unwrap()
        );
        let mut sums = sqlx::query(self.text(SUMS, SUM, more.len()));
        for (segment, (_, units)) in &more {
            sums = sums
                .bind(*segment)
                .bind(*segment)
                .bind(self.meter)
                .bind(*units);
        }
        sums.execute(&mut self.connection).await.unwrap();
        let mut quotas = sqlx::query(self.text(QUOTAS, QUOTA, more.len()));
        for (quota, units) in more.values() {
            quotas = quotas.bind(*quota).bind(*units);
        }
        let updated = quotas.execute(&mut self.connection).await.unwrap();
        assert_eq!(updated.rows_affected(), u64::try_from(more.len()).unwrap());
        self.execute("COMMIT").await;
    }

    /// What the file says of all use, which has to be what was appended.
    pub(crate) async fn totals(self) -> [i64; 3] {
        totals(self.connection).await
    }

    async fn execute(&mut self, text: &'static str) {
        sqlx::query(text)
            .execute(&mut self.connection)
            .await
            .unwrap();
    }

    /// The text for so many rows; there are as many as sizes, and they are kept.
    fn text(&mut self, text: &'static str, row: &str, rows: usize) -> &'static str {
        self.texts.entry((text, rows)).or_insert_with(|| {
            let rows = vec![row; rows].join(", ");
            text.replace("{rows}", &rows).leak()
        })
    }
}

/// As the store connects.
pub(crate) async fn connect(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .pragma("cache_size", "-65536")
        .pragma("wal_autocheckpoint", "16384")
        .pragma("journal_size_limit", "134217728")
        .pragma("temp_store", "MEMORY")
        .statement_cache_capacity(4_096)
        .disable_statement_logging();
    options.connect().await.unwrap()
}

/// Records, what all sums hold, and what all quota counters hold.
pub(crate) async fn totals(mut connection: SqliteConnection) -> [i64; 3] {
    let select = "SELECT (SELECT count(*) FROM record), (SELECT sum(total) FROM sum), \
         (SELECT sum(committed) FROM quota)";
    let row = sqlx::query(select)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    [row.get(0), row.get(1), row.get(2)]
}
