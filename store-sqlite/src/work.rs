//! Operations and jobs: work that one worker at a time does.
//!
//! A claim is a fence and an instant of the store's own clock at which it lapses. Claiming
//! counts the fence up; whoever has an older fence changes nothing any more. While
//! `claim_lapses_at` has a value, the claim has not been given up, though it may have lapsed.
//! A worker whose claim has lapsed may still end its work, as long as nobody has claimed it
//! since: what it did is done, and to do it again would be worse.
//!
//! | | claimed by | given up by | attempts |
//! |---|---|---|---|
//! | an operation | `claim_intents` | `postpone_intent`, a change that finishes it | one more each time it is given up; none once it is resumed |
//! | a batch | `claim_batches` | `settle_batch` | one more each time it is given up |
//! | a job | `start_job`, which counts the runs | `keep_job` with a state that is an end | |

use std::time::Duration;

use async_trait::async_trait;
use monetization_core::clock::Timestamp;
use monetization_core::ids::{IntentId, TenantId};
use monetization_core::intent::{Intent, IntentState, ParkedIntent};
use monetization_core::store::{
    Claim, Finished, JobRun, JobStart, JobState, Named, StoreError, Work,
};
use monetization_core::text::Slug;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::SqliteStore;
use crate::bulk::Statement;
use crate::connection::{Done, Transaction};
use crate::convert::{self, Columns, blob, limit, signed};
use crate::error::senseless;

#[async_trait]
impl Work for SqliteStore {
    async fn claim_intents(
        &self,
        now: Timestamp,
        claim: Claim,
    ) -> Result<Vec<(Intent, u64)>, StoreError> {
        let asked_at = self.clock.now();
        let job = self.writer.write("claim operations", move |transaction| {
            Box::pin(claim_intents(transaction, now, claim, asked_at))
        });
        job.await
    }

    async fn postpone_intent(
        &self,
        intent: IntentId,
        fence: u64,
        due_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let job = self
            .writer
            .write("put an operation off", move |transaction| {
                Box::pin(postpone(transaction, intent, fence, due_at))
            });
        job.await
    }

    async fn resume_intent(
        &self,
        tenant: TenantId,
        intent: IntentId,
        due_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let job = self
            .writer
            .write("resume an operation", move |transaction| {
                Box::pin(resume(transaction, (tenant, intent), due_at))
            });
        job.await
    }

    async fn intent_state(
        &self,
        tenant: TenantId,
        intent: IntentId,
    ) -> Result<Option<IntentState>, StoreError> {
        let query = sqlx::query("SELECT * FROM intent WHERE tenant = ? AND id = ?")
            .bind(blob(tenant))
            .bind(blob(intent));
        self.read_one("read an operation", query, convert::intent_state)
            .await
    }

    async fn parked_intents(
        &self,
        tenant: TenantId,
        after: Option<IntentId>,
        intents_max: usize,
    ) -> Result<Vec<ParkedIntent>, StoreError> {
        let query = sqlx::query(include_str!("../sql/read_parked_intents.sql"))
            .bind(blob(tenant))
            .bind(after.map(blob))
            .bind(limit(intents_max));
        let parked = |row: &SqliteRow| {
            Ok(ParkedIntent {
                intent: convert::intent(row)?,
                parking: convert::parking(row)?,
            })
        };
        self.read_all("read parked operations", query, parked).await
    }

    async fn has_unfinished_intents(&self, tenant: TenantId) -> Result<bool, StoreError> {
        let select = "SELECT 1 FROM intent WHERE tenant = ? AND state = 'open' LIMIT 1";
        let query = sqlx::query(select).bind(blob(tenant));
        let found = self.read_one("look for operations", query, |_| Ok(()));
        Ok(found.await?.is_some())
    }

