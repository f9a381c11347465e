//! Reads of facts: by tenant, by key, by due date, and in the order they changed.

use std::collections::BTreeMap;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use monetization_core::ids::TenantId;
use monetization_core::store::{ChangeSet, Index, Kind, Listing, Row, RowKey};
use uuid::Uuid;

use super::Bench;
use super::steps::{ALL, Shared, apply_new, change_of, insert, insert_all, placeless_all, update};
use crate::sample::START;

/// Page by page, each once, in the order of their ids.
pub async fn rows_are_listed_by_id_page_by_page(bench: &Bench) {
    let store = bench.open().await;
    let tenant = bench.sample.id();
    let mut rows = products(bench, tenant, 10);
    insert_all(bench, &store, &rows).await;
    rows.sort_by_key(|row| row.id);
    let mut listing = every(Kind::Product, 4);
    let mut pages = Vec::new();
    loop {
        let page = store.rows(tenant, &listing).await.unwrap();
        let Some(last) = page.last() else { break };
        listing.after = Some(last.id);
        pages.push(placeless_all(page));
    }
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2]);
    assert_eq!(pages.concat(), rows);
}

/// Only rows of that kind with that very value in that very index.
pub async fn a_listing_by_key_finds_what_has_the_key(bench: &Bench) {
    let store = bench.open().await;
    let tenant = bench.sample.id();
    let key = RowKey::new(Index::PlansOfProduct, "a");
    let mut rows = products(bench, tenant, 5);
    rows[0].keys = vec![key.clone(), RowKey::new(Index::ProductSlug, "first")];
    rows[1].keys = vec![RowKey::new(Index::PlansOfProduct, "A")];
    rows[2].keys = vec![RowKey::new(Index::ProductsOfPublisher, "a")];
    rows[3].keys = vec![key.clone()];
    insert_all(bench, &store, &rows).await;
    let mut listing = Listing {
        key: Some(key),
        ..every(Kind::Product, 10)
    };
    let mut found = [rows[0].clone(), rows[3].clone()];
    found.sort_by_key(|row| row.id);
    let read = store.rows(tenant, &listing).await.unwrap();
    assert_eq!(placeless_all(read), found);
    listing.after = Some(found[0].id);
    let read = store.rows(tenant, &listing).await.unwrap();
    assert_eq!(placeless_all(read), found[1..]);
    listing.kind = Kind::Plan;
    listing.after = None;
    assert_eq!(store.rows(tenant, &listing).await.unwrap(), []);
}

/// A greedy reader gets the most there is at once.
pub async fn a_listing_gives_at_most_its_limit(bench: &Bench) {
    let store = bench.open().await;
    let tenant = bench.sample.id();
    let rows = products(bench, tenant, Listing::LIMIT_MAX + 1);
    insert_all(bench, &store, &rows).await;
    for (limit, given) in [(0, 0), (1, 1), (usize::MAX, Listing::LIMIT_MAX)] {
        let listing = every(Kind::Product, limit);
        let read = store.rows(tenant, &listing).await.unwrap();
        assert_eq!(read.len(), given, "of {limit}");
    }
}

/// Not by id, not by listing, not by key.
pub async fn tenants_never_see_each_others_rows(bench: &Bench) {
    let store = bench.open().await;
    let (ours, theirs): (TenantId, TenantId) = (bench.sample.id(), bench.sample.id());
    let key = RowKey::new(Index::ProductSlug, "weather");
    let mut rows = [
        bench.sample.row(ours, Kind::Product),
        bench.sample.row(theirs, Kind::Product),
    ];
    for row in &mut rows {
        row.keys = vec![key.clone()];
    }
    insert_all(bench, &store, &rows).await;
    for (tenant, row, other) in [(ours, &rows[0], &rows[1]), (theirs, &rows[1], &rows[0])] {
        let read = store.row(tenant, Kind::Product, other.id).await.unwrap();
        assert_eq!(read, None);
        for key in [None, Some(key.clone())] {
            let listing = Listing {
                key,
                ..every(Kind::Product, 10)
            };
            let read = store.rows(tenant, &listing).await.unwrap();
            assert_eq!(placeless_all(read), slice::from_ref(row));
        }
    }
    let stranger = bench.sample.id();
    let read = store
        .rows(stranger, &every(Kind::Product, 10))
        .await
        .unwrap();
    assert_eq!(read, []);
}

