//! What a subscription is told of its use before it is invoiced: E11, H2.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use monetization_core::delegate_store;
use monetization_core::flows::{RevenueQuestion, Statement, UsageEvent};
use monetization_core::ids::TenantId;
use monetization_core::invoice::{Invoicing, Occasion};
use monetization_core::memory::MemoryStore;
use monetization_core::store::{
    Applied, ChangeSet, Kind, Listing, Row, Rows, Store, StoreError, Uuid,
};
use monetization_core::subscription::Subscription;

use crate::world::{DAY, World, text};

const METERED: &str = r#"{"billing": "metered", "currency": "USD", "cycle": "month",
    "usage": [{"meter": "requests", "unit_price": "0.01", "included": "1000"}],
    "quotas": [{"window": "period", "max": 5000, "overage": "strict"}]}"#;

async fn statement(world: &World, of: &Subscription) -> Statement {
    let statement = world.monetizer.statement(world.tenant_id(), of.id).await;
    statement.unwrap()
}

/// What is used and included of requests, and what the quota allows.
async fn told(world: &World, of: &Subscription) -> (i64, i64, u64) {
    let statement = statement(world, of).await;
    let [requests] = statement.used.as_slice() else {
        panic!("{:?}", statement.used);
    };
    let (used, included) = (requests.used.scaled(), requests.included.scaled());
    (used, included, statement.limits[0].quota.max)
}

#[tokio::test]
async fn what_is_left_is_told_before_anything_is_used_e11() {
    let world = World::new(Invoicing::ByCore).await;
    let (subscription, key) = world.subscriber(METERED).await;
    assert_eq!(told(&world, &subscription).await, (0, 1_000, 5_000));
    world.calls(&key, 3).await;
    assert_eq!(told(&world, &subscription).await, (3, 1_000, 5_000));
    world.pass_until("2026-02-01T13:00:00Z").await;
    world.settle().await;
    assert_eq!(told(&world, &subscription).await, (0, 1_000, 5_000));
}

#[tokio::test]
async fn the_terms_that_are_told_are_those_in_force_e11() {
    let world = World::new(Invoicing::ByCore).await;
    let (subscription, key) = world.subscriber(METERED).await;
    world.calls(&key, 3).await;
    let (tenant, id) = (world.tenant_id(), subscription.id);
    let smaller = METERED.replace("1000", "10").replace("5000", "50");
    let smaller = serde_json::from_str(&smaller).unwrap();
    let revised = world
        .monetizer
        .revise_plan(tenant, subscription.plan, smaller);
    let (_, version) = revised.await.unwrap();
    let next = statement(&world, &subscription).await.period.end;
    let moved = world.monetizer.migrate(tenant, id, version.id, Some(next));
    let moved = moved.await.unwrap();
    world.pass(20 * DAY).await;
    assert_eq!(told(&world, &moved).await, (3, 1_000, 5_000));
    world.pass_until("2026-02-01T13:00:00Z").await;
    world.settle().await;
    assert_eq!(told(&world, &moved).await, (0, 10, 50));
}

/// Late use is billed as the included units of its own period say.
#[tokio::test]
async fn late_use_of_a_period_is_no_use_of_the_next_e11() {
    let world = World::new(Invoicing::ByCore).await;
    let (subscription, key) = world.subscriber(METERED).await;
    world.pass_until("2026-02-01T13:00:00Z").await;
    world.settle().await;
    world.calls(&key, 7).await;
    let late = UsageEvent {
        source: text("elsewhere"),
        id: text("late"),
        subscription: subscription.id,
        meter: text("requests"),
        quantity: Some("1300".to_owned()),
        key: None,
        occurred_at: Some(subscription.timeline.schedule.anchor),
    };
    let ingested = world.monetizer.ingest(world.tenant_id(), &[late]).await;
    ingested.unwrap();
    assert_eq!(told(&world, &subscription).await, (7, 1_000, 5_000));
    assert_eq!(
        statement(&world, &subscription).await.total.amount(),
        "3.00"
    );
}

#[tokio::test]
async fn what_the_engine_has_invoiced_does_not_accrue_any_more_h2() {
    let world = World::new(Invoicing::ByEngine).await;
    let terms = r#"{"billing": "metered", "currency": "USD", "cycle": "month",
        "usage": [{"meter": "requests", "unit_price": "1"}]}"#;
    let (subscription, key) = world.subscriber(terms).await;
    world.settle().await;
    world.calls(&key, 4).await;
    let earned = async || {
        let question = RevenueQuestion::default();
        let revenue = world.monetizer.revenue(world.tenant_id(), &question).await;
        let revenue = revenue.unwrap();
        let earned = revenue.total.values().next().unwrap();
        [earned.paid, earned.unpaid, earned.accrued].map(|money| money.amount())
    };
    assert_eq!(earned().await, ["0.00", "0.00", "4.00"]);
    world.publish().await;
    // The engine has invoiced the period, and nobody has closed it here.
    for instant in ["2026-02-01T12:00:00Z", "2026-02-01T14:00:00Z"] {
        world.pass_until(instant).await;
    }
    world.hear_news().await;
    let invoices = world.invoices(subscription.id).await;
    let is_of_period = |occasion| matches!(occasion, Occasion::Period { index: 0, .. });
    assert!(
        invoices
            .iter()
            .any(|invoice| is_of_period(invoice.occasion)),
        "{invoices:?}"
    );
    assert_eq!(world.subscription(subscription.id).await.closed_periods, 0);
    let [paid, unpaid, accrued] = earned().await;
    assert!(
        [&paid, &unpaid].contains(&&"4.00".to_owned()),
        "{paid} {unpaid}"
    );
    assert_eq!(accrued, "0.00");
}

/// How often each plan version was read.
type Reads = Arc<Mutex<BTreeMap<Uuid, usize>>>;

/// Counts the plan versions that are read.
#[derive(Debug)]
struct Counting {
    inner: MemoryStore,
    reads: Reads,
}

delegate_store!(Directory, Ledger, Quotas, Batches, Work: [] Counting, it => it.inner);

#[async_trait]
impl Rows for Counting {
    async fn apply(&self, change: &ChangeSet) -> Result<Applied, StoreError> {
        self.inner.apply(change).await
    }

    async fn row(&self, tenant: TenantId, kind: Kind, id: Uuid) -> Result<Option<Row>, StoreError> {
        if kind == Kind::PlanVersion {
            *self.reads.lock().unwrap().entry(id).or_default() += 1;
        }
        self.inner.row(tenant, kind, id).await
    }

    async fn rows(&self, tenant: TenantId, listing: &Listing) -> Result<Vec<Row>, StoreError> {
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

#[tokio::test]
async fn a_statement_reads_each_version_of_a_plan_once_e11() {
    let reads = Reads::default();
    let counted = Arc::clone(&reads);
    let world = World::over(Invoicing::ByCore, |clock| {
        Arc::new(Counting {
            inner: MemoryStore::new(clock),
            reads: counted,
        })
    });
    let world = world.await;
    let (subscription, key) = world.subscriber(METERED).await;
    let (dearer, _) = world.plan(&METERED.replace("0.01", "0.02")).await;
    let (tenant, id) = (world.tenant_id(), subscription.id);
    let changed = world.monetizer.change_plan(tenant, id, dearer.id, None);
    let changed = changed.await.unwrap();
    world.pass(DAY).await;
    world.calls(&key, 3).await;
    reads.lock().unwrap().clear();
    statement(&world, &changed).await;
    let counts: Vec<usize> = reads.lock().unwrap().values().copied().collect();
    assert_eq!(counts, [1, 1]);
}
