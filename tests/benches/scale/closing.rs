//! The end of a billing period of very many subscriptions, each with use and with an invoice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use monetization_conformance::bench::{Goal, Report, Row, resident_bytes};
use monetization_core::clock::{Clock, Timestamp};
use monetization_core::delegate_store;
use monetization_core::ids::TenantId;
use monetization_core::memory::MemoryStore;
use monetization_core::money::Quantity;
use monetization_core::store::{
    Applied, ChangeSet, Kind, Listing, Row as StoredRow, Rows, Store, StoreError, Uuid,
};
use monetization_core::subscription::Subscription;
use monetization_core::usage::{Counted, Ending, Outcome, UsageRecord};
use monetization_engine_mock::MockEngine;
use monetization_store_sqlite::{SqliteOptions, SqliteStore};

use crate::market::Market;

const NAME: &str = "closing 100,000 subscriptions, SQLite / in memory";
const SUBSCRIPTIONS: usize = 100_000;
const START: &str = "2026-01-01T00:00:00Z";
const AFTER: Duration = Duration::from_secs(32 * 86_400);
const TERMS: &str = r#"{"billing": "metered", "currency": "EUR", "cycle": "month",
    "usage": [{"meter": "requests", "unit_price": "0.01", "included": "1000"}]}"#;

pub(crate) async fn run(report: &mut Report) {
    if !report.wants(NAME) {
        return;
    }
    let start: Timestamp = START.parse().unwrap();
    let (clock, _) = Clock::manual_business(start);
    let memory = close("in memory", Arc::new(MemoryStore::new(clock))).await;
    let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let options = SqliteOptions::new(directory.path().join("market.db"));
    let sqlite = SqliteStore::open(&options).await.unwrap();
    let sqlite = close("SQLite", Arc::new(sqlite)).await;
    let unit = "subscriptions a second";
    report.add(Row::of_figures(NAME, [sqlite, memory], unit, Goal::Shown));
}

/// Subscriptions a second.
async fn close(name: &'static str, store: Arc<dyn Store>) -> f64 {
    let start: Timestamp = START.parse().unwrap();
    let (clock, time) = Clock::manual_business(start);
    let store = Arc::new(Counting {
        inner: store,
        changes: AtomicUsize::new(0),
    });
    let engine = MockEngine::in_memory(start).engine();
    let market = Market::open(Arc::<Counting>::clone(&store), engine, clock, TERMS).await;
    let subscriptions = market.subscriptions(SUBSCRIPTIONS).await;
    let records = subscriptions.iter().map(|it| record(&market, it, start));
    let records: Vec<UsageRecord> = records.collect();
    for records in records.chunks(1_000) {
        store.inner.append(records).await.unwrap();
    }
    drop((records, subscriptions));
    println!("closing: {SUBSCRIPTIONS} subscriptions have been used, {name}");
    time.advance(AFTER);
    let (before, changes) = (resident_bytes(), store.changes.load(Ordering::Relaxed));
    let started = Instant::now();
    let monetizer = market.shop.monetizer().clone();
    let closing = tokio::spawn(async move {
        let closed = monetizer.close_due().await.unwrap();
        (closed, started.elapsed().as_secs_f64())
    });
    let mut most = before;
    while !closing.is_finished() {
        tokio::time::sleep(Duration::from_secs(2)).await;
        most = most.max(resident_bytes());
        // One change closes the segment, one makes the invoice.
        let closed = (store.changes.load(Ordering::Relaxed) - changes) / 2;
        let seconds = started.elapsed().as_secs();
        println!("closing: {closed} subscriptions after {seconds} s, {name}");
    }
    let (closed, seconds) = closing.await.unwrap();
    assert_eq!(closed.parked, Vec::new());
    assert!(closed.periods >= SUBSCRIPTIONS && closed.invoices >= SUBSCRIPTIONS);
    println!(
        "closing: {:.0} subscriptions a second, {} bytes of memory each, {name}",
        SUBSCRIPTIONS as f64 / seconds,
        (most - before) / u64::try_from(SUBSCRIPTIONS).unwrap()
    );
    SUBSCRIPTIONS as f64 / seconds
}

/// Use beyond what is included.
fn record(market: &Market, of: &Subscription, at: Timestamp) -> UsageRecord {
    UsageRecord {
        id: market.entropy.id(at),
        tenant: of.tenant,
        segment: of.segment_at(at).unwrap(),
        occurred_at: at,
        recorded_at: at,
        resource: None,
        outcome: Some(Outcome {
            status: Some(200),
            ending: Ending::Complete,
        }),
        counted: vec![Counted::new(market.meter, Quantity::from_scaled(1_200))],
        spent: Vec::new(),
        event: None,
    }
}

/// Tells how far closing is.
#[derive(Debug)]
struct Counting {
    inner: Arc<dyn Store>,
    changes: AtomicUsize,
}

delegate_store!(Directory, Ledger, Quotas, Batches, Work: [] Counting, it => it.inner);

#[async_trait]
impl Rows for Counting {
    async fn apply(&self, change: &ChangeSet) -> Result<Applied, StoreError> {
        self.changes.fetch_add(1, Ordering::Relaxed);
        self.inner.apply(change).await
    }

    async fn row(
        &self,
        tenant: TenantId,
        kind: Kind,
        id: Uuid,
    ) -> Result<Option<StoredRow>, StoreError> {
        self.inner.row(tenant, kind, id).await
    }

    async fn rows(
        &self,
        tenant: TenantId,
        listing: &Listing,
    ) -> Result<Vec<StoredRow>, StoreError> {
        self.inner.rows(tenant, listing).await
    }
}

#[async_trait]
impl Store for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }
}
