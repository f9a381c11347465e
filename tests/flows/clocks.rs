//! Gateways over one store whose clocks differ by minutes.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use monetization_conformance::sample::Sample;
use monetization_conformance::size;
use monetization_core::clock::{Clock, ManualClock, Timestamp};
use monetization_core::entropy::Entropy;
use monetization_core::flows::{Ingested, Monetizer, Settings, UsageEvent};
use monetization_core::ids::RecordId;
use monetization_core::invoice::{Invoicing, LineItem};
use monetization_core::key::Pepper;
use monetization_core::runtime::{Gatekeeper, GatekeeperOptions};
use monetization_core::secret::Secret;
use monetization_core::store::{BatchState, JobStart, JobState, Store};
use monetization_core::subscription::{Segment, Subscription};

use crate::database::Database;
use crate::world::{HOUR, START, World, ok, text};

const METERED: &str = r#"{"billing":"metered","currency":"USD","cycle":"month",
    "usage":[{"meter":"requests","unit_price":"0.01"}]}"#;
/// Seconds by which each gateway's clock is ahead.
const AHEAD: [i64; 5] = [-600, -61, 0, 299, 600];
const BOUNDARY: &str = "2026-02-01T12:00:00Z";

/// A gateway of its own, with a clock of its own.
struct Node {
    clock: Clock,
    time: ManualClock,
    gatekeeper: Gatekeeper,
    monetizer: Monetizer,
}

impl Node {
    fn new(world: &World, ahead: i64) -> Self {
        Self::over(world, Arc::clone(&world.store), ahead)
    }

    /// With a store of its own on what the world has.
    fn over(world: &World, store: Arc<dyn Store>, ahead: i64) -> Self {
        let (clock, time) = Clock::manual(shifted(world.clock.now(), ahead));
        let options = GatekeeperOptions::default();
        let (gatekeeper, _) = world.gate_over(Arc::clone(&store), &clock, options);
        let monetizer = Monetizer::new(
            store,
            world.monetizer.engines().clone(),
            clock.clone(),
            Arc::new(Entropy::system()),
            Pepper::new(&[7; 32]).unwrap(),
        );
        Self {
            clock,
            time,
            gatekeeper,
            monetizer: monetizer.with_settings(Settings {
                closing_grace: Duration::ZERO,
                ..Settings::default()
            }),
        }
    }

    /// A call that is recorded when this returns.
    async fn call(&self, key: &Secret) -> RecordId {
        let permit = World::admit_when(&self.gatekeeper, key, self.clock.now());
        let permit = permit.await.unwrap();
        let record = permit.record();
        permit.settle(ok()).durable().await.unwrap();
        record
    }
}

fn shifted(instant: Timestamp, seconds: i64) -> Timestamp {
    Timestamp::from_micros(instant.as_micros() + seconds * 1_000_000)
}

/// What the gateways have recorded of each of the two periods, by the rule that this test has of
/// its own: what is used before the boundary by the gateway's clock belongs to the first.
#[derive(Default)]
struct Used {
    calls: [BTreeSet<RecordId>; 2],
    reported: [i64; 2],
}

impl Used {
    fn units(&self, period: usize) -> i64 {
        i64::try_from(self.calls[period].len()).unwrap() + self.reported[period]
    }
}

#[tokio::test]
async fn of_five_gateways_ten_minutes_apart_each_use_is_in_one_period_r_t1() {
    let world = World::new(Invoicing::ByCore).await;
    let store = Arc::clone(&world.store);
    five_gateways(&world, size(2_000, 100_000), async || Arc::clone(&store)).await;
}

#[tokio::test]
async fn of_five_gateways_over_a_file_each_use_is_in_one_period_r_t1() {
    let file = Database::new();
    let world = World::kept_in(&file, Invoicing::ByCore).await;
    let store = Arc::clone(&world.store);
    five_gateways(&world, size(500, 100_000), async || Arc::clone(&store)).await;
}

/// The same in PostgreSQL, each gateway with connections of its own; claims go by the database's time.
#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn of_five_gateways_that_share_a_database_each_use_is_in_one_period_r_t1() {
    use monetization_conformance::postgres;
    use monetization_store_postgres::PostgresStore;

    use crate::postgres::{make, options};

    let database = postgres::Database::unused();
    make(&database).await;
    let open = async || {
        let store = PostgresStore::open(&options(&database)).await;
        let store: Arc<dyn Store> = Arc::new(store.unwrap());
        store
    };
    let time = Clock::manual(text(START));
    let world = World::on(Invoicing::ByCore, time, open().await).await;
    five_gateways(&world, size(300, 100_000), open).await;
}

