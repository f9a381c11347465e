//! The ledger: records, the sums of what they count, the counters of what they spend.
//!
//! An append is one transaction of about seven statements, however many records it has. What
//! it adds to sums, counters and leases is added up in memory first, so that each of their rows
//! is written once, in the order of its key. Each statement adds to what the row holds; that
//! nothing overflows or is overspent has been decided before, and the table's own checks and
//! the number of rows changed are held against that decision.
//!
//! Segments, meters, quotas and leases stand in the ledger by their numbers, which takes a
//! record 75 bytes instead of 160 and one key instead of five to be compared.

use std::sync::LazyLock;

use async_trait::async_trait;
use monetization_core::ids::{RecordId, SegmentId, TenantId};
use monetization_core::store::judging::QuotaKey;
use monetization_core::store::{Appended, Ledger, SegmentRow, StoreError};
use monetization_core::usage::{Sum, TallyKey, UsageRecord};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::bulk::{Bulk, Statement};
use crate::connection::{Done, Transaction};
use crate::convert::{self, Columns, blob};
use crate::error::{failed, senseless};
use crate::hot::Hot;
use crate::ledger::judge::{Judge, Known, Numbers};
use crate::ledger::write::Draft;
use crate::{SqliteStore, load};

mod evidence;
mod judge;
mod write;

#[async_trait]
impl Ledger for SqliteStore {
    async fn append(&self, records: &[UsageRecord]) -> Result<Vec<Appended>, StoreError> {
        const DOING: &str = "append to the ledger";
        self.owned(DOING)?;
        let records = records.to_vec();
        let job = self.writer.write(DOING, |transaction| {
            Box::pin(async move { append(transaction, &records).await.map(Done::Commit) })
        });
        job.await
    }

    async fn sums(&self, tenant: TenantId, segment: SegmentId) -> Result<Vec<Sum>, StoreError> {
        let query = sqlx::query(include_str!("../sql/read_sums.sql"))
            .bind(blob(tenant))
            .bind(blob(segment));
        self.read_all("read sums", query, convert::sum).await
    }

    async fn sums_of_origin(
        &self,
        tenant: TenantId,
        origin: SegmentId,
    ) -> Result<Vec<Sum>, StoreError> {
        let query = sqlx::query(include_str!("../sql/read_sums_of_origin.sql"))
            .bind(blob(tenant))
            .bind(blob(origin));
        self.read_all("read sums", query, convert::sum).await
    }

    async fn segment(
        &self,
        tenant: TenantId,
        segment: SegmentId,
    ) -> Result<Option<SegmentRow>, StoreError> {
        let query = sqlx::query(include_str!("../sql/read_segment.sql"))
            .bind(blob(tenant))
            .bind(blob(segment));
        self.read_one("read a segment", query, segment_row).await
    }

    async fn records(
        &self,
        tenant: TenantId,
        segment: SegmentId,
        after: Option<RecordId>,
        limit: usize,
    ) -> Result<Vec<UsageRecord>, StoreError> {
        evidence::read(&self.readers, (tenant, segment), after, limit)
            .await
            .map_err(|error| failed("read records", error))
    }
}

/// A row of `segment`, joined with the id of its successor.
fn segment_row(row: &SqliteRow) -> sqlx::Result<SegmentRow> {
    Ok(SegmentRow {
        segment: convert::segment(row)?,
        successor: row.optional_id("successor_id")?,
    })
}

/// Appends in about as few statements as there are tables: what is not remembered is read, what is
/// known is looked up, the rest is judged in memory, and what is taken is written.
async fn append(
    transaction: Transaction<'_>,
    records: &[UsageRecord],
) -> sqlx::Result<Vec<Appended>> {
    let Transaction { connection, hot } = transaction;
    hot.trim();
    let all_have_rows = load(connection, hot, records).await?;
    let numbers = if all_have_rows {
        Numbers::default()
    } else {
        numbers(connection).await?
    };
    let known = known(connection, hot, records).await?;
    let mut judge = Judge {
        hot,
        known,
        numbers,
        draft: Draft::default(),
    };
    let appended: sqlx::Result<Vec<Appended>> =
        records.iter().map(|record| judge.judge(record)).collect();
    let appended = appended?;
    judge.draft.write(connection).await?;
    Ok(appended)
}

