//! A database that is looked at from outside.

use std::time::Duration;

use monetization_conformance::sample::{START, Sample};
use monetization_core::store::{Appended, Ledger, Quotas, StoreErrorKind};
use monetization_store_postgres::{Inspection, Schema};
use sqlx::{AssertSqlSafe, Executor};

use crate::home::{Home, append, spending, story};

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn a_look_neither_needs_a_store_nor_is_in_its_way() {
    let home = Home::make().await;
    let sample = Sample::seeded(11);
    let of = sample.subscriber();
    let store = home.open().await;
    for _ in 0..3 {
        append(&store, &spending(&sample, &of)).await;
    }
    let mut look = home.look().await;
    assert_eq!(look.schema().await.unwrap(), Schema::Known);
    let findings = look.check().await.unwrap();
    assert_eq!(findings.len(), 22);
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
            looked("unsealed_use_is_found"),
        ],
        [1, 1, 0, 1]
    );
    assert_eq!(look.newest_at().await.unwrap(), Some(START));
    assert_eq!(look.tenants().await.unwrap(), []);
    let lease = sample.lease(&of, 10, 5);
    store.lease(&lease).await.unwrap();
    store.close().await;
    let findings = look.check().await.unwrap();
    assert!(
        findings.iter().all(|finding| finding.holds()),
        "{findings:?}"
    );
}

/// Ten examples are enough to begin with; how many there are in all is said too.
#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn ten_of_the_rows_that_break_an_invariant_are_named() {
    let home = Home::make().await;
    let sample = Sample::seeded(12);
    let store = home.open().await;
    for _ in 0..12 {
        append(&store, &spending(&sample, &sample.subscriber())).await;
    }
    let mut owner = home.owner().await;
    let more = "UPDATE sum SET total = total + 1";
    owner.execute(more).await.unwrap();
    let findings = home.look().await.check().await.unwrap();
    let broken: Vec<_> = findings.iter().filter(|it| !it.holds()).collect();
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
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn a_database_of_other_migrations_is_named_and_not_checked() {
    let newer = "INSERT INTO migration VALUES (2, 'later', '', 2)";
    let changed = "UPDATE migration SET checksum = ''";
    let older = "DELETE FROM migration";
    let none = "DROP TABLE migration";
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
        let home = Home::make().await;
        home.owner().await.execute(meddling).await.unwrap();
        let mut look = home.look().await;
        assert_eq!(look.schema().await.unwrap(), expected);
        let refused = look.check().await.unwrap_err();
        assert_eq!(refused.kind(), StoreErrorKind::Broken);
        assert!(story(&refused).contains(said), "{}", story(&refused));
    }
}

/// An auditor needs no right but to look, and finds what belongs to everybody.
#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn whoever_may_only_look_can_check() {
    let home = Home::make().await;
    let sample = Sample::seeded(13);
    let store = home.open().await;
    for _ in 0..2 {
        append(&store, &spending(&sample, &sample.subscriber())).await;
    }
    // Roles belong to the server, which other tests use at this instant.
    let auditor = format!("auditor_{}", std::process::id());
    let mut owner = home.owner().await;
    for make in [
        format!("CREATE ROLE {auditor} LOGIN"),
        format!("GRANT monetization_inspector TO {auditor}"),
    ] {
        owner.execute(AssertSqlSafe(make)).await.unwrap();
    }
    let options = home.options_of(&auditor);
    let mut look = Inspection::open(&options).await.unwrap();
    let findings = look.check().await.unwrap();
    assert!(
        findings.iter().all(|finding| finding.holds()),
        "{findings:?}"
    );
    let sums = findings
        .iter()
        .find(|it| it.invariant == "ledger_equals_sums");
    assert_eq!(sums.unwrap().looked, 2);
    assert_eq!(look.newest_at().await.unwrap(), Some(START));
    drop(look);
    let refused = Inspection::open(&home.options_of("nobody_of_this_name")).await;
    refused.unwrap_err();
    for end in [
        format!("REVOKE monetization_inspector FROM {auditor}"),
        format!("DROP ROLE {auditor}"),
    ] {
        owner.execute(AssertSqlSafe(end)).await.unwrap();
    }
}

/// The limit of a store's statements is not that of a check, which reads all there is.
#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn a_check_takes_as_long_as_it_takes() {
    let home = Home::make().await;
    let sample = Sample::seeded(14);
    let of = sample.subscriber();
    let records = sample.records(&of, of.segment(0), 5_000);
    home.open().await.append(&records).await.unwrap();
    let hasty = home
        .options()
        .with_statement_timeout(Duration::from_millis(1));
    let findings = Inspection::open(&hasty).await.unwrap().check().await;
    assert!(findings.unwrap().iter().all(|finding| finding.holds()));
}

/// Whoever reads the whole ledger keeps the partitions of further months from being made, and nothing
/// else: waiting for them, a store would keep all others waiting behind it.
#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn a_look_that_takes_long_keeps_no_store_waiting() {
    let home = Home::make().await;
    let mut owner = home.owner().await;
    let last = "SELECT max(relname::text) FROM pg_class WHERE relname ~ '^record_[0-9_]+$'";
    let last: String = sqlx::query_scalar(last)
        .fetch_one(&mut owner)
        .await
        .unwrap();
    for table in [&last, &last.replace("record", "tallied")] {
        let drop = AssertSqlSafe(format!("DROP TABLE {table}"));
        owner.execute(drop).await.unwrap();
    }
    let look = "BEGIN READ ONLY; SELECT count(*) FROM record";
    owner.execute(look).await.unwrap();
    let sample = Sample::seeded(15);
    let record = spending(&sample, &sample.subscriber());
    let serve = async {
        let store = home.open().await;
        append(&store, &record).await;
        store.append(std::slice::from_ref(&record)).await.unwrap()
    };
    let again = tokio::time::timeout(Duration::from_secs(4), serve).await;
    assert_eq!(again.unwrap(), [Appended::Duplicate]);
    owner.execute("COMMIT").await.unwrap();
    drop(home.open().await);
    let made: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(last)
        .fetch_one(&mut owner)
        .await
        .unwrap();
    assert!(made);
}
