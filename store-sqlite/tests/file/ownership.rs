use monetization_core::store::{Store, StoreErrorKind};
use monetization_store_sqlite::{SqliteOptions, SqliteStore};

use crate::sample::{Home, story};

#[tokio::test]
async fn a_second_owner_is_refused_and_told_why() {
    let home = Home::new();
    let first = home.open().await;
    let error = SqliteStore::open(&home.options()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    let story = story(&error);
    assert!(story.contains("market.db.owner is locked"), "{story}");
    assert!(story.contains("stop that process"), "{story}");
    first.ping().await.unwrap();
}

#[tokio::test]
async fn another_way_to_the_same_file_is_the_same_file() {
    let home = Home::new();
    let _first = home.open().await;
    let link = home.directory().join("link.db");
    std::os::unix::fs::symlink(home.path(), &link).unwrap();
    let roundabout = home.directory().join("./market.db");
    for path in [link, roundabout] {
        let error = SqliteStore::open(&SqliteOptions::new(path))
            .await
            .unwrap_err();
        assert!(story(&error).contains("is locked"), "{error}");
    }
}

#[tokio::test]
async fn a_file_that_was_given_up_can_be_owned_again() {
    let home = Home::new();
    for _ in 0..3 {
        home.open().await.ping().await.unwrap();
    }
}

#[tokio::test]
async fn a_directory_that_is_missing_is_named() {
    let home = Home::new();
    let path = home.directory().join("missing/market.db");
    let error = SqliteStore::open(&SqliteOptions::new(path))
        .await
        .unwrap_err();
    let story = story(&error);
    assert!(story.contains("missing/market.db.owner"), "{story}");
}
