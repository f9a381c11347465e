use std::sync::Arc;

use monetization_core::money::Quantity;
use monetization_core::store::{
    Applied, Directory, LeaseAnswer, Ledger, Quotas, Rows, StoreError, StoreErrorKind,
};
use monetization_store_sqlite::SqliteStore;
use sqlx::SqliteConnection;
use tokio::sync::Semaphore;

use crate::sample::{Home, Use, damage, new_ones};

const WRITERS: usize = 64;
const ROUNDS: usize = 10;

/// R-D4: nobody is ever told that the file is busy, although somebody else keeps locking it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_writers_beside_a_stranger_are_never_told_that_the_file_is_busy() {
    let home = Home::new();
    let store = Arc::new(home.open().await);
    let progress = Arc::new(Semaphore::new(0));
    let writers: Vec<_> = (0..)
        .take(WRITERS)
        .map(|seed| {
            let (store, progress) = (Arc::clone(&store), Arc::clone(&progress));
            tokio::spawn(write(store, Use::seeded(seed), progress))
        })
        .collect();
    let stranger = tokio::spawn(lock_now_and_then(home.stranger().await, progress));
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    let mut stranger = stranger.await.unwrap();
    for (table, rows) in [("record", 2), ("fact", 1), ("lease", 1)] {
        let count = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let count: i64 = sqlx::query_scalar(count)
            .fetch_one(&mut stranger)
            .await
            .unwrap();
        assert_eq!(
            usize::try_from(count).unwrap(),
            rows * ROUNDS * WRITERS,
            "{table}"
        );
    }
    assert_eq!(damage(&mut stranger).await, Vec::<String>::new());
}

async fn write(
    store: Arc<SqliteStore>,
    of: Use,
    progress: Arc<Semaphore>,
) -> Result<(), StoreError> {
    for _ in 0..ROUNDS {
        let request = of.lease(1_000_000);
        let answer = store.lease(&request).await?;
        assert!(matches!(answer, LeaseAnswer::Granted { .. }), "{answer:?}");
        let mut leased = of.record();
        leased.spent = vec![of.spent(Some(request.id))];
        let answers = store.append(&[leased, of.record()]).await?;
        assert_eq!(new_ones(&answers), 2);
        assert_eq!(store.apply(&of.change()).await?, Applied::New);
        store.settle(of.tenant, request.id).await?;
        progress.add_permits(1);
    }
    Ok(())
}

/// Takes the lock for writing whenever the writers have come a bit further, each time for some
/// reads.
async fn lock_now_and_then(
    mut connection: SqliteConnection,
    progress: Arc<Semaphore>,
) -> SqliteConnection {
    const LOCKS: usize = 20;
    let patience = "PRAGMA busy_timeout = 60000";
    sqlx::raw_sql(patience)
        .execute(&mut connection)
        .await
        .unwrap();
    let rounds = u32::try_from(WRITERS * ROUNDS / LOCKS).unwrap();
    for _ in 0..LOCKS {
        progress.acquire_many(rounds).await.unwrap().forget();
        let reads = "BEGIN IMMEDIATE; SELECT count(*) FROM record; SELECT count(*) FROM fact;
            SELECT sum(total) FROM sum; COMMIT";
        sqlx::raw_sql(reads).execute(&mut connection).await.unwrap();
    }
    connection
}

#[tokio::test]
async fn a_write_that_fails_leaves_nothing_and_gives_the_lock_back() {
    let home = Home::new();
    let store = home.open().await;
    let of = Use::seeded(1);
    let mut senseless = of.record();
    senseless.counted[0].quantity = Quantity::from_scaled(-1);
    let mut stranger = home.stranger().await;
    for _ in 0..3 {
        let error = store.append(&[of.record(), senseless.clone()]).await;
        assert_eq!(error.unwrap_err().kind(), StoreErrorKind::Broken);
        let lock = "PRAGMA busy_timeout = 0; BEGIN IMMEDIATE; ROLLBACK";
        sqlx::raw_sql(lock).execute(&mut stranger).await.unwrap();
        assert_eq!(of.total(&store).await, 0);
    }
    store.append(&[of.record()]).await.unwrap();
    assert_eq!(of.total(&store).await, 1);
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
