//! A server, or a network before it, that says nothing more and closes nothing.

use std::num::NonZeroU32;
use std::slice;
use std::time::Duration;

use monetization_conformance::fault_proxy::{Fates, FaultProxy};
use monetization_conformance::postgres::Database;
use monetization_conformance::sample::Sample;
use monetization_core::store::{Appended, Directory, Ledger, Quotas, StoreErrorKind};
use monetization_store_postgres::PostgresStore;
use tokio::time::timeout;

use crate::cuts::options_at;
use crate::database::make;
use crate::dropped::left_open;

/// Far longer than what is waited for, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Each that waits hears in the end that nothing, or nobody knows what, was written; who asks again once the
/// server answers finds each record once, and no transaction is left open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn a_server_that_says_nothing_keeps_nobody_waiting_without_an_end_r_d7() {
    let database = Database::unused();
    make(&database).await;
    let proxy = FaultProxy::start(database.server_address(), Fates::listed([]));
    let proxy = proxy.await.unwrap();
    let wait = Duration::from_millis(300);
    let options = options_at(&database, proxy.address())
        .with_connections_max(NonZeroU32::new(3).unwrap())
        .with_connection_wait(wait)
        .with_statement_timeout(wait)
        .with_answer_wait(wait);
    let store = PostgresStore::open(&options).await.unwrap();
    let sample = Sample::seeded(3);
    let of = sample.subscriber();
    let records = [0; 6].map(|_| sample.record(&of, of.segment(0), 1));
    let (first, others) = records.split_first().unwrap();
    let said = store.append(slice::from_ref(first)).await.unwrap();
    assert_eq!(said, [Appended::New]);

    proxy.stall();
    for record in others {
        let written = timeout(PATIENCE, store.append(slice::from_ref(record)));
        let (lease, read) = (sample.lease(&of, 10, 1), store.changes(0, 10));
        let (leased, read) = (
            timeout(PATIENCE, store.lease(&lease)),
            timeout(PATIENCE, read),
        );
        let (written, leased, read) = tokio::join!(written, leased, read);
        let read = read.unwrap().unwrap_err();
        assert_eq!(read.kind(), StoreErrorKind::Unavailable, "{read:?}");
        let failed = [written.unwrap().unwrap_err(), leased.unwrap().unwrap_err()];
        for error in failed {
            let is_told = matches!(
                error.kind(),
                StoreErrorKind::Unavailable | StoreErrorKind::Unknown
            );
            assert!(is_told, "{error:?}");
        }
    }
    proxy.go_on();

    let answers = async {
        while store.changes(0, 10).await.is_err() {}
        store.append(&records).await.unwrap()
    };
    let answers = timeout(PATIENCE, answers).await.unwrap();
    assert_eq!(answers[0], Appended::Duplicate);
    let (tenant, segment) = (of.tenant, of.segment(0).id);
    let kept = store.records(tenant, segment, None, 100).await.unwrap();
    assert_eq!(kept.len(), records.len());
    let sums = store.sums(tenant, segment).await.unwrap();
    assert_eq!(sums[0].total.scaled(), 6);
    assert_eq!(left_open(&database).await, [].into());
}