    async fn start_job(
        &self,
        tenant: TenantId,
        name: &Slug,
        now: Timestamp,
        lease: Duration,
    ) -> Result<JobStart, StoreError> {
        let job = JobKey::new(tenant, name);
        let asked_at = self.clock.now();
        let job = self.writer.write("start a job", move |transaction| {
            Box::pin(start(transaction, job, now, (asked_at, lease)))
        });
        job.await
    }

    async fn keep_job(
        &self,
        tenant: TenantId,
        name: &Slug,
        run: &JobRun,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        let (job, run) = (JobKey::new(tenant, name), run.clone());
        let lapses_at = self.clock.now().saturating_add(lease);
        let job = self.writer.write("keep a job", move |transaction| {
            Box::pin(keep(transaction, job, run, lapses_at))
        });
        job.await
    }

    async fn last_job(&self, tenant: TenantId, name: &Slug) -> Result<Option<JobRun>, StoreError> {
        let now = self.clock.now();
        let query = JobKey::new(tenant, name).select();
        let read = move |row: &SqliteRow| convert::job(row, now);
        self.read_one("read the last run of a job", query, read)
            .await
    }
}

/// Writes an intent, unless it exists.
///
/// # Errors
/// Where the database cannot.
pub(crate) async fn add_intent(
    connection: &mut SqliteConnection,
    intent: &Intent,
) -> sqlx::Result<()> {
    let insert = "INSERT INTO intent (id, tenant, operation, due_at, attempts, state, fence)
        VALUES (?, ?, ?, ?, ?, 'open', 0) ON CONFLICT (id) DO NOTHING";
    let added = sqlx::query(insert)
        .bind(blob(intent.id))
        .bind(blob(intent.tenant))
        .bind(serde_json::to_string(&intent.operation).map_err(senseless)?)
        .bind(intent.due_at.as_micros())
        .bind(i64::from(intent.attempts))
        .execute(connection)
        .await;
    added.map(drop)
}

