//! Counters of quotas, and the blocks that are handed out of strict ones.
//!
//! ```text
//! lease    a block of units: leased += units
//! append   a record spends of the block: committed += spent, of the counter and of the block
//! settle   leased -= what the block has left; it takes no more records
//! ```
//! A record of a loose quota has no block: it adds to both, so that they stay equal.
//!
//! A counter is a row of `quota`, a block one of `lease`. For each counter
//! `committed <= leased` is checked by the table, and `leased <= max` where a block is handed
//! out. A block belongs to the opening of the store that handed it out. Openings are numbered;
//! while the file has one owner, open blocks of any other opening are orphans.

use async_trait::async_trait;
use monetization_core::clock::Span;
use monetization_core::ids::{LeaseId, SubscriptionId, TenantId};
use monetization_core::plan::QuotaName;
use monetization_core::store::judging::QuotaKey;
use monetization_core::store::{LeaseAnswer, LeaseRequest, QuotaCounter, Quotas, StoreError};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::connection::{Done, Transaction};
use crate::convert::{Columns, blob, signed};
use crate::error::senseless;
use crate::hot::{HotLease, HotQuota};
use crate::{SqliteStore, load};

#[async_trait]
impl Quotas for SqliteStore {
    async fn lease(&self, request: &LeaseRequest) -> Result<LeaseAnswer, StoreError> {
        const DOING: &str = "hand out a block of a quota";
        let (request, opening) = (*request, self.owned(DOING)?);
        let job = self.writer.write(DOING, move |transaction| {
            Box::pin(lease(transaction, request, opening))
        });
        job.await
    }

    async fn settle(&self, tenant: TenantId, lease: LeaseId) -> Result<(), StoreError> {
        let job = self
            .writer
            .write("settle a block of a quota", move |transaction| {
                Box::pin(settle(transaction, tenant, lease))
            });
        job.await
    }

    async fn settle_orphans(&self) -> Result<u64, StoreError> {
        const DOING: &str = "settle orphaned blocks";
        let opening = self.owned(DOING)?;
        let job = self.writer.write(DOING, move |transaction| {
            Box::pin(settle_orphans(transaction, opening))
        });
        job.await
    }

    async fn quota(
        &self,
        tenant: TenantId,
        subscription: SubscriptionId,
        quota: QuotaName,
        window: Span,
    ) -> Result<QuotaCounter, StoreError> {
        let query = sqlx::query(include_str!("../sql/read_quota.sql"))
            .bind(blob(subscription))
            .bind(quota.to_string())
            .bind(window.start.as_micros())
            .bind(window.end.as_micros())
            .bind(blob(tenant));
        let counter = self.read_one("read a quota's counter", query, counter);
        counter.await.map(Option::unwrap_or_default)
    }
}

/// The counter of a row of `quota`.
fn counter(row: &SqliteRow) -> sqlx::Result<QuotaCounter> {
    Ok(QuotaCounter {
        committed: row.unsigned("committed")?,
        leased: row.unsigned("leased")?,
    })
}

/// Hands out a block, unless nothing is left, or the same was handed out before.
///
/// A wish that is refused leaves nothing, so the same wish may be granted later. One that was
/// granted is answered with the same units for ever, also once it is settled; how much is free
/// beyond it is as of now.
async fn lease(
    transaction: Transaction<'_>,
    request: LeaseRequest,
    opening: i64,
) -> sqlx::Result<Done<LeaseAnswer>> {
    let Transaction { connection, hot } = transaction;
    hot.trim();
    let id = (request.tenant, request.id);
    let key = QuotaKey::of_request(&request);
    load::quotas(connection, hot, vec![key]).await?;
    load::leases(connection, hot, vec![id]).await?;
    let kept = hot.quotas.get(&key).copied();
    let leased = kept.map_or(0, |quota| quota.leased);
    let leased = u64::try_from(leased).map_err(senseless)?;
    // A plan change may have lowered the limit below what is out already.
    let free = request.max.min(UNITS_MAX).saturating_sub(leased);
    if let Some(known) = hot.leases.get(&id) {
        let units = u64::try_from(known.units).map_err(senseless)?;
        return Ok(Done::Undo(LeaseAnswer::Granted { units, free }));
    }
    let units = request.block(free);
    if units == 0 {
        let outstanding = match kept {
            Some(quota) => outstanding(connection, quota.number).await?,
            None => 0,
        };
        return Ok(Done::Undo(LeaseAnswer::Exhausted { outstanding }));
    }
    let mut quota = match kept {
        Some(quota) => quota,
        None => insert_quota(connection, &key).await?,
    };
    let units_out = signed(units)?;
    let lease = HotLease {
        number: insert_lease(connection, &request, (quota.number, units_out, opening)).await?,
        quota: key,
        units: units_out,
        committed: 0,
        open: true,
    };
    sqlx::query("UPDATE quota SET leased = leased + ? WHERE number = ?")
        .bind(units_out)
        .bind(quota.number)
        .execute(connection)
        .await?;
    quota.leased = quota.leased.saturating_add(units_out);
    hot.quotas.insert(key, quota);
    hot.leases.insert(id, lease);
    let free = free.saturating_sub(units);
    Ok(Done::Commit(LeaseAnswer::Granted { units, free }))
}

