//! What must hold in every database: it does after whatever was done, and where it does not, the
//! check says so by name.

use std::path::PathBuf;
use std::sync::Arc;

use monetization_core::clock::Clock;
use monetization_core::flows::{Ingested, UsageEvent};
use monetization_core::invoice::{Invoicing, LineItem};
use monetization_core::store::JobState;
use monetization_core::subscription::Subscription;
use monetization_engine_mock::faults::{Fault, Injection};
use monetization_store_sqlite::{Inspection, SqliteOptions, SqliteStore, Synchronous};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Executor, Row, SqliteConnection};

use crate::world::{DAY, START, World, text};

/// A price, two units of it included, a strict quota and a loose one.
pub const TERMS: &str = r#"{"billing":"metered","currency":"USD","cycle":"month","base_price":"3",
    "usage":[{"meter":"requests","unit_price":"1","included":"2"}],
    "quotas":[{"window":"month","max":5000,"overage":"strict"},
        {"window":"day","max":10,"overage":"loose"}]}"#;

const METERED: &str = r#"{"billing":"metered","currency":"USD","cycle":"month",
    "usage":[{"meter":"requests","unit_price":"0.01"}]}"#;

/// A database in a directory of its own.
pub struct Database(tempfile::TempDir);

impl Database {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("market.db")
    }

    pub async fn world(&self, invoicing: Invoicing) -> World {
        let (clock, time) = Clock::manual(text(START));
        let options = SqliteOptions::new(self.path())
            .with_synchronous(Synchronous::Normal)
            .with_clock(clock.clone());
        let store = SqliteStore::open(&options).await.unwrap();
        World::on(invoicing, (clock, time), Arc::new(store)).await
    }

    /// The invariants that do not hold, each with its examples.
    pub async fn broken(&self) -> Vec<String> {
        let mut inspection = Inspection::open(self.path()).await.unwrap();
        let findings = inspection.check().await.unwrap();
        let broken = findings.iter().filter(|finding| !finding.holds());
        broken
            .map(|finding| format!("{}: {:?}", finding.invariant, finding.examples))
            .collect()
    }

    /// A copy in which something was done by hand that the store would never do.
    async fn tampered(&self, by: &'static str) -> Self {
        let copy = Self::new();
        let mut original = connect(self.path()).await;
        let path = copy.path();
        let vacuum = format!("VACUUM INTO '{}'", path.display());
        original.execute(AssertSqlSafe(vacuum)).await.unwrap();
        let mut connection = connect(path).await;
        let done = sqlx::query(by).execute(&mut connection).await;
        let changed = done.unwrap_or_else(|error| panic!("{by}: {error}"));
        assert!(changed.rows_affected() > 0, "{by}: changes nothing");
        copy
    }
}

async fn connect(path: PathBuf) -> SqliteConnection {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(false);
    options.connect().await.unwrap()
}

