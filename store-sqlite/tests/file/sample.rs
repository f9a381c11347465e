use std::error::Error;
use std::path::{Path, PathBuf};

use monetization_core::clock::Timestamp;
use monetization_core::entropy::Entropy;
use monetization_core::ids::{
    ChangeSetId, LeaseId, MeterId, PlanVersionId, SubscriptionId, TenantId,
};
use monetization_core::invoice::Invoicing;
use monetization_core::money::Quantity;
use monetization_core::period::{Cycle, Schedule};
use monetization_core::plan::QuotaWindow;
use monetization_core::store::{
    Appended, ChangeSet, Expected, Kind, LeaseRequest, Ledger, Row, Write,
};
use monetization_core::subscription::{Segment, Timeline};
use monetization_core::usage::{Counted, Ending, ForeignEvent, Outcome, Spent, UsageRecord};
use monetization_store_sqlite::{SqliteOptions, SqliteStore};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};

/// 2026-01-01, 00:00 UTC.
pub(crate) const START: Timestamp = Timestamp::from_secs(1_767_225_600);

/// A directory with one database in it.
#[derive(Debug)]
pub(crate) struct Home(tempfile::TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("market.db")
    }

    pub(crate) fn directory(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn options(&self) -> SqliteOptions {
        SqliteOptions::new(self.path())
    }

    pub(crate) async fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.options()).await.unwrap()
    }

    /// A connection of somebody else.
    pub(crate) async fn stranger(&self) -> SqliteConnection {
        SqliteConnectOptions::new()
            .filename(self.path())
            .create_if_missing(true)
            .connect()
            .await
            .unwrap()
    }
}

/// One subscription and what its use is written under.
#[derive(Debug)]
pub(crate) struct Use {
    entropy: Entropy,
    pub(crate) tenant: TenantId,
    pub(crate) meter: MeterId,
    pub(crate) segment: Segment,
}

impl Use {
    pub(crate) fn seeded(seed: u64) -> Self {
        let entropy = Entropy::seeded(seed);
        let schedule = Schedule::new(START, Cycle::MONTH);
        let timeline = Timeline::starting(schedule, entropy.id::<PlanVersionId>(START));
        let subscription: SubscriptionId = entropy.id(START);
        Self {
            tenant: entropy.id(START),
            meter: entropy.id(START),
            segment: timeline
                .segment_at(subscription, Invoicing::ByEngine, START)
                .unwrap(),
            entropy,
        }
    }

    /// A call that counts one unit.
    pub(crate) fn record(&self) -> UsageRecord {
        UsageRecord {
            id: self.entropy.id(START),
            tenant: self.tenant,
            segment: self.segment,
            occurred_at: START,
            recorded_at: START,
            resource: Some("forecast".parse().unwrap()),
            outcome: Some(Outcome {
                status: Some(200),
                ending: Ending::Complete,
            }),
            counted: vec![Counted::new(self.meter, Quantity::from_scaled(1))],
            spent: vec![self.spent(None)],
            event: None,
        }
    }

    pub(crate) fn records(&self, count: usize) -> Vec<UsageRecord> {
        (0..count).map(|_| self.record()).collect()
    }

    /// An event that counts one unit.
    pub(crate) fn event(&self, id: &str) -> UsageRecord {
        let event = ForeignEvent::new("crm".parse().unwrap(), id.parse().unwrap(), b"one");
        UsageRecord {
            id: event.record(self.tenant),
            event: Some(event),
            outcome: None,
            ..self.record()
        }
    }

    pub(crate) fn spent(&self, lease: Option<LeaseId>) -> Spent {
        Spent {
            quota: QuotaWindow::Period.into(),
            window: self.segment.period,
            lease,
            units: 1,
        }
    }

    pub(crate) fn lease(&self, max: u64) -> LeaseRequest {
        LeaseRequest {
            id: self.entropy.id(START),
            tenant: self.tenant,
            subscription: self.segment.subscription,
            quota: QuotaWindow::Period.into(),
            window: self.segment.period,
            max,
            want: max,
        }
    }

    /// A change that writes one new fact.
    pub(crate) fn change(&self) -> ChangeSet {
        let id: ChangeSetId = self.entropy.id(START);
        let fact: ChangeSetId = self.entropy.id(START);
        let mut change = ChangeSet::new(id, START);
        change.writes = vec![Write {
            row: Row {
                kind: Kind::Product,
                id: monetization_core::ids::TypedId::uuid(fact),
                tenant: self.tenant,
                version: 1,
                due_at: None,
                keys: Vec::new(),
                body: format!("{{\"id\":\"{fact}\"}}"),
                seq: 0,
            },
            expected: Expected::Absent,
        }];
        change
    }

    /// What was counted in all.
    pub(crate) async fn total(&self, store: &SqliteStore) -> i64 {
        let sums = store.sums(self.tenant, self.segment.id).await.unwrap();
        sums.iter().map(|sum| sum.total.scaled()).sum()
    }
}

/// How many of these are new.
pub(crate) fn new_ones(answers: &[Appended]) -> i64 {
    let new = answers.iter().filter(|answer| **answer == Appended::New);
    i64::try_from(new.count()).unwrap()
}

/// What is wrong with the file, as SQLite sees it.
pub(crate) async fn damage(connection: &mut SqliteConnection) -> Vec<String> {
    let integrity = sqlx::query_scalar("PRAGMA integrity_check");
    let mut damage: Vec<String> = integrity.fetch_all(&mut *connection).await.unwrap();
    damage.retain(|line| line != "ok");
    let dangling = sqlx::query("PRAGMA foreign_key_check");
    let dangling = dangling.fetch_all(connection).await.unwrap();
    damage.extend(dangling.iter().map(|row| format!("{row:?}")));
    damage
}

/// The whole story of an error, one cause after the other.
pub(crate) fn story(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", story(source)),
        None => error.to_string(),
    }
}
