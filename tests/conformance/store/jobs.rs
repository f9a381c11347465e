//! Jobs that run once at a time for a tenant, on a lease.

use std::time::Duration;

use futures::future::join_all;
use monetization_core::ids::TenantId;
use monetization_core::store::{JobRun, JobStart, JobState};
use monetization_core::text::Slug;

use super::Bench;
use super::steps::{MINUTE, Shared};
use crate::sample::{START, text};

/// Nothing is known of a job that never ran.
pub async fn a_job_that_never_ran_is_none(bench: &Bench) {
    let store = bench.open().await;
    assert_eq!(last(&store, bench.sample.id()).await, None);
}

/// While it runs, a second start is told of the run that is going on.
pub async fn a_job_runs_once_at_a_time(bench: &Bench) {
    let store = bench.open().await;
    let tenant = bench.sample.id();
    let run = started(&store, tenant).await;
    assert_eq!(run, running(1));
    let later = START.saturating_add(Duration::from_secs(1));
    let busy = store.start_job(tenant, &name(), later, MINUTE).await;
    assert_eq!(busy.unwrap(), JobStart::Busy(run.clone()));
    assert_eq!(last(&store, tenant).await, Some(run));
}

/// Eight starts at once: one runs.
pub async fn of_concurrent_starts_one_runs(bench: &Bench) {
    let store = bench.open().await;
    let tenant = bench.sample.id();
    let tasks = (0..8).map(|_| {
        let store = Shared::clone(&store);
        bench.spawn(async move {
            store
                .start_job(tenant, &name(), START, MINUTE)
                .await
                .unwrap()
        })
    });
    let answers = join_all(tasks.collect::<Vec<_>>()).await;
    let of = |wanted: JobStart| answers.iter().filter(|answer| **answer == wanted).count();
    assert_eq!(of(JobStart::Started(running(1))), 1, "{answers:?}");
    assert_eq!(of(JobStart::Busy(running(1))), 7, "{answers:?}");
}

/// Other jobs, and other tenants' jobs of that name, run beside it.
pub async fn jobs_of_other_names_and_tenants_run_beside(bench: &Bench) {
    let store = bench.open().await;
    let (tenant, other): (TenantId, TenantId) = (bench.sample.id(), bench.sample.id());
    started(&store, tenant).await;
    started(&store, other).await;
    let close = store.start_job(tenant, &text("close"), START, MINUTE).await;
    assert_eq!(close.unwrap(), JobStart::Started(running(1)));
}

/// What a run says of itself is told, and it holds its lease by saying it.
pub async fn a_job_that_is_kept_holds_its_lease(bench: &Bench) {
    let store = bench.open().await;
    let tenant = bench.sample.id();
    let mut run = started(&store, tenant).await;
    for done in 1..=3 {
        bench.advance(MINUTE - Duration::from_micros(1));
        run.done = done;
        run.failed = 10 * done;
        assert!(keep(&store, tenant, &run).await);
        assert_eq!(last(&store, tenant).await, Some(run.clone()));
    }
    bench.advance(MINUTE - Duration::from_micros(1));
    let busy = store.start_job(tenant, &name(), START, MINUTE).await;
    assert_eq!(busy.unwrap(), JobStart::Busy(run));
}

/// However it ended, it is told so, and the next run has the next number.
pub async fn a_job_that_ended_may_be_started_again(bench: &Bench) {
    let store = bench.open().await;
    let tenant = bench.sample.id();
    let ends = [JobState::Succeeded, JobState::Incomplete, JobState::Failed];
    for (number, state) in (1..).zip(ends) {
        let mut run = started(&store, tenant).await;
        assert_eq!(run, running(number));
        run.state = state;
        run.ended_at = Some(START.saturating_add(MINUTE));
        run.done = 41;
        run.failed = 1;
        assert!(keep(&store, tenant, &run).await);
        assert!(keep(&store, tenant, &run).await, "said again, it holds");
        bench.advance(10 * MINUTE);
        assert_eq!(
            last(&store, tenant).await,
            Some(run),
            "an end does not lapse"
        );
    }
}

/// Nobody has heard of it for its lease: it lapsed, and another run may begin. Whoever ran it
/// changes nothing when it wakes.
pub async fn a_lapsed_job_may_be_taken_over(bench: &Bench) {
    let store = bench.open().await;
    let tenant = bench.sample.id();
    let mut asleep = started(&store, tenant).await;
    bench.advance(MINUTE);
    let lapsed = JobRun {
        state: JobState::Lapsed,
        ..asleep.clone()
    };
    assert_eq!(last(&store, tenant).await, Some(lapsed));
    let next = started(&store, tenant).await;
    assert_eq!(next, running(2));
    for state in [JobState::Running, JobState::Succeeded] {
        asleep.state = state;
        asleep.done = 99;
        assert!(!keep(&store, tenant, &asleep).await);
        assert_eq!(last(&store, tenant).await, Some(next.clone()));
    }
}

/// What never started cannot be kept.
pub async fn a_job_that_never_ran_is_not_kept(bench: &Bench) {
    let store = bench.open().await;
    let tenant = bench.sample.id();
    assert!(!keep(&store, tenant, &running(1)).await);
    assert_eq!(last(&store, tenant).await, None);
}

async fn started(store: &Shared, tenant: TenantId) -> JobRun {
    let start = store.start_job(tenant, &name(), START, MINUTE).await;
    match start.unwrap() {
        JobStart::Started(run) => run,
        JobStart::Busy(run) => unreachable!("{run:?} is in the way"),
    }
}

async fn keep(store: &Shared, tenant: TenantId, run: &JobRun) -> bool {
    let kept = store.keep_job(tenant, &name(), run, MINUTE).await;
    kept.unwrap()
}

async fn last(store: &Shared, tenant: TenantId) -> Option<JobRun> {
    store.last_job(tenant, &name()).await.unwrap()
}

fn name() -> Slug {
    text("publish")
}

fn running(fence: u64) -> JobRun {
    JobRun {
        fence,
        state: JobState::Running,
        started_at: START,
        ended_at: None,
        done: 0,
        failed: 0,
    }
}
