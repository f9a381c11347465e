use std::num::NonZeroU32;

use monetization_core::store::{Appended, Ledger, Rows, Store, StoreErrorKind};
use monetization_store_sqlite::SqliteStore;

use crate::sample::{Home, Use, damage, new_ones};

/// R-D5, with the limit on pages in the place of a small disk.
#[tokio::test]
async fn a_full_store_refuses_leaves_nothing_partial_and_recovers() {
    let home = Home::new();
    let of = Use::seeded(1);
    let mut acknowledged = 0;
    let mut refused: Option<Vec<_>> = None;
    for pages in [150, 200, 250, 1_000_000] {
        let options = home
            .options()
            .with_pages_max(NonZeroU32::new(pages).unwrap());
        let store = SqliteStore::open(&options).await.unwrap();
        assert_eq!(of.total(&store).await, acknowledged);
        if let Some(records) = refused.take() {
            acknowledged += new_ones(&store.append(&records).await.unwrap());
        }
        if pages == 1_000_000 {
            store.ping().await.unwrap();
            break;
        }
        refused = Some(loop {
            let records = of.records(100);
            match store.append(&records).await {
                Ok(answers) => acknowledged += new_ones(&answers),
                Err(error) => {
                    assert_eq!(error.kind(), StoreErrorKind::Full, "{error:?}");
                    break records;
                }
            }
        });
        assert_eq!(of.total(&store).await, acknowledged);
        fill_the_last_page(&store, &of).await;
        let error = store.ping().await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Full, "{error:?}");
    }
    let mut raw = home.stranger().await;
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM record")
        .fetch_one(&mut raw)
        .await
        .unwrap();
    assert_eq!(rows, acknowledged);
    assert_eq!(damage(&mut raw).await, Vec::<String>::new());
}

/// What is refused for want of room is not half remembered either.
#[tokio::test]
async fn a_refused_append_is_new_once_there_is_room() {
    let home = Home::new();
    let of = Use::seeded(2);
    let options = home.options().with_pages_max(NonZeroU32::new(150).unwrap());
    let store = SqliteStore::open(&options).await.unwrap();
    store.append(&Use::seeded(3).records(10)).await.unwrap();
    // The first use of a segment, a meter and a quota, whose rows are gone again with it.
    let error = store.append(&of.records(50_000)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Full);
    assert_eq!(store.segment(of.tenant, of.segment.id).await.unwrap(), None);
    let small = of.records(10);
    let answers = store.append(&small).await.unwrap();
    assert!(answers.iter().all(|answer| *answer == Appended::New));
    assert_eq!(of.total(&store).await, 10);
    let answers = store.append(&small).await.unwrap();
    assert!(answers.iter().all(|answer| *answer == Appended::Duplicate));
}

async fn fill_the_last_page(store: &SqliteStore, of: &Use) {
    while let Ok(applied) = store.apply(&of.change()).await {
        assert_eq!(applied, monetization_core::store::Applied::New);
    }
}
