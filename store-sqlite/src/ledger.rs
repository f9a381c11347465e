use std::sync::LazyLock;

use async_trait::async_trait;
use monetization_core::ids::{RecordId, SegmentId, TenantId};
use monetization_core::store::{Appended, Ledger, SegmentRow, StoreError};
use monetization_core::usage::{Sum, UsageRecord};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::bulk::{Bulk, Statement};
use crate::connection::{Done, Transaction};
use crate::convert::{self, Columns, blob};
use crate::error::{failed, senseless};
use crate::hot::{Hot, QuotaKey};
use crate::ledger::judge::{Judge, Known, Numbers};
use crate::ledger::write::Draft;
use crate::{SqliteStore, load};

mod evidence;
mod judge;
mod write;

#[async_trait]
impl Ledger for SqliteStore {
    async fn append(&self, records: &[UsageRecord]) -> Result<Vec<Appended>, StoreError> {
        let records = records.to_vec();
        let job = self.writer.write("append to the ledger", |transaction| {
            Box::pin(async move { append(transaction, &records).await.map(Done::Commit) })
        });
        job.await
    }

    async fn sums(&self, tenant: TenantId, segment: SegmentId) -> Result<Vec<Sum>, StoreError> {
        let select = "SELECT segment.id AS segment_id, origin.id AS origin_id,
                meter.id AS meter_id, sum.total, sum.sealed
            FROM segment
            JOIN sum ON sum.segment = segment.number
            JOIN segment AS origin ON origin.number = sum.origin
            JOIN meter ON meter.number = sum.meter
            WHERE segment.tenant = ? AND segment.id = ?
            ORDER BY origin.id, meter.id";
        let rows = sqlx::query(select)
            .bind(blob(tenant))
            .bind(blob(segment))
            .fetch_all(&self.readers)
            .await;
        read_sums(rows)
    }

    async fn sums_of_origin(
        &self,
        tenant: TenantId,
        origin: SegmentId,
    ) -> Result<Vec<Sum>, StoreError> {
        let select = "SELECT segment.id AS segment_id, origin.id AS origin_id,
                meter.id AS meter_id, sum.total, sum.sealed
            FROM segment AS origin
            JOIN sum ON sum.origin = origin.number
            JOIN segment ON segment.number = sum.segment
            JOIN meter ON meter.number = sum.meter
            WHERE origin.tenant = ? AND origin.id = ?
            ORDER BY segment.id, meter.id";
        let rows = sqlx::query(select)
            .bind(blob(tenant))
            .bind(blob(origin))
            .fetch_all(&self.readers)
            .await;
        read_sums(rows)
    }

    async fn segment(
        &self,
        tenant: TenantId,
        segment: SegmentId,
    ) -> Result<Option<SegmentRow>, StoreError> {
        let select = "SELECT segment.*, successor.id AS successor_id FROM segment
            LEFT JOIN segment AS successor ON successor.number = segment.successor
            WHERE segment.tenant = ? AND segment.id = ? AND segment.state <> 'announced'";
        let row = sqlx::query(select)
            .bind(blob(tenant))
            .bind(blob(segment))
            .fetch_optional(&self.readers)
            .await;
        row.and_then(|row| row.as_ref().map(segment_row).transpose())
            .map_err(|error| failed("read a segment", error))
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

fn read_sums(rows: sqlx::Result<Vec<SqliteRow>>) -> Result<Vec<Sum>, StoreError> {
    let sum = |row: &SqliteRow| {
        Ok(Sum {
            key: convert::sum_key(row)?,
            total: row.quantity("total")?,
            sealed: row.quantity("sealed")?,
        })
    };
    rows.and_then(|rows| rows.iter().map(sum).collect())
        .map_err(|error| failed("read sums", error))
}

fn segment_row(row: &SqliteRow) -> sqlx::Result<SegmentRow> {
    Ok(SegmentRow {
        segment: convert::segment(row)?,
        successor: row.optional_id("successor_id")?,
    })
}

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
    for record in records {
        segments.push((record.tenant, record.segment.id));
        meters.extend(record.counted.iter().map(|counted| counted.meter));
        for spent in &record.spent {
            quotas.push(QuotaKey::of_record(record, spent));
            leases.extend(spent.lease.map(|lease| (record.tenant, lease)));
        }
    }
    let segments = load::segments(connection, hot, segments).await?;
    let meters = load::meters(connection, hot, meters).await?;
    let quotas = load::quotas(connection, hot, quotas).await?;
    load::leases(connection, hot, leases).await?;
    Ok(segments && meters && quotas)
}

/// Which of these records are in the ledger.
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

/// The numbers after which new rows are to be counted.
async fn numbers(connection: &mut SqliteConnection) -> sqlx::Result<Numbers> {
    let select = "SELECT (SELECT coalesce(max(number), 0) FROM segment) AS segment,
        (SELECT coalesce(max(number), 0) FROM meter) AS meter,
        (SELECT coalesce(max(number), 0) FROM quota) AS quota";
    let row = sqlx::query(select).fetch_one(connection).await?;
    Ok(Numbers {
        segment: row.value("segment")?,
        meter: row.value("meter")?,
        quota: row.value("quota")?,
    })
}

static KNOWN_RECORDS: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "WITH asked (id) AS (VALUES",
        "(?)",
        ") SELECT asked.id, segment.tenant, NULL AS digest
        FROM asked
        CROSS JOIN record ON record.key = asked.id
        JOIN segment ON segment.number = record.segment
        WHERE record.event IS NULL",
    )
});

static KNOWN_EVENTS: LazyLock<Bulk> = LazyLock::new(|| {
    Bulk::new(
        "WITH asked (id) AS (VALUES",
        "(?)",
        ") SELECT asked.id, segment.tenant, event.digest
        FROM asked
        CROSS JOIN event ON event.id = asked.id
        JOIN segment ON segment.number = event.segment",
    )
});
