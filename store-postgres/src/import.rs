//! What another store kept, moved here.

use std::collections::BTreeMap;
use std::fmt;

use monetization_core::store::moving::{Page, Part, Total};
use monetization_core::store::{StoreError, StoreErrorKind, Uuid};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::connection;
use crate::convert::Columns;
use crate::error::failed;
use crate::migrate;
use crate::options::PostgresOptions;

/// A database to which another store is being moved.
///
/// Until the [end](Self::end) no [`PostgresStore`](crate::PostgresStore) opens it. Each page is written in one
/// transaction with how far the move has come (of segments, which refer to each other, all pages), so a
/// move that broke off goes on where it was.
///
/// ```no_run
/// use monetization_core::store::Uuid;
/// use monetization_core::store::moving::{Page, Part};
/// use monetization_store_postgres::{Import, PostgresOptions};
///
/// # async fn page_of(_: Part, _: Option<&str>) -> Page {
/// #     Page { rows: "[]".to_owned(), count: 0, next: None }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let source = Uuid::nil();
/// let options = PostgresOptions::new("postgres://market@127.0.0.1/market")?;
/// let mut import = Import::begin(&options, source).await?;
/// while let Some((part, after)) = import.place() {
///     let page = page_of(part, after.as_deref()).await;
///     import.take(part, &page).await?;
/// }
/// import.end().await?;
/// # Ok(())
/// # }
/// ```
pub struct Import {
    connection: PgConnection,
    /// Parts that are not complete, and where their next page begins.
    left: BTreeMap<Part, Option<String>>,
    is_ended: bool,
    is_in_transaction: bool,
}

/// The row of `moving` that stands for what is done in the end.
const END: &str = "end";
const BEGIN: &str = "begin to move a store here";
const WRITE: &str = "write what is moved";

impl Import {
    /// Begins to move a store here, or goes on with that. The database is migrated first, as by a store that is
    /// opened. `source` is what the move is called where it comes from.
    ///
    /// # Errors
    /// [`StoreError`] where there is something in the database already, or a store has it open; where another
    /// store was moved here, wholly or in part; and where the database cannot be reached or migrated.
    pub async fn begin(options: &PostgresOptions, source: Uuid) -> Result<Self, StoreError> {
        let connected = connection::connect_to_move(options).await;
        let mut connection = connected.map_err(|error| failed(BEGIN, error))?;
        migrate::migrate(&mut connection).await?;
        let known = begin(&mut connection, source).await;
        let rows = known.map_err(|error| failed(BEGIN, error))??;
        let left = Part::ALL.into_iter().filter_map(|part| {
            let row = rows.iter().find(|row| row.part == part.table());
            let row = row.filter(|row| !row.is_complete)?;
            Some((part, row.next.clone()))
        });
        Ok(Self {
            connection,
            left: left.collect(),
            is_ended: rows.iter().any(|row| row.part == END && row.is_complete),
            is_in_transaction: false,
        })
    }

    /// Which page is to come: of this part, after this place; `None` where all are here.
    #[must_use]
    pub fn place(&self) -> Option<(Part, Option<String>)> {
        let (part, after) = self.left.first_key_value()?;
        Some((*part, after.clone()))
    }

    /// Whether the move has come to its end before: then there is nothing to compare any more, since the
    /// database may have been served from.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Writes a page of the part that [`place`](Self::place) says.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be written. Then this is of no more use: begin again.
    pub async fn take(&mut self, part: Part, page: &Page) -> Result<(), StoreError> {
        let written = self.write(part, page).await;
        written.map_err(|error| failed(WRITE, error))?;
        if page.next.is_some() {
            self.left.insert(part, page.next.clone());
        } else {
            self.left.remove(&part);
        }
        Ok(())
    }

    async fn write(&mut self, part: Part, page: &Page) -> sqlx::Result<()> {
        let connection = &mut self.connection;
        if !self.is_in_transaction {
            sqlx::raw_sql("BEGIN; SET CONSTRAINTS ALL DEFERRED")
                .execute(&mut *connection)
                .await?;
            self.is_in_transaction = true;
        }
        if part == Part::Records {
            sqlx::query(include_str!("../sql/make_months_of_page.sql"))
                .bind(&page.rows)
                .execute(&mut *connection)
                .await?;
        }
        let table = part.table();
        let insert = format!(
            "INSERT INTO {table} OVERRIDING SYSTEM VALUE
            SELECT * FROM json_populate_recordset(NULL::monetization.{table}, $1::json)"
        );
        sqlx::query(AssertSqlSafe(insert))
            .bind(&page.rows)
            .execute(&mut *connection)
            .await?;
        sqlx::query("UPDATE moving SET next = $2, is_complete = $3 WHERE part = $1")
            .bind(table)
            .bind(page.next.as_deref())
            .bind(page.next.is_none())
            .execute(&mut *connection)
            .await?;
        if part != Part::Segments || page.next.is_none() {
            sqlx::raw_sql("COMMIT").execute(&mut *connection).await?;
            self.is_in_transaction = false;
        }
        Ok(())
    }

