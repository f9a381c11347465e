use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use monetization_store_sqlite::Inspection;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};

use super::load::{CallId, Tally};
use super::market::Market;

#[cfg(feature = "postgres")]
pub(crate) mod shared;

/// The ledger, read from the file by somebody who is not the server.
#[derive(Debug)]
pub(crate) struct Books {
    /// The record of each call.
    pub(crate) records: Vec<Recorded>,
}

/// What a database says once everything has come to rest.
#[derive(Debug)]
pub(crate) struct Accounts {
    pub(crate) books: Books,
    /// Units of the records, by subscription.
    pub(crate) recorded: BTreeMap<String, i64>,
    /// Units of the batches that the engine has confirmed, by subscription.
    pub(crate) confirmed: BTreeMap<String, i64>,
    /// How many invoices there are in each state.
    pub(crate) invoices: BTreeMap<String, i64>,
    /// The names of all meters.
    pub(crate) meters: Vec<String>,
}

/// What a record tells of its call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recorded {
    pub(crate) subscription: usize,
    pub(crate) resource: u16,
    pub(crate) status: Option<u16>,
    pub(crate) quantity: i64,
}

/// Use, and what of it is sealed.
const SUMS: &str = "SELECT CAST(sum(total) AS bigint), CAST(sum(sealed) AS bigint) FROM sum";
/// Units of the batches, by their states.
const BATCHES: &str = "SELECT state, CAST(sum(to_total - from_total) AS bigint)
    FROM batch GROUP BY 1 ORDER BY 1";
/// How many sums and batches are not at the engine.
pub(crate) const LEFT: &str = "SELECT (SELECT count(*) FROM sum WHERE sealed <> total)
    + (SELECT count(*) FROM batch WHERE state <> 'confirmed')";
/// How many operations were not carried out at the engine.
pub(crate) const OPERATIONS_LEFT: &str = "SELECT count(*) FROM intent WHERE state <> 'done'";

impl Accounts {
    /// Those of a server that has ended: its file is sound, and everything in it adds up.
    pub(crate) async fn audited(directory: &Path, market: &Market) -> Self {
        Self {
            books: Books::audited(directory, market).await,
            recorded: recorded(directory).await,
            confirmed: confirmed(directory).await,
            invoices: invoices(directory).await,
            meters: meters(directory).await,
        }
    }
}

impl Books {
    /// Reads the records, and checks that the file is sound and that everything in it adds up.
    pub(crate) async fn audited(directory: &Path, market: &Market) -> Self {
        let mut file = open(directory).await;
        assert_sound(&mut file).await;
        assert_invariants(directory).await;
        let select = "SELECT 'sub_' || lower(hex(segment.subscription)),
                record.resource, record.status, record.quantity
            FROM record JOIN segment ON segment.number = record.segment";
        let rows = sqlx::query_as(select).fetch_all(&mut file).await.unwrap();
        Self::read(rows, market)
    }

    /// Of each record its subscription, resource, status and quantity.
    fn read(rows: Vec<(String, String, Option<i64>, i64)>, market: &Market) -> Self {
        let places: BTreeMap<&str, usize> = { market.subscriptions.iter() }
            .enumerate()
            .map(|(place, subscription)| (subscription.id.as_str(), place))
            .collect();
        let records = rows.into_iter();
        let records = records.map(|(subscription, resource, status, quantity)| Recorded {
            subscription: places[subscription.as_str()],
            resource: resource.strip_prefix('r').unwrap().parse().unwrap(),
            status: status.map(|status| status.try_into().unwrap()),
            quantity,
        });
        Self {
            records: records.collect(),
        }
    }

    /// Takes out the records of calls whose client left before there was an answer: they are
    /// charged with nothing, and nobody knows of them which call they are of.
    pub(crate) fn take_unanswered(&mut self) -> usize {
        let before = self.records.len();
        self.records.retain(|record| {
            assert!(
                record.status.is_some() || record.quantity == 0,
                "{record:?}"
            );
            record.status.is_some()
        });
        before - self.records.len()
    }

    /// How many records each call has.
    pub(crate) fn calls(&self) -> BTreeMap<CallId, u64> {
        let mut calls = BTreeMap::new();
        for record in &self.records {
            *calls.entry(record.call()).or_default() += 1;
        }
        calls
    }

    /// What is owed in any case: whoever received an answer to its end has one record, and nobody
    /// has one without having been served. Answers the records of whoever received none.
    pub(crate) fn agree_with(&self, tally: &Tally, seen: &BTreeMap<CallId, u64>) -> usize {
        let recorded = self.calls();
        let unrecorded: Vec<_> = { tally.received.iter() }
            .filter(|id| recorded.get(id) != Some(&1))
            .collect();
        assert_eq!(
            unrecorded,
            Vec::<&CallId>::new(),
            "received, and not recorded once"
        );
        let unserved: Vec<_> = { recorded.iter() }
            .filter(|(id, rows)| **rows != 1 || seen.get(id) != Some(&1))
            .collect();
        assert_eq!(unserved, Vec::new(), "recorded, and not served once");
        let recorded: BTreeSet<_> = recorded.into_keys().collect();
        recorded.difference(&tally.received).count()
    }
}

