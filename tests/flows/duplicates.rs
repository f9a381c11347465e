//! Use that is delivered again and again, by many at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use monetization_conformance::sample::Sample;
use monetization_conformance::size;
#[cfg(feature = "postgres")]
use monetization_conformance::size_in_ci;
use monetization_core::flows::{Ingested, Monetizer, UsageEvent};
use monetization_core::ids::{RecordId, TenantId};
use monetization_core::invoice::Invoicing;
use monetization_core::money::Quantity;
use monetization_core::store::{Appended, Store};
use monetization_core::subscription::Subscription;
use monetization_core::usage::{Counted, UsageRecord};

use crate::database::Database;
use crate::nodes::{Shared, node};
use crate::world::{World, text};

const METERED: &str = r#"{"billing":"metered","currency":"USD","cycle":"month",
    "usage":[{"meter":"requests","unit_price":"0.01"}]}"#;
const WRITERS: usize = 16;
/// Deliveries of one call.
const AT_ONCE: usize = 200;

/// Use under a key of its own: reported, or measured at a gateway.
#[derive(Clone)]
enum Delivery {
    Reported(UsageEvent),
    Measured(UsageRecord),
}

/// What a writer was told: how often that something is new, and how often that it is known.
#[derive(Default)]
struct Told {
    new: usize,
    known: usize,
}

/// A process that takes use in: over REST, and from a gateway.
#[derive(Clone)]
struct Node {
    monetizer: Monetizer,
    store: Arc<dyn Store>,
}

/// So much use, at so many processes over one database.
async fn counts_once<D: Shared>(count: usize, nodes: usize) {
    let database = D::begin().await;
    let world = World::kept_in(&database, Invoicing::ByCore).await;
    let mut serving = vec![Node {
        monetizer: world.monetizer.clone(),
        store: Arc::clone(&world.store),
    }];
    while serving.len() < nodes {
        let store = database.open_beside(&world.clock).await;
        let monetizer = node(Arc::clone(&store), &world.clock, serving.len());
        serving.push(Node { monetizer, store });
    }
    let (subscription, _) = world.subscriber(METERED).await;
    let (dice, mut expected) = (Sample::seeded(11), 0);
    let mut deliveries = Vec::new();
    for number in 0..count {
        let units = 1 + dice.below(9);
        expected += i64::try_from(units).unwrap();
        let delivery = if number % 2 == 0 {
            Delivery::Reported(reported(&subscription, number, units))
        } else {
            Delivery::Measured(measured(&world, &subscription, &dice, units))
        };
        for _ in 0..=dice.below(5) {
            deliveries.push(delivery.clone());
        }
    }
    for end in (1..deliveries.len()).rev() {
        let other = usize::try_from(dice.below(end as u64 + 1)).unwrap();
        deliveries.swap(end, other);
    }
    let all = deliveries.len();
    let told = deliver(&serving, world.tenant_id(), deliveries).await;
    assert_eq!((told.new, told.new + told.known), (count, all));
    let rows = rows(&world, &subscription).await;
    assert_eq!(rows.len(), count);
    assert_eq!(rows.values().sum::<i64>(), expected);
    let segment = subscription.segment_at(world.clock.now()).unwrap().id;
    let sums = world.store.sums(world.tenant_id(), segment).await.unwrap();
    assert_eq!(sums.len(), 1);
    assert_eq!(sums[0].total.scaled(), expected);
    assert_eq!(database.broken().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn use_delivered_up_to_five_times_by_sixteen_at_once_counts_once_r_m3() {
    counts_once::<Database>(size(5_000, 1_000_000), 1).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn use_delivered_up_to_five_times_by_sixteen_to_three_nodes_counts_once_r_m3() {
    let count = size_in_ci(500, 2_000, 1_000_000);
    counts_once::<monetization_conformance::postgres::Database>(count, 3).await;
}

fn reported(subscription: &Subscription, number: usize, units: u64) -> UsageEvent {
    UsageEvent {
        source: text("elsewhere"),
        id: text(&format!("event-{number}")),
        subscription: subscription.id,
        meter: text("requests"),
        quantity: Some(units.to_string()),
        key: None,
        occurred_at: None,
    }
}

fn measured(world: &World, of: &Subscription, ids: &Sample, units: u64) -> UsageRecord {
    let now = world.clock.now();
    UsageRecord {
        id: ids.id(),
        tenant: of.tenant,
        segment: of.segment_at(now).unwrap(),
        occurred_at: now,
        recorded_at: now,
        resource: None,
        outcome: None,
        counted: vec![Counted::new(
            world.product.meters[0].id,
            Quantity::from_scaled(i64::try_from(units).unwrap()),
        )],
        spent: Vec::new(),
        event: None,
    }
}

/// Each writer has its share, in its order, and one of the nodes.
async fn deliver(nodes: &[Node], tenant: TenantId, deliveries: Vec<Delivery>) -> Told {
    let share = deliveries.len().div_ceil(WRITERS);
    let writers = deliveries.chunks(share).zip(nodes.iter().cycle());
    let writers = writers.map(|(share, node)| {
        let (node, share) = (node.clone(), share.to_vec());
        tokio::spawn(async move {
            let mut told = Told::default();
            for part in share.chunks(AT_ONCE) {
                told.add(&node, tenant, part).await;
            }
            told
        })
    });
    let mut all = Told::default();
    for writer in writers.collect::<Vec<_>>() {
        let told = writer.await.unwrap();
        all.new += told.new;
        all.known += told.known;
    }
    all
}

impl Told {
    async fn add(&mut self, node: &Node, tenant: TenantId, part: &[Delivery]) {
        let (mut events, mut records) = (Vec::new(), Vec::new());
        for delivery in part.iter().cloned() {
            match delivery {
                Delivery::Reported(event) => events.push(event),
                Delivery::Measured(record) => records.push(record),
            }
        }
        for became in node.monetizer.ingest(tenant, &events).await.unwrap() {
            match became {
                Ingested::Accepted => self.new += 1,
                Ingested::Duplicate => self.known += 1,
                other => panic!("{other:?}"),
            }
        }
        for became in node.store.append(&records).await.unwrap() {
            match became {
                Appended::New => self.new += 1,
                Appended::Duplicate => self.known += 1,
                other => panic!("{other:?}"),
            }
        }
    }
}

/// The ledger's rows: what each counts.
async fn rows(world: &World, of: &Subscription) -> BTreeMap<RecordId, i64> {
    let segment = of.segment_at(world.clock.now()).unwrap().id;
    let mut rows = BTreeMap::new();
    loop {
        let after = rows.last_key_value().map(|(id, _)| *id);
        let page = world
            .store
            .records(world.tenant_id(), segment, after, 1_000)
            .await
            .unwrap();
        if page.is_empty() {
            return rows;
        }
        rows.extend(
            page.iter()
                .map(|record| (record.id, record.counted[0].quantity.scaled())),
        );
    }
}
