use async_trait::async_trait;
use monetization_core::clock::Timestamp;
use monetization_core::ids::{BatchId, SegmentId, TenantId};
use monetization_core::store::{Batch, Batches, Claim, Sealed, StoreError, UnsealedSum, Verdict};
use monetization_core::usage::{Sum, SumKey};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::SqliteStore;
use crate::connection::{Done, Transaction};
use crate::convert::{self, Columns, blob, limit, signed};
use crate::error::failed;

#[async_trait]
impl Batches for SqliteStore {
    async fn unsealed(
        &self,
        tenant: TenantId,
        after: Option<SumKey>,
        sums_max: usize,
    ) -> Result<Vec<UnsealedSum>, StoreError> {
        let select = "SELECT segment.*, segment.id AS segment_id, origin.id AS origin_id,
                meter.id AS meter_id, sum.total, sum.sealed
            FROM sum INDEXED BY sum_unsealed
            JOIN segment ON segment.number = sum.segment
            JOIN segment AS origin ON origin.number = sum.origin
            JOIN meter ON meter.number = sum.meter
            WHERE sum.by_engine = 1 AND sum.sealed < sum.total AND segment.tenant = ?
                AND (segment.id, origin.id, meter.id) > (?, ?, ?)
            ORDER BY segment.id, origin.id, meter.id LIMIT ?";
        let rows = sqlx::query(select)
            .bind(blob(tenant))
            .bind(after.map(|key| blob(key.segment)).unwrap_or_default())
            .bind(after.map(|key| blob(key.origin)).unwrap_or_default())
            .bind(after.map(|key| blob(key.meter)).unwrap_or_default())
            .bind(limit(sums_max))
            .fetch_all(&self.readers)
            .await;
        rows.and_then(|rows| rows.iter().map(unsealed_sum).collect())
            .map_err(|error| failed("read sums that are not sealed", error))
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

    async fn batches(
        &self,
        tenant: TenantId,
        segment: SegmentId,
    ) -> Result<Vec<Batch>, StoreError> {
        let select = "SELECT batch.*, segment.id AS segment_id, origin.id AS origin_id,
                meter.id AS meter_id
            FROM segment
            JOIN batch ON batch.segment = segment.number
            JOIN segment AS origin ON origin.number = batch.origin
            JOIN meter ON meter.number = batch.meter
            WHERE segment.tenant = ? AND segment.id = ?
            ORDER BY origin.id, meter.id, batch.from_total";
        let rows = sqlx::query(select)
            .bind(blob(tenant))
            .bind(blob(segment))
            .fetch_all(&self.readers)
            .await;
        rows.and_then(|rows| rows.iter().map(convert::batch).collect())
            .map_err(|error| failed("read batches", error))
    }
}

fn unsealed_sum(row: &SqliteRow) -> sqlx::Result<UnsealedSum> {
    Ok(UnsealedSum {
        sum: Sum {
            key: convert::sum_key(row)?,
            total: row.quantity("total")?,
            sealed: row.quantity("sealed")?,
        },
        segment: convert::segment(row)?,
    })
}

async fn seal(connection: &mut SqliteConnection, batch: &Batch) -> sqlx::Result<Sealed> {
    let known = sqlx::query("SELECT 1 FROM batch WHERE id = ?")
        .bind(blob(batch.id))
        .fetch_optional(&mut *connection)
        .await?;
    if known.is_some() {
        return Ok(Sealed::Again);
    }
    let move_on = "UPDATE sum SET sealed = ?1
        WHERE segment = (SELECT number FROM segment WHERE tenant = ?2 AND id = ?3)
            AND origin = (SELECT number FROM segment WHERE tenant = ?2 AND id = ?4)
            AND meter = (SELECT number FROM meter WHERE id = ?5)
            AND sealed = ?6 AND total >= ?1
        RETURNING segment, origin, meter";
    let sum = sqlx::query(move_on)
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
    let insert = "INSERT INTO batch (id, tenant, segment, origin, meter, from_total, to_total,
            engine, account, used_at, body, state, reason, attempts, first_sent_at, due_at, fence)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    sqlx::query(insert)
        .bind(blob(batch.id))
        .bind(blob(batch.tenant))
        .bind(sum.value::<i64>("segment")?)
        .bind(sum.value::<i64>("origin")?)
        .bind(sum.value::<i64>("meter")?)
        .bind(batch.from.scaled())
        .bind(batch.to.scaled())
        .bind(batch.place.engine.as_str())
        .bind(batch.place.account.as_ref().map(|account| account.as_str()))
        .bind(batch.used_at.as_micros())
        .bind(batch.body.as_slice())
        .bind(batch.state.as_str())
        .bind(batch.state.reason())
        .bind(i64::from(batch.attempts))
        .bind(batch.first_sent_at.map(|at| at.as_micros()))
        .bind(Timestamp::MIN.as_micros())
        .bind(signed(batch.fence)?)
        .execute(connection)
        .await?;
    Ok(Sealed::New)
}