    /// How much there is of a part.
    ///
    /// # Errors
    /// [`StoreError`] where it cannot be read.
    pub async fn total(&mut self, part: Part) -> Result<Total, StoreError> {
        let total = sqlx::query(AssertSqlSafe(part.total_query()))
            .fetch_one(&mut self.connection)
            .await;
        let total = total.and_then(|row| {
            let halves = (row.value("high")?, row.value("low")?);
            Ok(Total::of(row.value("count")?, halves))
        });
        total.map_err(|error| failed("count what was moved", error))
    }

    /// Ends the move: stores may open the database from now on.
    ///
    /// # Errors
    /// [`StoreError`] where something was not moved yet, and where it cannot be written.
    pub async fn end(mut self) -> Result<(), StoreError> {
        const DOING: &str = "end the move";
        if let Some((part, _)) = self.place() {
            let missing = part.table().to_owned();
            return Err(refused(DOING, MoveError::Unfinished { missing }));
        }
        if self.is_ended {
            return Ok(());
        }
        let ended = async {
            let mut transaction = self.connection.begin().await?;
            sqlx::raw_sql(include_str!("../sql/finish_moving.sql"))
                .execute(&mut *transaction)
                .await?;
            sqlx::query("UPDATE moving SET is_complete = true WHERE part = $1")
                .bind(END)
                .execute(&mut *transaction)
                .await?;
            transaction.commit().await
        };
        ended.await.map_err(|error| failed(DOING, error))
    }
}

impl fmt::Debug for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Import")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

/// That no other store is being moved here.
///
/// # Errors
/// [`StoreError`] where one is, and where the database cannot be read.
pub(crate) async fn require_whole(
    connection: &mut PgConnection,
    doing: &'static str,
) -> Result<(), StoreError> {
    let is_moving = "SELECT EXISTS (SELECT FROM moving WHERE NOT is_complete)";
    let is_moving: bool = sqlx::query_scalar(is_moving)
        .fetch_one(connection)
        .await
        .map_err(|error| failed(doing, error))?;
    if is_moving {
        return Err(refused(doing, MoveError::Moving));
    }
    Ok(())
}

/// Why a database cannot be opened or moved to.
#[derive(Debug, thiserror::Error)]
enum MoveError {
    /// Who is billed from half of what was used is billed too little.
    #[error("another store is being moved here: finish that first")]
    Moving,
    /// What is there would be mixed with what comes.
    #[error(
        "there is something in the database already, or a store has it open: move to an empty one"
    )]
    NotEmpty,
    /// It would have parts of both.
    #[error("a part of another store was moved here before: move to an empty database")]
    OtherSource,
    /// Nobody may serve from a part of it.
    #[error("{missing} was not moved yet")]
    Unfinished { missing: String },
}

/// A row of `moving`.
struct Row {
    part: String,
    next: Option<String>,
    is_complete: bool,
}

/// Says that a store is being moved here, unless that was said, and answers how far it has come.
async fn begin(
    connection: &mut PgConnection,
    source: Uuid,
) -> sqlx::Result<Result<Vec<Row>, StoreError>> {
    let mut transaction = connection.begin().await?;
    sqlx::raw_sql("LOCK TABLE moving IN EXCLUSIVE MODE")
        .execute(&mut *transaction)
        .await?;
    let sources: Vec<Uuid> = sqlx::query_scalar("SELECT DISTINCT source FROM moving")
        .fetch_all(&mut *transaction)
        .await?;
    match sources.as_slice() {
        [] => {
            let is_used: bool = sqlx::query_scalar(
                "SELECT EXISTS (SELECT FROM fact) OR EXISTS (SELECT FROM record)
                    OR EXISTS (SELECT FROM opening WHERE lapses_at > now_micros())",
            )
            .fetch_one(&mut *transaction)
            .await?;
            if is_used {
                return Ok(Err(refused(BEGIN, MoveError::NotEmpty)));
            }
            let parts: Vec<&str> = Part::ALL
                .into_iter()
                .map(Part::table)
                .chain([END])
                .collect();
            let note = "INSERT INTO moving (part, source, is_complete)
                SELECT part, $2, false FROM unnest($1::text[]) AS part";
            sqlx::query(note)
                .bind(parts)
                .bind(source)
                .execute(&mut *transaction)
                .await?;
        }
        [known] if *known == source => {}
        _ => return Ok(Err(refused(BEGIN, MoveError::OtherSource))),
    }
    let rows = sqlx::query("SELECT part, next, is_complete FROM moving")
        .fetch_all(&mut *transaction)
        .await?;
    transaction.commit().await?;
    let read = rows.iter().map(|row| {
        Ok(Row {
            part: row.value("part")?,
            next: row.value("next")?,
            is_complete: row.value("is_complete")?,
        })
    });
    read.collect::<sqlx::Result<_>>().map(Ok)
}

fn refused(doing: &'static str, error: MoveError) -> StoreError {
    StoreError::new(StoreErrorKind::Broken, doing).because(error)
}
