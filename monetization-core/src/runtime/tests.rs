//! The request path over a store in memory.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use super::*;
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::consumer::Buyer;
use crate::entropy::Entropy;
use crate::ids::{ChangeSetId, MeterId, PlanVersionId, ProductId};
use crate::invoice::Invoicing;
use crate::key::{ApiKey, KeyKind, Pepper, PresentedKey};
use crate::memory::MemoryStore;
use crate::money::Scale;
use crate::period::{Cycle, Schedule};
use crate::plan::{
    Billing, MeteringPolicy, Overage, PlanTerms, PlanVersion, Quota, QuotaWindow, Rate, RateWindow,
    TermsDraft,
};
use crate::product::{Meter, Product, ProductState, Unit};
use crate::store::{Applied, ChangeSet, Fact, Ledger, QuotaCounter, Quotas, Rows, StoreExt, Write};
use crate::subscription::{PlanChange, Subscription, SubscriptionState, Timeline};
use crate::usage::{Ending, Outcome, UsageRecord};

const DONE: Outcome = Outcome {
    status: Some(200),
    ending: Ending::Complete,
};
const FAILED: Outcome = Outcome {
    status: Some(500),
    ending: Ending::Complete,
};

struct World {
    store: Arc<MemoryStore>,
    clock: Clock,
    time: ManualClock,
    entropy: Arc<Entropy>,
    gatekeeper: Gatekeeper,
    meter: Meter,
    subscription: Subscription,
    headers: HeaderMap,
}

fn limits(per_minute: u64, per_month: u64, overage: Overage) -> (Rate, Quota) {
    let rate = Rate::Calendar {
        window: RateWindow::Minute,
        max: per_minute,
    };
    let quota = Quota {
        window: QuotaWindow::Month,
        max: per_month,
        overage,
    };
    (rate, quota)
}

impl World {
    async fn new(limits: (Rate, Quota)) -> Self {
        let start: Timestamp = "2026-06-10T12:00:00Z".parse().unwrap();
        let (clock, time) = Clock::manual(start);
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let entropy = Arc::new(Entropy::seeded(3));
        let pepper = Pepper::new(&[7; 16]).unwrap();
        let gatekeeper = gatekeeper(&store, &clock, &entropy);
        let meter = Meter {
            id: entropy.id::<MeterId>(start),
            name: Meter::REQUESTS.parse().unwrap(),
            unit: Unit::Requests,
            scale: Scale::WHOLE,
        };
        let product = product(&entropy, &meter);
        let version = version(&entropy, &product, &meter, limits);
        let subscription = subscription(&entropy, &product, &version);
        let id = entropy.id(start);
        let presented = PresentedKey::generate(KeyKind::Live, id, &entropy);
        let key = ApiKey {
            id,
            tenant: product.tenant,
            consumer: subscription.consumer,
            subscriptions: vec![subscription.id],
            digest: presented.digest(&pepper),
            hint: presented.hint(),
            created_at: start,
            revoked_at: None,
        };
        let value = HeaderValue::from_str(presented.reveal().reveal()).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-api-key", value);
        let world = Self {
            store,
            clock,
            time,
            entropy,
            gatekeeper,
            meter,
            subscription: subscription.clone(),
            headers,
        };
        world.insert(&product).await;
        world.insert(&version).await;
        world.insert(&subscription).await;
        world.insert(&key).await;
        world
    }

    async fn write(&self, write: Write) {
        let id: ChangeSetId = self.entropy.id(self.clock.now());
        let mut change = ChangeSet::new(id, self.clock.now());
        change.writes.push(write);
        assert_eq!(self.store.apply(&change).await.unwrap(), Applied::New);
    }

    async fn insert<T: Fact>(&self, fact: &T) {
        self.write(Write::insert(fact).unwrap()).await;
    }

    async fn change(&self, change: impl FnOnce(&mut Subscription) + Send) {
        let of = &self.subscription;
        let mut stored = self
            .store
            .fact::<Subscription>(of.tenant, of.id)
            .await
            .unwrap()
            .unwrap();
        change(&mut stored.fact);
        self.write(stored.write().unwrap()).await;
        self.gatekeeper.refresh().await.unwrap();
    }

    /// The same product under other limits, from an instant on.
    async fn change_plan(&self, at: Timestamp, limits: (Rate, Quota)) -> PlanVersionId {
        let of = &self.subscription;
        let product = self.store.fact::<Product>(of.tenant, of.product).await;
        let version = version(
            &self.entropy,
            &product.unwrap().unwrap().fact,
            &self.meter,
            limits,
        );
        let version_id = version.id;
        self.insert(&version).await;
        self.change(|it| {
            it.timeline.changes.push(PlanChange {
                at,
                version: version_id,
            });
        })
        .await;
        version_id
    }