impl Recorded {
    fn call(&self) -> CallId {
        CallId {
            subscription: self.subscription,
            resource: self.resource,
            status: self.status.unwrap(),
        }
    }
}

/// The database of a server that has ended.
pub(crate) async fn open(directory: &Path) -> SqliteConnection {
    let path = directory.join("monetization.db");
    SqliteConnectOptions::new()
        .filename(path)
        .connect()
        .await
        .unwrap()
}

/// Copies the database as an operator would.
pub(crate) async fn back_up(directory: &Path, to: &Path) {
    let vacuum = sqlx::query("VACUUM INTO ?").bind(to.to_str().unwrap());
    vacuum.execute(&mut open(directory).await).await.unwrap();
}

/// Puts a copy in the place of the database, which nobody uses.
pub(crate) fn put_back(directory: &Path, copy: &Path) {
    for beside in ["-wal", "-shm"] {
        let leftover = directory.join(format!("monetization.db{beside}"));
        assert!(!leftover.exists() || std::fs::remove_file(leftover).is_ok());
    }
    std::fs::copy(copy, directory.join("monetization.db")).unwrap();
}

/// R-V8: what was left behind, at whatever moment, agrees with itself.
pub(crate) async fn assert_invariants(directory: &Path) {
    let path = directory.join("monetization.db");
    let findings = Inspection::open(path).await.unwrap().check().await.unwrap();
    let broken: Vec<_> = findings.iter().filter(|it| !it.holds()).collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

/// What was used, reported and confirmed so far, while a server may be at work.
pub(crate) async fn standing(directory: &Path) -> String {
    let mut file = open(directory).await;
    let sums = sqlx::query_as(SUMS);
    let sums: (Option<i64>, Option<i64>) = sums.fetch_one(&mut file).await.unwrap();
    let batches = sqlx::query_as(BATCHES).fetch_all(&mut file).await.unwrap();
    told(sums, &batches)
}

fn told((used, sealed): (Option<i64>, Option<i64>), batches: &[(String, i64)]) -> String {
    let (used, sealed) = (used.unwrap_or_default(), sealed.unwrap_or_default());
    format!("{used} units used, {sealed} sealed: {batches:?}")
}

/// Units of the records, by subscription.
async fn recorded(directory: &Path) -> BTreeMap<String, i64> {
    let select = "SELECT 'sub_' || lower(hex(segment.subscription)), sum(record.quantity)
        FROM record JOIN segment ON segment.number = record.segment
        GROUP BY 1 HAVING sum(record.quantity) > 0";
    pairs(directory, select).await
}

/// Units of the batches that the engine has confirmed, by subscription.
async fn confirmed(directory: &Path) -> BTreeMap<String, i64> {
    let select = "SELECT 'sub_' || lower(hex(segment.subscription)), sum(to_total - from_total)
        FROM batch JOIN segment ON segment.number = batch.segment
        WHERE batch.state = 'confirmed' GROUP BY 1";
    pairs(directory, select).await
}

/// How many invoices there are in each state.
async fn invoices(directory: &Path) -> BTreeMap<String, i64> {
    let select = "SELECT body ->> 'state', count(*) FROM fact WHERE kind = 'invoice' GROUP BY 1";
    pairs(directory, select).await
}

/// The names of all meters.
pub(crate) async fn meters(directory: &Path) -> Vec<String> {
    let mut file = open(directory).await;
    let select = sqlx::query_scalar("SELECT 'mtr_' || lower(hex(id)) FROM meter");
    select.fetch_all(&mut file).await.unwrap()
}

async fn pairs(directory: &Path, select: &'static str) -> BTreeMap<String, i64> {
    let mut file = open(directory).await;
    let pairs = sqlx::query_as(select).fetch_all(&mut file).await.unwrap();
    pairs.into_iter().collect()
}

async fn assert_sound(file: &mut SqliteConnection) {
    let check = sqlx::query_scalar("PRAGMA integrity_check");
    let found: Vec<String> = check.fetch_all(&mut *file).await.unwrap();
    assert_eq!(found, ["ok"]);
    // The evidence and the sums are written by different statements.
    let sums = "SELECT segment, meter, sum(quantity) FROM record GROUP BY 1, 2
        EXCEPT SELECT origin, meter, sum(total) FROM sum GROUP BY 1, 2";
    let records = "SELECT origin, meter, sum(total) FROM sum GROUP BY 1, 2
        EXCEPT SELECT segment, meter, sum(quantity) FROM record GROUP BY 1, 2";
    let counters = "SELECT number, committed FROM quota
        EXCEPT SELECT spent.value ->> 0, sum(spent.value ->> 2)
            FROM record, json_each(record.spent) AS spent GROUP BY 1";
    for different in [sums, records, counters] {
        let different = sqlx::query(different).fetch_all(&mut *file).await.unwrap();
        assert_eq!(different.len(), 0);
    }
}
