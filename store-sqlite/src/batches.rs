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
use monetization_core::ids::{BatchId, SegmentId, TenantId};
use monetization_core::store::{
    Batch, Batches, Claim, Decision, Fate, Held, Overturned, Sealed, StoreError, UnsealedSum,
    Verdict,
};
use monetization_core::usage::SumKey;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::SqliteStore;
use crate::connection::{Done, Transaction};
use crate::convert::{self, Columns, blob, limit, signed};
use crate::error::senseless;

#[async_trait]
impl Batches for SqliteStore {
    async fn unsealed(
        &self,
        tenant: TenantId,
        after: Option<SumKey>,
        sums_max: usize,
    ) -> Result<Vec<UnsealedSum>, StoreError> {
        let query = sqlx::query(include_str!("../sql/read_unsealed.sql"))
            .bind(blob(tenant))
            .bind(after.map(|key| blob(key.segment)).unwrap_or_default())
            .bind(after.map(|key| blob(key.origin)).unwrap_or_default())
            .bind(after.map(|key| blob(key.meter)).unwrap_or_default())
            .bind(limit(sums_max));
        let doing = "read sums that are not sealed";
        self.read_all(doing, query, unsealed_sum).await
    }

    async fn seal(&self, batch: &Batch) -> Result<Sealed, StoreError> {
        let batch = batch.clone();
        let job = self.writer.write("seal a batch", |transaction| {
            Box::pin(async move {
                let sealed = seal(transaction.connection, &batch).await?;
                Ok(match sealed {
                    Sealed::New => Done::Commit(sealed),
                    Sealed::Again | Sealed::Moved => Done::Undo(sealed),
                })
            })
        });
        job.await
    }

    async fn claim_batches(
        &self,
        tenant: TenantId,
        now: Timestamp,
        claim: Claim,
    ) -> Result<Vec<Batch>, StoreError> {
        let asked_at = self.clock.now();
        let job = self.writer.write("claim batches", move |transaction| {
            Box::pin(claim_batches(transaction, (tenant, now), claim, asked_at))
        });
        job.await
    }

    async fn settle_batch(
        &self,
        batch: BatchId,
        fence: u64,
        verdict: &Verdict,
    ) -> Result<bool, StoreError> {
        let verdict = verdict.clone();
        let job = self.writer.write("settle a batch", move |transaction| {
            Box::pin(settle(transaction, batch, fence, verdict))
        });
        job.await
    }

    async fn decide_batch(
        &self,
        tenant: TenantId,
        batch: BatchId,
        held: Held,
        decision: &Decision,
    ) -> Result<bool, StoreError> {
        let decision = decision.clone();
        let job = self
            .writer
            .write("decide about a batch", move |transaction| {
                Box::pin(decide(transaction, (tenant, batch), held, decision))
            });
        job.await
    }

    async fn held_batches(
        &self,
        tenant: TenantId,
        after: Option<BatchId>,
        batches_max: usize,
    ) -> Result<Vec<Batch>, StoreError> {
        let query = sqlx::query(include_str!("../sql/read_held_batches.sql"))
            .bind(blob(tenant))
            .bind(after.map(blob))
            .bind(limit(batches_max));
        self.read_all("read batches that are held", query, convert::batch)
            .await
    }

    async fn batch(&self, tenant: TenantId, batch: BatchId) -> Result<Option<Batch>, StoreError> {
        let query = sqlx::query(include_str!("../sql/read_batch.sql"))
            .bind(blob(tenant))
            .bind(blob(batch));
        self.read_one("read a batch", query, convert::batch).await
    }

    async fn batches(
        &self,
        tenant: TenantId,
        segment: SegmentId,
    ) -> Result<Vec<Batch>, StoreError> {
        let query = sqlx::query(include_str!("../sql/read_batches.sql"))
            .bind(blob(tenant))
            .bind(blob(segment));
        self.read_all("read batches", query, convert::batch).await
    }
}

/// A row of `sum`, joined with the segment that pays for it.
fn unsealed_sum(row: &SqliteRow) -> sqlx::Result<UnsealedSum> {
    Ok(UnsealedSum {
        sum: convert::sum(row)?,
        segment: convert::segment(row)?,
    })
}

/// Seals a piece, unless it is sealed, or the sum has moved on.
async fn seal(connection: &mut SqliteConnection, batch: &Batch) -> sqlx::Result<Sealed> {
    let known = sqlx::query("SELECT 1 FROM batch WHERE tenant = ? AND id = ?")
        .bind(blob(batch.tenant))
        .bind(blob(batch.id))
        .fetch_optional(&mut *connection)
        .await?;
    if known.is_some() {
        return Ok(Sealed::Again);
    }
    let sum = sqlx::query(include_str!("../sql/seal_sum.sql"))
        .bind(batch.to.scaled())
        .bind(blob(batch.tenant))
        .bind(blob(batch.key.segment))
        .bind(blob(batch.key.origin))
        .bind(blob(batch.key.meter))
        .bind(batch.from.scaled())
        .fetch_optional(&mut *connection)
        .await?;
    let Some(sum) = sum else {
        return Ok(Sealed::Moved);
    };
    write(connection, batch, &sum).await?;
    Ok(Sealed::New)
}

