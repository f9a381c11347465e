//! Consumers as customers of the provider.

use monetization_core::reference::ObjectKind;

use super::Bench;
use super::steps::{assert_conflict, assert_lost};

/// Under the same key and under others.
pub async fn a_consumer_is_one_customer_however_often_asked(bench: &Bench) {
    let consumer = bench.consumer();
    let cx = bench.cx();
    let first = bench
        .billing()
        .ensure_customer(&cx, &consumer)
        .await
        .unwrap();
    for cx in [cx, bench.cx(), bench.cx()] {
        let again = bench
            .billing()
            .ensure_customer(&cx, &consumer)
            .await
            .unwrap();
        assert_eq!(first, again);
    }
    assert_eq!(bench.fixture.count(ObjectKind::Customer).await, 1);
}

/// A customer that was made without our hearing of it is not made again.
pub async fn a_customer_whose_reply_was_lost_is_made_once(bench: &Bench) {
    let consumer = bench.consumer();
    let cx = bench.cx();
    bench.fixture.lose_reply(0).await;
    assert_lost(bench.billing().ensure_customer(&cx, &consumer).await);
    bench
        .billing()
        .ensure_customer(&cx, &consumer)
        .await
        .unwrap();
    assert_eq!(bench.fixture.count(ObjectKind::Customer).await, 1);
}

/// Even of one name.
pub async fn two_consumers_are_two_customers(bench: &Bench) {
    let (one, other) = (bench.consumer(), bench.consumer());
    let one = bench
        .billing()
        .ensure_customer(&bench.cx(), &one)
        .await
        .unwrap();
    let other = bench
        .billing()
        .ensure_customer(&bench.cx(), &other)
        .await
        .unwrap();
    assert_ne!(one, other);
}

/// The same key for another consumer is refused and makes nobody.
pub async fn another_consumer_under_a_used_key_is_a_conflict(bench: &Bench) {
    let cx = bench.cx();
    bench
        .billing()
        .ensure_customer(&cx, &bench.consumer())
        .await
        .unwrap();
    assert_conflict(
        bench
            .billing()
            .ensure_customer(&cx, &bench.consumer())
            .await,
    );
    assert_eq!(bench.fixture.count(ObjectKind::Customer).await, 1);
}
