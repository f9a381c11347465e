//! The life of a store that is open: what its blocks of strict quotas belong to.
//!
//! Each opening is a row with an instant at which it lapses, on the database's time. While the
//! store lives it puts that off, three times as often as it has to. Blocks of an opening that has
//! lapsed are orphans: whoever settles them takes the opening's row away first, in the same
//! transaction, and from then on nothing is handed out in its name.
//!
//! A store that slept for longer finds its row gone and begins anew, under another number. What it
//! had handed out before is settled; records that were to be spent from it are refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use monetization_core::clock::Clock;
use monetization_core::store::StoreError;
use sqlx::PgConnection;
use tokio::task::AbortHandle;

use crate::connection::{Connections, Done, Role};
use crate::error::is_locked;
use crate::micros;

/// Dropped with the store; its row lapses by itself then.
///
/// ```text
/// begin ──► kept ──► kept ──► …           the store lives
///             └──► lapsed ──► settled      it was not heard of, and somebody has asked for orphans
///                               └──► begin anew, under another number
/// ```
#[derive(Debug)]
pub(crate) struct Opening {
    number: Arc<AtomicI64>,
    keeping: AbortHandle,
}

/// What it takes to keep an opening's row.
struct Keeping {
    connections: Connections,
    clock: Option<Clock>,
    lease: Duration,
}

impl Opening {
    /// Makes a row, and keeps it for as long as this lives.
    ///
    /// # Errors
    /// [`StoreError`] where the database cannot.
    pub(crate) async fn begin(
        connections: Connections,
        clock: Option<Clock>,
        lease: Duration,
    ) -> Result<Self, StoreError> {
        let keeping = Keeping {
            connections,
            clock,
            lease,
        };
        let number = Arc::new(AtomicI64::new(keeping.keep(0).await?));
        keeping.make_months().await?;
        let keeping = tokio::spawn(keeping.run(Arc::clone(&number))).abort_handle();
        Ok(Self { number, keeping })
    }

    /// Its number as of now.
    pub(crate) fn number(&self) -> i64 {
        self.number.load(Ordering::Acquire)
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.keeping.abort();
    }
}

impl Keeping {
    /// Puts off when the row lapses, and makes months, for as long as it is polled.
    async fn run(self, number: Arc<AtomicI64>) {
        tokio::join!(self.keep_on(&number), self.make_months_on());
    }

    async fn keep_on(&self, number: &AtomicI64) {
        let pause = self.lease.checked_div(3).unwrap_or(self.lease);
        loop {
            tokio::time::sleep(pause).await;
            // An error is no news here: whatever else is asked of the database fails as well.
            if let Ok(kept) = self.keep(number.load(Ordering::Acquire)).await {
                number.store(kept, Ordering::Release);
            }
        }
    }

    async fn make_months_on(&self) {
        loop {
            tokio::time::sleep(MONTHS_EVERY).await;
            drop(self.make_months().await);
        }
    }

    /// Makes the ledger's partitions of this month and the next ones, where they are missing. Where
    /// somebody reads the whole ledger they are made another time: there are some months left.
    async fn make_months(&self) -> Result<(), StoreError> {
        const DOING: &str = "make the ledger's partitions";
        let made = self
            .connections
            .write(DOING, Role::Ledger, (), |connection, ()| {
                Box::pin(make_months(connection))
            });
        made.await
    }

    /// Puts off when the opening of this number lapses, and answers the number; that of a new one,
    /// where it is gone.
    async fn keep(&self, number: i64) -> Result<i64, StoreError> {
        let asked_at = self.clock.as_ref().map(|clock| clock.now().as_micros());
        let of = (number, asked_at, micros(self.lease));
        let kept = self.connections.write(
            "say that the store is open",
            Role::Ledger,
            of,
            |connection, of| Box::pin(keep(connection, of)),
        );
        kept.await
    }
}

/// How often it is looked whether partitions are missing.
const MONTHS_EVERY: Duration = Duration::from_secs(3_600);

async fn make_months(connection: &mut PgConnection) -> sqlx::Result<Done<()>> {
    // Whoever waits for a lock keeps others waiting behind it.
    let briefly = "SET LOCAL lock_timeout = '200ms'";
    sqlx::query(briefly).execute(&mut *connection).await?;
    let made = sqlx::query(include_str!("../sql/make_months.sql"))
        .execute(connection)
        .await;
    match made {
        Err(error) if is_locked(&error) => Ok(Done::Undo(())),
        made => made.map(|_| Done::Commit(())),
    }
}

async fn keep(
    connection: &mut PgConnection,
    (number, asked_at, lease): &(i64, Option<i64>, i64),
) -> sqlx::Result<Done<i64>> {
    let keep = "UPDATE opening SET lapses_at = coalesce($2, now_micros()) + $3 WHERE number = $1";
    let kept = sqlx::query(keep)
        .bind(number)
        .bind(*asked_at)
        .bind(lease)
        .execute(&mut *connection)
        .await?;
    if kept.rows_affected() == 1 {
        return Ok(Done::Commit(*number));
    }
    let begin = "INSERT INTO opening (lapses_at) VALUES (coalesce($1, now_micros()) + $2)
        RETURNING number";
    let begun = sqlx::query_scalar(begin)
        .bind(*asked_at)
        .bind(lease)
        .fetch_one(connection);
    begun.await.map(Done::Commit)
}