/// By id and by the name an engine has for it, a row is found whoever it belongs to.
pub async fn a_row_is_found_across_tenants(bench: &Bench) {
    let store = bench.open().await;
    let key = RowKey::new(Index::ReferenceExternal, "cus_1");
    let mut row = bench.sample.row(bench.sample.id(), Kind::Reference);
    row.keys = vec![key.clone()];
    insert_all(bench, &store, slice::from_ref(&row)).await;
    let by_id = store.find(Kind::Reference, row.id).await.unwrap();
    let by_key = store.find_by(&key).await.unwrap();
    assert_eq!(by_id, by_key);
    assert_eq!(placeless_all(by_id.into_iter().collect()), [row.clone()]);
    assert_eq!(store.find(Kind::Plan, row.id).await.unwrap(), None);
    let unknown = RowKey::new(Index::ReferenceExternal, "cus_2");
    assert_eq!(store.find_by(&unknown).await.unwrap(), None);
}

/// Of one kind, of all tenants, the due date included.
pub async fn due_rows_come_earliest_first(bench: &Bench) {
    let store = bench.open().await;
    let due_after = [None, Some(30), Some(10), Some(31), Some(20)];
    let rows = due_after.map(|seconds| {
        let mut row = bench.sample.row(bench.sample.id(), Kind::Invoice);
        row.due_at = seconds.map(|seconds| START.saturating_add(Duration::from_secs(seconds)));
        row
    });
    let mut other = bench.sample.row(rows[0].tenant, Kind::Subscription);
    other.due_at = Some(START);
    insert_all(bench, &store, &rows).await;
    insert_all(bench, &store, &[other]).await;
    let now = START.saturating_add(Duration::from_secs(30));
    let due = store.due(Kind::Invoice, now, None, 10).await.unwrap();
    let wanted = [rows[2].clone(), rows[4].clone(), rows[1].clone()];
    assert_eq!(placeless_all(due), wanted);
    let due = store.due(Kind::Invoice, now, None, 2).await.unwrap();
    let last = due[1].due_at.map(|due_at| (due_at, due[1].id));
    assert_eq!(placeless_all(due), wanted[..2]);
    let rest = store.due(Kind::Invoice, now, last, 2).await.unwrap();
    assert_eq!(placeless_all(rest), wanted[2..]);
}

/// The due date is that of the latest version.
pub async fn a_row_put_off_is_not_due(bench: &Bench) {
    let store = bench.open().await;
    let mut row = bench.sample.row(bench.sample.id(), Kind::Subscription);
    row.due_at = Some(START);
    insert_all(bench, &store, slice::from_ref(&row)).await;
    row.due_at = Some(START.saturating_add(Duration::from_micros(1)));
    apply_new(&store, &change_of(bench, [update(&row)])).await;
    let due = store.due(row.kind, START, None, 10).await.unwrap();
    assert_eq!(due, []);
}

/// Jobs and gates read all tenants' rows of a kind, page by page.
pub async fn all_rows_of_a_kind_come_by_id(bench: &Bench) {
    let store = bench.open().await;
    let mut rows: Vec<Row> = (0..7)
        .map(|_| bench.sample.row(bench.sample.id(), Kind::Tenant))
        .collect();
    insert_all(bench, &store, &rows).await;
    insert_all(bench, &store, &products(bench, rows[0].tenant, 2)).await;
    rows.sort_by_key(|row| row.id);
    let first = store.all(Kind::Tenant, None, 4).await.unwrap();
    assert_eq!(placeless_all(first), rows[..4]);
    let rest = store.all(Kind::Tenant, Some(rows[3].id), 10).await.unwrap();
    assert_eq!(placeless_all(rest), rows[4..]);
}

