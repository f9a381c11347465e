//! Operations and jobs: work that one worker at a time does.
//!
//! A claim is a fence and an instant of the database's time at which it lapses. Rows that another
//! claims at this instant are passed by. Claiming
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
use monetization_core::ids::{IntentId, TenantId, TypedId};
use monetization_core::intent::{Intent, IntentState, ParkedIntent};
use monetization_core::store::{
    Claim, Finished, JobRun, JobStart, JobState, Named, StoreError, Work,
};
use monetization_core::text::Slug;
use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use crate::connection::{Done, Role};
use crate::convert::{self, Columns, limit, signed};
use crate::error::senseless;
use crate::{PostgresStore, Statement, micros};

#[async_trait]
impl Work for PostgresStore {
    async fn claim_intents(
        &self,
        now: Timestamp,
        claim: Claim,
    ) -> Result<Vec<(Intent, u64)>, StoreError> {
        let of = (now, claim, self.asked_at());
        let doing = "claim operations";
        let claimed = self
            .connections
            .write(doing, Role::Worker, of, |connection, of| {
                Box::pin(claim_intents(connection, of))
            });
        claimed.await
    }

    async fn postpone_intent(
        &self,
        intent: IntentId,
        fence: u64,
        due_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let statement = move || {
            Ok(sqlx::query(include_str!("../sql/postpone_intent.sql"))
                .bind(intent.uuid())
                .bind(signed(fence)?)
                .bind(due_at.as_micros()))
        };
        self.change_one("put an operation off", Role::Worker, statement)
            .await
    }

    async fn resume_intent(
        &self,
        tenant: TenantId,
        intent: IntentId,
        due_at: Timestamp,
    ) -> Result<bool, StoreError> {
        let statement = move || {
            Ok(sqlx::query(include_str!("../sql/resume_intent.sql"))
                .bind(tenant.uuid())
                .bind(intent.uuid())
                .bind(due_at.as_micros()))
        };
        self.change_one("resume an operation", Role::Tenant(tenant), statement)
            .await
    }

    async fn intent_state(
        &self,
        tenant: TenantId,
        intent: IntentId,
    ) -> Result<Option<IntentState>, StoreError> {
        let query = sqlx::query(include_str!("../sql/read_intent.sql"))
            .bind(tenant.uuid())
            .bind(intent.uuid());
        let role = Role::Tenant(tenant);
        self.read_one("read an operation", role, query, convert::intent_state)
            .await
    }

    async fn parked_intents(
        &self,
        tenant: TenantId,
        after: Option<IntentId>,
        intents_max: usize,
    ) -> Result<Vec<ParkedIntent>, StoreError> {
        let query = sqlx::query(include_str!("../sql/read_parked_intents.sql"))
            .bind(tenant.uuid())
            .bind(after.map(TypedId::uuid))
            .bind(limit(intents_max));
        let parked = |row: &PgRow| {
            Ok(ParkedIntent {
                intent: convert::intent(row)?,
                parking: convert::parking(row)?,
            })
        };
        let role = Role::Tenant(tenant);
        self.read_all("read parked operations", role, query, parked)
            .await
    }

    async fn has_unfinished_intents(&self, tenant: TenantId) -> Result<bool, StoreError> {
        let select = "SELECT 1 FROM intent WHERE tenant = $1 AND state = 'open' LIMIT 1";
        let query = sqlx::query(select).bind(tenant.uuid());
        let role = Role::Tenant(tenant);
        let found = self.read_one("look for operations", role, query, |_| Ok(()));
        Ok(found.await?.is_some())
    }

    async fn start_job(
        &self,
        tenant: TenantId,
        name: &Slug,
        now: Timestamp,
        lease: Duration,
    ) -> Result<JobStart, StoreError> {
        let of = (self.job(tenant, name, lease), now);
        let role = Role::Tenant(tenant);
        let started = self
            .connections
            .write("start a job", role, of, |connection, (job, now)| {
                Box::pin(start(connection, job, *now))
            });
        started.await
    }

    async fn keep_job(
        &self,
        tenant: TenantId,
        name: &Slug,
        run: &JobRun,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        let of = (self.job(tenant, name, lease), run.clone());
        let role = Role::Tenant(tenant);
        let kept = self
            .connections
            .write("keep a job", role, of, |connection, (job, run)| {
                Box::pin(keep(connection, job, run))
            });
        kept.await
    }

    async fn last_job(&self, tenant: TenantId, name: &Slug) -> Result<Option<JobRun>, StoreError> {
        let query = self
            .job(tenant, name, Duration::ZERO)
            .select(include_str!("../sql/read_job.sql"));
        let role = Role::Tenant(tenant);
        self.read_one("read the last run of a job", role, query, convert::job)
            .await
    }
}

/// Writes an intent, unless it exists.
///
/// # Errors
/// Where the database cannot.
pub(crate) async fn add_intent(connection: &mut PgConnection, intent: &Intent) -> sqlx::Result<()> {
    let added = sqlx::query(include_str!("../sql/add_intent.sql"))
        .bind(intent.id.uuid())
        .bind(intent.tenant.uuid())
        .bind(serde_json::to_string(&intent.operation).map_err(senseless)?)
        .bind(intent.due_at.as_micros())
        .bind(i32::try_from(intent.attempts).map_err(senseless)?)
        .execute(connection)
        .await;
    added.map(drop)
}

