//! Facts and the one way to change them: [`Rows`](monetization_core::store::Rows).

use std::slice;

use futures::future::join_all;
use monetization_core::clock::Timestamp;
use monetization_core::ids::TenantId;
use monetization_core::store::{Applied, Conflict, Expected, Index, Kind, Row, RowKey, Write};

use super::Bench;
use super::steps::{Shared, apply, apply_new, change_of, insert, insert_all, placeless, update};
use crate::sample::text;

/// What was written is what is read, down to the last field.
pub async fn a_new_row_is_read_back_as_it_was_written(bench: &Bench) {
    let store = bench.open().await;
    let tenant = bench.sample.id();
    for kind in Kind::ALL {
        let mut row = bench.sample.row(tenant, kind);
        row.due_at = Some(Timestamp::from_micros(-1_234_567));
        row.keys = vec![RowKey::new(
            Index::PlansOfProduct,
            "a 'key', with \"marks\" — and more",
        )];
        row.body = "{\"name\":\"O'Brien \u{1F30D}\\u0000\"}".to_owned();
        insert_all(bench, &store, slice::from_ref(&row)).await;
        let read = store.row(tenant, kind, row.id).await.unwrap().unwrap();
        assert!(read.seq > 0, "a place in the sequence is given");
        assert_eq!(placeless(read), row);
    }
}

/// What is not there is no error.
pub async fn a_row_that_is_missing_is_none(bench: &Bench) {
    let store = bench.open().await;
    let row = bench.sample.row(bench.sample.id(), Kind::Plan);
    assert_eq!(store.row(row.tenant, row.kind, row.id).await.unwrap(), None);
    assert_eq!(store.find(row.kind, row.id).await.unwrap(), None);
}

/// The new version replaces the old one, its keys and its due date with it.
pub async fn a_change_replaces_the_row_and_its_keys(bench: &Bench) {
    let store = bench.open().await;
    let old = RowKey::new(Index::ReferenceExternal, "old");
    let new = RowKey::new(Index::ReferenceExternal, "new");
    let mut row = bench.sample.row(bench.sample.id(), Kind::Reference);
    row.keys = vec![old.clone()];
    row.due_at = Some(Timestamp::EPOCH);
    insert_all(bench, &store, slice::from_ref(&row)).await;

    row.keys = vec![new.clone()];
    row.due_at = None;
    row.body = "{\"changed\":true}".to_owned();
    let write = update(&row);
    apply_new(&store, &change_of(bench, [write.clone()])).await;

    let read = store.row(row.tenant, row.kind, row.id).await.unwrap();
    assert_eq!(read.map(placeless), Some(write.row.clone()));
    assert_eq!(store.find_by(&old).await.unwrap(), None);
    let found = store.find_by(&new).await.unwrap();
    assert_eq!(found.map(placeless), Some(write.row));
    let due = store.due(row.kind, Timestamp::MAX, None, 10).await.unwrap();
    assert_eq!(due, []);
}

/// Two things cannot have one id.
pub async fn a_row_that_exists_is_not_made_anew(bench: &Bench) {
    let store = bench.open().await;
    let row = bench.sample.row(bench.sample.id(), Kind::Consumer);
    insert_all(bench, &store, slice::from_ref(&row)).await;
    let again = change_of(bench, [insert(&row)]);
    assert_eq!(apply(&store, &again).await, version_conflict(&row));
}

/// A decision taken on an old version, or on one that never was, is refused.
pub async fn a_row_in_another_version_is_not_overwritten(bench: &Bench) {
    let store = bench.open().await;
    let row = bench.sample.row(bench.sample.id(), Kind::Consumer);
    insert_all(bench, &store, slice::from_ref(&row)).await;
    let second = update(&row);
    apply_new(&store, &change_of(bench, [second.clone()])).await;
    for version in [0, 1, 3] {
        let expected = Expected::Version(version);
        let row = row.clone();
        let stale = change_of(bench, [Write { row, expected }]);
        let refused = version_conflict(&second.row);
        assert_eq!(apply(&store, &stale).await, refused, "version {version}");
    }
    let read = store.row(row.tenant, row.kind, row.id).await.unwrap();
    assert_eq!(read.map(placeless), Some(second.row));
}

/// What was never made cannot be changed.
pub async fn a_missing_row_is_not_changed(bench: &Bench) {
    let store = bench.open().await;
    let row = bench.sample.row(bench.sample.id(), Kind::Product);
    let change = change_of(bench, [update(&row)]);
    assert_eq!(apply(&store, &change).await, version_conflict(&row));
}

/// Knowing an id and a version is not enough to take over another tenant's row.
pub async fn a_row_of_another_tenant_is_not_overwritten(bench: &Bench) {
    let store = bench.open().await;
    let row = bench.sample.row(bench.sample.id(), Kind::Product);
    insert_all(bench, &store, slice::from_ref(&row)).await;
    let mut theirs = row.clone();
    theirs.tenant = bench.sample.id();
    for write in [insert(&theirs), update(&theirs)] {
        let change = change_of(bench, [write]);
        assert_eq!(apply(&store, &change).await, version_conflict(&row));
    }
    let read = store.find(row.kind, row.id).await.unwrap();
    assert_eq!(read.map(placeless), Some(row));
}

