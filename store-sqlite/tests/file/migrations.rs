use monetization_core::store::{StoreError, StoreErrorKind};
use monetization_store_sqlite::SqliteStore;

use crate::sample::{Home, damage, story};

#[tokio::test]
async fn a_database_is_migrated_once() {
    let home = Home::new();
    for _ in 0..2 {
        drop(home.open().await);
    }
    let mut raw = home.stranger().await;
    let applied = sqlx::query_scalar("SELECT name FROM monetization_migration ORDER BY version");
    let applied: Vec<String> = applied.fetch_all(&mut raw).await.unwrap();
    assert_eq!(applied, ["facts_and_ledger"]);
    assert_eq!(damage(&mut raw).await, Vec::<String>::new());
}

#[tokio::test]
async fn an_edited_migration_is_refused() {
    let error = open_after("UPDATE monetization_migration SET checksum = x'00'").await;
    assert_eq!(error.kind(), StoreErrorKind::Broken);
    let story = story(&error);
    assert!(
        story.contains("migration 1 (facts_and_ledger) is not the one"),
        "{story}"
    );
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused() {
    let newer = "INSERT INTO monetization_migration VALUES (2, 'later', x'00', 0)";
    let error = open_after(newer).await;
    assert_eq!(error.kind(), StoreErrorKind::Broken);
    let story = story(&error);
    assert!(
        story.contains("has migration 2, this program knows 1"),
        "{story}"
    );
}

#[tokio::test]
async fn the_tables_stand_beside_those_of_an_application() {
    let home = Home::new();
    let mut raw = home.stranger().await;
    sqlx::raw_sql(
        "CREATE TABLE _sqlx_migrations (version INTEGER); CREATE TABLE invoice (id TEXT)",
    )
    .execute(&mut raw)
    .await
    .unwrap();
    drop(home.open().await);
}

#[tokio::test]
async fn a_migration_that_fails_leaves_nothing() {
    let home = Home::new();
    let mut raw = home.stranger().await;
    // One of the names that the first migration needs, and not one of its first.
    sqlx::raw_sql("CREATE TABLE job (id TEXT)")
        .execute(&mut raw)
        .await
        .unwrap();
    SqliteStore::open(&home.options()).await.unwrap_err();
    let tables =
        sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY 1");
    let tables: Vec<String> = tables.fetch_all(&mut raw).await.unwrap();
    assert_eq!(tables, ["job", "monetization_migration"]);
    sqlx::raw_sql("DROP TABLE job")
        .execute(&mut raw)
        .await
        .unwrap();
    drop(home.open().await);
}

async fn open_after(meddling: &'static str) -> StoreError {
    let home = Home::new();
    drop(home.open().await);
    let mut raw = home.stranger().await;
    sqlx::raw_sql(meddling).execute(&mut raw).await.unwrap();
    SqliteStore::open(&home.options()).await.unwrap_err()
}