/// Brings an intent to its end; `false` where the claim was lost or given up.
///
/// # Errors
/// Where the database cannot.
pub(crate) async fn finish_intent(
    connection: &mut SqliteConnection,
    finished: &Finished,
    at: Timestamp,
) -> sqlx::Result<bool> {
    let (state, parked_at) = match finished.parked_because {
        Some(_) => ("parked", Some(at.as_micros())),
        None => ("done", None),
    };
    let done = sqlx::query(include_str!("../sql/finish_intent.sql"))
        .bind(state)
        .bind(finished.parked_because.as_deref())
        .bind(parked_at)
        .bind(blob(finished.intent))
        .bind(signed(finished.fence)?)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Claims those that are due and that nobody holds. SQLite answers them in no order.
async fn claim_intents(
    transaction: Transaction<'_>,
    now: Timestamp,
    claim: Claim,
    asked_at: Timestamp,
) -> sqlx::Result<Done<Vec<(Intent, u64)>>> {
    let rows = sqlx::query(include_str!("../sql/claim_intents.sql"))
        .bind(asked_at.saturating_add(claim.lease).as_micros())
        .bind(now.as_micros())
        .bind(asked_at.as_micros())
        .bind(limit(claim.limit))
        .fetch_all(transaction.connection)
        .await?;
    let claimed = |row: &SqliteRow| Ok((convert::intent(row)?, row.unsigned("fence")?));
    let claimed: sqlx::Result<Vec<(Intent, u64)>> = rows.iter().map(claimed).collect();
    let mut claimed = claimed?;
    claimed.sort_by_key(|(intent, _)| (intent.due_at, intent.id));
    Ok(Done::Commit(claimed))
}

/// Gives a claim up and puts the operation off.
async fn postpone(
    transaction: Transaction<'_>,
    intent: IntentId,
    fence: u64,
    due_at: Timestamp,
) -> sqlx::Result<Done<bool>> {
    let postponed = sqlx::query(include_str!("../sql/postpone_intent.sql"))
        .bind(due_at.as_micros())
        .bind(blob(intent))
        .bind(signed(fence)?)
        .execute(transaction.connection)
        .await?;
    Ok(Done::Commit(postponed.rows_affected() == 1))
}

/// Has an operation that is parked claimed again.
async fn resume(
    transaction: Transaction<'_>,
    (tenant, intent): (TenantId, IntentId),
    due_at: Timestamp,
) -> sqlx::Result<Done<bool>> {
    let resumed = sqlx::query(include_str!("../sql/resume_intent.sql"))
        .bind(due_at.as_micros())
        .bind(blob(tenant))
        .bind(blob(intent))
        .execute(transaction.connection)
        .await?;
    Ok(Done::Commit(resumed.rows_affected() == 1))
}

/// The job of this name of a tenant.
struct JobKey {
    tenant: TenantId,
    name: Slug,
}

impl JobKey {
    fn new(tenant: TenantId, name: &Slug) -> Self {
        let name = name.clone();
        Self { tenant, name }
    }

    /// The statement that reads the last run.
    fn select(&self) -> Statement {
        sqlx::query("SELECT * FROM job WHERE tenant = ? AND name = ?")
            .bind(blob(self.tenant))
            .bind(self.name.as_str())
    }

    /// The last run, as it stands at this instant of the store's time.
    async fn last(
        &self,
        connection: &mut SqliteConnection,
        at: Timestamp,
    ) -> sqlx::Result<Option<JobRun>> {
        let row = self.select().fetch_optional(connection).await?;
        row.map(|row| convert::job(&row, at)).transpose()
    }

    /// Replaces the last run.
    async fn write(
        &self,
        connection: &mut SqliteConnection,
        run: &JobRun,
        lapses_at: Timestamp,
    ) -> sqlx::Result<()> {
        let written = sqlx::query(include_str!("../sql/write_job.sql"))
            .bind(blob(self.tenant))
            .bind(self.name.as_str())
            .bind(signed(run.fence)?)
            .bind(run.state.name())
            .bind(run.started_at.as_micros())
            .bind(run.ended_at.map(|at| at.as_micros()))
            .bind(signed(run.done)?)
            .bind(signed(run.failed)?)
            .bind(lapses_at.as_micros())
            .execute(connection)
            .await;
        written.map(drop)
    }
}

/// Starts a run unless one is running; one whose lease has lapsed is not.
async fn start(
    transaction: Transaction<'_>,
    job: JobKey,
    now: Timestamp,
    (asked_at, lease): (Timestamp, Duration),
) -> sqlx::Result<Done<JobStart>> {
    let last = job.last(transaction.connection, asked_at).await?;
    let fence = match last {
        Some(run) if run.state == JobState::Running => {
            return Ok(Done::Undo(JobStart::Busy(run)));
        }
        Some(run) => run.fence.saturating_add(1),
        None => 1,
    };
    let run = JobRun {
        fence,
        state: JobState::Running,
        started_at: now,
        ended_at: None,
        done: 0,
        failed: 0,
    };
    let lapses_at = asked_at.saturating_add(lease);
    job.write(transaction.connection, &run, lapses_at).await?;
    Ok(Done::Commit(JobStart::Started(run)))
}

/// Writes how a run stands, unless another has begun.
async fn keep(
    transaction: Transaction<'_>,
    job: JobKey,
    run: JobRun,
    lapses_at: Timestamp,
) -> sqlx::Result<Done<bool>> {
    // A run that lapsed and was not followed by another is still the last one, and goes on.
    let last = job.last(transaction.connection, Timestamp::MIN).await?;
    let Some(last) = last.filter(|last| last.fence == run.fence) else {
        return Ok(Done::Undo(false));
    };
    if last.state != JobState::Running {
        // It has ended; saying so again is no other news.
        return Ok(Done::Undo(last == run));
    }
    job.write(transaction.connection, &run, lapses_at).await?;
    Ok(Done::Commit(true))
}
