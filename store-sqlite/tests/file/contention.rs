use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use monetization_core::store::{Applied, Directory, LeaseAnswer, Ledger, Quotas, Rows, StoreError};
use monetization_store_sqlite::SqliteStore;
use sqlx::SqliteConnection;

use crate::sample::{Home, Use, damage, new_ones};

/// R-D4: nobody is ever told that the file is busy, although somebody else keeps locking it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_writers_beside_a_stranger_are_never_told_that_the_file_is_busy() {
    const WRITERS: u64 = 64;
    const ROUNDS: usize = 20;
    let home = Home::new();
    let store = Arc::new(home.open().await);
    let writers: Vec<_> = (0..WRITERS)
        .map(|seed| tokio::spawn(write(Arc::clone(&store), Use::seeded(seed), ROUNDS)))
        .collect();
    let done = Arc::new(AtomicBool::new(false));
    let stranger = tokio::spawn(lock_now_and_then(home.stranger().await, Arc::clone(&done)));
    for writer in writers {
        let written = writer.await.unwrap().unwrap();
        assert_eq!(written, i64::try_from(ROUNDS).unwrap());
    }
    done.store(true, Ordering::Relaxed);
    let (mut stranger, locks) = stranger.await.unwrap();
    assert!(locks > 0, "the stranger never had the lock");
    for (table, rows) in [("record", 2), ("fact", 1), ("lease", 1)] {
        let count = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let count: i64 = sqlx::query_scalar(count)
            .fetch_one(&mut stranger)
            .await
            .unwrap();
        let expected = rows * ROUNDS * usize::try_from(WRITERS).unwrap();
        assert_eq!(usize::try_from(count).unwrap(), expected, "{table}");
    }
    assert_eq!(damage(&mut stranger).await, Vec::<String>::new());
}

async fn write(store: Arc<SqliteStore>, of: Use, rounds: usize) -> Result<i64, StoreError> {
    let mut written = 0;
    for _ in 0..rounds {
        let request = of.lease(1_000_000);
        let answer = store.lease(&request).await?;
        assert!(matches!(answer, LeaseAnswer::Granted { .. }), "{answer:?}");
        let mut leased = of.record();
        leased.spent = vec![of.spent(Some(request.id))];
        let answers = store.append(&[leased, of.record()]).await?;
        assert_eq!(new_ones(&answers), 2);
        assert_eq!(store.apply(&of.change()).await?, Applied::New);
        store.settle(of.tenant, request.id).await?;
        written += 1;
    }
    Ok(written)
}

/// Takes the lock for writing as often as it can have it, and gives it back.
async fn lock_now_and_then(
    mut connection: SqliteConnection,
    done: Arc<AtomicBool>,
) -> (SqliteConnection, usize) {
    let mut locks = 0;
    while !done.load(Ordering::Relaxed) {
        let begun = sqlx::raw_sql("BEGIN IMMEDIATE")
            .execute(&mut connection)
            .await;
        if begun.is_ok() {
            for _ in 0..20 {
                sqlx::raw_sql("SELECT count(*) FROM record")
                    .execute(&mut connection)
                    .await
                    .unwrap();
            }
            sqlx::raw_sql("COMMIT")
                .execute(&mut connection)
                .await
                .unwrap();
            locks += 1;
        }
        tokio::task::yield_now().await;
    }
    (connection, locks)
}

#[tokio::test]
async fn readers_do_not_wait_for_a_writer() {
    let home = Home::new();
    let store = home.open().await;
    let of = Use::seeded(1);
    store.append(&[of.record()]).await.unwrap();
    store.apply(&of.change()).await.unwrap();
    let mut stranger = home.stranger().await;
    let write = "BEGIN IMMEDIATE; DELETE FROM fact; UPDATE sum SET total = 9";
    sqlx::raw_sql(write).execute(&mut stranger).await.unwrap();
    let record = [of.record()];
    let mut waiting = Box::pin(store.append(&record));
    for _ in 0..10 {
        assert!(futures::poll!(&mut waiting).is_pending());
        assert_eq!(of.total(&store).await, 1);
        assert_eq!(store.changes(0, 10).await.unwrap().len(), 1);
    }
    sqlx::raw_sql("ROLLBACK")
        .execute(&mut stranger)
        .await
        .unwrap();
    waiting.await.unwrap();
    assert_eq!(of.total(&store).await, 2);
}
