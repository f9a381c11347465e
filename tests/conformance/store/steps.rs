use std::slice;
use std::sync::Arc;
use std::time::Duration;

use monetization_core::ids::{LeaseId, TenantId};
use monetization_core::store::{
    Appended, Applied, ChangeSet, Claim, Expected, LeaseAnswer, QuotaCounter, Row, Store, Write,
};
use monetization_core::usage::{Sum, SumKey, UsageRecord};

use super::Bench;
use crate::sample::Subscriber;

/// A store, shared between the tasks of a check.
pub(super) type Shared = Arc<dyn Store>;

/// A claim on all there is, for a minute.
pub(super) const CLAIM: Claim = Claim {
    limit: 100,
    lease: MINUTE,
};

/// The lease of claims and jobs, where nothing else is said.
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3_600);

/// More than there ever is of anything.
pub(super) const ALL: usize = 1_000_000;

pub(super) fn insert(row: &Row) -> Write {
    Write {
        row: row.clone(),
        expected: Expected::Absent,
    }
}

/// Replaces the row that stands there by this one, one version further.
pub(super) fn update(row: &Row) -> Write {
    let mut row = row.clone();
    let expected = Expected::Version(row.version);
    row.version += 1;
    Write { row, expected }
}

pub(super) fn change_of(bench: &Bench, writes: impl IntoIterator<Item = Write>) -> ChangeSet {
    let mut change = bench.sample.change();
    change.writes = writes.into_iter().collect();
    change
}

pub(super) async fn apply(store: &Shared, change: &ChangeSet) -> Applied {
    store.apply(change).await.unwrap()
}

pub(super) async fn apply_new(store: &Shared, change: &ChangeSet) {
    assert_eq!(apply(store, change).await, Applied::New);
}

pub(super) async fn insert_all(bench: &Bench, store: &Shared, rows: &[Row]) {
    apply_new(store, &change_of(bench, rows.iter().map(insert))).await;
}

pub(super) async fn append(store: &Shared, record: &UsageRecord) -> Appended {
    let answers = store.append(slice::from_ref(record)).await.unwrap();
    assert_eq!(answers.len(), 1);
    answers[0]
}

pub(super) async fn append_new(store: &Shared, records: &[UsageRecord]) {
    let answers = store.append(records).await.unwrap();
    assert_eq!(answers, vec![Appended::New; records.len()]);
}

/// The key of what a month's segment pays for itself.
pub(super) fn own(of: &Subscriber, month: u32) -> SumKey {
    let segment = of.segment(month).id;
    SumKey {
        segment,
        origin: segment,
        meter: of.meter,
    }
}

/// The sum under this key; `None` where there is none.
pub(super) async fn sum(store: &Shared, tenant: TenantId, key: SumKey) -> Option<Sum> {
    let sums = store.sums(tenant, key.segment).await.unwrap();
    sums.into_iter().find(|sum| sum.key == key)
}

/// What was used under this key, in units of the meter's scale; 0 where nothing was.
pub(super) async fn total(store: &Shared, tenant: TenantId, key: SumKey) -> i64 {
    let sum = sum(store, tenant, key).await;
    sum.map_or(0, |sum| sum.total.scaled())
}

/// Takes a block of at most `want` units; answers its id and size.
pub(super) async fn granted(
    bench: &Bench,
    store: &Shared,
    of: &Subscriber,
    max: u64,
    want: u64,
) -> (LeaseId, u64) {
    let request = bench.sample.lease(of, max, want);
    let answer = store.lease(&request).await.unwrap();
    let LeaseAnswer::Granted { units, .. } = answer else {
        unreachable!("{answer:?} to {request:?}");
    };
    (request.id, units)
}

/// The counter of the quota that samples lease and spend.
pub(super) async fn counter(store: &Shared, of: &Subscriber) -> QuotaCounter {
    let of_quota = of.spent(None, 0);
    let counter = store.quota(of.tenant, of.subscription, of_quota.quota, of_quota.window);
    counter.await.unwrap()
}

/// A row without its place in the change sequence, which is the store's own affair.
pub(super) fn placeless(row: Row) -> Row {
    Row { seq: 0, ..row }
}

pub(super) fn placeless_all(rows: Vec<Row>) -> Vec<Row> {
    rows.into_iter().map(placeless).collect()
}