    async fn admit_by(&self, gatekeeper: &Gatekeeper) -> Result<Permit, Denial> {
        let target = Target {
            product: "weather",
            method: "GET",
            path: "/",
        };
        gatekeeper
            .admit(&self.headers, &target, self.clock.now())
            .await
    }

    async fn admit(&self) -> Result<Permit, Denial> {
        self.admit_by(&self.gatekeeper).await
    }

    /// How many calls pass before one is refused, each brought to its end.
    async fn pass(&self) -> usize {
        let mut passed = 0;
        while let Ok(permit) = self.admit().await {
            permit.settle_in_background(DONE);
            passed += 1;
        }
        passed
    }

    async fn counter(&self) -> QuotaCounter {
        let of = &self.subscription;
        let segment = of.segment_at(self.clock.now()).unwrap();
        let window = QuotaWindow::Month.containing(self.clock.now(), segment.period);
        let counter = self
            .store
            .quota(of.tenant, of.id, QuotaWindow::Month, window);
        counter.await.unwrap()
    }

    async fn records(&self) -> Vec<UsageRecord> {
        let of = &self.subscription;
        let segment = of.segment_at(self.clock.now()).unwrap();
        let records = self.store.records(of.tenant, segment.id, None, usize::MAX);
        records.await.unwrap()
    }

    /// Ends this gatekeeper: everything under way is written and blocks go back.
    async fn stop(&self, gatekeeper: &Gatekeeper) {
        gatekeeper.shutdown();
        gatekeeper.clone().run(sleep()).await;
    }
}

/// Yields to the others for as long as it is asked to wait.
fn sleep() -> Arc<dyn Sleep> {
    Arc::new(|_: Duration| -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::task::yield_now())
    })
}

fn gatekeeper(store: &Arc<MemoryStore>, clock: &Clock, entropy: &Arc<Entropy>) -> Gatekeeper {
    Gatekeeper::new(
        Arc::<MemoryStore>::clone(store),
        clock.clone(),
        Arc::clone(entropy),
        Pepper::new(&[7; 16]).unwrap(),
        GatekeeperOptions::default(),
    )
}

fn product(entropy: &Entropy, meter: &Meter) -> Product {
    let created_at = "2026-01-01T00:00:00Z".parse().unwrap();
    Product {
        id: entropy.id::<ProductId>(created_at),
        tenant: entropy.id(created_at),
        publisher: entropy.id(created_at),
        slug: "weather".parse().unwrap(),
        name: "Weather".parse().unwrap(),
        description: "".parse().unwrap(),
        gateway_endpoint: "http://127.0.0.1:9000".parse().unwrap(),
        state: ProductState::Active,
        meters: vec![meter.clone()],
        resources: Vec::new(),
        monetization: None,
        created_at,
    }
}

fn version(entropy: &Entropy, of: &Product, meter: &Meter, limits: (Rate, Quota)) -> PlanVersion {
    let mut draft = TermsDraft::new(Billing::Free, "EUR".parse().unwrap(), Cycle::Month);
    draft.rates = vec![limits.0];
    draft.quotas = vec![limits.1];
    draft.metering = MeteringPolicy::default();
    let id: PlanVersionId = entropy.id(of.created_at);
    PlanVersion {
        id,
        tenant: of.tenant,
        product: of.id,
        plan: entropy.id(of.created_at),
        number: 1,
        name: "Plan".parse().unwrap(),
        terms: PlanTerms::new(draft, std::slice::from_ref(meter)).unwrap(),
        created_at: of.created_at,
    }
}

fn subscription(entropy: &Entropy, of: &Product, version: &PlanVersion) -> Subscription {
    let schedule = Schedule {
        anchor: of.created_at,
        cycle: Cycle::Month,
    };
    Subscription {
        id: entropy.id(of.created_at),
        tenant: of.tenant,
        consumer: entropy.id(of.created_at),
        buyer: Buyer {
            user_id: "user-17".parse().unwrap(),
            name: "ada".parse().unwrap(),
        },
        application: None,
        product: of.id,
        plan: version.plan,
        invoicing: Invoicing::ByCore,
        state: SubscriptionState::Active,
        blocks: BTreeSet::new(),
        timeline: Timeline::starting(schedule, version.id),
        closed_periods: 0,
        request_key: None,
        rejected_because: None,
        payment_url: None,
        created_at: of.created_at,
    }
}