/// Ids are unique within a kind; a reference may bear the id of what it refers to.
pub async fn one_id_may_stand_in_two_kinds(bench: &Bench) {
    let store = bench.open().await;
    let plan = bench.sample.row(bench.sample.id(), Kind::Plan);
    let mut invoice = bench.sample.row(plan.tenant, Kind::Invoice);
    invoice.id = plan.id;
    insert_all(bench, &store, &[plan.clone(), invoice.clone()]).await;
    for row in [plan, invoice] {
        let read = store.row(row.tenant, row.kind, row.id).await.unwrap();
        assert_eq!(read.map(placeless), Some(row));
    }
}

/// A change whose reply was lost is applied again and recognised, however things moved on.
pub async fn a_repeated_change_is_recognised(bench: &Bench) {
    let store = bench.open().await;
    let row = bench.sample.row(bench.sample.id(), Kind::Subscription);
    let mut change = change_of(bench, [insert(&row)]);
    change.inbox = Some((text("mock"), text("evt_1")));
    apply_new(&store, &change).await;
    assert_eq!(apply(&store, &change).await, Applied::Again);

    let second = update(&row);
    apply_new(&store, &change_of(bench, [second.clone()])).await;
    let before = store.find(row.kind, row.id).await.unwrap();
    assert_eq!(apply(&store, &change).await, Applied::Again);
    assert_eq!(store.find(row.kind, row.id).await.unwrap(), before);
}

/// A change that does nothing is a change.
pub async fn an_empty_change_is_recognised(bench: &Bench) {
    let store = bench.open().await;
    let change = bench.sample.change();
    apply_new(&store, &change).await;
    assert_eq!(apply(&store, &change).await, Applied::Again);
}

/// A refusal leaves the change's id free: once it fits, it is new.
pub async fn a_refused_change_is_new_once_it_fits(bench: &Bench) {
    let store = bench.open().await;
    let row = bench.sample.row(bench.sample.id(), Kind::Product);
    let change = change_of(bench, [update(&row)]);
    assert_eq!(apply(&store, &change).await, version_conflict(&row));
    insert_all(bench, &store, &[row]).await;
    apply_new(&store, &change).await;
    assert_eq!(apply(&store, &change).await, Applied::Again);
}

/// The second row with such a value is told who has it.
pub async fn a_value_unique_in_the_tenant_is_taken_once(bench: &Bench) {
    let store = bench.open().await;
    for index in [
        Index::ProductSlug,
        Index::PlanVersionNumber,
        Index::SubscriptionRequest,
    ] {
        let tenant = bench.sample.id();
        let first = keyed(bench, tenant, index, "weather");
        insert_all(bench, &store, slice::from_ref(&first)).await;
        let second = keyed(bench, tenant, index, "weather");
        let change = change_of(bench, [insert(&second)]);
        assert_eq!(apply(&store, &change).await, taken_conflict(&first));
        assert_eq!(store.find(second.kind, second.id).await.unwrap(), None);
        let other = keyed(bench, bench.sample.id(), index, "weather");
        insert_all(bench, &store, &[other]).await;
    }
}

/// What an engine calls its object leads to one tenant only.
pub async fn a_value_unique_everywhere_is_taken_across_tenants(bench: &Bench) {
    let store = bench.open().await;
    let first = keyed(bench, bench.sample.id(), Index::ReferenceExternal, "cus_1");
    insert_all(bench, &store, slice::from_ref(&first)).await;
    let second = keyed(bench, bench.sample.id(), Index::ReferenceExternal, "cus_1");
    let change = change_of(bench, [insert(&second)]);
    assert_eq!(apply(&store, &change).await, taken_conflict(&first));
}

/// An index that is not unique leads to many rows.
pub async fn a_value_that_is_not_unique_is_shared(bench: &Bench) {
    let store = bench.open().await;
    let tenant = bench.sample.id();
    let indices = [
        Index::ProductsOfPublisher,
        Index::PlansOfProduct,
        Index::SubscriptionsOfConsumer,
        Index::SubscriptionsOfProduct,
        Index::KeysOfSubscription,
        Index::InvoicesOfSubscription,
        Index::InvoicesOfConsumer,
    ];
    for index in indices {
        let rows = [
            keyed(bench, tenant, index, "same"),
            keyed(bench, tenant, index, "same"),
        ];
        insert_all(bench, &store, &rows).await;
    }
}

/// A row that changes is not in its own way.
pub async fn a_row_keeps_its_own_unique_value(bench: &Bench) {
    let store = bench.open().await;
    let row = keyed(bench, bench.sample.id(), Index::ProductSlug, "weather");
    insert_all(bench, &store, slice::from_ref(&row)).await;
    apply_new(&store, &change_of(bench, [update(&row)])).await;
}

