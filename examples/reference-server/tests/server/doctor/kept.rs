//! The database and what is in it.

use std::fs;
use std::io::{Seek, SeekFrom, Write};

use reference_server::doctor::Verdict;

use super::super::check::database;
use super::{assert_problem, left_behind, look, look_at, meddle, options};

#[tokio::test]
async fn a_database_of_another_program_is_named() {
    for (by, said) in [
        (
            "INSERT INTO monetization_migration (version, name, checksum, needs, applied_at)
            VALUES (99, 'later', x'00', 99, 0)",
            "made by a newer release: it has migration 99",
        ),
        (
            "UPDATE monetization_migration SET checksum = x'00'",
            "is not that of this release",
        ),
    ] {
        let folder = left_behind().await;
        meddle(folder.path(), by).await;
        assert_problem(&look(options(folder.path())).await, "database", said);
    }
    let folder = left_behind().await;
    meddle(folder.path(), "DELETE FROM monetization_migration").await;
    let found = look(options(folder.path())).await;
    assert!(found.is_healthy(), "{found:?}");
    let mut lines = found.lines().iter();
    let older = lines.find(|line| line.subject == "database").unwrap();
    assert!(older.verdict == Verdict::Warn && older.found.contains("start the server"));
}

#[tokio::test]
async fn a_damaged_database_is_named() {
    let folder = left_behind().await;
    let path = folder.path().join("monetization.db");
    let mut raw = database(folder.path()).await;
    let root = "SELECT rootpage FROM sqlite_schema WHERE name = 'record'";
    let root: u32 = sqlx::query_scalar(root).fetch_one(&mut raw).await.unwrap();
    sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        .execute(&mut raw)
        .await
        .unwrap();
    drop(raw);
    let mut file = fs::File::options().write(true).open(&path).unwrap();
    let page = u64::from(root - 1) * 4_096;
    file.seek(SeekFrom::Start(page)).unwrap();
    file.write_all(&[0xff; 4_096]).unwrap();
    drop(file);
    assert_problem(&look(options(folder.path())).await, "database", "damaged");
    fs::write(&path, [0x55; 8_192]).unwrap();
    let found = look(options(folder.path())).await;
    assert_problem(&found, "database", "not a database");
}

#[tokio::test]
async fn a_clock_that_is_behind_what_is_recorded_is_named() {
    let folder = left_behind().await;
    let found = look_at(options(folder.path()), "2026-02-28T23:59:30Z").await;
    assert!(found.is_healthy(), "less than a minute: {found:?}");
    let found = look_at(options(folder.path()), "2026-02-28T23:58:00Z").await;
    assert_problem(&found, "clock", "120 seconds before the newest record");
}

#[tokio::test]
async fn an_engine_that_is_unknown_or_another_is_named() {
    let folder = left_behind().await;
    let mut unknown = options(&folder.path().join("new"));
    unknown.engine = Some("paypal".to_owned());
    let found = look(unknown).await;
    assert_problem(&found, "engine", "known are mock, none");
    let mut none = options(folder.path());
    none.engine = Some("none".to_owned());
    let found = look(none).await;
    assert_problem(&found, "engine", "begun with mock, the settings say none");
}

#[tokio::test]
async fn what_waits_for_an_operator_is_named() {
    let folder = left_behind().await;
    meddle(
        folder.path(),
        "INSERT INTO intent VALUES (randomblob(16), randomblob(16), '{}', 0, 100, 'parked', 'no such plan', 0,
            100, NULL)",
    )
    .await;
    let found = look(options(folder.path())).await;
    assert_problem(&found, "held", "no such plan");
    meddle(folder.path(), "DELETE FROM intent WHERE state = 'parked'").await;
    meddle(
        folder.path(),
        "INSERT INTO batch (id, tenant, segment, origin, meter, from_total, to_total, engine, realm, mode,
            used_at, body, state, reason, attempts, due_at, fence)
        SELECT randomblob(16), tenant, segment.number, segment.number, meter.number, 0, 1, 'mock', 'acct_1',
            'test', 0, x'', 'rejected', 'too old', 1, 0, 1
        FROM segment JOIN meter",
    )
    .await;
    let found = look(options(folder.path())).await;
    assert_problem(&found, "held", "rejected: too old");
}