/// Writes a batch of this row of `sum`, to be sent at once.
async fn write(
    connection: &mut SqliteConnection,
    batch: &Batch,
    sum: &SqliteRow,
) -> sqlx::Result<()> {
    let account = batch.place.account.as_ref();
    let written = sqlx::query(include_str!("../sql/write_batch.sql"))
        .bind(blob(batch.id))
        .bind(blob(batch.tenant))
        .bind(sum.value::<i64>("segment")?)
        .bind(sum.value::<i64>("origin")?)
        .bind(sum.value::<i64>("meter")?)
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
        .bind(i64::from(batch.attempts))
        .bind(batch.first_sent_at.map(|at| at.as_micros()))
        .bind(batch.settled_at.map(|at| at.as_micros()))
        .bind(Timestamp::MIN.as_micros())
        .bind(signed(batch.fence)?)
        .execute(connection)
        .await;
    written.map(drop)
}

/// Claims batches, and reads them in the order of their sealing.
async fn claim_batches(
    transaction: Transaction<'_>,
    (tenant, now): (TenantId, Timestamp),
    claim: Claim,
    asked_at: Timestamp,
) -> sqlx::Result<Done<Vec<Batch>>> {
    let claimed = sqlx::query(include_str!("../sql/claim_batches.sql"))
        .bind(asked_at.saturating_add(claim.lease).as_micros())
        .bind(blob(tenant))
        .bind(now.as_micros())
        .bind(asked_at.as_micros())
        .bind(limit(claim.limit))
        .fetch_all(&mut *transaction.connection)
        .await?;
    let numbers: sqlx::Result<Vec<i64>> = claimed.iter().map(|row| row.value("number")).collect();
    let numbers = serde_json::to_string(&numbers?).map_err(senseless)?;
    let rows = sqlx::query(include_str!("../sql/read_claimed_batches.sql"))
        .bind(numbers)
        .fetch_all(transaction.connection)
        .await?;
    let batches: sqlx::Result<Vec<Batch>> = rows.iter().map(convert::batch).collect();
    batches.map(Done::Commit)
}

/// Writes a decision about a batch that is held.
async fn decide(
    transaction: Transaction<'_>,
    (tenant, batch): (TenantId, BatchId),
    held: Held,
    decision: Decision,
) -> sqlx::Result<Done<bool>> {
    let state = decision.fate.state();
    let decided = sqlx::query(include_str!("../sql/decide_batch.sql"))
        .bind(state.as_str())
        .bind(&decision.because)
        .bind(decision.fate == Fate::SendAgain)
        .bind(Timestamp::MIN.as_micros())
        .bind(blob(tenant))
        .bind(blob(batch))
        .bind(held.as_str())
        .bind(decision.decided_at.as_micros())
        .execute(&mut *transaction.connection)
        .await?;
    if decided.rows_affected() == 1 {
        return Ok(Done::Commit(true));
    }
    let again = "SELECT 1 FROM batch
        WHERE tenant = ? AND id = ? AND state = ? AND decided_because = ?";
    let again = sqlx::query(again)
        .bind(blob(tenant))
        .bind(blob(batch))
        .bind(state.as_str())
        .bind(&decision.because)
        .fetch_optional(transaction.connection)
        .await?;
    Ok(Done::Undo(again.is_some()))
}

/// Writes that a batch does not count after all, if that fits it: what [`Overturned::fits`] says.
pub(crate) async fn overturn(
    connection: &mut SqliteConnection,
    overturned: &Overturned,
) -> sqlx::Result<()> {
    let state = overturned.overturn.state();
    let account = overturned.place.account.as_ref();
    sqlx::query(include_str!("../sql/overturn_batch.sql"))
        .bind(state.as_str())
        .bind(state.reason())
        .bind(overturned.overturn.because())
        .bind(overturned.sent_by.as_micros())
        .bind(blob(overturned.batch))
        .bind(overturned.place.engine.as_str())
        .bind(account.map(|account| account.as_str()))
        .bind(overturned.realm.account.as_str())
        .bind(overturned.realm.mode.as_str())
        .bind(overturned.overturn.tenant().map(blob))
        .execute(connection)
        .await
        .map(drop)
}

/// Writes a verdict under a claim, and gives the claim up.
async fn settle(
    transaction: Transaction<'_>,
    batch: BatchId,
    fence: u64,
    verdict: Verdict,
) -> sqlx::Result<Done<bool>> {
    let fence = signed(fence)?;
    let settle = match &verdict {
        Verdict::Settled { state, at } => sqlx::query(include_str!("../sql/settle_batch.sql"))
            .bind(state.as_str())
            .bind(state.reason())
            .bind(at.as_micros()),
        Verdict::Again {
            due_at,
            first_sent_at,
        } => sqlx::query(include_str!("../sql/postpone_batch.sql"))
            .bind(due_at.as_micros())
            .bind(first_sent_at.map(|at| at.as_micros())),
    };
    let settled = settle
        .bind(blob(batch))
        .bind(fence)
        .execute(&mut *transaction.connection)
        .await?;
    if settled.rows_affected() == 1 {
        return Ok(Done::Commit(true));
    }
    // Saying again what has been written under this fence changes nothing.
    let again = "SELECT 1 FROM batch
        WHERE id = ? AND fence = ? AND fence > 0 AND claim_lapses_at IS NULL";
    let again = sqlx::query(again)
        .bind(blob(batch))
        .bind(fence)
        .fetch_optional(transaction.connection)
        .await?;
    Ok(Done::Undo(again.is_some()))
}
