//! Reads what the writer remembers, where it does not remember it yet.
//!
//! Each function takes the keys of one table, passes by those that are remembered, and reads the
//! rest with one statement. Keys that have no row stay unknown; the answer tells whether there
//! were any, because then rows will have to be made, and numbered.
//!
//! In the statements what is asked for comes first, and the index of the table leads on from it:
//! `CROSS JOIN` keeps SQLite from turning that round.

use std::sync::LazyLock;

use monetization_core::clock::Timestamp;
use monetization_core::ids::{LeaseId, MeterId, SegmentId, TenantId};
use monetization_core::store::judging::{QuotaKey, SegmentState};
use monetization_core::usage::{Tallied, TallyKey};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::bulk::Bulk;
use crate::convert::{Columns, blob, quota_name};
use crate::error::senseless;
use crate::hot::{Hot, HotLease, HotQuota, HotSegment, SumNumbers};

/// Remembers these segments, as far as they have rows, with all segments that follow them and
/// the sums that use of them can go to. Answers whether all have rows.
///
/// Successors are followed one step a statement, all chains at once. A chain is as long as the
/// number of segments that were closed since the use that comes late; most have length nought.
///
/// # Errors
/// Where the database cannot, or a row makes no sense.
pub(crate) async fn segments(
    connection: &mut SqliteConnection,
    hot: &mut Hot,
    mut asked: Vec<(TenantId, SegmentId)>,
) -> sqlx::Result<bool> {
    let mut open = Vec::new();
    let mut all_have_rows = true;
    loop {
        asked = asked
            .into_iter()
            .filter_map(|key| unknown_along(hot, key))
            .collect();
        if asked.is_empty() {
            totals(connection, hot, &open).await?;
            return Ok(all_have_rows);
        }
        asked.sort_unstable();
        asked.dedup();
        let rows = SEGMENTS.fetch(connection, &asked, |statement, (tenant, id)| {
            statement.bind(blob(*tenant)).bind(blob(*id))
        });
        let rows = rows.await?;
        all_have_rows &= rows.len() == asked.len();
        asked.clear();
        for row in &rows {
            let key = (row.id("tenant")?, row.id("id")?);
            let segment = hot_segment(row)?;
            hot.segments.insert(key, segment);
            match segment.state {
                SegmentState::Announced | SegmentState::Open => open.push(segment.number),
                SegmentState::Closed(_) => asked.push(key),
            }
        }
    }
}

/// The first along the successors that is not remembered; `None` where all are. In a circle,
/// which only a database that was tampered with can have, it gives up after one round.
fn unknown_along(hot: &Hot, from: (TenantId, SegmentId)) -> Option<(TenantId, SegmentId)> {
    let mut key = from;
    for _ in 0..=hot.segments.len() {
        match hot.segments.get(&key).map(|segment| segment.state) {
            None => return Some(key),
            Some(SegmentState::Closed(successor)) => key.1 = successor,
            Some(SegmentState::Announced | SegmentState::Open) => return None,
        }
    }
    None
}

/// A row of `segment`, with its successor's id.
fn hot_segment(row: &SqliteRow) -> sqlx::Result<HotSegment> {
    let state = match (row.value("state")?, row.optional_id("successor_id")?) {
        ("announced", None) => SegmentState::Announced,
        ("open", None) => SegmentState::Open,
        ("closed", Some(successor)) => SegmentState::Closed(successor),
        _ => return Err(senseless("a segment is closed without a successor")),
    };
    Ok(HotSegment {
        number: row.value("number")?,
        by_engine: row.value("by_engine")?,
        state,
    })
}

/// Remembers all sums that these segments pay for.
async fn totals(
    connection: &mut SqliteConnection,
    hot: &mut Hot,
    segments: &[i64],
) -> sqlx::Result<()> {
    let rows = TOTALS.fetch(connection, segments, |statement, number| {
        statement.bind(*number)
    });
    for row in rows.await? {
        let key = SumNumbers {
            segment: row.value("segment")?,
            origin: row.value("origin")?,
            meter: row.value("meter")?,
        };
        hot.totals.insert(key, row.value("total")?);
    }
    Ok(())
}

/// Remembers the numbers of these meters, as far as they have any. Answers whether all have.
///
/// # Errors
/// Where the database cannot, or a row makes no sense.
pub(crate) async fn meters(
    connection: &mut SqliteConnection,
    hot: &mut Hot,
    mut asked: Vec<MeterId>,
) -> sqlx::Result<bool> {
    asked.retain(|id| !hot.meters.contains_key(id));
    asked.sort_unstable();
    asked.dedup();
    let rows = METERS.fetch(connection, &asked, |statement, id| {
        statement.bind(blob(*id))
    });
    let rows = rows.await?;
    for row in &rows {
        hot.meters.insert(row.id("id")?, row.value("number")?);
    }
    Ok(rows.len() == asked.len())
}