/// A value given up is free, also within the change that gives it up.
pub async fn a_unique_value_that_was_given_up_is_free(bench: &Bench) {
    let store = bench.open().await;
    let tenant = bench.sample.id();
    let mut first = keyed(bench, tenant, Index::ProductSlug, "weather");
    insert_all(bench, &store, slice::from_ref(&first)).await;
    first.keys = vec![RowKey::new(Index::ProductSlug, "climate")];
    let second = keyed(bench, tenant, Index::ProductSlug, "weather");
    apply_new(&store, &change_of(bench, [update(&first), insert(&second)])).await;
    let third = keyed(bench, tenant, Index::ProductSlug, "climate");
    let change = change_of(bench, [insert(&third)]);
    assert_eq!(apply(&store, &change).await, taken_conflict(&first));
}

/// The rows of one change stand in each other's way too.
pub async fn two_rows_of_one_change_cannot_take_one_unique_value(bench: &Bench) {
    let store = bench.open().await;
    let tenant = bench.sample.id();
    let first = keyed(bench, tenant, Index::ProductSlug, "weather");
    let second = keyed(bench, tenant, Index::ProductSlug, "weather");
    let change = change_of(bench, [insert(&first), insert(&second)]);
    assert_eq!(apply(&store, &change).await, taken_conflict(&first));
    assert_eq!(store.find(first.kind, first.id).await.unwrap(), None);
}

/// Eight decisions on one version: one is written, seven are told so.
pub async fn of_concurrent_changes_of_one_version_one_is_written(bench: &Bench) {
    let store = bench.open().await;
    let row = bench.sample.row(bench.sample.id(), Kind::Subscription);
    insert_all(bench, &store, slice::from_ref(&row)).await;
    let answers = apply_beside(bench, &store, 8, || update(&row)).await;
    assert_eq!(count(&answers, &Applied::New), 1, "{answers:?}");
    assert_eq!(count(&answers, &version_conflict(&row)), 7, "{answers:?}");
}

/// Eight rows for one slug: one gets it.
pub async fn of_concurrent_rows_with_one_unique_value_one_is_written(bench: &Bench) {
    let store = bench.open().await;
    let tenant = bench.sample.id();
    let new = || insert(&keyed(bench, tenant, Index::ProductSlug, "weather"));
    let answers = apply_beside(bench, &store, 8, new).await;
    assert_eq!(count(&answers, &Applied::New), 1, "{answers:?}");
    let rows = store.all(Kind::Product, None, 10).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(count(&answers, &taken_conflict(&rows[0])), 7, "{answers:?}");
}

/// One change, sent eight times at once, is written once and recognised seven times.
pub async fn a_change_sent_many_times_at_once_is_written_once(bench: &Bench) {
    let store = bench.open().await;
    let row = bench.sample.row(bench.sample.id(), Kind::Subscription);
    let change = change_of(bench, [insert(&row)]);
    let tasks = (0..8).map(|_| {
        let (store, change) = (Shared::clone(&store), change.clone());
        bench.spawn(async move { apply(&store, &change).await })
    });
    let answers = join_all(tasks.collect::<Vec<_>>()).await;
    assert_eq!(count(&answers, &Applied::New), 1, "{answers:?}");
    assert_eq!(count(&answers, &Applied::Again), 7, "{answers:?}");
}

/// The same event in a second change is refused; another event, or one of the same name from
/// elsewhere, is not.
pub async fn an_event_is_taken_in_once(bench: &Bench) {
    let store = bench.open().await;
    let marked = |source: &str, event: &str| {
        let mut change = bench.sample.change();
        change.inbox = Some((text(source), text(event)));
        change
    };
    apply_new(&store, &marked("mock", "evt_1")).await;
    let seen = Applied::Refused(Conflict::Seen);
    assert_eq!(apply(&store, &marked("mock", "evt_1")).await, seen);
    apply_new(&store, &marked("mock", "evt_2")).await;
    apply_new(&store, &marked("other", "evt_1")).await;
}

fn keyed(bench: &Bench, tenant: TenantId, index: Index, value: &str) -> Row {
    let mut row = bench.sample.row(tenant, Kind::Product);
    row.keys = vec![RowKey::new(index, value)];
    row
}

fn version_conflict(row: &Row) -> Applied {
    Applied::Refused(Conflict::Version {
        kind: row.kind,
        id: row.id,
    })
}

/// That this row has its first key already.
fn taken_conflict(holder: &Row) -> Applied {
    Applied::Refused(Conflict::Taken {
        index: holder.keys[0].index,
        value: holder.keys[0].value.clone(),
        holder: holder.id,
    })
}

async fn apply_beside(
    bench: &Bench,
    store: &Shared,
    tasks: usize,
    write: impl Fn() -> Write,
) -> Vec<Applied> {
    let tasks = (0..tasks).map(|_| {
        let change = change_of(bench, [write()]);
        let store = Shared::clone(store);
        bench.spawn(async move { apply(&store, &change).await })
    });
    join_all(tasks.collect::<Vec<_>>()).await
}

fn count(answers: &[Applied], wanted: &Applied) -> usize {
    answers.iter().filter(|answer| *answer == wanted).count()
}
