//! Callers whose clocks step, back and ahead.

use std::collections::BTreeMap;
use std::time::Duration;

use monetization_core::clock::Timestamp;
use monetization_core::ids::TenantId;
use monetization_core::plan::QuotaWindow;
use monetization_core::store::{
    Applied, Batch, BatchState, Claim, Finished, JobRun, JobStart, JobState, LeaseAnswer,
    LeaseRequest, Store,
};
use monetization_core::text::Slug;

use super::Bench;
use super::steps::{ALL, MINUTE};
use crate::sample::{START, Sample, Subscriber, batch, settled, text};

/// What is claimed for ten minutes is nobody else's, whatever time its holder and others think it is; and a
/// window that somebody comes back to is the one that was there.
pub async fn clocks_that_step_steal_no_claim_and_open_no_window_twice_r_t5(bench: &Bench) {
    let store = bench.open().await;
    let stores = [store.as_ref(), store.as_ref()];
    let held = step(stores, &bench.sample, 1_000).await;
    // By the store's own time they lapse.
    bench.advance(CLAIM.lease);
    let claimed = store.claim_intents(START, CLAIM).await.unwrap();
    assert_eq!(claimed.len(), 1);
    let claimed = store.claim_batches(held, START, CLAIM).await.unwrap();
    assert_eq!(claimed.len(), 1);
    let started = store.start_job(held, &job(), START, CLAIM.lease).await;
    assert!(matches!(started.unwrap(), JobStart::Started(_)));
}

/// One process claims an operation, a batch and a job. Then the clocks of both step, each time by up to an hour,
/// and both ask for all there is. What is left behind are claims of the tenant that is answered.
pub async fn step([holder, other]: [&dyn Store; 2], sample: &Sample, steps: u32) -> TenantId {
    let of = sample.subscriber();
    let held = Held::claimed(holder, sample, &of).await;
    let mut now = [START; 2];
    let mut granted: BTreeMap<Timestamp, u64> = BTreeMap::new();
    for _ in 0..steps {
        for (store, now) in [holder, other].into_iter().zip(&mut now) {
            *now = stepped(*now, sample);
            assert_eq!(
                store.claim_intents(*now, CLAIM).await.unwrap(),
                [],
                "at {now}"
            );
            let batches = store.claim_batches(of.tenant, *now, CLAIM).await.unwrap();
            assert_eq!(batches, [], "at {now}");
            let started = store.start_job(of.tenant, &job(), *now, CLAIM.lease).await;
            assert!(matches!(started.unwrap(), JobStart::Busy(_)), "at {now}");
            let wish = wish(sample, &of, *now);
            if let LeaseAnswer::Granted { units, .. } = store.lease(&wish).await.unwrap() {
                let granted = granted.entry(wish.window.start).or_default();
                *granted += units;
                assert!(*granted <= UNITS_MAX, "{granted} of the day of {now}");
            }
        }
    }
    assert!(granted.values().any(|units| *units == UNITS_MAX));
    held.bring_to_an_end(holder, sample, now[0]).await;
    Held::claimed(holder, sample, &of).await;
    of.tenant
}

/// What one process has claimed.
struct Held {
    of: Subscriber,
    intent: Finished,
    batch: Batch,
    run: JobRun,
}

impl Held {
    async fn claimed(store: &dyn Store, sample: &Sample, of: &Subscriber) -> Self {
        let mut change = sample.change();
        let mut intent = sample.intent(of.tenant);
        intent.due_at = Timestamp::EPOCH;
        change.intents.push(intent);
        assert_eq!(store.apply(&change).await.unwrap(), Applied::New);
        let records = sample.records(of, of.segment(0), 3);
        store.append(&records).await.unwrap();
        let sums = store.unsealed(of.tenant, None, ALL).await.unwrap();
        let piece = batch(of.tenant, &sums[0].sum);
        store.seal(&piece).await.unwrap();

        let (intent, fence) = store.claim_intents(START, CLAIM).await.unwrap().remove(0);
        let batches = store.claim_batches(of.tenant, START, CLAIM).await;
        let started = store.start_job(of.tenant, &job(), START, CLAIM.lease).await;
        let JobStart::Started(run) = started.unwrap() else {
            unreachable!("it runs already");
        };
        Self {
            of: *of,
            intent: Finished {
                intent: intent.id,
                fence,
                parked_because: None,
            },
            batch: batches.unwrap().remove(0),
            run,
        }
    }

    /// Whoever has claimed it brings it to its end.
    async fn bring_to_an_end(self, store: &dyn Store, sample: &Sample, now: Timestamp) {
        let mut change = sample.change();
        change.finished.push(self.intent);
        assert_eq!(store.apply(&change).await.unwrap(), Applied::New);
        let confirmed = settled(BatchState::Confirmed);
        let settled = store.settle_batch(self.batch.id, self.batch.fence, &confirmed);
        assert!(settled.await.unwrap());
        let mut run = self.run;
        run.state = JobState::Succeeded;
        run.ended_at = Some(now);
        let kept = store.keep_job(self.of.tenant, &job(), &run, MINUTE).await;
        assert!(kept.unwrap());
    }
}

const CLAIM: Claim = Claim {
    limit: 100,
    lease: Duration::from_secs(600),
};

/// Units of a day.
const UNITS_MAX: u64 = 40;

/// Up to an hour earlier or later.
fn stepped(now: Timestamp, sample: &Sample) -> Timestamp {
    let by = Duration::from_micros(sample.below(3_600_000_000));
    if sample.below(2) == 0 {
        now.saturating_add(by)
    } else {
        now.saturating_sub(by)
    }
}

/// A block of the day that it is.
fn wish(sample: &Sample, of: &Subscriber, now: Timestamp) -> LeaseRequest {
    let wish = sample.lease(of, UNITS_MAX, 3);
    let window = QuotaWindow::Day.containing(now, wish.window);
    LeaseRequest {
        quota: QuotaWindow::Day.into(),
        window,
        ..wish
    }
}

fn job() -> Slug {
    text("publish")
}
