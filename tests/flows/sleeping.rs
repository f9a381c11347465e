//! A publisher that is stopped in the middle, and goes on.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use monetization_core::clock::Timestamp;
use monetization_core::delegate_store;
use monetization_core::flows::Settings;
use monetization_core::ids::{BatchId, SegmentId, TenantId};
use monetization_core::invoice::Invoicing;
use monetization_core::memory::MemoryStore;
use monetization_core::store::{
    Batch, BatchState, Batches, Claim, Decision, Held, JobState, Sealed, Store, StoreError,
    UnsealedSum, Verdict,
};
use monetization_core::usage::SumKey;
use monetization_engine_mock::transport::Operation;

use crate::world::World;

const METERED: &str = r#"{"billing":"metered","currency":"USD","cycle":"month",
    "usage":[{"meter":"requests","unit_price":"0.01"}]}"#;

type Meanwhile = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Whoever claims batches next sleeps, and something else happens meanwhile.
struct Sleepy {
    inner: MemoryStore,
    meanwhile: Arc<Mutex<Option<Meanwhile>>>,
}

impl fmt::Debug for Sleepy {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Sleepy")
    }
}

delegate_store!(Directory, Rows, Ledger, Quotas, Work: [] Sleepy, it => it.inner);

#[async_trait]
impl Store for Sleepy {
    fn name(&self) -> &'static str {
        "sleepy"
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }
}

#[async_trait]
impl Batches for Sleepy {
    async fn unsealed(
        &self,
        tenant: TenantId,
        after: Option<SumKey>,
        limit: usize,
    ) -> Result<Vec<UnsealedSum>, StoreError> {
        self.inner.unsealed(tenant, after, limit).await
    }

    async fn seal(&self, batch: &Batch) -> Result<Sealed, StoreError> {
        self.inner.seal(batch).await
    }

    async fn claim_batches(
        &self,
        tenant: TenantId,
        now: Timestamp,
        claim: Claim,
    ) -> Result<Vec<Batch>, StoreError> {
        let claimed = self.inner.claim_batches(tenant, now, claim).await?;
        let meanwhile = self.meanwhile.lock().unwrap().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile.await;
        }
        Ok(claimed)
    }

    async fn settle_batch(
        &self,
        batch: BatchId,
        fence: u64,
        verdict: &Verdict,
    ) -> Result<bool, StoreError> {
        self.inner.settle_batch(batch, fence, verdict).await
    }

    async fn decide_batch(
        &self,
        tenant: TenantId,
        batch: BatchId,
        held: Held,
        decision: &Decision,
    ) -> Result<bool, StoreError> {
        self.inner.decide_batch(tenant, batch, held, decision).await
    }

    async fn held_batches(
        &self,
        tenant: TenantId,
        after: Option<BatchId>,
        limit: usize,
    ) -> Result<Vec<Batch>, StoreError> {
        self.inner.held_batches(tenant, after, limit).await
    }

    async fn batch(&self, tenant: TenantId, batch: BatchId) -> Result<Option<Batch>, StoreError> {
        self.inner.batch(tenant, batch).await
    }

    async fn batches(
        &self,
        tenant: TenantId,
        segment: SegmentId,
    ) -> Result<Vec<Batch>, StoreError> {
        self.inner.batches(tenant, segment).await
    }
}

/// A publisher whose lease is ten seconds sleeps for so long after it has claimed.
async fn sent_after_sleeping(length: Duration) -> (usize, JobState, World) {
    let meanwhile: Arc<Mutex<Option<Meanwhile>>> = Arc::default();
    let sleeps = Arc::clone(&meanwhile);
    let mut world = World::over(Invoicing::ByEngine, |clock| {
        Arc::new(Sleepy {
            inner: MemoryStore::new(clock),
            meanwhile: sleeps,
        })
    })
    .await;
    world.monetizer = world.monetizer.clone().with_settings(Settings {
        publish_lease: Duration::from_secs(10),
        ..Settings::default()
    });
    let (_, key) = world.subscriber(METERED).await;
    world.calls(&key, 4).await;
    let time = world.time.clone();
    *meanwhile.lock().unwrap() = Some(Box::pin(async move { time.advance(length) }));
    // One run that nobody takes over from: it claims again what has lapsed, and sends that.
    let state = world.publish().await;
    let calls = world.provider.calls();
    let sent = calls
        .iter()
        .filter(|it| it.operation == Operation::TakeUsage);
    (sent.count(), state, world)
}

#[tokio::test]
async fn what_was_claimed_before_a_sleep_past_the_lease_is_not_sent_by_that_claim_r_p4() {
    let (sent, state, world) = sent_after_sleeping(Duration::from_secs(10)).await;
    // The claim that lapsed sent nothing; the next one of the same run did.
    assert_eq!((sent, state), (1, JobState::Incomplete));
    let batches = world.batches().await;
    assert_eq!(batches.len(), 1);
    assert_eq!(batches[0].state, BatchState::Confirmed);
    assert_eq!(batches[0].fence, 2, "it was claimed twice");
    assert_eq!(world.counted(), 4);
}

#[tokio::test]
async fn what_was_claimed_before_a_nap_within_the_lease_is_sent_by_that_claim() {
    let (sent, state, world) = sent_after_sleeping(Duration::from_secs(9)).await;
    assert_eq!((sent, state), (1, JobState::Succeeded));
    assert_eq!(world.batches().await[0].fence, 1);
    assert_eq!(world.counted(), 4);
}

/// The sleeper's batch is confirmed by another publisher, and stays so when the sleeper wakes.
#[tokio::test]
async fn a_publisher_that_wakes_leaves_alone_what_another_has_taken_over_r_p4() {
    let meanwhile: Arc<Mutex<Option<Meanwhile>>> = Arc::default();
    let sleeps = Arc::clone(&meanwhile);
    let world = World::over(Invoicing::ByEngine, |clock| {
        Arc::new(Sleepy {
            inner: MemoryStore::new(clock),
            meanwhile: sleeps,
        })
    })
    .await;
    let (_, key) = world.subscriber(METERED).await;
    world.calls(&key, 4).await;
    let (time, other, tenant) = (
        world.time.clone(),
        world.monetizer.clone(),
        world.tenant_id(),
    );
    *meanwhile.lock().unwrap() = Some(Box::pin(async move {
        time.advance(Duration::from_secs(60));
        let started = other.start_publishing(tenant).await.unwrap();
        let monetization_core::store::JobStart::Started(run) = started else {
            panic!("the lease has not lapsed");
        };
        let report = other.publish(tenant, run).await.unwrap();
        assert_eq!((report.run.done, report.run.failed), (1, 0));
    }));
    world.publish().await;
    let calls = world.provider.calls();
    let sent = calls
        .iter()
        .filter(|it| it.operation == Operation::TakeUsage);
    assert_eq!(sent.count(), 1, "the other publisher's call alone");
    assert_eq!(world.batches().await[0].state, BatchState::Confirmed);
    assert_eq!(world.counted(), 4);
}
