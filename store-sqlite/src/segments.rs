use monetization_core::ids::TenantId;
use monetization_core::store::Closing;
use monetization_core::subscription::Segment;
use sqlx::SqliteConnection;

use crate::bulk::Statement;
use crate::convert::{Columns, blob};
use crate::hot::Hot;

/// Closes a segment, unless it is closed, and announces its successor, unless that has a row.
pub(crate) async fn close(
    connection: &mut SqliteConnection,
    hot: &mut Hot,
    closing: &Closing,
) -> sqlx::Result<()> {
    let announce = "INSERT INTO segment (tenant, id, subscription, plan_version, invoicing,
            period_index, period_start_at, period_end_at, start_at, end_at, state)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'announced')
        ON CONFLICT (tenant, id) DO NOTHING";
    bind(sqlx::query(announce), closing.tenant, &closing.successor)
        .execute(&mut *connection)
        .await?;
    let number = sqlx::query("SELECT number FROM segment WHERE tenant = ? AND id = ?")
        .bind(blob(closing.tenant))
        .bind(blob(closing.successor.id))
        .fetch_one(&mut *connection)
        .await?;
    let close = "INSERT INTO segment (tenant, id, subscription, plan_version, invoicing,
            period_index, period_start_at, period_end_at, start_at, end_at, state, successor)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'closed', ?)
        ON CONFLICT (tenant, id) DO UPDATE SET plan_version = excluded.plan_version,
            invoicing = excluded.invoicing, period_index = excluded.period_index,
            period_start_at = excluded.period_start_at, period_end_at = excluded.period_end_at,
            start_at = excluded.start_at, end_at = excluded.end_at, state = excluded.state,
            successor = excluded.successor
        WHERE state <> 'closed'";
    bind(sqlx::query(close), closing.tenant, &closing.segment)
        .bind(number.value::<i64>("number")?)
        .execute(connection)
        .await?;
    for segment in [closing.segment.id, closing.successor.id] {
        hot.segments.remove(&(closing.tenant, segment));
    }
    Ok(())
}

/// Opens an announced segment; as this record has it, where it is one of its own.
pub(crate) async fn open(
    connection: &mut SqliteConnection,
    number: i64,
    as_recorded: Option<&Segment>,
) -> sqlx::Result<()> {
    let Some(segment) = as_recorded else {
        let open = "UPDATE segment SET state = 'open' WHERE number = ?";
        let opened = sqlx::query(open).bind(number).execute(connection).await;
        return opened.map(drop);
    };
    let open = "UPDATE segment SET plan_version = ?, invoicing = ?, period_index = ?,
            period_start_at = ?, period_end_at = ?, start_at = ?, end_at = ?, state = 'open'
        WHERE number = ?";
    let opened = sqlx::query(open)
        .bind(blob(segment.version))
        .bind(segment.invoicing.as_str())
        .bind(i64::from(segment.period_index))
        .bind(segment.period.start.as_micros())
        .bind(segment.period.end.as_micros())
        .bind(segment.span.start.as_micros())
        .bind(segment.span.end.as_micros())
        .bind(number)
        .execute(connection)
        .await;
    opened.map(drop)
}

/// Binds what a segment's row says of it, in the order of its columns.
pub(crate) fn bind(statement: Statement, tenant: TenantId, segment: &Segment) -> Statement {
    statement
        .bind(blob(tenant))
        .bind(blob(segment.id))
        .bind(blob(segment.subscription))
        .bind(blob(segment.version))
        .bind(segment.invoicing.as_str())
        .bind(i64::from(segment.period_index))
        .bind(segment.period.start.as_micros())
        .bind(segment.period.end.as_micros())
        .bind(segment.span.start.as_micros())
        .bind(segment.span.end.as_micros())
}
