//! What must hold in every database: it does after whatever was done, and where it does not, the
//! check says so by name.

use async_trait::async_trait;
use monetization_core::clock::Clock;
use monetization_core::flows::{Ingested, NewCredit, UsageEvent};
use monetization_core::invoice::{CreditTo, Invoicing, LineItem};
use monetization_core::money::Money;
use monetization_core::store::JobState;
use monetization_core::subscription::Subscription;
use monetization_engine_mock::faults::{Fault, Injection};
use monetization_engine_mock::transport::Operation;

use crate::database::{Database, Kept};
use crate::tampering;
use crate::world::{DAY, START, World, cents, text};

/// A price, two units of it included, a strict quota and a loose one.
pub const TERMS: &str = r#"{"billing":"metered","currency":"USD","cycle":"month","base_price":"3",
    "usage":[{"meter":"requests","unit_price":"1","included":"2"}],
    "quotas":[{"window":"month","max":5000,"overage":"strict"},
        {"window":"day","max":10,"overage":"loose"}]}"#;

const METERED: &str = r#"{"billing":"metered","currency":"USD","cycle":"month",
    "usage":[{"meter":"requests","unit_price":"0.01"}]}"#;

/// A database to which anything may be done.
#[async_trait]
pub trait Tampered: Kept {
    /// A new one, for nobody else.
    async fn begin() -> Self;

    /// Runs a statement as somebody whom nothing stops, and answers how many rows it changed.
    async fn tamper(&self, by: &'static str) -> sqlx::Result<u64>;

    /// A copy in which something was done by hand that the store would never do.
    async fn tampered(&self, by: &'static str) -> Self {
        let copy = self.backed_up().await;
        let changed = copy.tamper(by).await;
        let changed = changed.unwrap_or_else(|error| panic!("{by}: {error}"));
        assert!(changed > 0, "{by}: changes nothing");
        copy
    }
}

#[async_trait]
impl Tampered for Database {
    async fn begin() -> Self {
        Self::new()
    }