#[tokio::test]
async fn a_key_that_was_made_a_moment_ago_is_known_at_once() {
    let world = World::new(limits(5, 100, Overage::Strict)).await;
    world.gatekeeper.refresh().await.unwrap();
    assert!(world.admit().await.is_ok());
    let id = world.entropy.id(world.clock.now());
    let presented = PresentedKey::generate(KeyKind::Live, id, &world.entropy);
    let key = ApiKey {
        id,
        tenant: world.subscription.tenant,
        consumer: world.subscription.consumer,
        subscriptions: vec![world.subscription.id],
        digest: presented.digest(&Pepper::new(&[7; 16]).unwrap()),
        hint: presented.hint(),
        created_at: world.clock.now(),
        revoked_at: None,
    };
    let mut headers = HeaderMap::new();
    let value = HeaderValue::from_str(presented.reveal().reveal()).unwrap();
    headers.insert("x-api-key", value);
    let target = Target {
        product: "weather",
        method: "GET",
        path: "/",
    };
    let now = world.clock.now();
    let early = world.gatekeeper.admit(&headers, &target, now).await;
    assert_eq!(
        early.unwrap_err(),
        Denial::Unauthenticated(Unauthenticated::Invalid)
    );
    world.insert(&key).await;
    assert!(world.gatekeeper.admit(&headers, &target, now).await.is_ok());
}

#[tokio::test]
async fn counters_outlive_every_change_of_the_subscription() {
    let world = World::new(limits(5, 100, Overage::Strict)).await;
    for _ in 0..3 {
        world.admit().await.unwrap().settle_in_background(DONE);
        world
            .change(|it| it.application = Some("Another".parse().unwrap()))
            .await;
    }
    assert_eq!(world.pass().await, 2);
}

#[tokio::test]
async fn older_news_never_replaces_newer() {
    let world = World::new(limits(5, 100, Overage::Strict)).await;
    world.gatekeeper.refresh().await.unwrap();
    let permit = world.admit().await.unwrap();
    let terms = permit.gate.terms().unwrap();
    let copy = |seq| gate::Terms {
        seq,
        subscription: terms.subscription.clone(),
        identity: terms.identity.clone(),
        product: Arc::clone(&terms.product),
        versions: terms.versions.clone(),
    };
    permit.gate.set_terms(copy(terms.seq - 1));
    assert_eq!(permit.gate.terms().unwrap().seq, terms.seq);
    permit.gate.set_terms(copy(terms.seq + 1));
    assert_eq!(permit.gate.terms().unwrap().seq, terms.seq + 1);
}

#[tokio::test]
async fn a_plan_change_takes_effect_at_its_instant_and_leaves_calls_under_way_alone() {
    let world = World::new(limits(5, 100, Overage::Strict)).await;
    let at: Timestamp = "2026-06-10T12:01:00Z".parse().unwrap();
    let version = world.change_plan(at, limits(2, 100, Overage::Strict)).await;
    let before = world.admit().await.unwrap();
    assert_eq!(world.pass().await, 4);
    world.time.advance(Duration::from_secs(60));
    let after = world.admit().await.unwrap();
    assert_eq!(world.pass().await, 1);
    before.settle_in_background(DONE);
    after.settle_in_background(DONE);
    world.stop(&world.gatekeeper).await;
    let of = &world.subscription;
    let changed = world.store.fact::<Subscription>(of.tenant, of.id).await;
    let changed = changed.unwrap().unwrap().fact;
    let ends = [Duration::from_micros(1), Duration::ZERO];
    let mut counts = Vec::new();
    for before in ends {
        let before = i64::try_from(before.as_micros()).unwrap();
        let instant = Timestamp::from_micros(at.as_micros() - before);
        let segment = changed.segment_at(instant).unwrap();
        let records = world.store.records(of.tenant, segment.id, None, usize::MAX);
        let records = records.await.unwrap();
        assert!(records.iter().all(|record| record.segment == segment));
        counts.push((segment.version, records.len()));
    }
    let first = of.timeline.first;
    assert_eq!(counts, [(first, 5), (version, 2)]);
    assert_eq!(world.counter().await.committed, 7);
}

#[tokio::test]
async fn a_raised_quota_opens_a_subscription_that_was_used_up() {
    let world = World::new(limits(100, 3, Overage::Strict)).await;
    assert_eq!(world.pass().await, 3);
    let now = world.clock.now();
    world
        .change_plan(now, limits(100, 5, Overage::Strict))
        .await;
    assert_eq!(world.pass().await, 2);
}

#[tokio::test]
async fn an_abandoned_call_gives_everything_back_and_leaves_no_record() {
    let world = World::new(limits(5, 5, Overage::Strict)).await;
    for _ in 0..20 {
        let permit = world.admit().await.unwrap();
        let left = permit
            .standings()
            .as_slice()
            .iter()
            .map(|standing| standing.remaining);
        assert_eq!(left.collect::<Vec<_>>(), [4, 4]);
        permit.abandon();
    }
    assert_eq!(world.gatekeeper.committer().backlog(), 0);
    world.stop(&world.gatekeeper).await;
    assert_eq!(world.records().await, []);
    assert_eq!(world.counter().await, QuotaCounter::default());
}