/// Remembers these counters, as far as they have rows. Answers whether all have.
///
/// # Errors
/// Where the database cannot, or a row makes no sense.
pub(crate) async fn quotas(
    connection: &mut SqliteConnection,
    hot: &mut Hot,
    mut asked: Vec<QuotaKey>,
) -> sqlx::Result<bool> {
    asked.retain(|key| !hot.quotas.contains_key(key));
    asked.sort_unstable();
    asked.dedup();
    let rows = QUOTAS.fetch(connection, &asked, |statement, key| {
        statement
            .bind(blob(key.tenant))
            .bind(blob(key.subscription))
            .bind(key.quota.to_string())
            .bind(key.start.as_micros())
            .bind(key.end.as_micros())
    });
    let rows = rows.await?;
    for row in &rows {
        let quota = HotQuota {
            number: row.value("number")?,
            committed: row.value("committed")?,
            leased: row.value("leased")?,
        };
        hot.quotas.insert(quota_key(row)?, quota);
    }
    Ok(rows.len() == asked.len())
}

/// Remembers these leases, as far as they have rows, with the counters they are blocks of.
///
/// # Errors
/// Where the database cannot, or a row makes no sense.
pub(crate) async fn leases(
    connection: &mut SqliteConnection,
    hot: &mut Hot,
    mut asked: Vec<(TenantId, LeaseId)>,
) -> sqlx::Result<()> {
    asked.retain(|key| !hot.leases.contains_key(key));
    asked.sort_unstable();
    asked.dedup();
    let rows = LEASES.fetch(connection, &asked, |statement, (tenant, id)| {
        statement.bind(blob(*id)).bind(blob(*tenant))
    });
    for row in rows.await? {
        let quota = quota_key(&row)?;
        let lease = HotLease {
            number: row.value("number")?,
            quota,
            units: row.value("units")?,
            committed: row.value("committed")?,
            open: row.value("open")?,
        };
        hot.leases.insert((quota.tenant, row.id("id")?), lease);
    }
    Ok(())
}

/// Remembers what is known of these tallies, as far as they have rows.
///
/// # Errors
/// Where the database cannot, or a row makes no sense.
pub(crate) async fn tallies(
    connection: &mut SqliteConnection,
    hot: &mut Hot,
    mut asked: Vec<TallyKey>,
) -> sqlx::Result<()> {
    asked.retain(|key| !hot.tallies.contains_key(key));
    asked.sort_unstable();
    asked.dedup();
    let rows = TALLIES.fetch(connection, &asked, |statement, key| {
        statement
            .bind(blob(key.tenant))
            .bind(blob(key.subscription))
            .bind(key.since.as_micros())
            .bind(blob(key.meter))
            .bind(key.value.to_vec())
    });
    for row in rows.await? {
        let value: &[u8] = row.value("value")?;
        let key = TallyKey {
            tenant: row.id("tenant")?,
            subscription: row.id("subscription")?,
            since: row.instant("since_at")?,
            meter: row.id("meter_id")?,
            value: value.try_into().map_err(senseless)?,
        };
        let known = Tallied {
            value: row.quantity("known")?,
            at: row.instant("used_at")?,
        };
        hot.tallies.insert(key, known);
    }
    Ok(())
}

/// The key of a row of `quota`, or of one that was joined with it.
fn quota_key(row: &SqliteRow) -> sqlx::Result<QuotaKey> {
    let start: Timestamp = row.instant("start_at")?;
    Ok(QuotaKey {
        tenant: row.id("tenant")?,
        subscription: row.id("subscription")?,
        quota: quota_name(row.value("quota")?)?,
        start,
        end: row.instant("end_at")?,
    })
}

static SEGMENTS: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::new(include_str!("../sql/load_segments.sql"), 2));

static TOTALS: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::new(include_str!("../sql/load_totals.sql"), 1));

static METERS: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::new(include_str!("../sql/load_meters.sql"), 1));

static QUOTAS: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::new(include_str!("../sql/load_quotas.sql"), 5));

static TALLIES: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::new(include_str!("../sql/load_tallies.sql"), 5));

static LEASES: LazyLock<Bulk> =
    LazyLock::new(|| Bulk::new(include_str!("../sql/load_leases.sql"), 2));
