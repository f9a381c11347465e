//! The life of a segment's row.
//!
//! ```text
//! (no row) -> announced -> open -> closed
//! ```
//! Closing a segment announces its successor, so that late use has somewhere to go. An announced
//! segment answers to readers as if it had no row; its first use opens it. Any step may be left
//! out.
//!
//! An append holds the rows of the segments that pay against closing, any number of appends at
//! once (`FOR KEY SHARE`); closing waits for them and then holds the row alone (`FOR UPDATE`). For
//! that the row has to be there: closing makes it first, where it is missing.

use monetization_core::ids::{SegmentId, TenantId, TypedId};
use monetization_core::store::Closing;
use monetization_core::subscription::Segment;
use sqlx::PgConnection;

use crate::Statement;

/// Closes segments, but those that are closed, and announces their successors, but those that
/// have a row. Waits for appends that hold one of them; those that come later find it closed.
///
/// # Errors
/// Where the database cannot.
pub(crate) async fn close(connection: &mut PgConnection, closings: &[Closing]) -> sqlx::Result<()> {
    let mut closings: Vec<&Closing> = closings.iter().collect();
    // All changes take them in one order, so that none waits for one that waits for it.
    closings.sort_by_key(|closing| (closing.tenant, closing.segment.id));
    for closing in closings {
        for segment in [&closing.segment, &closing.successor] {
            let announce = sqlx::query(include_str!("../sql/announce_segment.sql"));
            bind(announce, closing.tenant, segment)
                .execute(&mut *connection)
                .await?;
        }
        sqlx::query("SELECT 1 FROM segment WHERE tenant = $1 AND id = $2 FOR UPDATE")
            .bind(closing.tenant.uuid())
            .bind(closing.segment.id.uuid())
            .execute(&mut *connection)
            .await?;
        let close = sqlx::query(include_str!("../sql/close_segment.sql"));
        bind(close, closing.tenant, &closing.segment)
            .bind(closing.successor.id.uuid())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Opens an announced segment; as this record has it, where it is one of its own.
///
/// # Errors
/// Where the database cannot.
pub(crate) async fn open(
    connection: &mut PgConnection,
    (tenant, id): (TenantId, SegmentId),
    as_recorded: Option<&Segment>,
) -> sqlx::Result<()> {
    let open = match as_recorded {
        Some(segment) => {
            let open = sqlx::query(include_str!("../sql/open_segment.sql"));
            bind(open, tenant, segment)
        }
        None => {
            let open = "UPDATE segment SET state = 'open'
                WHERE tenant = $1 AND id = $2 AND state = 'announced'";
            sqlx::query(open).bind(tenant.uuid()).bind(id.uuid())
        }
    };
    open.execute(connection).await.map(drop)
}

/// Binds what a segment's row says of it, in the order of its columns from `tenant` to `end_at`.
fn bind(statement: Statement, tenant: TenantId, segment: &Segment) -> Statement {
    statement
        .bind(tenant.uuid())
        .bind(segment.id.uuid())
        .bind(segment.subscription.uuid())
        .bind(segment.version.uuid())
        .bind(segment.invoicing.as_str())
        .bind(i64::from(segment.period_index))
        .bind(segment.period.start.as_micros())
        .bind(segment.period.end.as_micros())
        .bind(segment.span.start.as_micros())
        .bind(segment.span.end.as_micros())
}