/// Counters are kept in 63 bits; a limit beyond them is none.
const UNITS_MAX: u64 = i64::MAX.cast_unsigned();

/// Units in blocks of this counter that may yet come back.
async fn outstanding(connection: &mut SqliteConnection, quota: i64) -> sqlx::Result<u64> {
    let select = "SELECT coalesce(sum(units - committed), 0) AS outstanding FROM lease
        WHERE quota = ? AND state = 'open'";
    let row = sqlx::query(select)
        .bind(quota)
        .fetch_one(connection)
        .await?;
    row.unsigned("outstanding")
}

/// Makes the row of a counter with its first block.
async fn insert_quota(connection: &mut SqliteConnection, key: &QuotaKey) -> sqlx::Result<HotQuota> {
    let insert = "INSERT INTO quota (tenant, subscription, quota, start_at, end_at, committed,
            leased)
        VALUES (?, ?, ?, ?, ?, 0, 0)";
    let inserted = sqlx::query(insert)
        .bind(blob(key.tenant))
        .bind(blob(key.subscription))
        .bind(key.quota.to_string())
        .bind(key.start.as_micros())
        .bind(key.end.as_micros())
        .execute(connection)
        .await?;
    Ok(HotQuota {
        number: inserted.last_insert_rowid(),
        committed: 0,
        leased: 0,
    })
}

/// Makes the row of a block, and answers its number. The last argument is the number of its
/// counter, its units, and the opening of the store.
async fn insert_lease(
    connection: &mut SqliteConnection,
    request: &LeaseRequest,
    (quota, units, opening): (i64, i64, i64),
) -> sqlx::Result<i64> {
    let insert = "INSERT INTO lease (tenant, id, quota, units, committed, state, opening)
        VALUES (?, ?, ?, ?, 0, 'open', ?)";
    let inserted = sqlx::query(insert)
        .bind(blob(request.tenant))
        .bind(blob(request.id))
        .bind(quota)
        .bind(units)
        .bind(opening)
        .execute(connection)
        .await?;
    Ok(inserted.last_insert_rowid())
}

/// Takes one block back. What it has left is worked out from what is remembered, which is what
/// its row says, and freed in the same transaction that closes it to records.
async fn settle(
    transaction: Transaction<'_>,
    tenant: TenantId,
    id: LeaseId,
) -> sqlx::Result<Done<()>> {
    let Transaction { connection, hot } = transaction;
    load::leases(connection, hot, vec![(tenant, id)]).await?;
    let kept = hot.leases.get_mut(&(tenant, id));
    let Some(lease) = kept.filter(|lease| lease.open) else {
        return Ok(Done::Undo(()));
    };
    sqlx::query("UPDATE lease SET state = 'settled' WHERE number = ?")
        .bind(lease.number)
        .execute(&mut *connection)
        .await?;
    let free_quota = "UPDATE quota SET leased = leased - ?
        WHERE number = (SELECT quota FROM lease WHERE number = ?)";
    sqlx::query(free_quota)
        .bind(lease.unspent())
        .bind(lease.number)
        .execute(connection)
        .await?;
    lease.open = false;
    if let Some(quota) = hot.quotas.get_mut(&lease.quota) {
        quota.leased = quota.leased.saturating_sub(lease.unspent());
    }
    Ok(Done::Commit(()))
}

/// Takes back all blocks of other openings. There are some once, before the first call is let through,
/// so forgetting everything costs nothing; where there are none, nothing is forgotten.
async fn settle_orphans(transaction: Transaction<'_>, opening: i64) -> sqlx::Result<Done<u64>> {
    let Transaction { connection, hot } = transaction;
    let find = "SELECT 1 FROM lease WHERE state = 'open' AND opening <> ? LIMIT 1";
    let found = sqlx::query(find)
        .bind(opening)
        .fetch_optional(&mut *connection);
    if found.await?.is_none() {
        return Ok(Done::Undo(0));
    }
    hot.forget();
    sqlx::query(include_str!("../sql/free_orphaned_units.sql"))
        .bind(opening)
        .execute(&mut *connection)
        .await?;
    let settle = "UPDATE lease SET state = 'settled' WHERE state = 'open' AND opening <> ?";
    let settled = sqlx::query(settle)
        .bind(opening)
        .execute(connection)
        .await?;
    Ok(Done::Commit(settled.rows_affected()))
}
