//! What a database keeps, handed out to be moved to another store.

use std::fmt;
use std::path::Path;

use monetization_core::entropy::Entropy;
use monetization_core::store::moving::{Page, Part, Total};
use monetization_core::store::{StoreError, StoreErrorKind, Uuid};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::connection::{self, Owner};
use crate::convert::Columns;
use crate::error::{OpenError, failed};
use crate::migrate;
use crate::options::SqliteOptions;

/// A database that is being moved to another store, and its owner meanwhile.
///
/// From its beginning on no [`SqliteStore`](crate::SqliteStore) opens the database, so that nobody sells or
/// bills from both. A move that broke off is begun again, and is the same move; one that shall not go on is
/// [given up](Self::give_up).
///
/// ```
/// use monetization_core::entropy::Entropy;
/// use monetization_core::store::moving::Part;
/// use monetization_store_sqlite::{Export, SqliteOptions, SqliteStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// let options = SqliteOptions::new(directory.path().join("market.db"));
/// drop(SqliteStore::open(&options).await?);
/// let mut export = Export::begin(&options, &Entropy::system(), "the new one").await?;
/// let page = export.page(Part::Facts, None, 1_000).await?;
/// assert_eq!((page.rows.as_str(), page.next), ("[]", None));
/// drop(export);
/// assert!(SqliteStore::open(&options).await.is_err());
/// Export::give_up(&options).await?;
/// SqliteStore::open(&options).await?;
/// # Ok(())
/// # }
/// ```
pub struct Export {
    connection: SqliteConnection,
    id: Uuid,
    _owner: Owner,
}

/// What a database says of where it was moved to.
struct Moved {
    id: Uuid,
    target: String,
    is_done: bool,
}

const BEGIN: &str = "begin to move the database";
const READ: &str = "read what is moved";
const END: &str = "end the move of the database";

impl Export {
    /// Begins to move the database to `target`, which is what people are told of where it went, or goes on with
    /// that.
    ///
    /// # Errors
    /// [`StoreError`] where another process has the database open, where it has other migrations than this
    /// program knows, where it is being moved to another target, and where it cannot be written.
    pub async fn begin(
        options: &SqliteOptions,
        entropy: &Entropy,
        target: &str,
    ) -> Result<Self, StoreError> {
        let (owner, mut connection) = own(options, BEGIN).await?;
        let moved = read(&mut connection).await;
        let id = match moved.map_err(|error| failed(BEGIN, error))? {
            Some(moved) if moved.target == target => moved.id,
            Some(Moved { target, .. }) => {
                return Err(refused(BEGIN, OpenError::MovedElsewhere { target }));
            }
            None => {
                let mut random = [0; 16];
                entropy.fill(&mut random);
                let mark = sqlx::query(
                    "INSERT INTO moved (only_row, id, target, is_done) VALUES (1, ?, ?, 0)",
                )
                .bind(random.as_slice())
                .bind(target);
                let marked = mark.execute(&mut connection).await;
                marked.map_err(|error| failed(BEGIN, error))?;
                Uuid::from_bytes(random)
            }
        };
        Ok(Self {
            connection,
            id,
            _owner: owner,
        })
    }

