//! Blocks of strict quotas of processes that are gone.

use std::time::Duration;

use monetization_conformance::postgres::Database;
use monetization_conformance::sample::{START, Sample};
use monetization_core::clock::Clock;
use monetization_core::store::{Appended, LeaseAnswer, Ledger, QuotaCounter, Quotas, Refusal};
use monetization_store_postgres::PostgresStore;

use crate::database::{make, options};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn blocks_of_a_process_come_back_when_its_time_has_lapsed_and_not_before() {
    let database = Database::unused();
    make(&database).await;
    let (clock, time) = Clock::manual(START);
    let options = options(&database)
        .with_clock(clock)
        .with_opening_lease(Duration::from_secs(30));
    let dead = PostgresStore::open(&options).await.unwrap();
    let sample = Sample::seeded(1);
    let of = sample.subscriber();
    let (spent_from, untouched) = (sample.lease(&of, 100, 10), sample.lease(&of, 100, 10));
    for wish in [&spent_from, &untouched] {
        dead.lease(wish).await.unwrap();
    }
    let mut record = sample.record(&of, of.segment(0), 1);
    record.spent = vec![of.spent(Some(spent_from.id), 4)];
    dead.append(&[record]).await.unwrap();
    dead.close().await;
    drop(dead);

    let living = PostgresStore::open(&options).await.unwrap();
    let of_quota = of.spent(None, 0);
    let counter = async || {
        let counter = living.quota(of.tenant, of.subscription, of_quota.quota, of_quota.window);
        counter.await.unwrap()
    };
    assert_eq!(
        living.settle_orphans().await.unwrap(),
        0,
        "it may only be slow"
    );
    assert_eq!(
        counter().await,
        QuotaCounter {
            committed: 4,
            leased: 20
        }
    );

    time.advance(Duration::from_secs(31));
    let living_too = PostgresStore::open(&options).await.unwrap();
    let own = sample.lease(&of, 100, 10);
    living_too.lease(&own).await.unwrap();
    assert_eq!(living_too.settle_orphans().await.unwrap(), 2);
    assert_eq!(
        counter().await,
        QuotaCounter {
            committed: 4,
            leased: 4 + 10
        }
    );
    let mut late = sample.record(&of, of.segment(0), 1);
    late.spent = vec![of.spent(Some(untouched.id), 1)];
    let answer = living_too.append(&[late]).await.unwrap();
    assert_eq!(answer, [Appended::Refused(Refusal::LeaseClosed)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn a_store_that_slept_for_too_long_begins_anew_r_p4() {
    let database = Database::unused();
    make(&database).await;
    let (clock, time) = Clock::manual(START);
    let options = options(&database)
        .with_clock(clock)
        .with_opening_lease(Duration::from_millis(600));
    let sleeper = PostgresStore::open(&options).await.unwrap();
    let sample = Sample::seeded(1);
    let of = sample.subscriber();
    let lost = sample.lease(&of, 100, 10);
    sleeper.lease(&lost).await.unwrap();
    // It says that it lives by the machine's time, and the time by which it lapses has leapt.
    time.advance(Duration::from_secs(3_600));
    let other = PostgresStore::open(&options).await.unwrap();
    other.settle_orphans().await.unwrap();
    let mut answer = sleeper.lease(&sample.lease(&of, 100, 10)).await;
    for _ in 0..100 {
        if answer.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        answer = sleeper.lease(&sample.lease(&of, 100, 10)).await;
    }
    assert!(matches!(answer.unwrap(), LeaseAnswer::Granted { .. }));
}
