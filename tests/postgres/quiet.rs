//! What the server notes in its log, where operators look for what is wrong.

use std::slice;

use monetization_conformance::postgres::Server;
use monetization_conformance::sample::Sample;
use monetization_core::ids::{LeaseId, TenantId, TypedId};
use monetization_core::store::{Appended, Applied, Expected, Kind, Ledger, Quotas, Rows, Write};
use monetization_store_postgres::{PostgresOptions, PostgresStore};
use sqlx::{Connection, Executor, PgConnection};
use uuid::Uuid;

fn complaints(server: &Server) -> Vec<String> {
    let log = server.log();
    let lines = log.lines();
    let complains = |line: &&str| line.contains("WARNING") || line.contains("ERROR");
    lines.filter(complains).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn nothing_that_goes_as_it_should_is_a_warning_in_the_servers_log() {
    let server = Server::start(&["fsync=off"]).await;
    let options = PostgresOptions::new(&server.address()).unwrap();
    let store = PostgresStore::open(&options).await.unwrap();
    let sample = Sample::seeded(5);
    let of = sample.subscriber();
    for _ in 0..3 {
        let record = sample.record(&of, of.segment(0), 1);
        let mut refused = sample.record(&of, of.segment(0), 1);
        refused.spent = vec![of.spent(Some(LeaseId::from_uuid(Uuid::nil())), 1)];
        let appended = store.append(slice::from_ref(&record)).await.unwrap();
        assert_eq!(appended, [Appended::New]);
        let appended = store.append(&[record, refused]).await.unwrap();
        assert!(matches!(
            appended[..],
            [Appended::Duplicate, Appended::Refused(_)]
        ));
        store.lease(&sample.lease(&of, 10, 1)).await.unwrap();

        let mut change = sample.change();
        let row = sample.row(of.tenant, Kind::Product);
        change.writes = vec![Write {
            row: row.clone(),
            expected: Expected::Absent,
        }];
        assert_eq!(store.apply(&change).await.unwrap(), Applied::New);
        assert_eq!(store.apply(&change).await.unwrap(), Applied::Again);
        let read = store.row(of.tenant, Kind::Product, row.id).await.unwrap();
        assert!(read.is_some());
        let stranger: TenantId = sample.id();
        assert_eq!(
            store.row(stranger, Kind::Product, row.id).await.unwrap(),
            None
        );
    }
    store.close().await;
    assert_eq!(complaints(&server), [""; 0]);

    let mut connection = PgConnection::connect(&server.address()).await.unwrap();
    connection.execute("ROLLBACK").await.unwrap();
    assert_eq!(complaints(&server).len(), 1, "the log is read");
}