    /// What this move is called, whenever it is begun again.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// The rows of a part after where the page before it ended, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`] where they cannot be read.
    pub async fn page(
        &mut self,
        part: Part,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page, StoreError> {
        let rows = sqlx::query(rows_of(part))
            .bind(after.unwrap_or("[]"))
            .bind(limit)
            .fetch_all(&mut self.connection)
            .await;
        let page = rows.and_then(|rows| page(&rows, limit));
        page.map_err(|error| failed(READ, error))
    }

    /// How much there is of a part.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be read.
    pub async fn total(&mut self, part: Part) -> Result<Total, StoreError> {
        let total = sqlx::query(sqlx::AssertSqlSafe(part.total_query()))
            .fetch_one(&mut self.connection)
            .await;
        let total = total.and_then(|row| {
            let halves = (row.try_get("high")?, row.try_get("low")?);
            Ok(Total::of(row.try_get("count")?, halves))
        });
        total.map_err(|error| failed(READ, error))
    }

    /// Notes that all of it has arrived: the move cannot be given up any more.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be written.
    pub async fn end(mut self) -> Result<(), StoreError> {
        let ended = sqlx::query("UPDATE moved SET is_done = 1")
            .execute(&mut self.connection)
            .await;
        ended.map(drop).map_err(|error| failed(END, error))
    }

    /// Gives up a move that is not finished: the database can be opened again. What has arrived elsewhere is to be
    /// thrown away.
    ///
    /// # Errors
    /// [`StoreError`] where another process has the database open, where the move is finished, and where it
    /// cannot be written.
    pub async fn give_up(options: &SqliteOptions) -> Result<(), StoreError> {
        const GIVE_UP: &str = "give up the move of the database";
        let (_owner, mut connection) = own(options, GIVE_UP).await?;
        let moved = read(&mut connection).await;
        match moved.map_err(|error| failed(GIVE_UP, error))? {
            Some(Moved {
                is_done: true,
                target,
                ..
            }) => Err(refused(GIVE_UP, OpenError::MoveFinished { target })),
            Some(_) => {
                let deleted = sqlx::query("DELETE FROM moved").execute(&mut connection);
                let deleted = deleted.await;
                deleted.map(drop).map_err(|error| failed(GIVE_UP, error))
            }
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Export")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// That the database is here, and not moved.
///
/// # Errors
/// [`StoreError`] where it was, and where it cannot be read.
pub(crate) async fn require_unmoved(
    connection: &mut SqliteConnection,
    doing: &'static str,
) -> Result<(), StoreError> {
    let moved = read(connection).await;
    match moved.map_err(|error| failed(doing, error))? {
        None => Ok(()),
        Some(Moved { target, .. }) => Err(refused(doing, OpenError::Moved { target })),
    }
}

/// Takes a database that is there.
async fn own(
    options: &SqliteOptions,
    doing: &'static str,
) -> Result<(Owner, SqliteConnection), StoreError> {
    let owner = Owner::take(Path::new(&options.path))?;
    let opened = async {
        let mut connection = connection::connect(options, false).await?;
        let has = migrate::has(&mut connection).await?;
        Ok((has, connection))
    };
    let (has, connection) = opened.await.map_err(|error| failed(doing, error))?;
    has.require(doing)?;
    Ok((owner, connection))
}

fn refused(doing: &'static str, error: OpenError) -> StoreError {
    StoreError::new(StoreErrorKind::Broken, doing).because(error)
}

async fn read(connection: &mut SqliteConnection) -> sqlx::Result<Option<Moved>> {
    let row = sqlx::query("SELECT id, target, is_done FROM moved")
        .fetch_optional(connection)
        .await?;
    row.map(|row| {
        Ok(Moved {
            id: row.uuid("id")?,
            target: row.try_get("target")?,
            is_done: row.try_get("is_done")?,
        })
    })
    .transpose()
}

/// The page of these rows; there is no next one where there could be more.
fn page(rows: &[SqliteRow], limit: u32) -> sqlx::Result<Page> {
    let texts: Vec<&str> = rows
        .iter()
        .map(|row| row.try_get("row"))
        .collect::<Result<_, _>>()?;
    let is_full = rows.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    let last = rows.last().filter(|_| is_full);
    Ok(Page {
        rows: format!("[{}]", texts.join(",")),
        count: u64::try_from(rows.len()).unwrap_or(u64::MAX),
        next: last.map(|row| row.try_get("place")).transpose()?,
    })
}

/// Rows of a table as JSON, and the place of each, after the place `?1`, at most `?2`.
fn rows_of(part: Part) -> &'static str {
    match part {
        Part::Facts => include_str!("../sql/export/fact.sql"),
        Part::FactKeys => include_str!("../sql/export/fact_key.sql"),
        Part::ChangeSets => include_str!("../sql/export/change_set.sql"),
        Part::Inbox => include_str!("../sql/export/inbox.sql"),
        Part::Intents => include_str!("../sql/export/intent.sql"),
        Part::Segments => include_str!("../sql/export/segment.sql"),
        Part::Records => include_str!("../sql/export/record.sql"),
        Part::Tallied => include_str!("../sql/export/tallied.sql"),
        Part::Tallies => include_str!("../sql/export/tally.sql"),
        Part::Events => include_str!("../sql/export/event.sql"),
        Part::Sums => include_str!("../sql/export/sum.sql"),
        Part::Quotas => include_str!("../sql/export/quota.sql"),
        Part::Leases => include_str!("../sql/export/lease.sql"),
        Part::Batches => include_str!("../sql/export/batch.sql"),
        Part::Jobs => include_str!("../sql/export/job.sql"),
    }
}
