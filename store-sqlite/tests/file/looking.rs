//! A database that is looked at from outside.

use std::io::{Seek, SeekFrom, Write};

use monetization_core::store::{Ledger, Quotas, StoreErrorKind};
use monetization_store_sqlite::{Inspection, Schema, SqliteStore};

use crate::sample::{Home, START, Use, story};

#[tokio::test]
async fn a_look_neither_needs_a_store_nor_is_in_its_way() {
    let home = Home::new();
    let of = Use::seeded(11);
    let store = home.open().await;
    store.append(&of.records(3)).await.unwrap();
    let request = of.lease(10);
    store.lease(&request).await.unwrap();
    let mut look = Inspection::open(home.path()).await.unwrap();
    assert!(Inspection::is_owned(home.path()).unwrap());
    let findings = look.check().await.unwrap();
    assert_eq!(findings.len(), 21);
    for finding in &findings {
        assert!(finding.holds(), "{finding:?}");
    }
    let looked = |name: &str| {
        let finding = findings.iter().find(|finding| finding.invariant == name);
        finding.unwrap().looked
    };
    assert_eq!(
        [
            looked("ledger_equals_sums"),
            looked("quotas_equal_ledger"),
            looked("leases_equal_ledger"),
            looked("batches_tile_sums"),
        ],
        [1, 1, 1, 0]
    );
    assert_eq!(look.newest_at().await.unwrap(), Some(START));
    store.append(&of.records(1)).await.unwrap();
    drop(store);
    drop(home.open().await);
    let mut look = Inspection::open(home.path()).await.unwrap();
    assert!(
        look.check()
            .await
            .unwrap()
            .iter()
            .all(|finding| finding.holds())
    );
    assert!(!Inspection::is_owned(home.path()).unwrap());
}

/// Ten examples are enough to begin with; how many there are in all is said too.
#[tokio::test]
async fn ten_of_the_rows_that_break_an_invariant_are_named() {
    let home = Home::new();
    let store = home.open().await;
    for seed in 0..12 {
        store.append(&Use::seeded(seed).records(1)).await.unwrap();
    }
    let mut raw = home.stranger().await;
    sqlx::raw_sql("UPDATE sum SET total = total + 1")
        .execute(&mut raw)
        .await
        .unwrap();
    let findings = Inspection::open(home.path()).await.unwrap().check().await;
    let broken: Vec<_> = findings
        .unwrap()
        .into_iter()
        .filter(|finding| !finding.holds())
        .collect();
    assert_eq!(broken.len(), 1, "{broken:?}");
    assert_eq!(broken[0].invariant, "ledger_equals_sums");
    assert_eq!((broken[0].looked, broken[0].broken), (12, 12));
    assert_eq!(broken[0].examples.len(), 10);
    assert_eq!(
        broken[0].examples[0].problem,
        "records count 1, sums hold 2"
    );
}

#[tokio::test]
async fn a_database_of_other_migrations_is_named_and_not_checked() {
    let newer = "INSERT INTO monetization_migration VALUES (2, 'later', x'00', 2, 0)";
    let changed = "UPDATE monetization_migration SET checksum = x'00'";
    let older = "DELETE FROM monetization_migration";
    let none = "DROP TABLE monetization_migration";
    for (meddling, expected, said) in [
        (
            newer,
            Schema::Newer { found: 2, known: 1 },
            "has migration 2 (later), this program knows 1",
        ),
        (
            changed,
            Schema::Changed {
                version: 1,
                name: "facts_and_ledger",
            },
            "is not the one that was applied",
        ),
        (older, Schema::None, "has migration 0"),
        (none, Schema::None, "start the program that serves"),
    ] {
        let home = Home::new();
        drop(home.open().await);
        let mut raw = home.stranger().await;
        sqlx::raw_sql(meddling).execute(&mut raw).await.unwrap();
        let mut look = Inspection::open(home.path()).await.unwrap();
        assert_eq!(look.schema().await.unwrap(), expected);
        let refused = look.check().await.unwrap_err();
        assert_eq!(refused.kind(), StoreErrorKind::Broken);
        assert!(story(&refused).contains(said), "{}", story(&refused));
    }
}

#[tokio::test]
async fn a_page_that_was_overwritten_is_found() {
    let home = Home::new();
    let store = home.open().await;
    store.append(&Use::seeded(3).records(600)).await.unwrap();
    drop(store);
    let mut raw = home.stranger().await;
    sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(&mut raw)
        .await
        .unwrap();
    let root = "SELECT rootpage FROM sqlite_schema WHERE name = 'record'";
    let root: u32 = sqlx::query_scalar(root).fetch_one(&mut raw).await.unwrap();
    drop(raw);
    let mut look = Inspection::open(home.path()).await.unwrap();
    assert_eq!(look.damage().await.unwrap(), Vec::<String>::new());
    drop(look);
    let mut file = std::fs::File::options()
        .write(true)
        .open(home.path())
        .unwrap();
    let page = u64::from(root - 1) * 4_096;
    file.seek(SeekFrom::Start(page)).unwrap();
    file.write_all(&[0xff; 4_096]).unwrap();
    let mut look = Inspection::open(home.path()).await.unwrap();
    assert!(!look.damage().await.unwrap().is_empty());
}

#[tokio::test]
async fn nothing_is_made_where_there_is_no_database() {
    let home = Home::new();
    let error = Inspection::open(home.path()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(!Inspection::is_owned(home.path()).unwrap());
    assert_eq!(std::fs::read_dir(home.directory()).unwrap().count(), 0);
    drop::<SqliteStore>(home.open().await);
}
