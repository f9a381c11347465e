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
//! out, while the counter's row is held. A block belongs to the opening of the store that handed
//! it out; blocks of openings that are gone are orphans.
//!
//! Rows are taken in this order: the opening, blocks, counters. An append keeps to it too.
//!
//! | two at once | what holds them apart |
//! |---|---|
//! | wishes for one quota | its counter's row: the second sees what the first has taken |
//! | the same wish twice | the same; the second finds the block and is given it again |
//! | a wish, and whoever takes its store for dead | the opening's row: it goes after the wish, or the wish is refused |
//! | a record that spends, and the settlement of its block | the block's row: it is counted, or refused |
//! | settlements of one block | the block's row: the second finds it settled |

use async_trait::async_trait;
use monetization_core::clock::{Span, Timestamp};
use monetization_core::ids::{LeaseId, SubscriptionId, TenantId, TypedId};
use monetization_core::plan::QuotaName;
use monetization_core::store::judging::QuotaKey;
use monetization_core::store::{LeaseAnswer, LeaseRequest, QuotaCounter, Quotas, StoreError};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use crate::connection::{Done, Role};
use crate::convert::{Columns, quota_name, signed};
use crate::error::{gone, senseless};
use crate::{PostgresStore, Statement};

#[async_trait]
impl Quotas for PostgresStore {
    async fn lease(&self, request: &LeaseRequest) -> Result<LeaseAnswer, StoreError> {
        const DOING: &str = "hand out a block of a quota";
        let of = (*request, self.opening.number());
        let leased = self
            .connections
            .write(DOING, Role::Ledger, of, |connection, of| {
                Box::pin(lease(connection, of))
            });
        leased.await
    }

    async fn settle(&self, tenant: TenantId, lease: LeaseId) -> Result<(), StoreError> {
        let of = (tenant, lease);
        let doing = "settle a block of a quota";
        let settled = self
            .connections
            .write(doing, Role::Ledger, of, |connection, of| {
                Box::pin(settle(connection, *of))
            });
        settled.await
    }

    async fn settle_orphans(&self) -> Result<u64, StoreError> {
        let asked_at = self.asked_at();
        let doing = "settle orphaned blocks";
        let settled =
            self.connections
                .write(doing, Role::Ledger, asked_at, |connection, asked_at| {
                    Box::pin(settle_orphans(connection, *asked_at))
                });
        settled.await
    }

    async fn quota(
        &self,
        tenant: TenantId,
        subscription: SubscriptionId,
        quota: QuotaName,
        window: Span,
    ) -> Result<QuotaCounter, StoreError> {
        let key = QuotaKey::new(tenant, subscription, quota, window);
        let query = bind_quota(sqlx::query(include_str!("../sql/read_quota.sql")), &key);
        let role = Role::Tenant(tenant);
        let counter = self.read_one("read a quota's counter", role, query, counter);
        counter.await.map(Option::unwrap_or_default)
    }
}

/// The key of a row of `quota`, or of `lease`.
///
/// # Errors
/// Where the row lacks a column, or one of them makes no sense.
pub(crate) fn quota_key(row: &PgRow) -> sqlx::Result<QuotaKey> {
    Ok(QuotaKey {
        subscription: row.id("subscription")?,
        quota: quota_name(row.value("quota")?)?,
        start: row.instant("start_at")?,
        end: row.instant("end_at")?,
        tenant: row.id("tenant")?,
    })
}

/// Binds these keys, a column each: tenant, subscription, quota, start, end.
pub(crate) fn bind_quotas(statement: Statement, keys: &[QuotaKey]) -> Statement {
    let uuids = |of: fn(&QuotaKey) -> Uuid| -> Vec<Uuid> { keys.iter().map(of).collect() };
    let instants = |of: fn(&QuotaKey) -> Timestamp| -> Vec<i64> {
        keys.iter().map(|key| of(key).as_micros()).collect()
    };
    let quotas: Vec<String> = keys.iter().map(|key| key.quota.to_string()).collect();
    statement
        .bind(uuids(|key| key.tenant.uuid()))
        .bind(uuids(|key| key.subscription.uuid()))
        .bind(quotas)
        .bind(instants(|key| key.start))
        .bind(instants(|key| key.end))
}

/// Binds a key in the order of its columns.
fn bind_quota(statement: Statement, key: &QuotaKey) -> Statement {
    statement
        .bind(key.subscription.uuid())
        .bind(key.quota.to_string())
        .bind(key.start.as_micros())
        .bind(key.end.as_micros())
        .bind(key.tenant.uuid())
}

