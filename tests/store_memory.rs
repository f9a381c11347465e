//! The store suite, run over the model that it holds the other stores against; and what one that keeps
//! no records does otherwise.

use std::sync::Arc;

use monetization_conformance::sample::Sample;
use monetization_conformance::store_suite;
use monetization_core::clock::Clock;
use monetization_core::memory::MemoryStore;
use monetization_core::store::{Appended, LeaseAnswer, Ledger, Quotas, Rows, Store};
use monetization_core::usage::UsageRecord;

async fn memory(clock: Clock) -> Arc<dyn Store> {
    Arc::new(MemoryStore::new(clock))
}

store_suite!(memory => behaviours);

#[tokio::test]
async fn a_store_without_records_sums_late_use_and_quotas_as_one_with_them() {
    let (clock, _) = Clock::manual(monetization_conformance::sample::START);
    let sample = Sample::seeded(1);
    let of = sample.subscriber();
    let closed = of.segment(0);
    let lease = sample.lease(&of, 100, 4);
    let spending: Vec<UsageRecord> = sample
        .records(&of, closed, 4)
        .into_iter()
        .map(|record| UsageRecord {
            spent: vec![of.spent(Some(lease.id), 1)],
            ..record
        })
        .collect();
    let mut closing = sample.change();
    closing.closings.push(of.closing(0));
    let late = sample.records(&of, closed, 3);
    let mut answers = Vec::new();
    for store in [
        MemoryStore::new(clock.clone()),
        MemoryStore::without_records(clock),
    ] {
        let granted = store.lease(&lease).await.unwrap();
        assert!(matches!(granted, LeaseAnswer::Granted { .. }));
        let appended = store.append(&spending).await.unwrap();
        assert_eq!(appended, vec![Appended::New; 4]);
        store.apply(&closing).await.unwrap();
        store.append(&late).await.unwrap();
        let sums = store.sums_of_origin(of.tenant, closed.id).await.unwrap();
        let total = sums.iter().map(|sum| sum.total.scaled()).sum::<i64>();
        assert_eq!(total, 7);
        let spent = of.spent(None, 0);
        let counter = store.quota(of.tenant, of.subscription, spent.quota, spent.window);
        let records = store
            .records(of.tenant, closed.id, None, 100)
            .await
            .unwrap();
        answers.push((sums, counter.await.unwrap(), records.len()));
    }
    let [with, without] = answers.try_into().unwrap();
    assert_eq!((&with.0, with.1), (&without.0, without.1));
    assert_eq!((with.2, without.2), (7, 0));
}
