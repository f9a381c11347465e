//! Pieces of sums on their way to an engine.
//!
//! Sealing moves a sum's `sealed` on and writes the batch in one transaction, guarded by the
//! value it moves on from: two who seal at once cannot seal one unit twice. Batches are numbered
//! in the order of their sealing. Claims are as in `work`.
//!
//! | column | from sealing | `Verdict::Settled` | `Verdict::Again` | a decision | to send it again | overturned |
//! |---|---|---|---|---|---|---|
//! | `state`, `reason` | as it comes | as it says | stay | as it says | `sealed` | as it says |
//! | `due_at` | the first instant there is | stays | as it says | stays | as from sealing | stays |
//! | `attempts` | 0 | one more | one more | stays | `fence` | stays |
//! | `first_sent_at` | empty | stays | as it says, unless there is one | stays | empty | as it says, unless there is a later one |
//! | `settled_at` | as it comes | as it says | stays | stays | empty | stays |
//! | `fence` | 0 | stays | stays | stays | stays | one more |
//! | `claim_lapses_at` | empty | empty | empty | empty | empty | empty |
//! | `decided_because` | empty | stays | stays | as it says | as it says | as it says, if somebody here says so |
//! | `sent_again_after`, `sent_again_at` | empty | stay | stay | empty | `state` as it was, as it says | stay |
//!
//! What is not in this table never changes: the piece, the place it goes to, the body, the time.

use async_trait::async_trait;
use monetization_core::clock::Timestamp;
use monetization_core::ids::{BatchId, SegmentId, TenantId, TypedId};
use monetization_core::store::{
    Batch, Batches, Claim, Decision, Fate, Held, Overturned, Sealed, StoreError, UnsealedSum,
    Verdict,
};
use monetization_core::usage::SumKey;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use crate::connection::{Done, Role};
use crate::convert::{self, Columns, limit, signed};
use crate::error::senseless;
use crate::{PostgresStore, micros};

#[async_trait]
impl Batches for PostgresStore {
    async fn unsealed(
        &self,
        tenant: TenantId,
        after: Option<SumKey>,
        sums_max: usize,
    ) -> Result<Vec<UnsealedSum>, StoreError> {
        let query = sqlx::query(include_str!("../sql/read_unsealed.sql"))
            .bind(tenant.uuid())
            .bind(after.map(|key| key.segment.uuid()))
            .bind(after.map(|key| key.origin.uuid()))
            .bind(after.map(|key| key.meter.uuid()))
            .bind(limit(sums_max));
        let doing = "read sums that are not sealed";
        self.read_all(doing, Role::Tenant(tenant), query, unsealed_sum)
            .await
    }

    async fn seal(&self, batch: &Batch) -> Result<Sealed, StoreError> {
        let role = Role::Tenant(batch.tenant);
        let sealed =
            self.connections
                .write("seal a batch", role, batch.clone(), |connection, batch| {
                    Box::pin(async move {
                        let sealed = seal(connection, batch).await?;
                        Ok(match sealed {
                            Sealed::New => Done::Commit(sealed),
                            Sealed::Again | Sealed::Moved => Done::Undo(sealed),
                        })
                    })
                });
        sealed.await
    }

    async fn claim_batches(
        &self,
        tenant: TenantId,
        now: Timestamp,
        claim: Claim,
    ) -> Result<Vec<Batch>, StoreError> {
        let of = (tenant, now, claim, self.asked_at());
        let role = Role::Tenant(tenant);
        let claimed = self
            .connections
            .write("claim batches", role, of, |connection, of| {
                Box::pin(claim_batches(connection, of))
            });
        claimed.await
    }

    async fn settle_batch(
        &self,
        batch: BatchId,
        fence: u64,
        verdict: &Verdict,
    ) -> Result<bool, StoreError> {
        let of = (batch, fence, verdict.clone());
        let settled =
            self.connections
                .write("settle a batch", Role::Worker, of, |connection, of| {
                    Box::pin(settle(connection, of))
                });
        settled.await
    }

    async fn decide_batch(
        &self,
        tenant: TenantId,
        batch: BatchId,
        held: Held,
        decision: &Decision,
    ) -> Result<bool, StoreError> {
        let of = (tenant, batch, held, decision.clone());
        let role = Role::Tenant(tenant);
        let decided = self
            .connections
            .write("decide about a batch", role, of, |connection, of| {
                Box::pin(decide(connection, of))
            });
        decided.await
    }

