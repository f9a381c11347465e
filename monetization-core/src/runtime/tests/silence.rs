//! A store that keeps calls waiting for blocks of a quota.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::future::join_all;
use tokio::sync::watch;

use super::*;
use crate::clock::Span;
use crate::delegate_store;
use crate::ids::{LeaseId, SubscriptionId, TenantId};
use crate::plan::QuotaName;
use crate::store::{LeaseAnswer, LeaseRequest, Quotas, Store, StoreError, StoreErrorKind};

#[derive(Debug)]
struct Silent {
    inner: Arc<MemoryStore>,
    asked: AtomicUsize,
    /// Whether it says nothing for now.
    is_silent: watch::Sender<bool>,
}

delegate_store!(Rows, Directory, Ledger, Batches, Work: [] Silent, it => it.inner);

#[async_trait]
impl Quotas for Silent {
    async fn lease(&self, request: &LeaseRequest) -> Result<LeaseAnswer, StoreError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut is_silent = self.is_silent.subscribe();
        if *is_silent.borrow() {
            is_silent.changed().await.unwrap();
            return Err(StoreError::new(StoreErrorKind::Unavailable, "lease"));
        }
        self.inner.lease(request).await
    }

    async fn settle(&self, tenant: TenantId, lease: LeaseId) -> Result<(), StoreError> {
        self.inner.settle(tenant, lease).await
    }

    async fn settle_orphans(&self) -> Result<u64, StoreError> {
        self.inner.settle_orphans().await
    }

    async fn quota(
        &self,
        tenant: TenantId,
        of: SubscriptionId,
        quota: QuotaName,
        window: Span,
    ) -> Result<QuotaCounter, StoreError> {
        self.inner.quota(tenant, of, quota, window).await
    }
}

#[async_trait]
impl Store for Silent {
    fn name(&self) -> &'static str {
        "silent"
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Eight calls wait for the same block. One of them asks, and what it is told holds for all.
#[tokio::test]
async fn calls_that_wait_for_a_block_wait_for_one_answer_and_those_after_it_for_none_r_m4() {
    let world = World::new(limits(1_000, 100, Overage::Strict)).await;
    let store = Arc::new(Silent {
        inner: Arc::clone(&world.store),
        asked: AtomicUsize::new(0),
        is_silent: watch::Sender::new(true),
    });
    let gatekeeper = Gatekeeper::new(
        Arc::<Silent>::clone(&store),
        world.clock.clone(),
        Arc::clone(&world.entropy),
        Pepper::new(&[7; 16]).unwrap(),
        GatekeeperOptions::default(),
    );
    gatekeeper.refresh().await.unwrap();
    let eight = || join_all((0..8).map(|_| world.admit_by(&gatekeeper)));
    let fail = async {
        while store.asked.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        world.time.advance(Duration::from_secs(5));
        store.is_silent.send_replace(true);
    };
    let (answers, ()) = tokio::join!(eight(), fail);
    assert!(
        answers
            .iter()
            .all(|it| matches!(it, Err(Denial::Busy { .. }))),
        "{answers:?}"
    );
    assert_eq!(store.asked.load(Ordering::SeqCst), 1);

    // One tries again; all others are refused at once.
    let trying = tokio::spawn({
        let (gatekeeper, headers, clock) = (
            gatekeeper.clone(),
            world.headers.clone(),
            world.clock.clone(),
        );
        async move {
            let target = Target {
                product: "weather",
                method: "GET",
                path: "/",
            };
            gatekeeper
                .admit(&headers, &target, clock.now())
                .await
                .is_ok()
        }
    });
    while store.asked.load(Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    assert!(eight().await.iter().all(Result::is_err));
    world.time.advance(Duration::from_secs(5));
    store.is_silent.send_replace(false);
    assert!(!trying.await.unwrap());
    assert!(eight().await.iter().all(Result::is_ok));
}