/// Each row once, where its latest change stands; within a change as it was written.
pub async fn changes_come_in_the_order_they_were_made(bench: &Bench) {
    let store = bench.open().await;
    let rows = products(bench, bench.sample.id(), 4);
    insert_all(bench, &store, &rows).await;
    let moved = update(&rows[1]);
    apply_new(&store, &change_of(bench, [moved.clone()])).await;
    let changes = store.changes(0, 10).await.unwrap();
    let seqs: Vec<u64> = changes.iter().map(|row| row.seq).collect();
    assert!(seqs.is_sorted_by(|a, b| a < b), "{seqs:?}");
    let wanted = [&rows[0], &rows[2], &rows[3], &moved.row].map(Row::clone);
    assert_eq!(placeless_all(changes), wanted);
    let later = store.changes(seqs[1], 1).await.unwrap();
    assert_eq!(placeless_all(later), [rows[3].clone()]);
    assert_eq!(store.changes(seqs[3], 10).await.unwrap(), []);
}

/// A refused or repeated change moves nothing.
pub async fn what_is_not_written_takes_no_place_in_the_sequence(bench: &Bench) {
    let store = bench.open().await;
    let rows = products(bench, bench.sample.id(), 2);
    let change = change_of(bench, rows.iter().map(insert));
    apply_new(&store, &change).await;
    let before = store.changes(0, 10).await.unwrap();
    store.apply(&change).await.unwrap();
    let refused = change_of(bench, [update(&rows[0]), insert(&rows[1])]);
    store.apply(&refused).await.unwrap();
    assert_eq!(store.changes(0, 10).await.unwrap(), before);
}

/// A reader beside eight writers, who never looks back, ends up with what is there.
pub async fn a_reader_beside_writers_misses_no_change(bench: &Bench) {
    const WRITERS: usize = 8;
    let store = bench.open().await;
    let finished = Arc::new(AtomicUsize::new(0));
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let changes = history(bench, 20);
            let (store, finished) = (Shared::clone(&store), Arc::clone(&finished));
            bench.spawn(async move {
                for change in &changes {
                    apply_new(&store, change).await;
                }
                finished.fetch_add(1, Ordering::AcqRel);
            })
        })
        .collect();
    let mut view = BTreeMap::new();
    let mut read_up_to = 0;
    loop {
        let was_last = finished.load(Ordering::Acquire) == WRITERS;
        let page = store.changes(read_up_to, 7).await.unwrap();
        let is_empty = page.is_empty();
        for row in page {
            assert!(row.seq > read_up_to, "no earlier place comes later");
            read_up_to = row.seq;
            view.insert(row.id, row);
        }
        if is_empty && was_last {
            break;
        }
    }
    join_all(writers).await;
    let all = store.changes(0, ALL).await.unwrap();
    assert_eq!(all.len(), WRITERS * 20);
    let all: BTreeMap<Uuid, Row> = all.into_iter().map(|row| (row.id, row)).collect();
    assert_eq!(view, all);
}

/// Changes that each replace one row and make another.
fn history(bench: &Bench, length: usize) -> Vec<ChangeSet> {
    let mut row = bench.sample.row(bench.sample.id(), Kind::Product);
    let mut changes = vec![change_of(bench, [insert(&row)])];
    for _ in 1..length {
        let next = update(&row);
        row = next.row.clone();
        let plan = bench.sample.row(row.tenant, Kind::Plan);
        changes.push(change_of(bench, [next, insert(&plan)]));
    }
    changes
}

fn products(bench: &Bench, tenant: TenantId, count: usize) -> Vec<Row> {
    let rows = (0..count).map(|_| bench.sample.row(tenant, Kind::Product));
    rows.collect()
}

fn every(kind: Kind, limit: usize) -> Listing {
    Listing {
        kind,
        key: None,
        after: None,
        limit,
    }
}