/// Brings an intent to its end; `false` where the claim was lost or given up.
///
/// # Errors
/// Where the database cannot.
pub(crate) async fn finish_intent(
    connection: &mut PgConnection,
    finished: &Finished,
    at: Timestamp,
) -> sqlx::Result<bool> {
    let (state, parked_at) = match finished.parked_because {
        Some(_) => ("parked", Some(at.as_micros())),
        None => ("done", None),
    };
    let done = sqlx::query(include_str!("../sql/finish_intent.sql"))
        .bind(finished.intent.uuid())
        .bind(signed(finished.fence)?)
        .bind(state)
        .bind(finished.parked_because.as_deref())
        .bind(parked_at)
        .execute(connection)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Claims those that are due and that nobody holds. They are answered in no order.
///
/// # Errors
/// Where the database cannot, or a row makes no sense.
async fn claim_intents(
    connection: &mut PgConnection,
    (now, claim, asked_at): &(Timestamp, Claim, Option<i64>),
) -> sqlx::Result<Done<Vec<(Intent, u64)>>> {
    let rows = sqlx::query(include_str!("../sql/claim_intents.sql"))
        .bind(now.as_micros())
        .bind(*asked_at)
        .bind(micros(claim.lease))
        .bind(limit(claim.limit))
        .fetch_all(connection)
        .await?;
    let claimed = |row: &PgRow| Ok((convert::intent(row)?, row.unsigned("fence")?));
    let claimed: sqlx::Result<Vec<(Intent, u64)>> = rows.iter().map(claimed).collect();
    let mut claimed = claimed?;
    claimed.sort_by_key(|(intent, _)| (intent.due_at, intent.id));
    Ok(Done::Commit(claimed))
}

/// The job of this name of a tenant, and how it is asked for.
struct JobKey {
    tenant: TenantId,
    name: Slug,
    asked_at: Option<i64>,
    lease: Duration,
}

impl PostgresStore {
    fn job(&self, tenant: TenantId, name: &Slug, lease: Duration) -> JobKey {
        JobKey {
            tenant,
            name: name.clone(),
            asked_at: self.asked_at(),
            lease,
        }
    }
}

impl JobKey {
    /// A statement about the last run.
    fn select(&self, text: &'static str) -> Statement {
        sqlx::query(text)
            .bind(self.tenant.uuid())
            .bind(self.name.as_str().to_owned())
            .bind(self.asked_at)
    }

    /// The last run, which nobody else changes from here on.
    ///
    /// # Errors
    /// Where the database cannot, or a row makes no sense.
    async fn hold(&self, connection: &mut PgConnection) -> sqlx::Result<Option<JobRun>> {
        let select = self.select(include_str!("../sql/hold_job.sql"));
        let row = select.fetch_optional(connection).await?;
        row.as_ref().map(convert::job).transpose()
    }

    /// Writes a run: the first one, or one that replaces the last. `false` where it is not the first
    /// after all.
    ///
    /// # Errors
    /// Where the database cannot, or a row makes no sense.
    async fn write(
        &self,
        connection: &mut PgConnection,
        run: &JobRun,
        text: &'static str,
    ) -> sqlx::Result<bool> {
        let written = sqlx::query(text)
            .bind(self.tenant.uuid())
            .bind(self.name.as_str())
            .bind(signed(run.fence)?)
            .bind(run.state.name())
            .bind(run.started_at.as_micros())
            .bind(run.ended_at.map(|at| at.as_micros()))
            .bind(signed(run.done)?)
            .bind(signed(run.failed)?)
            .bind(self.asked_at)
            .bind(micros(self.lease))
            .execute(connection)
            .await?;
        Ok(written.rows_affected() == 1)
    }
}

const FIRST: &str = include_str!("../sql/insert_job.sql");
const NEXT: &str = include_str!("../sql/write_job.sql");

/// Starts a run unless one is running; one whose lease has lapsed is not.
///
/// # Errors
/// Where the database cannot, or a row makes no sense.
async fn start(
    connection: &mut PgConnection,
    job: &JobKey,
    now: Timestamp,
) -> sqlx::Result<Done<JobStart>> {
    loop {
        let (fence, text) = match job.hold(connection).await? {
            Some(run) if run.state == JobState::Running => {
                return Ok(Done::Undo(JobStart::Busy(run)));
            }
            Some(run) => (run.fence.saturating_add(1), NEXT),
            None => (1, FIRST),
        };
        let run = JobRun {
            fence,
            state: JobState::Running,
            started_at: now,
            ended_at: None,
            done: 0,
            failed: 0,
        };
        // Of two that start the first run at once one finds the other's.
        if job.write(connection, &run, text).await? {
            return Ok(Done::Commit(JobStart::Started(run)));
        }
    }
}

/// Writes how a run stands, unless another has begun.
///
/// # Errors
/// Where the database cannot, or a row makes no sense.
async fn keep(
    connection: &mut PgConnection,
    job: &JobKey,
    run: &JobRun,
) -> sqlx::Result<Done<bool>> {
    let last = job.hold(connection).await?;
    let Some(mut last) = last.filter(|last| last.fence == run.fence) else {
        return Ok(Done::Undo(false));
    };
    // A run that lapsed and was not followed by another is still the last one, and goes on.
    if last.state == JobState::Lapsed {
        last.state = JobState::Running;
    }
    if last.state != JobState::Running {
        // It has ended; saying so again is no other news.
        return Ok(Done::Undo(last == *run));
    }
    job.write(connection, run, NEXT).await.map(Done::Commit)
}
