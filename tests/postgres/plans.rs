//! How the server looks for what it is asked, while tables grow faster than it takes stock of them.

use std::num::NonZeroU32;

use monetization_conformance::postgres::Server;
use monetization_conformance::sample::Sample;
use monetization_core::ids::TenantId;
use monetization_core::store::{
    Applied, Expected, Index, Kind, Ledger, Listing, RowKey, Rows, Write,
};
use monetization_store_postgres::{PostgresOptions, PostgresStore};
use sqlx::{Connection, PgConnection};

/// Listings that are read while there is little, after which a server may keep its plan.
const EARLY: usize = 20;
const LATER: usize = 1_000;
const PAGE: usize = 10;

/// Records of a page of evidence.
const RECORDS: usize = 1_000;
const PAGES: usize = 30;

/// Inserts rows of this tenant that are all found by one key, one change each.
async fn insert(store: &PostgresStore, sample: &Sample, tenant: TenantId, key: &RowKey) {
    let mut row = sample.row(tenant, Kind::Subscription);
    row.keys = vec![key.clone()];
    let mut change = sample.change();
    change.writes = vec![Write {
        row,
        expected: Expected::Absent,
    }];
    assert_eq!(store.apply(&change).await.unwrap(), Applied::New);
}

/// Rows that were looked at in tables whose names begin so, and in their parts.
async fn looked_at(server: &Server, tables: &str) -> usize {
    let mut connection = PgConnection::connect(&server.address()).await.unwrap();
    let fetched = "SELECT sum(seq_tup_read + idx_tup_fetch)::bigint
        FROM pg_stat_user_tables WHERE relname ~ ('^' || $1 || '($|_of_|_[0-9])')";
    let fetched: i64 = sqlx::query_scalar(fetched)
        .bind(tables)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    fetched.try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn a_listing_looks_at_little_more_than_it_lists_though_its_tables_were_small() {
    let server = Server::start(&["fsync=off", "autovacuum=off"]).await;
    let options = PostgresOptions::new(&server.address())
        .unwrap()
        .with_connections_max(NonZeroU32::MIN);
    let store = PostgresStore::open(&options).await.unwrap();
    let sample = Sample::seeded(9);
    let tenant = sample.id();
    let key = RowKey::new(Index::SubscriptionsOfConsumer, "con_1");
    let listing = Listing {
        kind: Kind::Subscription,
        key: Some(key.clone()),
        after: None,
        limit: LATER,
    };
    for early in 1..=EARLY {
        insert(&store, &sample, tenant, &key).await;
        assert_eq!(store.rows(tenant, &listing).await.unwrap().len(), early);
    }
    for _ in EARLY..LATER {
        insert(&store, &sample, tenant, &key).await;
    }
    let mut listed = store.rows(tenant, &listing).await.unwrap().len();
    let mut page = Listing {
        key: None,
        limit: PAGE,
        ..listing
    };
    loop {
        let rows = store.rows(tenant, &page).await.unwrap();
        let Some(last) = rows.last() else { break };
        page.after = Some(last.id);
        listed += rows.len();
    }
    store.close().await;
    let looked_at = looked_at(&server, "fact").await;
    assert!(
        looked_at < 5 * (LATER + listed),
        "{looked_at} rows were looked at to insert {LATER} and list {listed}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn a_page_of_evidence_looks_at_its_own_records_and_not_at_the_whole_ledger() {
    let server = Server::start(&["fsync=off", "autovacuum=off"]).await;
    let options = PostgresOptions::new(&server.address()).unwrap();
    let store = PostgresStore::open(&options).await.unwrap();
    let sample = Sample::seeded(13);
    let of = sample.subscriber();
    for _ in 0..PAGES {
        let records = sample.records(&of, of.segment(0), RECORDS);
        store.append(&records).await.unwrap();
    }
    let (segment, mut after, mut read) = (of.segment(0).id, None, 0);
    loop {
        let page = store.records(of.tenant, segment, after, RECORDS);
        let page = page.await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        read += page.len();
    }
    store.close().await;
    assert_eq!(read, PAGES * RECORDS);
    let looked_at = looked_at(&server, "record").await;
    assert!(
        looked_at < 5 * read,
        "{looked_at} rows were looked at to read {read}"
    );
}