/// Two months of a subscription that core invoices: a quota, a plan change, use that came late, an
/// invoice that is past due; then another subscription whose first invoice is on its way.
async fn invoiced_by_core(database: &Database) -> World {
    let world = database.world(Invoicing::ByCore).await;
    let (subscription, key) = world.subscriber(TERMS).await;
    world.calls(&key, 5).await;
    report(&world, &subscription, "on time").await;
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
    report(&world, &subscription, "late").await;
    world.calls(&key, 2).await;
    world.pass_until("2026-03-01T13:00:00Z").await;
    world.settle().await;
    world.calls(&key, 2).await;
    world.pass(10 * DAY).await;
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
async fn report(world: &World, of: &Subscription, id: &str) {
    let event = UsageEvent {
        source: text("elsewhere"),
        id: text(&id.replace(' ', "-")),
        subscription: of.id,
        meter: text("requests"),
        quantity: "2".to_owned(),
        occurred_at: Some(of.timeline.schedule.anchor),
    };
    let answers = world.monetizer.ingest(world.tenant_id(), &[event]).await;
    assert_eq!(answers.unwrap(), [Ingested::Accepted]);
}

/// Use that is confirmed, sealed and not heard of, and not sealed yet.
async fn invoiced_by_engine(database: &Database) -> World {
    let world = database.world(Invoicing::ByEngine).await;
    let (_, key) = world.subscriber(METERED).await;
    for _ in 0..2 {
        world.calls(&key, 3).await;
        assert_eq!(world.publish().await, JobState::Succeeded);
    }
    world.provider.inject(Injection::next(Fault::LoseReply));
    world.calls(&key, 3).await;
    assert_eq!(world.publish().await, JobState::Incomplete);
    world.calls(&key, 1).await;
    world
}

#[tokio::test]
async fn every_broken_invariant_is_named_and_no_other_r_z4() {
    let by_core = Database::new();
    let core = invoiced_by_core(&by_core).await;
    let by_engine = Database::new();
    let engine = invoiced_by_engine(&by_engine).await;
    for (database, tampering) in [(&by_core, &OF_CORE[..]), (&by_engine, &OF_ENGINE[..])] {
        assert_eq!(database.broken().await, Vec::<String>::new());
        for (name, by) in tampering {
            let broken = database.tampered(by).await.broken().await;
            let alone = matches!(&broken[..], [only] if only.starts_with(&format!("{name}: ")));
            assert!(alone, "{name}: {by}: {broken:#?}");
        }
    }
    let mut inspection = Inspection::open(by_core.path()).await.unwrap();
    let findings = inspection.check().await.unwrap();
    let mut known: Vec<&str> = findings.iter().map(|finding| finding.invariant).collect();
    let mut tampered: Vec<&str> = OF_CORE
        .iter()
        .chain(&OF_ENGINE)
        .map(|(name, _)| *name)
        .collect();
    known.sort_unstable();
    tampered.sort_unstable();
    tampered.dedup();
    assert_eq!(tampered, known, "each can be broken");
    drop((core, engine));
}

/// What a check reads is one state of the database, whatever is written meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_check_holds_while_calls_are_recorded() {
    let database = Database::new();
    let world = database.world(Invoicing::ByCore).await;
    let (_, key) = world.subscriber(TERMS).await;
    let calls = async {
        for _ in 0..20 {
            world.calls(&key, 10).await;
        }
    };
    let checks = async {
        for _ in 0..20 {
            assert_eq!(database.broken().await, Vec::<String>::new());
        }
    };
    tokio::join!(calls, checks);
    let mut connection = connect(database.path()).await;
    let rows = connection.fetch_one("SELECT count(*) FROM record").await;
    assert_eq!(rows.unwrap().get::<i64, _>(0), 200);
}

