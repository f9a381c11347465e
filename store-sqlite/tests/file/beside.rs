//! A second process on the file of an owner. That it does all that a store does is shown by the
//! store suite, which `tests/store_sqlite.rs` runs over two stores of one file.

use std::sync::Arc;
use std::time::Duration;

use monetization_conformance::sample::{Sample, batch};
use monetization_core::store::{
    Applied, Batches, Directory, Ledger, Quotas, Rows, Sealed, Store, StoreErrorKind,
};
use monetization_store_sqlite::{SqliteOptions, SqliteStore};

use crate::sample::{Home, damage, new_ones, story};

#[tokio::test]
async fn what_is_written_beside_the_owner_it_goes_on_with_at_once() {
    let home = Home::new();
    let sample = Sample::seeded(1);
    let of = sample.subscriber();
    let segment = of.segment(0);
    let owner = home.open().await;
    let beside = SqliteStore::open_beside(&home.options()).await.unwrap();
    let append = async || {
        let answers = owner.append(&[sample.record(&of, segment, 1)]).await;
        assert_eq!(new_ones(&answers.unwrap()), 1);
    };
    append().await;

    // The owner remembers the segment as open; somebody else closes it.
    let mut closing = sample.change();
    closing.closings.push(of.closing(0));
    assert_eq!(beside.apply(&closing).await.unwrap(), Applied::New);
    append().await;

    let totals = async |store: &SqliteStore, of_origin: bool| {
        let sums = if of_origin {
            store.sums_of_origin(of.tenant, segment.id).await
        } else {
            store.sums(of.tenant, segment.id).await
        };
        let totals = sums.unwrap().into_iter().map(|sum| sum.total.scaled());
        totals.collect::<Vec<_>>()
    };
    assert_eq!(totals(&owner, false).await, [1], "what is closed stays");
    assert_eq!(totals(&beside, true).await, [1, 1], "the rest came late");
    assert_eq!(
        damage(&mut home.stranger().await).await,
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn only_the_owner_appends_and_hands_out_blocks() {
    let home = Home::new();
    let sample = Sample::seeded(1);
    let of = sample.subscriber();
    let missing = SqliteStore::open_beside(&home.options()).await.unwrap_err();
    assert_eq!(missing.kind(), StoreErrorKind::Unavailable);
    assert!(!home.path().exists(), "nothing is made");
    drop(home.open().await);

    let beside = SqliteStore::open_beside(&home.options()).await.unwrap();
    let record = sample.record(&of, of.segment(0), 1);
    let refused = [
        beside.append(&[record]).await.unwrap_err(),
        beside.lease(&sample.lease(&of, 10, 10)).await.unwrap_err(),
        beside.settle_orphans().await.unwrap_err(),
    ];
    for error in refused {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        let story = story(&error);
        assert!(story.contains("beside the owner"), "{story}");
    }
    beside.ping().await.unwrap();
    assert_eq!(beside.changes(0, 10).await.unwrap(), []);
}

#[tokio::test]
async fn whoever_stands_by_owns_the_file_as_soon_as_it_is_free() {
    let home = Home::new();
    let sample = Sample::seeded(1);
    let of = sample.subscriber();
    let first = home.open().await;
    first.lease(&sample.lease(&of, 10, 10)).await.unwrap();
    let waiting = |wait| SqliteOptions::new(home.path()).with_owner_wait(wait);
    let soon = waiting(Duration::from_millis(150));
    let refused = story(&SqliteStore::open(&soon).await.unwrap_err());
    assert!(refused.contains("is locked"), "{refused}");

    let patient = waiting(Duration::MAX);
    let standby = tokio::spawn(async move { SqliteStore::open(&patient).await });
    drop(first);
    let second = standby.await.unwrap().unwrap();
    assert_eq!(second.settle_orphans().await.unwrap(), 1);
}

#[tokio::test]
async fn a_file_that_is_older_is_left_as_it_is() {
    let home = Home::new();
    let mut stranger = home.stranger().await;
    let create = "CREATE TABLE monetization_migration (version INTEGER PRIMARY KEY,
        name TEXT NOT NULL, checksum BLOB NOT NULL, needs INTEGER NOT NULL,
        applied_at INTEGER NOT NULL) STRICT";
    sqlx::query(create).execute(&mut stranger).await.unwrap();
    let error = SqliteStore::open_beside(&home.options()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Broken);
    let story = story(&error);
    assert!(
        story.contains("has migration 0, and this program has later ones"),
        "{story}"
    );
}

/// R-P3: what one store seals while another appends to the same sum are pieces without gap or
/// overlap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pieces_sealed_beside_an_owner_that_appends_tile_the_sum() {
    const ROUNDS: i64 = 200;
    let home = Home::new();
    let sample = Sample::seeded(1);
    let of = sample.subscriber();
    let owner = Arc::new(home.open().await);
    let beside = SqliteStore::open_beside(&home.options()).await.unwrap();
    let appending = tokio::spawn(async move {
        for _ in 0..ROUNDS {
            let record = sample.record(&of, of.segment(0), 1);
            owner.append(&[record]).await.unwrap();
        }
    });
    let mut sealed = 0;
    while sealed < ROUNDS {
        for unsealed in beside.unsealed(of.tenant, None, 10).await.unwrap() {
            let piece = batch(of.tenant, &unsealed.sum);
            assert_eq!(beside.seal(&piece).await.unwrap(), Sealed::New);
            assert_eq!(piece.from.scaled(), sealed);
            sealed = piece.to.scaled();
        }
        tokio::task::yield_now().await;
    }
    appending.await.unwrap();
    assert_eq!(
        damage(&mut home.stranger().await).await,
        Vec::<String>::new()
    );
}