    async fn held_batches(
        &self,
        tenant: TenantId,
        after: Option<BatchId>,
        batches_max: usize,
    ) -> Result<Vec<Batch>, StoreError> {
        let query = sqlx::query(include_str!("../sql/read_held_batches.sql"))
            .bind(tenant.uuid())
            .bind(after.map(TypedId::uuid))
            .bind(limit(batches_max));
        let doing = "read batches that are held";
        self.read_all(doing, Role::Tenant(tenant), query, convert::batch)
            .await
    }

    async fn batch(&self, tenant: TenantId, batch: BatchId) -> Result<Option<Batch>, StoreError> {
        let query = sqlx::query(include_str!("../sql/read_batch.sql"))
            .bind(tenant.uuid())
            .bind(batch.uuid());
        let role = Role::Tenant(tenant);
        self.read_one("read a batch", role, query, convert::batch)
            .await
    }

    async fn batches(
        &self,
        tenant: TenantId,
        segment: SegmentId,
    ) -> Result<Vec<Batch>, StoreError> {
        let query = sqlx::query(include_str!("../sql/read_batches.sql"))
            .bind(tenant.uuid())
            .bind(segment.uuid());
        let role = Role::Tenant(tenant);
        self.read_all("read batches", role, query, convert::batch)
            .await
    }
}

/// A row of `sum`, joined with the segment that pays for it.
fn unsealed_sum(row: &PgRow) -> sqlx::Result<UnsealedSum> {
    Ok(UnsealedSum {
        sum: convert::sum(row)?,
        segment: convert::segment(row)?,
    })
}

/// Seals a piece, unless it is sealed, or the sum has moved on.
async fn seal(connection: &mut PgConnection, batch: &Batch) -> sqlx::Result<Sealed> {
    let known = sqlx::query("SELECT 1 FROM batch WHERE tenant = $1 AND id = $2")
        .bind(batch.tenant.uuid())
        .bind(batch.id.uuid());
    if known.fetch_optional(&mut *connection).await?.is_some() {
        return Ok(Sealed::Again);
    }
    let total: Option<i64> = sqlx::query_scalar(include_str!("../sql/seal_sum.sql"))
        .bind(batch.tenant.uuid())
        .bind(batch.key.segment.uuid())
        .bind(batch.key.origin.uuid())
        .bind(batch.key.meter.uuid())
        .bind(batch.to.scaled())
        .bind(batch.from.scaled())
        .fetch_optional(&mut *connection)
        .await?;
    let Some(total) = total else {
        return was_sealed_meanwhile(connection, batch).await;
    };
    write(connection, batch).await?;
    if total == batch.to.scaled() {
        // An append that makes it grow waits for this transaction, and notes it again.
        let forget = "DELETE FROM unsealed
            WHERE tenant = $1 AND segment = $2 AND origin = $3 AND meter = $4";
        sqlx::query(forget)
            .bind(batch.tenant.uuid())
            .bind(batch.key.segment.uuid())
            .bind(batch.key.origin.uuid())
            .bind(batch.key.meter.uuid())
            .execute(connection)
            .await?;
    }
    Ok(Sealed::New)
}

/// Whether the same piece was sealed by somebody whom the sum's row made us wait for.
async fn was_sealed_meanwhile(
    connection: &mut PgConnection,
    batch: &Batch,
) -> sqlx::Result<Sealed> {
    let known = sqlx::query("SELECT 1 FROM batch WHERE tenant = $1 AND id = $2")
        .bind(batch.tenant.uuid())
        .bind(batch.id.uuid())
        .fetch_optional(connection)
        .await?;
    Ok(match known {
        Some(_) => Sealed::Again,
        None => Sealed::Moved,
    })
}

/// Writes a batch, to be sent at once.
async fn write(connection: &mut PgConnection, batch: &Batch) -> sqlx::Result<()> {
    let account = batch.place.account.as_ref();
    let written = sqlx::query(include_str!("../sql/write_batch.sql"))
        .bind(batch.id.uuid())
        .bind(batch.tenant.uuid())
        .bind(batch.key.segment.uuid())
        .bind(batch.key.origin.uuid())
        .bind(batch.key.meter.uuid())
        .bind(batch.from.scaled())
        .bind(batch.to.scaled())
        .bind(batch.place.engine.as_str())
        .bind(account.map(|account| account.as_str()))
        .bind(batch.realm.account.as_str())
        .bind(batch.realm.mode.as_str())
        .bind(batch.used_at.as_micros())
        .bind(batch.body.as_slice())
        .bind(batch.state.as_str())
        .bind(batch.state.reason())
        .bind(i32::try_from(batch.attempts).map_err(senseless)?)
        .bind(batch.first_sent_at.map(|at| at.as_micros()))
        .bind(batch.settled_at.map(|at| at.as_micros()))
        .bind(Timestamp::MIN.as_micros())
        .bind(signed(batch.fence)?)
        .execute(connection)
        .await;
    written.map(drop)
}