#[tokio::test]
async fn a_permit_that_is_dropped_is_recorded_as_failed() {
    let world = World::new(limits(5, 5, Overage::Strict)).await;
    drop(world.admit().await.unwrap());
    world.stop(&world.gatekeeper).await;
    let records = world.records().await;
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].outcome.unwrap().ending, Ending::Failed);
    assert_eq!(records[0].counted[0].quantity.scaled(), 0);
    // The plan gives the unit of an unbilled call back.
    assert_eq!(world.counter().await, QuotaCounter::default());
}

#[tokio::test]
async fn what_is_not_billed_can_be_spent_again() {
    let world = World::new(limits(100, 4, Overage::Strict)).await;
    for _ in 0..10 {
        world.admit().await.unwrap().settle_in_background(FAILED);
    }
    assert_eq!(world.pass().await, 4);
    world.stop(&world.gatekeeper).await;
    assert_eq!(world.records().await.len(), 14);
    assert_eq!(world.counter().await.committed, 4);
}

#[tokio::test]
async fn at_the_end_every_block_goes_back_with_what_nobody_spent() {
    let world = World::new(limits(1_000, 1_000, Overage::Strict)).await;
    for _ in 0..7 {
        world.admit().await.unwrap().settle_in_background(DONE);
    }
    assert!(world.counter().await.leased > 7, "a block is out");
    world.stop(&world.gatekeeper).await;
    let counter = world.counter().await;
    assert_eq!((counter.committed, counter.leased), (7, 7));
    assert!(matches!(world.admit().await, Err(Denial::Busy { .. })));
}

#[tokio::test]
async fn two_processes_share_a_strict_quota_and_lose_no_unit_of_it() {
    let world = World::new(limits(1_000, 41, Overage::Strict)).await;
    let other = gatekeeper(&world.store, &world.clock, &world.entropy);
    let mut passed = 0;
    for call in 0..200 {
        let by = if call % 3 == 0 {
            &other
        } else {
            &world.gatekeeper
        };
        match world.admit_by(by).await {
            Ok(permit) => {
                permit.settle_in_background(DONE);
                passed += 1;
            }
            Err(denial) => assert!(matches!(denial, Denial::Limited(_)), "{denial}"),
        }
    }
    assert_eq!(passed, 41);
    world.stop(&world.gatekeeper).await;
    world.stop(&other).await;
    let counter = world.counter().await;
    assert_eq!((counter.committed, counter.leased), (41, 41));
}

#[tokio::test]
async fn a_loose_quota_goes_on_from_what_was_committed_before() {
    let world = World::new(limits(1_000, 10, Overage::Loose)).await;
    for _ in 0..6 {
        world.admit().await.unwrap().settle_in_background(DONE);
    }
    world.stop(&world.gatekeeper).await;
    let next = gatekeeper(&world.store, &world.clock, &world.entropy);
    let permit = world.admit_by(&next).await.unwrap();
    assert_eq!(permit.standings().as_slice()[1].remaining, 3);
}

#[tokio::test]
async fn a_full_queue_takes_nothing_of_any_limit() {
    let world = World::new(limits(5, 5, Overage::Strict)).await;
    let options = GatekeeperOptions {
        committer: CommitterOptions {
            queue_max: 2,
            ..CommitterOptions::default()
        },
        ..GatekeeperOptions::default()
    };
    let narrow = Gatekeeper::new(
        Arc::<MemoryStore>::clone(&world.store),
        world.clock.clone(),
        Arc::clone(&world.entropy),
        Pepper::new(&[7; 16]).unwrap(),
        options,
    );
    let first = world.admit_by(&narrow).await.unwrap();
    let second = world.admit_by(&narrow).await.unwrap();
    for _ in 0..10 {
        assert!(matches!(
            world.admit_by(&narrow).await,
            Err(Denial::Busy { .. })
        ));
    }
    first.abandon();
    let third = world.admit_by(&narrow).await.unwrap();
    let left = third
        .standings()
        .as_slice()
        .iter()
        .map(|standing| standing.remaining);
    assert_eq!(left.collect::<Vec<_>>(), [3, 3]);
    drop((second, third));
}

#[tokio::test]
async fn a_record_is_written_once_however_often_it_is_told() {
    let world = World::new(limits(5, 5, Overage::Strict)).await;
    let settlement = world.admit().await.unwrap().settle(DONE);
    world.stop(&world.gatekeeper).await;
    assert_eq!(settlement.await, Ok(Committed::New));
    let record = world.records().await.remove(0);
    let again = world.store.append(&[record]).await.unwrap();
    assert_eq!(again, [crate::store::Appended::Duplicate]);
    assert_eq!(world.counter().await.committed, 1);
}