/// The invariant that is broken, and how.
const OF_CORE: [(&str, &str); 21] = [
    (
        "ledger_equals_sums",
        "UPDATE sum SET total = total + 1
        WHERE segment IN (SELECT number FROM segment WHERE state = 'open')",
    ),
    (
        "ledger_equals_sums",
        "INSERT INTO record SELECT randomblob(16), segment.number, meter.number, 1, 0, 0, NULL, NULL,
            NULL, NULL, NULL, 0
        FROM segment JOIN meter WHERE segment.state = 'open'",
    ),
    (
        "sums_have_a_payer",
        "UPDATE segment SET successor = number
        WHERE number IN (SELECT origin FROM sum WHERE segment <> origin)",
    ),
    (
        "events_count_once",
        "INSERT INTO event SELECT randomblob(16), segment, key, digest, source, name FROM event",
    ),
    (
        "quotas_equal_ledger",
        "UPDATE quota SET leased = leased + 1 WHERE quota = 'day'",
    ),
    (
        "leases_equal_ledger",
        "INSERT INTO lease (tenant, id, quota, units, committed, state, opening)
        SELECT tenant, randomblob(16), number, 5, 5, 'settled', 1 FROM quota",
    ),
    (
        "quotas_within_limit",
        "UPDATE fact SET body = json_set(body, '$.terms.quotas[0].max', 1)
        WHERE kind = 'plan_version'",
    ),
    (
        "billed_periods_are_closed",
        "INSERT INTO segment (tenant, id, subscription, plan_version, invoicing, period_index,
            period_start_at, period_end_at, start_at, end_at, state)
        SELECT tenant, randomblob(16), subscription, plan_version, invoicing, period_index,
            period_start_at, period_end_at, start_at, end_at, 'open'
        FROM segment WHERE state = 'closed'",
    ),
    (
        "use_is_invoiced_once",
        "UPDATE fact SET body = json_set(body, '$.lines[0].item.used', 99)
        WHERE kind = 'invoice' AND body ->> '$.lines[0].item.kind' = 'usage'",
    ),
    (
        "use_is_invoiced_once",
        r#"UPDATE fact SET body = replace(body, '"kind":"usage"', '"kind":"mirrored"')
        WHERE kind = 'invoice' AND body ->> '$.occasion.index' = 0"#,
    ),
    (
        "late_use_is_invoiced_once",
        r#"UPDATE fact SET body = replace(body, '"kind":"late_usage"', '"kind":"mirrored"')
        WHERE kind = 'invoice' AND body LIKE '%"late_usage"%'"#,
    ),
    (
        "one_invoice_an_occasion",
        "WITH copy (id) AS MATERIALIZED (SELECT randomblob(16))
        INSERT INTO fact SELECT change_seq + 1000000, kind, copy.id, tenant, version, due_at,
            json_set(body, '$.id', 'inv_' || lower(hex(copy.id))), '[]'
        FROM fact JOIN copy
        WHERE kind = 'invoice' AND body ->> '$.occasion.kind' = 'start'
            AND body ->> 'state' = 'paid'",
    ),
    (
        "lines_equal_total",
        "UPDATE fact SET body = json_set(body, '$.total.amount', '3.01') WHERE kind = 'invoice'",
    ),
    (
        "lines_equal_total",
        "UPDATE fact SET body = json_set(body, '$.lines[0].amount.currency', 'EUR')
        WHERE kind = 'invoice'",
    ),
    (
        "unpaid_is_blocked",
        "UPDATE fact SET body = json_set(body, '$.blocks', json('[]'))
        WHERE kind = 'subscription' AND body -> 'blocks' <> '[]'",
    ),
    (
        "what_is_owed_is_asked_for",
        "DELETE FROM intent WHERE state = 'open' AND operation ->> 'operation' = 'issue_invoice'",
    ),
    (
        "operations_are_asked_once",
        "INSERT INTO intent SELECT randomblob(16), tenant, operation, due_at, attempts, state, reason,
            fence, claim_lapses_at
        FROM intent WHERE state = 'done'",
    ),
    (
        "references_are_unique",
        "WITH copy (id) AS MATERIALIZED (SELECT randomblob(16))
        INSERT INTO fact SELECT change_seq + 1000000, kind, copy.id, tenant, version, due_at,
            json_set(body, '$.id', 'ref_' || lower(hex(copy.id)), '$.external', 'another'), '[]'
        FROM fact JOIN copy
        WHERE kind = 'reference' AND body ->> 'object' = 'invoice' LIMIT 1",
    ),
    ("work_is_fenced", "UPDATE intent SET attempts = fence + 1"),
    (
        "facts_are_found",
        "DELETE FROM fact_key WHERE index_name = 'invoices_of_subscription'",
    ),
    (
        "facts_are_found",
        "UPDATE fact SET due_at = NULL WHERE kind = 'subscription' AND due_at IS NOT NULL",
    ),
];

/// As for core.
const OF_ENGINE: [(&str, &str); 6] = [
    (
        "batches_tile_sums",
        "UPDATE batch SET from_total = from_total - 1, to_total = to_total - 1
        WHERE from_total = (SELECT max(from_total) FROM batch)",
    ),
    ("use_is_conserved", "UPDATE sum SET sealed = sealed - 1"),
    ("use_is_conserved", "UPDATE sum SET sealed = sealed + 1"),
    (
        "work_is_fenced",
        "UPDATE batch SET fence = 0, attempts = 0 WHERE state = 'confirmed'",
    ),
    (
        "tenants_are_apart",
        "UPDATE batch SET tenant = randomblob(16)",
    ),
    (
        "sums_have_a_payer",
        "UPDATE segment SET invoicing = 'by_core' WHERE state = 'open'",
    ),
];