/// Claims batches that nobody holds, and answers them in the order of their sealing.
async fn claim_batches(
    connection: &mut PgConnection,
    (tenant, now, claim, asked_at): &(TenantId, Timestamp, Claim, Option<i64>),
) -> sqlx::Result<Done<Vec<Batch>>> {
    let rows = sqlx::query(include_str!("../sql/claim_batches.sql"))
        .bind(tenant.uuid())
        .bind(now.as_micros())
        .bind(*asked_at)
        .bind(micros(claim.lease))
        .bind(limit(claim.limit))
        .fetch_all(connection)
        .await?;
    let numbered = |row: &PgRow| Ok((row.value::<i64>("number")?, convert::batch(row)?));
    let claimed: sqlx::Result<Vec<(i64, Batch)>> = rows.iter().map(numbered).collect();
    let mut claimed = claimed?;
    claimed.sort_by_key(|(number, _)| *number);
    let batches = claimed.into_iter().map(|(_, batch)| batch);
    Ok(Done::Commit(batches.collect()))
}

/// Writes a decision about a batch that is held.
async fn decide(
    connection: &mut PgConnection,
    (tenant, batch, held, decision): &(TenantId, BatchId, Held, Decision),
) -> sqlx::Result<Done<bool>> {
    let state = decision.fate.state();
    let decided = sqlx::query(include_str!("../sql/decide_batch.sql"))
        .bind(state.as_str())
        .bind(&decision.because)
        .bind(decision.fate == Fate::SendAgain)
        .bind(Timestamp::MIN.as_micros())
        .bind(tenant.uuid())
        .bind(batch.uuid())
        .bind(held.as_str())
        .bind(decision.decided_at.as_micros())
        .execute(&mut *connection)
        .await?;
    if decided.rows_affected() == 1 {
        return Ok(Done::Commit(true));
    }
    let again = "SELECT 1 FROM batch
        WHERE tenant = $1 AND id = $2 AND state = $3 AND decided_because = $4";
    let again = sqlx::query(again)
        .bind(tenant.uuid())
        .bind(batch.uuid())
        .bind(state.as_str())
        .bind(&decision.because)
        .fetch_optional(connection)
        .await?;
    Ok(Done::Undo(again.is_some()))
}

/// Writes that a batch does not count after all, if that fits it: what [`Overturned::fits`] says.
///
/// # Errors
/// Where the database cannot.
pub(crate) async fn overturn(
    connection: &mut PgConnection,
    overturned: &Overturned,
) -> sqlx::Result<()> {
    let state = overturned.overturn.state();
    let account = overturned.place.account.as_ref();
    sqlx::query(include_str!("../sql/overturn_batch.sql"))
        .bind(state.as_str())
        .bind(state.reason())
        .bind(overturned.overturn.because())
        .bind(overturned.sent_by.as_micros())
        .bind(overturned.batch.uuid())
        .bind(overturned.place.engine.as_str())
        .bind(account.map(|account| account.as_str()))
        .bind(overturned.realm.account.as_str())
        .bind(overturned.realm.mode.as_str())
        .bind(overturned.overturn.tenant().map(TypedId::uuid))
        .execute(connection)
        .await
        .map(drop)
}

/// Writes a verdict under a claim, and gives the claim up.
async fn settle(
    connection: &mut PgConnection,
    (batch, fence, verdict): &(BatchId, u64, Verdict),
) -> sqlx::Result<Done<bool>> {
    let fence = signed(*fence)?;
    let text = match verdict {
        Verdict::Settled { .. } => include_str!("../sql/settle_batch.sql"),
        Verdict::Again { .. } => include_str!("../sql/postpone_batch.sql"),
    };
    let settle = sqlx::query(text).bind(batch.uuid()).bind(fence);
    let settle = match verdict {
        Verdict::Settled { state, at } => settle
            .bind(state.as_str())
            .bind(state.reason())
            .bind(at.as_micros()),
        Verdict::Again {
            due_at,
            first_sent_at,
        } => settle
            .bind(due_at.as_micros())
            .bind(first_sent_at.map(|at| at.as_micros())),
    };
    if settle.execute(&mut *connection).await?.rows_affected() == 1 {
        return Ok(Done::Commit(true));
    }
    // Saying again what has been written under this fence changes nothing.
    let again = "SELECT 1 FROM batch
        WHERE id = $1 AND fence = $2 AND fence > 0 AND claim_lapses_at IS NULL";
    let again = sqlx::query(again)
        .bind(batch.uuid())
        .bind(fence)
        .fetch_optional(connection)
        .await?;
    Ok(Done::Undo(again.is_some()))
}
