use monetization_core::store::{Ledger, StoreError, StoreErrorKind};
use monetization_store_sqlite::{Inspection, Schema, SqliteStore};

use crate::sample::{Home, Use, damage, new_ones, story};

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
    let newer = "INSERT INTO monetization_migration
        VALUES (2, 'an_index', x'00', 1, 0), (3, 'later', x'00', 2, 0)";
    let error = open_after(newer).await;
    assert_eq!(error.kind(), StoreErrorKind::Broken);
    let story = story(&error);
    assert!(
        story.contains("has migration 3 (later), this program knows 1"),
        "{story}"
    );
}

/// The release before goes on with a database that the next one has migrated.
#[tokio::test]
async fn a_newer_database_that_needs_no_newer_program_is_opened_r_d10() {
    let home = Home::new();
    drop(home.open().await);
    let mut raw = home.stranger().await;
    let newer = "CREATE TABLE later (number INTEGER);
        ALTER TABLE segment ADD COLUMN later INTEGER NOT NULL DEFAULT 7;
        INSERT INTO monetization_migration VALUES (2, 'an_index', x'00', 1, 0)";
    sqlx::raw_sql(newer).execute(&mut raw).await.unwrap();
    let of = Use::seeded(1);
    let store = home.open().await;
    let beside = SqliteStore::open_beside(&home.options()).await.unwrap();
    let appended = store.append(&of.records(3)).await.unwrap();
    assert_eq!(new_ones(&appended), 3);
    assert_eq!(of.total(&beside).await, 3);
    let mut look = Inspection::open(home.path()).await.unwrap();
    assert_eq!(look.schema().await.unwrap(), Schema::Known);
    let findings = look.check().await.unwrap();
    assert!(findings.iter().all(|finding| finding.holds()));
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