/// Use at five gateways, whose stores `open` hands out, around the end of a period.
async fn five_gateways(world: &World, count: usize, open: impl AsyncFn() -> Arc<dyn Store>) {
    let (subscription, key) = world.subscriber(METERED).await;
    let boundary: Timestamp = text(BOUNDARY);
    world.pass_until("2026-02-01T11:40:00Z").await;
    let mut nodes = Vec::new();
    for ahead in AHEAD {
        nodes.push(Node::over(world, open().await, ahead));
    }
    let dice = Sample::seeded(3);
    let step = Duration::from_secs(40 * 60) / u32::try_from(count).unwrap();
    let (mut used, mut refused) = (Used::default(), Vec::new());
    for number in 0..count {
        world.pass(step).await;
        nodes.iter().for_each(|node| node.time.advance(step));
        let [node, other] = [0, 1].map(|_| &nodes[usize::try_from(dice.below(5)).unwrap()]);
        let period = usize::from(node.clock.now() >= boundary);
        if number % 2 == 0 {
            used.calls[period].insert(node.call(&key).await);
        } else {
            let event = used_now(&subscription, number, node.clock.now());
            let ahead = event.occurred_at > Some(shifted(other.clock.now(), 300));
            match report(&other.monetizer, &event, world).await {
                Ingested::Accepted if !ahead => used.reported[period] += 1,
                Ingested::Refused(error) if ahead => {
                    let said = error.to_string();
                    assert!(said.contains("allowed are up to 5 minutes after"), "{said}");
                    refused.push((period, event));
                }
                became => panic!("{became:?}: {event:?} at {}", other.clock.now()),
            }
        }
        if number % (count / 40) == 0 {
            other.monetizer.run_jobs().await.unwrap();
        }
    }
    assert!(refused.len() > count / 20, "{} were refused", refused.len());
    world.pass(HOUR).await;
    for (period, event) in &refused {
        assert_eq!(
            report(&world.monetizer, event, world).await,
            Ingested::Accepted
        );
        used.reported[*period] += 1;
    }
    assert!([0, 1].iter().all(|period| used.units(*period) > 0));
    in_the_ledger(world, &subscription, &used).await;
    on_invoices(world, &subscription, &used).await;
}

fn used_now(of: &Subscription, number: usize, now: Timestamp) -> UsageEvent {
    UsageEvent {
        source: text("elsewhere"),
        id: text(&number.to_string()),
        subscription: of.id,
        meter: text("requests"),
        quantity: Some("1".to_owned()),
        key: None,
        occurred_at: Some(now),
    }
}

async fn report(monetizer: &Monetizer, event: &UsageEvent, world: &World) -> Ingested {
    let events = std::slice::from_ref(event);
    let told = monetizer.ingest(world.tenant_id(), events).await;
    told.unwrap().remove(0)
}

/// Both periods hold exactly what was used in them, record by record.
async fn in_the_ledger(world: &World, of: &Subscription, used: &Used) {
    for (period, segment) in segments(of).into_iter().enumerate() {
        let of_origin = world.store.sums_of_origin(of.tenant, segment.id);
        let sum: i64 = of_origin
            .await
            .unwrap()
            .iter()
            .map(|sum| sum.total.scaled())
            .sum();
        assert_eq!(sum, used.units(period), "period {period}");
        let records = world.store.records(of.tenant, segment.id, None, usize::MAX);
        let records = records.await.unwrap();
        assert!(
            records
                .iter()
                .all(|record| segment.span.contains(record.occurred_at))
        );
        let calls = records.iter().filter(|record| record.event.is_none());
        let calls: BTreeSet<RecordId> = calls.map(|record| record.id).collect();
        assert!(calls == used.calls[period], "period {period}");
    }
}

/// Each use is billed once, under the period that it was used in.
async fn on_invoices(world: &World, of: &Subscription, used: &Used) {
    world.pass_until("2026-03-02T12:00:00Z").await;
    world.settle().await;
    let mut billed = [0; 2];
    let segments = segments(of).map(|segment| segment.id);
    for line in world.invoices(of.id).await.iter().flat_map(|it| &it.lines) {
        if let LineItem::Usage(line) | LineItem::LateUsage(line) = &line.item {
            let period = segments.iter().position(|id| *id == line.segment).unwrap();
            billed[period] += line.used.scaled();
        }
    }
    assert_eq!(billed, [0, 1].map(|period| used.units(period)));
}

fn segments(of: &Subscription) -> [Segment; 2] {
    let boundary: Timestamp = text(BOUNDARY);
    [shifted(boundary, -1), boundary].map(|at| of.segment_at(at).unwrap())
}

/// The provider takes no use from more than five minutes ahead of its clock.
#[tokio::test]
async fn use_published_by_a_clock_ten_minutes_ahead_is_taken_by_the_engine_r_t1() {
    let world = World::new(Invoicing::ByEngine).await;
    let (_, key) = world.subscriber(METERED).await;
    world.pass(HOUR).await;
    let ahead = Node::new(&world, 600);
    for _ in 0..3 {
        ahead.call(&key).await;
    }
    let JobStart::Started(run) = ahead
        .monetizer
        .start_publishing(world.tenant_id())
        .await
        .unwrap()
    else {
        panic!("nobody else publishes");
    };
    let report = ahead.monetizer.publish(world.tenant_id(), run).await;
    assert_eq!(report.unwrap().run.state, JobState::Succeeded);
    assert_eq!(world.batches().await[0].state, BatchState::Confirmed);
    assert_eq!(world.counted(), 3);
}