/// Remembers all that the records lead to, and answers whether all of it has a row.
async fn load(
    connection: &mut SqliteConnection,
    hot: &mut Hot,
    records: &[UsageRecord],
) -> sqlx::Result<bool> {
    let mut segments = Vec::with_capacity(records.len());
    let mut meters = Vec::with_capacity(records.len());
    let mut quotas = Vec::with_capacity(records.len());
    let mut leases = Vec::with_capacity(records.len());
    let mut tallies = Vec::new();
    for record in records {
        segments.push((record.tenant, record.segment.id));
        for counted in &record.counted {
            meters.push(counted.meter);
            tallies.extend(TallyKey::of(record, counted));
        }
        for spent in &record.spent {
            quotas.push(QuotaKey::of_record(record, spent));
            leases.extend(spent.lease.map(|lease| (record.tenant, lease)));
        }
    }
    let segments = load::segments(connection, hot, segments).await?;
    let meters = load::meters(connection, hot, meters).await?;
    let quotas = load::quotas(connection, hot, quotas).await?;
    load::leases(connection, hot, leases).await?;
    load::tallies(connection, hot, tallies).await?;
    Ok(segments && meters && quotas)
}

/// Which of these records are in the ledger. Records of our own are looked up by their keys,
/// those of events by their ids; an id is never taken for the other's.
async fn known(
    connection: &mut SqliteConnection,
    hot: &mut Hot,
    records: &[UsageRecord],
) -> sqlx::Result<Known> {
    let bind = |statement: Statement, record: &UsageRecord| statement.bind(blob(record.id));
    let mut rows = KNOWN_RECORDS.fetch(connection, records, bind).await?;
    if has_events(connection, hot, records).await? {
        rows.extend(KNOWN_EVENTS.fetch(connection, records, bind).await?);
    }
    let mut known = Known::default();
    for row in rows {
        let digest: Option<&[u8]> = row.value("digest")?;
        let digest = digest.map(<[u8; 32]>::try_from).transpose();
        let id = (row.id("tenant")?, row.id("id")?);
        known.insert(id, digest.map_err(senseless)?);
    }
    Ok(known)
}

/// Whether any record of the ledger, or any of these, was reported as an event. Where none was,
/// which is never asked twice, there is no need to look for events.
async fn has_events(
    connection: &mut SqliteConnection,
    hot: &mut Hot,
    records: &[UsageRecord],
) -> sqlx::Result<bool> {
    let kept = match hot.has_events {
        Some(kept) => kept,
        None => {
            let select = "SELECT EXISTS (SELECT 1 FROM event) AS kept";
            sqlx::query(select)
                .fetch_one(connection)
                .await?
                .value("kept")?
        }
    };
    let has_events = kept || records.iter().any(|record| record.event.is_some());
    hot.has_events = Some(has_events);
    Ok(has_events)
}

/// The numbers after which new rows are to be counted. They are given here and not by SQLite,
/// so that rows which name each other can be drafted together.
async fn numbers(connection: &mut SqliteConnection) -> sqlx::Result<Numbers> {
    let select = sqlx::query(include_str!("../sql/read_numbers.sql"));
    let row = select.fetch_one(connection).await?;
    Ok(Numbers {
        segment: row.value("segment")?,
        meter: row.value("meter")?,
        quota: row.value("quota")?,
    })
}

static KNOWN_RECORDS: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::new(include_str!("../sql/find_records.sql"), 1));

static KNOWN_EVENTS: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::new(include_str!("../sql/find_events.sql"), 1));
