//! Records, read back from their rows.
//!
//! A record is put together from the rows of its meters, which follow each other, the segment
//! they all name, and what its first row says it spent. The segment is the one
//! in the segment's row: its end may have moved since the record was written.

use monetization_core::clock::{Span, Timestamp};
use monetization_core::ids::{LeaseId, RecordId, SegmentId, TenantId, TypedId};
use monetization_core::subscription::Segment;
use monetization_core::usage::{Counted, ForeignEvent, Outcome, Spent, Tally, UsageRecord};
use sqlx::postgres::PgRow;
use sqlx::{Executor, PgConnection};
use uuid::Uuid;

use crate::convert::{self, Columns, ending, quota_name};
use crate::error::senseless;

/// The records of a segment by the time of use, in the order of their ids.
///
/// The ledger has no index by segment, which would cost each append more than all the rest: the
/// rows from `after` on are passed by until the page is full. Reading all of a segment page by
/// page passes by each row of the ledger once, however many pages that takes.
///
/// # Errors
/// Where the database cannot, or a row makes no sense.
pub(super) async fn read(
    connection: &mut PgConnection,
    (tenant, segment): (TenantId, SegmentId),
    after: Option<RecordId>,
    limit: usize,
) -> sqlx::Result<Vec<UsageRecord>> {
    let row = sqlx::query(include_str!("../../sql/read_segment_of_evidence.sql"))
        .bind(tenant.uuid())
        .bind(segment.uuid())
        .fetch_optional(&mut *connection)
        .await?;
    let Some(row) = row else {
        return Ok(Vec::new());
    };
    // A server that expects little of the segment would rather sort the whole ledger for each page.
    connection.execute("SET LOCAL enable_sort = off").await?;
    let rows = sqlx::query(include_str!("../../sql/read_evidence.sql"))
        .bind(tenant.uuid())
        .bind(segment.uuid())
        .bind(after.map(TypedId::uuid))
        .bind(convert::limit(limit))
        .fetch_all(connection)
        .await?;
    let segment = convert::segment(&row)?;
    let mut records: Vec<UsageRecord> = Vec::new();
    for row in &rows {
        let counted = Counted {
            meter: row.id("meter")?,
            quantity: row.quantity("quantity")?,
            tally: tally(row)?,
        };
        let id = row.id("record_id")?;
        match records.last_mut().filter(|last| last.id == id) {
            Some(record) => record.counted.push(counted),
            None => records.push(UsageRecord {
                counted: vec![counted],
                ..record(row, tenant, segment)?
            }),
        }
    }
    Ok(records)
}

/// The record of a row, with nothing counted yet.
fn record(row: &PgRow, tenant: TenantId, segment: Segment) -> sqlx::Result<UsageRecord> {
    let code: Option<i16> = row.value("ending")?;
    let status: Option<i16> = row.value("status")?;
    let status = status.map(u16::try_from).transpose().map_err(senseless)?;
    let outcome = code.map(|code| ending(code.into()).map(|ending| Outcome { status, ending }));
    Ok(UsageRecord {
        id: row.id("record_id")?,
        tenant,
        segment,
        occurred_at: row.instant("occurred_at")?,
        recorded_at: row.instant("recorded_at")?,
        resource: row.optional_text("resource")?,
        outcome: outcome.transpose()?,
        counted: Vec::new(),
        spent: row
            .value::<Option<&str>>("spent")?
            .map_or(Ok(Vec::new()), spent)?,
        event: event(row)?,
    })
}

/// How much of it the sum grew by.
fn tally(row: &PgRow) -> sqlx::Result<Tally> {
    let tally: Option<&str> = row.value("tally")?;
    tally.map_or(Ok(Tally::Add), |tally| {
        serde_json::from_str(tally).map_err(senseless)
    })
}

/// What it spent: a list of quota, start, end, lease, units.
fn spent(text: &str) -> sqlx::Result<Vec<Spent>> {
    type Columns = (String, i64, i64, Option<Uuid>, u64);
    let rows: Vec<Columns> = serde_json::from_str(text).map_err(senseless)?;
    let spent = |(quota, start, end, lease, units): Columns| {
        Ok(Spent {
            quota: quota_name(&quota)?,
            window: Span {
                start: Timestamp::from_micros(start),
                end: Timestamp::from_micros(end),
            },
            lease: lease.map(LeaseId::from_uuid),
            units,
        })
    };
    rows.into_iter().map(spent).collect()
}

/// The event it was reported as.
fn event(row: &PgRow) -> sqlx::Result<Option<ForeignEvent>> {
    let Some(source) = row.optional_text("source")? else {
        return Ok(None);
    };
    let digest: &[u8] = row.value("digest")?;
    Ok(Some(ForeignEvent {
        source,
        id: row.text("name")?,
        digest: digest.try_into().map_err(senseless)?,
    }))
}
