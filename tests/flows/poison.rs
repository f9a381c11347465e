//! Records that the ledger cannot take: they keep nobody waiting and are not lost.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use monetization_conformance::size;
use monetization_core::delegate_store;
use monetization_core::entropy::Entropy;
use monetization_core::ids::RecordId;
use monetization_core::invoice::Invoicing;
use monetization_core::key::Pepper;
use monetization_core::memory::MemoryStore;
use monetization_core::runtime::{Beside, Gatekeeper, GatekeeperOptions, NotRecorded, SetAside};
use monetization_core::store::{Appended, Ledger, Store, StoreError, StoreErrorKind};
use monetization_core::usage::UsageRecord;

use crate::world::{World, ok, sleep};

/// A store that finds some records senseless.
#[derive(Debug)]
struct Picky {
    inner: MemoryStore,
    senseless: Arc<Mutex<BTreeSet<RecordId>>>,
}

impl Picky {
    async fn refuse_senseless(&self, records: &[UsageRecord]) -> Result<Vec<Appended>, StoreError> {
        let is_senseless =
            |record: &UsageRecord| self.senseless.lock().unwrap().contains(&record.id);
        if records.iter().any(is_senseless) {
            return Err(StoreError::new(StoreErrorKind::Broken, "append a record"));
        }
        self.inner.append(records).await
    }
}

delegate_store!(Rows, Directory, Quotas, Batches, Work: [] Picky, it => it.inner);
delegate_store!(Ledger but Picky::refuse_senseless: [] Picky, it => it.inner);

#[async_trait]
impl Store for Picky {
    fn name(&self) -> &'static str {
        "picky"
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }
}

#[derive(Debug, Default)]
struct Kept(Mutex<BTreeSet<RecordId>>);

impl SetAside for Kept {
    fn keep(&self, record: &UsageRecord, why: &StoreError) {
        assert_eq!(why.kind(), StoreErrorKind::Broken);
        assert!(self.0.lock().unwrap().insert(record.id), "kept once");
    }
}

#[tokio::test]
async fn records_that_make_no_sense_are_set_aside_and_the_others_flow_r_m5() {
    let senseless = Arc::<Mutex<BTreeSet<RecordId>>>::default();
    let world = World::over(Invoicing::ByCore, |clock| {
        let (inner, senseless) = (MemoryStore::new(clock), Arc::clone(&senseless));
        Arc::new(Picky { inner, senseless })
    })
    .await;
    let terms = r#"{"billing":"free","currency":"USD","cycle":"month"}"#;
    let (subscription, key) = world.subscriber(terms).await;
    let kept = Arc::new(Kept::default());
    let gatekeeper = Gatekeeper::with(
        Arc::clone(&world.store),
        (world.clock.clone(), Arc::new(Entropy::seeded(3))),
        Pepper::new(&[7; 32]).unwrap(),
        GatekeeperOptions::default(),
        Beside {
            aside: Some(Arc::clone(&kept) as Arc<dyn SetAside>),
            ..Beside::default()
        },
    );
    let (count, every) = (size(5_000, 100_000), 100);
    let mut settlements = Vec::new();
    for number in 0..count {
        let permit = world.admit_at(&gatekeeper, &key).await.unwrap();
        let is_senseless = number % every == 0;
        if is_senseless {
            senseless.lock().unwrap().insert(permit.record());
        }
        settlements.push((is_senseless, permit.settle(ok())));
    }
    let running = tokio::spawn(gatekeeper.clone().run(Arc::new(sleep)));
    for (is_senseless, settlement) in settlements {
        let heard = settlement.durable().await;
        if is_senseless {
            assert_eq!(heard, Err(NotRecorded::SetAside));
        } else {
            assert!(heard.is_ok(), "{heard:?}");
        }
    }
    assert_eq!(*kept.0.lock().unwrap(), *senseless.lock().unwrap());
    assert_eq!(gatekeeper.committer().set_aside(), count / every);
    assert_eq!(gatekeeper.committer().backlog(), 0);
    let segment = subscription.segment_at(world.clock.now()).unwrap();
    let sums = world
        .store
        .sums(world.tenant_id(), segment.id)
        .await
        .unwrap();
    let recorded = i64::try_from(count - count / every).unwrap();
    assert_eq!(sums[0].total.scaled(), recorded);
    gatekeeper.shutdown();
    running.await.unwrap();
}