/// The counter of a row of `quota`.
fn counter(row: &PgRow) -> sqlx::Result<QuotaCounter> {
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
///
/// # Errors
/// Where the database cannot, or a row makes no sense.
async fn lease(
    connection: &mut PgConnection,
    (request, opening): &(LeaseRequest, i64),
) -> sqlx::Result<Done<LeaseAnswer>> {
    hold_opening(connection, *opening).await?;
    let key = QuotaKey::of_request(request);
    let leased = hold_counter(connection, &key).await?.leased;
    // A plan change may have lowered the limit below what is out already.
    let free = request.max.min(UNITS_MAX).saturating_sub(leased);
    let known: Option<i64> =
        sqlx::query_scalar("SELECT units FROM lease WHERE tenant = $1 AND id = $2")
            .bind(request.tenant.uuid())
            .bind(request.id.uuid())
            .fetch_optional(&mut *connection)
            .await?;
    if let Some(units) = known {
        let units = u64::try_from(units).map_err(senseless)?;
        return Ok(Done::Undo(LeaseAnswer::Granted { units, free }));
    }
    let units = request.block(free);
    if units == 0 {
        let outstanding = outstanding(connection, &key).await?;
        return Ok(Done::Undo(LeaseAnswer::Exhausted { outstanding }));
    }
    sqlx::query(include_str!("../sql/open_lease.sql"))
        .bind(key.tenant.uuid())
        .bind(request.id.uuid())
        .bind(key.subscription.uuid())
        .bind(key.quota.to_string())
        .bind(key.start.as_micros())
        .bind(key.end.as_micros())
        .bind(signed(units)?)
        .bind(*opening)
        .execute(&mut *connection)
        .await?;
    add_leased(connection, &key, signed(units)?).await?;
    let free = free.saturating_sub(units);
    Ok(Done::Commit(LeaseAnswer::Granted { units, free }))
}

/// Counters are kept in 63 bits; a limit beyond them is none.
const UNITS_MAX: u64 = i64::MAX.cast_unsigned();

/// Sees to it that nobody takes the opening away before this transaction ends.
///
/// # Errors
/// Where it is gone already: the store will notice, and begin anew.
async fn hold_opening(connection: &mut PgConnection, opening: i64) -> sqlx::Result<()> {
    let hold = sqlx::query("SELECT 1 FROM opening WHERE number = $1 FOR KEY SHARE")
        .bind(opening)
        .fetch_optional(connection)
        .await?;
    match hold {
        Some(_) => Ok(()),
        None => Err(gone(
            "this store was taken for dead: it has slept for too long",
        )),
    }
}

/// The counter of a quota, which nobody else changes from here on; it is made where it is missing.
///
/// # Errors
/// Where the database cannot, or a row makes no sense.
async fn hold_counter(connection: &mut PgConnection, key: &QuotaKey) -> sqlx::Result<QuotaCounter> {
    let begin =
        "INSERT INTO quota (subscription, quota, start_at, end_at, tenant, committed, leased)
        VALUES ($1, $2, $3, $4, $5, 0, 0) ON CONFLICT DO NOTHING";
    bind_quota(sqlx::query(begin), key)
        .execute(&mut *connection)
        .await?;
    let hold = concat!(include_str!("../sql/read_quota.sql"), "FOR NO KEY UPDATE");
    let row = bind_quota(sqlx::query(hold), key)
        .fetch_one(connection)
        .await?;
    counter(&row)
}

/// Units in blocks of this counter that may yet come back: from this store, from others, or from ones that
/// are gone and whose time has not lapsed.
///
/// # Errors
/// Where the database cannot, or a row makes no sense.
async fn outstanding(connection: &mut PgConnection, key: &QuotaKey) -> sqlx::Result<u64> {
    let select = "SELECT coalesce(sum(units - committed), 0)::bigint AS outstanding FROM lease
        WHERE subscription = $1 AND quota = $2 AND start_at = $3 AND end_at = $4 AND tenant = $5
            AND state = 'open'";
    let row = bind_quota(sqlx::query(select), key)
        .fetch_one(connection)
        .await?;
    row.unsigned("outstanding")
}

/// Adds to what a counter has leased, or takes from it.
///
/// # Errors
/// Where the database cannot, or a row makes no sense.
async fn add_leased(connection: &mut PgConnection, key: &QuotaKey, units: i64) -> sqlx::Result<()> {
    let add = "UPDATE quota SET leased = leased + $6
        WHERE subscription = $1 AND quota = $2 AND start_at = $3 AND end_at = $4 AND tenant = $5";
    let added = bind_quota(sqlx::query(add), key)
        .bind(units)
        .execute(connection);
    added.await.map(drop)
}

/// Takes one block back, and frees what it has left.
///
/// # Errors
/// Where the database cannot, or a row makes no sense.
async fn settle(
    connection: &mut PgConnection,
    (tenant, id): (TenantId, LeaseId),
) -> sqlx::Result<Done<()>> {
    let settle = "UPDATE lease SET state = 'settled'
        WHERE tenant = $1 AND id = $2 AND state = 'open'
        RETURNING tenant, subscription, quota, start_at, end_at, units - committed AS unspent";
    let settled = sqlx::query(settle)
        .bind(tenant.uuid())
        .bind(id.uuid())
        .fetch_optional(&mut *connection)
        .await?;
    let Some(row) = settled else {
        return Ok(Done::Undo(()));
    };
    let unspent: i64 = row.value("unspent")?;
    let key = quota_key(&row)?;
    add_leased(connection, &key, unspent.saturating_neg()).await?;
    Ok(Done::Commit(()))
}

/// Takes back all blocks of openings whose time has lapsed. Appends that spend from such a block
/// come before or after it, since they hold the block's row.
///
/// # Errors
/// Where the database cannot, or a row makes no sense.
async fn settle_orphans(
    connection: &mut PgConnection,
    asked_at: Option<i64>,
) -> sqlx::Result<Done<u64>> {
    sqlx::query("DELETE FROM opening WHERE lapses_at <= coalesce($1, now_micros())")
        .bind(asked_at)
        .execute(&mut *connection)
        .await?;
    sqlx::query(include_str!("../sql/hold_orphans.sql"))
        .execute(&mut *connection)
        .await?;
    sqlx::query(include_str!("../sql/free_orphaned_units.sql"))
        .execute(&mut *connection)
        .await?;
    let settle = "UPDATE lease SET state = 'settled'
        WHERE state = 'open' AND NOT EXISTS (SELECT 1 FROM opening WHERE number = lease.opening)";
    let settled = sqlx::query(settle).execute(connection).await?;
    Ok(Done::Commit(settled.rows_affected()))
}