    async fn tamper(&self, by: &'static str) -> sqlx::Result<u64> {
        let mut connection = self.connect().await;
        let done = sqlx::query(by).execute(&mut connection).await?;
        Ok(done.rows_affected())
    }
}

impl World {
    /// A marketplace in this database.
    pub async fn kept_in(database: &impl Kept, invoicing: Invoicing) -> Self {
        let (clock, time) = Clock::manual(text(START));
        let store = database.open(&clock).await;
        Self::on(invoicing, (clock, time), store).await
    }
}

/// Two months of a subscription that core invoices: a quota, a plan change, use that came late, an
/// invoice that is past due; then another subscription whose first invoice is on its way.
async fn invoiced_by_core(database: &impl Kept) -> World {
    let world = World::kept_in(database, Invoicing::ByCore).await;
    let (subscription, key) = world.subscriber(TERMS).await;
    world.calls(&key, 5).await;
    report(&world, &subscription, "on time", "requests").await;
    let version = subscription.timeline.first;
    let moved = world
        .monetizer
        .migrate(world.tenant_id(), subscription.id, version, None);
    moved.await.unwrap();
    world.pass(DAY).await;
    world.calls(&key, 3).await;
    world.pass_until("2026-02-01T13:00:00Z").await;
    world.settle().await;
    world.pay_all().await;
    report(&world, &subscription, "late", "requests").await;
    world.calls(&key, 2).await;
    world.pass_until("2026-03-01T13:00:00Z").await;
    world.settle().await;
    world.calls(&key, 2).await;
    world.pass(10 * DAY).await;
    world.settle().await;
    let paid = world.invoices(subscription.id).await.remove(0);
    let credit = NewCredit {
        amount: Money::new(100, text("USD")),
        reason: text("an outage"),
        to: CreditTo::Balance,
        request_key: None,
    };
    let credited = world
        .monetizer
        .credit_invoice(paid.tenant, paid.id, &credit);
    credited.await.unwrap();
    world.settle().await;
    let (plan, _) = world.plan(TERMS).await;
    world.subscribe(&plan).await;
    let lines = world.invoices(subscription.id).await;
    let late = lines
        .iter()
        .flat_map(|invoice| &invoice.lines)
        .filter(|line| matches!(line.item, LineItem::LateUsage(_)));
    assert_eq!(late.count(), 1);
    world
}

/// Reports an event of the first of January.
async fn report(world: &World, of: &Subscription, id: &str, meter: &str) {
    let event = UsageEvent {
        source: text("elsewhere"),
        id: text(&id.replace(' ', "-")),
        subscription: of.id,
        meter: text(meter),
        quantity: Some("2".to_owned()),
        key: None,
        occurred_at: Some(of.timeline.schedule.anchor),
    };
    let answers = world.monetizer.ingest(world.tenant_id(), &[event]).await;
    assert_eq!(answers.unwrap(), [Ingested::Accepted]);
}

/// Use that is confirmed, sealed and not heard of, not sealed yet, and never sealed.
pub async fn invoiced_by_engine(database: &impl Kept) -> World {
    let world = World::kept_in(database, Invoicing::ByEngine).await;
    let (subscription, key) = world.subscriber(METERED).await;
    report(&world, &subscription, "now", "level").await;
    for _ in 0..2 {
        world.calls(&key, 3).await;
        assert_eq!(world.publish().await, JobState::Succeeded);
    }
    let lost = Injection::next(Fault::LoseReply).on(Operation::TakeUsage);
    world.provider.inject(lost);
    world.calls(&key, 3).await;
    assert_eq!(world.publish().await, JobState::Incomplete);
    world.calls(&key, 1).await;
    world
}

/// Lives both lives and then does to copies what is said, each of which has to be found by its name.
async fn each_is_named<D: Tampered>(
    of_core: &[(&str, &'static str)],
    of_engine: &[(&str, &'static str)],
) {
    let by_core = D::begin().await;
    let core = invoiced_by_core(&by_core).await;
    let by_engine = D::begin().await;
    let engine = invoiced_by_engine(&by_engine).await;
    let mut known: Vec<&str> = Vec::new();
    for (database, tampering) in [(&by_core, of_core), (&by_engine, of_engine)] {
        let findings = database.check().await;
        known = findings.iter().map(|finding| finding.invariant).collect();
        assert_eq!(database.broken().await, [""; 0]);
        for (name, by) in tampering {
            let broken = database.tampered(by).await.broken().await;
            let alone = matches!(&broken[..], [only] if only.starts_with(&format!("{name}: ")));
            assert!(alone, "{name}: {by}: {broken:#?}");
        }
    }
    let tampered = of_core.iter().chain(of_engine).map(|(name, _)| *name);
    let mut tampered: Vec<&str> = tampered.collect();
    known.sort_unstable();
    tampered.sort_unstable();
    tampered.dedup();
    assert_eq!(tampered, known, "each can be broken");
    drop((core, engine));
}

/// A trial with use in it, also late, that a change of plan and a month follow; then an invoice in its
/// grace, and past it.
async fn tried_changed_and_past_due<D: Tampered>() {
    let database = D::begin().await;
    let world = World::kept_in(&database, Invoicing::ByCore).await;
    let tried = r#"{"billing":"metered","currency":"USD","cycle":"month","base_price":"3",
        "trial":{"days":14},"past_due":{"grace_days":3},
        "usage":[{"meter":"requests","unit_price":"1"}]}"#;
    let (subscription, key) = world.subscriber(tried).await;
    let id = subscription.id;
    world.calls(&key, 5).await;
    world.pass_until("2026-01-15T13:00:00Z").await;
    world.settle().await;
    report(&world, &subscription, "late", "requests").await;
    world.calls(&key, 2).await;
    world.pay_all().await;
    let (dearer, _) = world
        .plan(&tried.replace(r#""base_price":"3""#, r#""base_price":"9""#))
        .await;
    let monetizer = &world.monetizer;
    let changed = monetizer.change_plan(world.tenant_id(), id, dearer.id, None);
    changed.await.unwrap();
    world.pass(DAY).await;
    world.calls(&key, 1).await;
    world.pass_until("2026-02-15T13:00:00Z").await;
    world.settle().await;
    assert_eq!(world.invoices(id).await.len(), 2);
    for days in [7, 1, 3] {
        world.pass(days * DAY).await;
        world.settle().await;
        assert_eq!(database.broken().await, [""; 0]);
    }
    let owed = world.invoices(id).await.pop().unwrap();
    assert!(owed.stops_calls(world.clock.now()) && owed.grace_ends_at.is_none());
}

/// A plan that had become free when its period ended was not invoiced at all: what was used at a price
/// before was lost.
async fn made_free_within_a_period<D: Tampered>() {
    let database = D::begin().await;
    let world = World::kept_in(&database, Invoicing::ByCore).await;
    let (plan, _) = world.plan(TERMS).await;
    let ordered = world.subscribe(&plan).await;
    world.settle().await;
    world.pay_all().await;
    let key = ordered.key.unwrap().1;
    world.calls(&key, 5).await;
    let (id, tenant) = (ordered.subscription.id, world.tenant_id());
    let free = serde_json::from_str(r#"{"billing":"free","currency":"USD","cycle":"month"}"#);
    let revised = world.monetizer.revise_plan(tenant, plan.id, free.unwrap());
    let (_, version) = revised.await.unwrap();
    let moved = world.monetizer.migrate(tenant, id, version.id, None);
    moved.await.unwrap();
    world.pass(DAY).await;
    world.calls(&key, 5).await;
    for end in ["2026-02-01T13:00:00Z", "2026-03-01T13:00:00Z"] {
        world.pass_until(end).await;
        world.settle().await;
    }
    assert_eq!(database.broken().await, Vec::<String>::new());
    let totals: Vec<i64> = world.invoices(id).await.iter().map(cents).collect();
    assert_eq!(totals, [300, 300], "three calls beyond those included");
}

/// Calls are recorded while the database is checked again and again.
async fn checked_meanwhile<D: Tampered>() {
    let database = D::begin().await;
    let world = World::kept_in(&database, Invoicing::ByCore).await;
    let (subscription, key) = world.subscriber(TERMS).await;
    let calls = async {
        for _ in 0..20 {
            world.calls(&key, 10).await;
        }
    };
    let checks = async {
        for _ in 0..20 {
            assert_eq!(database.broken().await, [""; 0]);
        }
    };
    tokio::join!(calls, checks);
    let segment = subscription.segment_at(world.clock.now()).unwrap();
    let sums = world.store.sums(world.tenant_id(), segment.id).await;
    assert_eq!(sums.unwrap()[0].total.scaled(), 200);
}

#[tokio::test]
async fn every_broken_invariant_is_named_and_no_other_r_z4() {
    each_is_named::<Database>(&tampering::OF_CORE, &tampering::OF_ENGINE).await;
}

#[tokio::test]
async fn a_database_of_trials_changes_of_plan_and_grace_is_whole() {
    tried_changed_and_past_due::<Database>().await;
}

#[tokio::test]
async fn use_at_a_price_is_invoiced_though_the_plan_is_free_by_then() {
    made_free_within_a_period::<Database>().await;
}

/// What a check reads is one state of the database, whatever is written meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_check_holds_while_calls_are_recorded() {
    checked_meanwhile::<Database>().await;
}

/// The same in PostgreSQL.
#[cfg(feature = "postgres")]
mod shared {
    use monetization_conformance::postgres::Database;
    use monetization_conformance::size;

    use crate::checked_lives::live_checked;
    use crate::tampering_postgres;

    #[tokio::test]
    #[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
    async fn every_broken_invariant_is_named_and_no_other_r_z4() {
        use tampering_postgres::{OF_CORE, OF_ENGINE};
        super::each_is_named::<Database>(&OF_CORE, &OF_ENGINE).await;
    }

    #[tokio::test]
    #[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
    async fn a_database_of_trials_changes_of_plan_and_grace_is_whole() {
        super::tried_changed_and_past_due::<Database>().await;
    }

    #[tokio::test]
    #[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
    async fn use_at_a_price_is_invoiced_though_the_plan_is_free_by_then() {
        super::made_free_within_a_period::<Database>().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
    async fn a_check_holds_while_calls_are_recorded() {
        super::checked_meanwhile::<Database>().await;
    }

    #[tokio::test]
    #[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
    async fn whatever_happens_every_invariant_holds_in_the_database_r_v8() {
        live_checked::<Database>(size(2, 200)).await;
    }
}