async fn claim_batches(
    transaction: Transaction<'_>,
    (tenant, now): (TenantId, Timestamp),
    claim: Claim,
    asked_at: Timestamp,
) -> sqlx::Result<Done<Vec<Batch>>> {
    let update = "UPDATE batch SET fence = fence + 1, claim_lapses_at = ?
        WHERE number IN (
            SELECT number FROM batch
            WHERE tenant = ? AND state = 'sealed' AND due_at <= ?
                AND (claim_lapses_at IS NULL OR claim_lapses_at <= ?)
            ORDER BY number LIMIT ?
        )
        RETURNING number";
    let claimed = sqlx::query(update)
        .bind(asked_at.saturating_add(claim.lease).as_micros())
        .bind(blob(tenant))
        .bind(now.as_micros())
        .bind(asked_at.as_micros())
        .bind(limit(claim.limit))
        .fetch_all(&mut *transaction.connection)
        .await?;
    let numbers: sqlx::Result<Vec<i64>> = claimed.iter().map(|row| row.value("number")).collect();
    let mut numbers = numbers?;
    if numbers.is_empty() {
        return Ok(Done::Undo(Vec::new()));
    }
    numbers.sort_unstable();
    let select = "SELECT batch.*, segment.id AS segment_id, origin.id AS origin_id,
            meter.id AS meter_id
        FROM json_each(?) AS claimed
        JOIN batch ON batch.number = claimed.value
        JOIN segment ON segment.number = batch.segment
        JOIN segment AS origin ON origin.number = batch.origin
        JOIN meter ON meter.number = batch.meter
        ORDER BY batch.number";
    let numbers = serde_json::to_string(&numbers).map_err(crate::error::senseless)?;
    let rows = sqlx::query(select)
        .bind(numbers)
        .fetch_all(transaction.connection)
        .await?;
    let batches: sqlx::Result<Vec<Batch>> = rows.iter().map(convert::batch).collect();
    batches.map(Done::Commit)
}

async fn settle(
    transaction: Transaction<'_>,
    batch: BatchId,
    fence: u64,
    verdict: Verdict,
) -> sqlx::Result<Done<bool>> {
    let fence = signed(fence)?;
    let settle = match &verdict {
        Verdict::State(state) => sqlx::query(
            "UPDATE batch
            SET state = ?, reason = ?, attempts = attempts + 1, claim_lapses_at = NULL
            WHERE id = ? AND fence = ? AND claim_lapses_at IS NOT NULL",
        )
        .bind(state.as_str())
        .bind(state.reason()),
        Verdict::Again {
            due_at,
            first_sent_at,
        } => sqlx::query(
            "UPDATE batch SET due_at = ?, first_sent_at = coalesce(first_sent_at, ?),
                attempts = attempts + 1, claim_lapses_at = NULL
            WHERE id = ? AND fence = ? AND claim_lapses_at IS NOT NULL",
        )
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
