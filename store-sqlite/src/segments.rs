//! The life of a segment's row.
//!
//! ```text
//! (no row) -> announced -> open -> closed
//! ```
//! Closing a segment announces its successor, so that late use has somewhere to go. An announced
//! segment answers to readers as if it had no row; its first use opens it. Any step may be left
//! out. All of it happens on the one connection that writes, so an append and a closing of the
//! same segment come one after the other.

use monetization_core::ids::TenantId;
use monetization_core::store::Closing;
use monetization_core::subscription::Segment;
use sqlx::SqliteConnection;

use crate::bulk::Statement;
use crate::convert::blob;
use crate::hot::Hot;

/// Closes a segment, unless it is closed, and announces its successor, unless that has a row.
///
/// # Errors
/// Where the database cannot.
pub(crate) async fn close(
    connection: &mut SqliteConnection,
    hot: &mut Hot,
    closing: &Closing,
) -> sqlx::Result<()> {
    let announce = sqlx::query(include_str!("../sql/announce_segment.sql"));
    bind(announce, closing.tenant, &closing.successor)
        .execute(&mut *connection)
        .await?;
    let close = sqlx::query(include_str!("../sql/close_segment.sql"));
    bind(close, closing.tenant, &closing.segment)
        .bind(blob(closing.successor.id))
        .execute(connection)
        .await?;
    for segment in [closing.segment.id, closing.successor.id] {
        hot.segments.remove(&(closing.tenant, segment));
    }
    Ok(())
}

/// Opens an announced segment; as this record has it, where it is one of its own.
///
/// # Errors
/// Where the database cannot.
pub(crate) async fn open(
    connection: &mut SqliteConnection,
    number: i64,
    as_recorded: Option<&Segment>,
) -> sqlx::Result<()> {
    let open = match as_recorded {
        None => sqlx::query("UPDATE segment SET state = 'open' WHERE number = ?"),
        Some(segment) => sqlx::query(include_str!("../sql/open_segment.sql"))
            .bind(blob(segment.version))
            .bind(segment.invoicing.as_str())
            .bind(i64::from(segment.period_index))
            .bind(segment.period.start.as_micros())
            .bind(segment.period.end.as_micros())
            .bind(segment.span.start.as_micros())
            .bind(segment.span.end.as_micros()),
    };
    open.bind(number).execute(connection).await.map(drop)
}

/// Binds what a segment's row says of it, in the order of its columns from `tenant` to `end_at`.
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
