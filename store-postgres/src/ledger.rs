//! The ledger: records, the sums of what they count, the counters of what they spend.
//!
//! An append is one transaction of about seven statements, however many records it has. Several
//! processes append at once; the rows that decide about a record are held until the commit:
//!
//! | row | held against | by |
//! |---|---|---|
//! | the segment that pays | being closed | `FOR KEY SHARE`, with other appends |
//! | blocks, tallies | everybody | `FOR NO KEY UPDATE` |
//! | the record's key, the event's id | being written twice | the unique index |
//! | sums, counters | others that add | the row that is written |
//!
//! All of them are taken in this order, and those of one table in the order of their keys, so that
//! no two appends wait for each other.
//!
//! Most appends hold records that are new and are all taken. So an append first believes that, and
//! lets the unique indexes tell which records are known; one that turns out otherwise is undone and
//! begins again with care: it looks records up and reads sums and counters before it judges.

use std::sync::Arc;

use async_trait::async_trait;
use monetization_core::ids::{RecordId, SegmentId, TenantId, TypedId};
use monetization_core::store::{Appended, Ledger, SegmentRow, StoreError, StoreErrorKind};
use monetization_core::usage::{Sum, UsageRecord};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use crate::PostgresStore;
use crate::connection::{Done, Role};
use crate::convert::{self, Columns};
use crate::error::{failed, is_overflow};
use crate::ledger::book::Book;
use crate::ledger::judge::Judged;

mod book;
mod evidence;
mod judge;
mod write;

#[async_trait]
impl Ledger for PostgresStore {
    async fn append(&self, records: &[UsageRecord]) -> Result<Vec<Appended>, StoreError> {
        const DOING: &str = "append to the ledger";
        let records: Arc<[UsageRecord]> = records.into();
        let mut careful = false;
        for _ in 0..TRIES_MAX {
            let of = (Arc::clone(&records), careful);
            let outcome = self.connections.write(
                DOING,
                Role::Ledger,
                of,
                |connection, (records, careful)| Box::pin(append(connection, records, *careful)),
            );
            match outcome.await? {
                Outcome::Appended(appended) => return Ok(appended),
                Outcome::Careful => careful = true,
                Outcome::Again => {}
            }
        }
        Err(StoreError::new(StoreErrorKind::Unavailable, DOING))
    }

    async fn sums(&self, tenant: TenantId, segment: SegmentId) -> Result<Vec<Sum>, StoreError> {
        let query = sqlx::query(include_str!("../sql/read_sums.sql"))
            .bind(tenant.uuid())
            .bind(segment.uuid());
        let role = Role::Tenant(tenant);
        self.read_all("read sums", role, query, convert::sum).await
    }

    async fn sums_of_origin(
        &self,
        tenant: TenantId,
        origin: SegmentId,
    ) -> Result<Vec<Sum>, StoreError> {
        let query = sqlx::query(include_str!("../sql/read_sums_of_origin.sql"))
            .bind(tenant.uuid())
            .bind(origin.uuid());
        let role = Role::Tenant(tenant);
        self.read_all("read sums", role, query, convert::sum).await
    }

    async fn segment(
        &self,
        tenant: TenantId,
        segment: SegmentId,
    ) -> Result<Option<SegmentRow>, StoreError> {
        let query = sqlx::query(include_str!("../sql/read_segment.sql"))
            .bind(tenant.uuid())
            .bind(segment.uuid());
        let role = Role::Tenant(tenant);
        self.read_one("read a segment", role, query, segment_row)
            .await
    }

    async fn records(
        &self,
        tenant: TenantId,
        segment: SegmentId,
        after: Option<RecordId>,
        limit: usize,
    ) -> Result<Vec<UsageRecord>, StoreError> {
        let read = self.connections.search(
            Role::Tenant(tenant),
            async |connection: &mut PgConnection| {
                evidence::read(connection, (tenant, segment), after, limit).await
            },
        );
        read.await.map_err(|error| failed("read records", error))
    }
}

/// How often an append is begun before it is given up.
const TRIES_MAX: u32 = 20;

/// What came of one attempt to append.
enum Outcome {
    Appended(Vec<Appended>),
    /// Nothing: not all is as it was believed to be.
    Careful,
    /// Nothing: somebody else has just written what was to be.
    Again,
}

/// A row of `segment`.
fn segment_row(row: &PgRow) -> sqlx::Result<SegmentRow> {
    Ok(SegmentRow {
        segment: convert::segment(row)?,
        successor: row.optional_id("successor")?,
    })
}

/// One attempt to append.
async fn append(
    connection: &mut PgConnection,
    records: &[UsageRecord],
    careful: bool,
) -> sqlx::Result<Done<Outcome>> {
    match try_append(connection, records, careful).await {
        Ok(Outcome::Appended(appended)) => Ok(Done::Commit(Outcome::Appended(appended))),
        Ok(otherwise) => Ok(Done::Undo(otherwise)),
        Err(error) if is_overflow(&error) => Ok(Done::Undo(Outcome::Careful)),
        Err(error) => Err(error),
    }
}

/// Reads and holds what decides about the records, judges them, and writes what is taken. What is
/// written before the outcome is clear is undone where it is not that they were appended.
async fn try_append(
    connection: &mut PgConnection,
    records: &[UsageRecord],
    careful: bool,
) -> sqlx::Result<Outcome> {
    let mut book = Book::load(connection, records).await?;
    if careful {
        book.load_what_is_known(connection, records).await?;
    }
    let mut judged = Judged::of(book.clone(), records)?;
    if judged.refuses() && !careful {
        return Ok(Outcome::Careful);
    }
    let known = write::events(connection, &judged.draft.events).await?;
    if !known.is_empty() {
        if careful {
            return Ok(Outcome::Again);
        }
        book.learn_events(connection, &known).await?;
        judged = Judged::of(book.clone(), records)?;
    }
    let known = write::records(connection, &judged.draft.records).await?;
    if !known.is_empty() {
        if careful {
            return Ok(Outcome::Again);
        }
        book.learn_records(known);
        judged = Judged::of(book, records)?;
    }
    Ok(if judged.draft.write(connection).await? {
        Outcome::Appended(judged.appended)
    } else {
        Outcome::Again
    })
}
